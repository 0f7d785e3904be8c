package matcher

import (
	"cmp"
	"slices"
)

// putBlocks is how many blocks an insertion makes at most before it makes room for
// more: one that divides in three, and the one that takes the lane.
const putBlocks = 4

// put inserts a lane into a cluster and returns the cluster.
func (s *Store) put(c uint32, l *lane) (uint32, error) {
	if s.a.clusterPages(c) > 0 {
		at := s.a.findPage(c, l.order)
		p := s.a.page(s.a.clusterPage(c, at))
		home := s.newHome(&p)
		if s.a.zones.out != nil {
			s.a.makeRoom(home, putBlocks*s.maxBlock+s.maxPage)
			p = s.a.page(p.ref) // which may be elsewhere now
		}
		if home == s.a.homeOf(p.ref) {
			done, err := s.putQuickly(c, at, &p, l)
			if err != nil || done != 0 {
				return done, err
			}
		}
		t := &s.work.draft
		s.readDraft(p.ref, t)
		t.home = home
		return s.putSlowly(c, at, 1, t, l)
	}
	id, err := s.newID(&s.pages)
	if err != nil {
		return 0, err
	}
	t := &s.work.draft
	*t = draft{id: id, home: s.a.homeFor(0, 0)}
	s.tx.root.pageCount++
	return s.putSlowly(c, 0, 0, t, l)
}

// putQuickly is the ordinary case: the lane fits a block and nothing else
// changes but bounds. It returns 0 if that is not so.
func (s *Store) putQuickly(c uint32, at int, p *page, l *lane) (uint32, error) {
	a := &s.a
	fitted := int(high(a.w[p.at+2]))
	if int(low(a.w[p.at+2]))+1 >= 2*fitted {
		return 0, nil
	}
	s.work.home = a.homeOf(p.ref)
	d := &s.work.draft.d
	a.readDict(p, d)
	i := p.find(a, l.order)
	ref := a.h[p.refs+i]
	b := a.block(ref)
	ok, mixed := s.fits(&b, a.w[p.seps+i], l, d)
	if !ok || l.n > b.r || d.missing(l) > 0 {
		return 0, nil
	}
	grown, err := s.growBlock(ref, l, mixed, d)
	if err != nil {
		return 0, err
	}
	s.setHandle(l, a.blockID(ref))
	s.drop(ref)
	wider := a.block(grown)
	hull := wider.hullOf(a, p.hullAt(a, i), l, d)
	page, err := s.patchPage(p, i, grown, l.order, 1, &hull)
	if err != nil {
		return 0, err
	}
	s.setPlaces(a.blockID(grown), grown, page, c)
	q, err := s.patchCluster(c, at, page, &hull)
	if err != nil {
		return 0, err
	}
	s.addLanes(q, 1)
	return q, nil
}

// setPlaces records where a block and its page are now.
func (s *Store) setPlaces(id, block, page, cluster uint32) {
	s.setEntry(&s.blocks, id, pack(block, s.a.pageID(page)))
	s.setEntry(&s.pages, s.a.pageID(page), pack(page, s.a.clusterID(cluster)))
}

func (s *Store) setHandle(l *lane, block uint32) { s.setEntry(&s.handles, l.handle, uint64(block)) }

// fits reports whether a block of a page takes a lane, and the flag it has then.
func (s *Store) fits(b *block, sep uint64, l *lane, d *dict) (ok bool, mixed uint32) {
	if (b.flags&blockGeneral != 0) != l.general() {
		return false, 0
	}
	if b.flags&blockUniform != 0 {
		return b.n < blockLanes && s.sameAs(b, l, d), 0
	}
	limit := blockLanes
	if b.flags&blockMixed != 0 || group(sep) != group(l.order) {
		mixed = blockMixed
	}
	if l.n != b.r {
		limit = raggedLanes
	}
	return b.n < limit, mixed
}

// putSlowly changes a page in whatever way the lane needs, and puts it, or the
// two that it becomes, into the cluster in the place of cut pages.
func (s *Store) putSlowly(c uint32, at, cut int, t *draft, l *lane) (uint32, error) {
	s.work.home = t.home
	if t.d.n+t.d.missing(l) > noSlot {
		d := &s.work.fitted
		s.fitDict(t, d, keptCells, true) // without what no lane mentions any more
		if d.n+d.missing(l) > noSlot {   // so there are several lanes
			return s.divide(c, at, cut, t, l)
		}
		if err := s.rebuild(t, d); err != nil {
			return 0, err
		}
	}
	s.addNames(&t.d, l)
	if err := s.putInDraft(t, l); err != nil {
		return 0, err
	}
	t.lanes++
	if t.n > pageBlocks {
		u := &s.work.second
		if err := s.splitDraft(t, u); err != nil {
			return 0, err
		}
		return s.finish(c, at, cut, 1, t, u)
	}
	if t.lanes >= 2*t.fitted {
		kept := byte(keptCells)
		if s.a.clusterPages(c) > 1 {
			kept = sharedCells
		}
		if err := s.refit(t, kept); err != nil {
			return 0, err
		}
	}
	return s.finish(c, at, cut, 1, t)
}

// divide splits a page whose attributes have no room for a lane's, and tries
// again with the half in which the lane belongs.
func (s *Store) divide(c uint32, at, cut int, t *draft, l *lane) (uint32, error) {
	if t.n == 1 {
		if err := s.splitBlock(t, 0); err != nil {
			return 0, err
		}
	}
	u := &s.work.second
	if err := s.splitDraft(t, u); err != nil {
		return 0, err
	}
	c, err := s.finish(c, at, cut, 0, t, u)
	if err != nil {
		return 0, err
	}
	return s.put(c, l)
}

// finish writes drafts and puts them into their cluster.
func (s *Store) finish(c uint32, at, cut, lanes int, drafts ...*draft) (uint32, error) {
	for _, t := range drafts {
		if err := s.writeDraft(t); err != nil {
			return 0, err
		}
	}
	q, err := s.splice(c, at, cut, drafts...)
	if err != nil || q == 0 {
		return q, err
	}
	s.addLanes(q, lanes)
	for _, t := range drafts {
		s.setEntry(&s.pages, t.id, pack(t.old, s.a.clusterID(q)))
		for i, ref := range t.refs[:t.n] {
			if t.changed[i] {
				s.setEntry(&s.blocks, s.a.blockID(ref), pack(ref, t.id))
			}
		}
	}
	return q, nil
}

// putInDraft puts a lane into the block where it belongs, the next one, or a
// new one between.
func (s *Store) putInDraft(t *draft, l *lane) error {
	for {
		i := t.find(l.order)
		if t.n == 0 {
			return s.newBlockAt(t, 0, l)
		}
		b := s.a.block(t.refs[i])
		ok, _ := s.fits(&b, t.seps[i], l, &t.d)
		if ok {
			return s.extend(t, i, l)
		}
		if s.splits(&b, t.seps[i], l) {
			if err := s.splitBlock(t, i); err != nil {
				return err
			}
			continue
		}
		if l.order < t.seps[i] {
			return s.newBlockAt(t, 0, l)
		}
		if i+1 < t.n {
			next := s.a.block(t.refs[i+1])
			if ok, _ := s.fits(&next, t.seps[i+1], l, &t.d); ok {
				return s.extend(t, i+1, l)
			}
		}
		return s.newBlockAt(t, i+1, l)
	}
}

// splits reports whether a block that does not take a lane is to be split for
// it: it is full of such lanes, or of several groups.
func (s *Store) splits(b *block, sep uint64, l *lane) bool {
	if (b.flags&blockGeneral != 0) != l.general() || b.flags&blockUniform != 0 {
		return false
	}
	if b.flags&blockMixed != 0 {
		return b.n >= raggedLanes
	}
	return b.n == blockLanes && group(sep) == group(l.order)
}

func (s *Store) newBlockAt(t *draft, i int, l *lane) error {
	s.work.lanes = append(s.work.lanes[:0], l)
	ref, err := s.buildBlock(s.work.lanes, 0, &t.d)
	if err != nil {
		return err
	}
	t.open(i)
	t.seps[i] = l.order
	t.set(i, ref)
	return nil
}

// extend adds a lane to block i, which it fits.
func (s *Store) extend(t *draft, i int, l *lane) error {
	ref := t.refs[i]
	b := s.a.block(ref)
	var q uint32
	var err error
	if l.n <= b.r {
		_, mixed := s.fits(&b, t.seps[i], l, &t.d)
		q, err = s.growBlock(ref, l, mixed, &t.d)
		s.setHandle(l, s.a.blockID(ref))
	} else {
		s.gather(&b, &t.d)
		s.work.lanes = append(s.work.lanes, l)
		q, err = s.buildBlock(s.work.lanes, s.a.blockID(ref), &t.d)
	}
	if err != nil {
		return err
	}
	s.drop(ref)
	t.seps[i] = min(t.seps[i], l.order)
	t.set(i, q)
	return nil
}

// gather reads the lanes of a block into s.work.lanes.
func (s *Store) gather(b *block, d *dict) {
	s.work.lanes = s.work.lanes[:0]
	s.gatherMore(b, d)
	s.stats.Moved += uint64(b.n)
}

// gatherMore appends the lanes of a block to those gathered, up to blockLanes.
func (s *Store) gatherMore(b *block, d *dict) {
	for i := range b.n {
		if len(s.work.pool) == len(s.work.lanes) {
			s.work.pool = append(s.work.pool, new(lane))
		}
		l := s.work.pool[len(s.work.lanes)]
		s.get(b, i, l, d)
		s.work.lanes = append(s.work.lanes, l)
	}
}

// buildBlock makes a block of lanes. With id 0 it gets a new number, which the
// lanes' handles are told.
func (s *Store) buildBlock(lanes []*lane, id uint32, d *dict) (uint32, error) {
	flags, rows := uint32(0), 0
	first := lanes[0]
	if first.general() {
		flags = blockGeneral | blockMasks
	}
	same := len(lanes) >= uniformLanes
	for _, l := range lanes {
		rows = max(rows, l.n)
		if l.part {
			flags |= blockMasks
		}
		if group(l.order) != group(first.order) {
			flags |= blockMixed
		}
		same = same && sameFilter(first, l)
	}
	if same {
		flags |= blockUniform
	}
	if id == 0 {
		var err error
		if id, err = s.newID(&s.blocks); err != nil {
			return 0, err
		}
		s.tx.root.blockCount++
	}
	b, err := s.newBlock(len(lanes), rows, flags, id)
	if err != nil {
		return 0, err
	}
	for i, l := range lanes {
		b.put(s, i, l, d)
		s.setHandle(l, id)
	}
	return b.ref, nil
}

// uniformLanes is how many equal filters make a block of their own.
const uniformLanes = 24

// sameFilter reports whether two lanes of one cluster have equal filters.
func sameFilter(a, b *lane) bool { return compareLanes(a, b) == 0 }

// compareLanes orders lanes by order, and equal filters next to each other.
func compareLanes(a, b *lane) int {
	if c := cmp.Compare(a.order, b.order); c != 0 || a.list != 0 {
		return cmp.Or(c, cmp.Compare(a.list, b.list))
	}
	for j := range min(a.n, b.n) {
		x, y := &a.rows[j], &b.rows[j]
		c := cmp.Or(cmp.Compare(x.name, y.name), cmp.Compare(x.hlo, y.hlo), cmp.Compare(x.hhi, y.hhi))
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(a.n, b.n)
}

// sameAs reports whether a lane has the filter of a uniform block.
func (s *Store) sameAs(b *block, l *lane, d *dict) bool {
	if l.list != 0 {
		return s.a.h[b.values] == l.list
	}
	if b.r != l.n {
		return false
	}
	for j := range l.n {
		r := &l.rows[j]
		if int32(s.a.h[b.values+2*j]) != r.hlo || int32(s.a.h[b.values+2*j+1]) != r.hhi ||
			s.a.b[b.rows+3*j] != d.slot(r.name) {
			return false
		}
	}
	return true
}

// splitBlock divides block i of a draft into two, or takes the lanes of one
// filter out of it.
func (s *Store) splitBlock(t *draft, i int) error {
	ref := t.refs[i]
	b := s.a.block(ref)
	s.gather(&b, &t.d)
	lanes := s.work.lanes
	slices.SortFunc(lanes, compareLanes)
	from, to := longestRun(lanes)
	if to-from < uniformLanes || to-from == len(lanes) {
		from = boundary(lanes)
		to = from
	}
	id := s.a.blockID(ref)
	t.close(i)
	for _, piece := range [][]*lane{lanes[:from], lanes[from:to], lanes[to:]} {
		if len(piece) == 0 {
			continue
		}
		q, err := s.buildBlock(piece, id, &t.d)
		if err != nil {
			return err
		}
		id = 0
		t.open(i)
		t.seps[i] = piece[0].order
		t.set(i, q)
		if i+1 < t.n { // the next block may have taken lanes from this one's range
			t.seps[i] = min(t.seps[i], t.seps[i+1])
		}
		i++
	}
	s.drop(ref)
	return nil
}

// longestRun returns where the most equal filters are in sorted lanes.
func longestRun(lanes []*lane) (from, to int) {
	for i := 0; i < len(lanes); {
		j := i + 1
		for j < len(lanes) && sameFilter(lanes[i], lanes[j]) {
			j++
		}
		if j-i > to-from {
			from, to = i, j
		}
		i = j
	}
	return from, to
}

// boundary returns where to cut sorted lanes in two: where the number of rows
// changes, or else the group, nearest the middle; or in the middle.
func boundary(lanes []*lane) int {
	middle := len(lanes) / 2
	best, rank := middle, 0
	for i := 1; i < len(lanes); i++ {
		a, b := lanes[i-1].order, lanes[i].order
		r := 0
		switch {
		case a>>orderRows != b>>orderRows:
			r = 2
		case group(a) != group(b):
			r = 1
		}
		if r > rank || r == rank && r > 0 && abs(i-middle) < abs(best-middle) {
			best, rank = i, r
		}
	}
	return best
}

func abs(i int) int { return max(i, -i) }
