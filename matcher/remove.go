package matcher

import "runtime"

const (
	// mergeLanes is the size at which a block looks for a neighbour to join.
	mergeLanes = 6
	// mergeBlocks is the same of a page, and joinBlocks what a neighbour may have.
	mergeBlocks = 6
	joinBlocks  = 20
)

// Remove takes a subscription out. A handle that names none is refused with
// Kind UnknownHandle. It needs memory of its own for a moment, which Insert
// leaves; while readers keep it from being freed again, Remove waits for them.
// Where there is no room to join blocks and pages that have become small, they
// stay small.
func (s *Store) Remove(h Handle) error {
	if !s.known(&s.handles, uint32(h)) || s.isPart(uint32(h)) {
		return &Error{Op: "remove", Kind: UnknownHandle}
	}
	places := s.placesOf(uint32(h))
	reserve := s.a.reserve
	s.a.reserve = 0
	defer func() { s.a.reserve = reserve }()
	for frugal := false; ; {
		s.begin("remove")
		s.tx.frugal = frugal
		tag, err := s.remove(uint32(h))
		if err == nil {
			err = s.commit()
		}
		if err == nil {
			s.forgetOwner(tag)
			s.wholes[places]--
			return nil
		}
		s.abandon()
		switch {
		case !frugal:
			frugal = true
		case s.limboHead == len(s.limbo):
			return err
		default:
			runtime.Gosched()
			s.reclaim()
		}
	}
}

// placesOf returns the number of places of a subscription.
func (s *Store) placesOf(h uint32) uint32 {
	e := uint32(s.entry(&s.handles, h))
	if e&wholeBit == 0 {
		return 1
	}
	return s.a.h[2*(e&^wholeBit)+wholeParts]
}

func (s *Store) forgetOwner(tag uint64) {
	if s.maxPerOwner == 0 {
		return
	}
	if s.owners[owner(tag)]--; s.owners[owner(tag)] == 0 {
		delete(s.owners, owner(tag))
	}
}

// isPart reports whether a handle is of a part, and so nobody's.
func (s *Store) isPart(h uint32) bool {
	e := uint32(s.entry(&s.handles, h))
	if e&wholeBit != 0 {
		return false
	}
	b := s.a.block(low(s.entry(&s.blocks, e)))
	_, part := b.masks(&s.a)
	return part>>b.findHandle(&s.a, h)&1 != 0
}

func (s *Store) remove(h uint32) (tag uint64, err error) {
	s.tx.root.subs--
	e := uint32(s.entry(&s.handles, h))
	s.freeID(&s.handles, h)
	if e&wholeBit == 0 {
		return s.cut(h, e)
	}
	whole := e &^ wholeBit
	tag = s.a.w[whole+wholeTag]
	for i := range s.a.h[2*whole+wholeParts] {
		part := s.a.h[2*whole+wholeParts+1+i]
		e := uint32(s.entry(&s.handles, part))
		s.freeID(&s.handles, part)
		if _, err := s.cut(part, e); err != nil {
			return 0, err
		}
	}
	s.drop(whole)
	return tag, nil
}

// cut takes the lane with a handle out of the block with a number.
func (s *Store) cut(h, id uint32) (tag uint64, err error) {
	a := &s.a
	at := s.entry(&s.blocks, id)
	onPage := s.entry(&s.pages, high(at))
	if a.zones.out != nil {
		a.makeRoom(a.homeOf(low(onPage)), putBlocks*s.maxBlock+s.maxPage)
	}
	p := a.page(low(onPage))
	c := uint32(s.entry(&s.clusters, high(onPage)))
	b := a.block(low(at))
	i := b.findHandle(a, h)
	tag = a.w[b.tags+i]
	list := uint32(0)
	if b.flags&blockGeneral != 0 {
		list = a.h[b.values+min(i, b.m-1)]
	}
	if b.n-1 > mergeLanes || b.n > 1 && p.n == 1 {
		err = s.cutQuickly(c, &p, &b, i)
	} else {
		err = s.cutSlowly(c, &p, &b, i)
	}
	if err == nil && list != 0 {
		err = s.unuseList(list)
	}
	return tag, err
}

func (p *page) blockAt(a *arena, ref uint32) int {
	for i, r := range a.h[p.refs : p.refs+p.n] {
		if r == ref {
			return i
		}
	}
	panic("matcher: block is not on its page")
}

func (s *Store) cutQuickly(c uint32, p *page, b *block, i int) error {
	a := &s.a
	s.work.home = a.homeOf(p.ref)
	q, err := s.cutBlock(b.ref, i)
	if err != nil {
		return err
	}
	at := s.a.pageAt(c, p.ref)
	cut := a.block(q)
	j := p.blockAt(a, b.ref)
	hull := cut.hullOf(a, p.hullAt(a, j), nil, nil)
	page, err := s.patchPage(p, j, q, ^uint64(0), -1, &hull)
	if err != nil {
		return err
	}
	s.drop(b.ref)
	s.setPlaces(a.blockID(q), q, page, c)
	k, err := s.patchCluster(c, at, page, &hull)
	if err != nil {
		return err
	}
	s.addLanes(k, -1)
	return nil
}

// cutSlowly takes out a block's last lane, or leaves so few that it joins a
// neighbour.
func (s *Store) cutSlowly(c uint32, p *page, b *block, i int) error {
	a := &s.a
	at, j := a.pageAt(c, p.ref), p.blockAt(a, b.ref)
	t := &s.work.draft
	s.readDraft(p.ref, t)
	s.work.home = t.home
	t.lanes--
	if b.n == 1 {
		s.loseBlock(t, j)
	} else {
		q, err := s.cutBlock(b.ref, i)
		if err != nil {
			return err
		}
		s.drop(b.ref)
		t.set(j, q)
		if !s.tx.frugal {
			if err := s.joinBlocks(t, j); err != nil {
				return err
			}
		}
	}
	if t.n == 0 {
		return s.losePage(c, at, t)
	}
	return s.joinPages(c, at, t)
}

// loseBlock takes block j out of a draft.
func (s *Store) loseBlock(t *draft, j int) {
	s.freeID(&s.blocks, s.a.blockID(t.refs[j]))
	s.tx.root.blockCount--
	s.drop(t.refs[j])
	t.close(j)
}

func (s *Store) losePage(c uint32, at int, t *draft) error {
	for _, name := range t.d.name[:t.d.n] {
		if err := s.unuseName(name); err != nil {
			return err
		}
	}
	s.freeID(&s.pages, t.id)
	s.tx.root.pageCount--
	s.drop(t.old)
	q, err := s.splice(c, at, 1)
	if err != nil {
		return err
	}
	if q == 0 {
		s.tx.root.lanes--
		return nil
	}
	s.addLanes(q, -1)
	return nil
}

// joinBlocks puts block j and a neighbour into one, if that is one of few.
func (s *Store) joinBlocks(t *draft, j int) error {
	b := s.a.block(t.refs[j])
	for _, k := range []int{j - 1, j + 1} {
		if k < 0 || k >= t.n {
			continue
		}
		other := s.a.block(t.refs[k])
		if (b.flags|other.flags)&blockUniform != 0 || (b.flags^other.flags)&blockGeneral != 0 || b.n+other.n > raggedLanes {
			continue
		}
		s.gather(&other, &t.d)
		s.gatherMore(&b, &t.d)
		q, err := s.buildBlock(s.work.lanes, s.a.blockID(other.ref), &t.d)
		if err != nil {
			return err
		}
		s.drop(other.ref)
		t.seps[k] = min(t.seps[k], t.seps[j])
		t.set(k, q)
		s.loseBlock(t, j)
		return nil
	}
	return nil
}

// joinPages writes a page that lost a lane, together with a neighbour if there
// are few blocks in both.
func (s *Store) joinPages(c uint32, at int, t *draft) error {
	if !s.tx.frugal && t.n <= mergeBlocks && at+1 < s.a.clusterPages(c) {
		u := &s.work.second
		s.readDraft(s.a.clusterPage(c, at+1), u)
		if u.n <= joinBlocks {
			joined, err := s.absorb(t, u)
			if err != nil {
				return err
			}
			if joined {
				_, err = s.finish(c, at, 2, -1, t)
				return err
			}
		}
	}
	_, err := s.finish(c, at, 1, -1, t)
	return err
}

// absorb moves the blocks of u to t, if one page can have the attributes of
// both.
func (s *Store) absorb(t, u *draft) (bool, error) {
	d := t.d
	for _, name := range u.d.name[:u.d.n] {
		if d.slot(name) != noSlot {
			continue
		}
		if d.n == noSlot {
			return false, nil
		}
		d.add(name, scale{})
	}
	if err := s.refitTo(u, t); err != nil {
		return false, err
	}
	s.freeID(&s.pages, u.id)
	s.tx.root.pageCount--
	s.drop(u.old)
	return true, nil
}

// refitTo rebuilds the blocks of both drafts for one page, t.
func (s *Store) refitTo(u, t *draft) error {
	d := t.d
	for i, name := range u.d.name[:u.d.n] {
		if d.slot(name) == noSlot {
			d.add(name, u.d.scale[i])
			s.use(name)
		}
		if err := s.unuseName(name); err != nil {
			return err
		}
	}
	s.work.home = t.home
	for i, ref := range u.refs[:u.n] {
		b := s.a.block(ref)
		s.gather(&b, &u.d)
		q, err := s.buildBlock(s.work.lanes, s.a.blockID(ref), &d)
		if err != nil {
			return err
		}
		s.drop(ref)
		t.seps[t.n] = u.seps[i]
		t.set(t.n, q)
		t.n++
	}
	t.d = d
	t.lanes += u.lanes
	return s.refit(t, sharedCells)
}
