package matcher

import "math/bits"

// refit fits the scales of a page to its lanes, and rebuilds its blocks if that
// changes any. A page keeps what serves it, so that pages which were one still
// have their attributes and scales in common, and readers compute cells once.
func (s *Store) refit(t *draft, kept byte) error {
	d := &s.work.fitted
	s.fitDict(t, d, kept, false)
	if *d == t.d {
		t.fitted = t.lanes
		return nil
	}
	return s.rebuild(t, d)
}

// rebuild gives a page a dict that was made for it.
func (s *Store) rebuild(t *draft, d *dict) error {
	for _, name := range d.name[:d.n] {
		s.use(name)
	}
	for _, name := range t.d.name[:t.d.n] {
		if err := s.unuseName(name); err != nil {
			return err
		}
	}
	s.work.home = t.home
	s.a.makeRoom(t.home, s.a.wordsOf(t.refs[:t.n]))
	for i, ref := range t.refs[:t.n] {
		b := s.a.block(ref)
		s.gather(&b, &t.d)
		q, err := s.buildBlock(s.work.lanes, s.a.blockID(ref), d)
		if err != nil {
			return err
		}
		s.drop(ref)
		t.set(i, q)
	}
	t.d, t.fitted = *d, t.lanes
	return nil
}

// fitDict chooses the attributes and scales for the blocks of a draft: with
// prune, or where many are not used any more, only the attributes that are.
func (s *Store) fitDict(t *draft, d *dict, kept byte, prune bool) {
	used := uint32(0)
	for _, ref := range t.refs[:t.n] {
		b := s.a.block(ref)
		used |= b.used(&s.a)
	}
	used &^= 1 << noSlot
	prune = prune || 2*bits.OnesCount32(used) < t.d.n
	*d = dict{}
	for i := range t.d.n {
		if !prune || used>>i&1 != 0 {
			d.add(t.d.name[i], t.d.scale[i])
		}
	}
	s.sampleDraft(t, d)
	for i := range d.n {
		d.scale[i] = fitLike(s.work.attrEnds[i], d.scale[i], kept)
	}
}

// sampleDraft collects ends of the rows of some lanes, for each attribute.
func (s *Store) sampleDraft(t *draft, d *dict) {
	step := max(t.lanes/sampleLanes, 1)
	ends := &s.work.attrEnds
	for i := range ends {
		ends[i] = ends[i][:0]
	}
	next, seen := 0, 0
	for _, ref := range t.refs[:t.n] {
		b := s.a.block(ref)
		for ; next < seen+b.n; next += step {
			l := &s.work.lane
			s.get(&b, next-seen, l, &t.d)
			for j := range l.n {
				if k := d.slot(l.rows[j].name); k != noSlot {
					ends[k] = l.rows[j].finite(ends[k])
				}
			}
		}
		seen += b.n
	}
}

// used returns the slots that a block's rows look at.
func (b *block) used(a *arena) uint32 {
	var used uint32
	for j := range b.r {
		for _, slot := range a.b[b.rows+3*j*b.m : b.rows+(3*j+1)*b.m] {
			used |= 1 << (slot & (slots - 1))
		}
	}
	return used
}

// splitDraft moves the later half of a page's blocks to a new one, u, and fits
// both.
func (s *Store) splitDraft(t, u *draft) error {
	id, err := s.newID(&s.pages)
	if err != nil {
		return err
	}
	s.tx.root.pageCount++
	half := t.n / 2
	*u = draft{id: id, n: t.n - half, d: t.d}
	copy(u.seps[:], t.seps[half:t.n])
	for i, ref := range t.refs[half:t.n] {
		u.set(i, ref)
	}
	for _, name := range u.d.name[:u.d.n] {
		s.use(name)
	}
	t.n = half
	u.home = s.a.homeElse(s.a.wordsOf(u.refs[:u.n]), t.home)
	for _, x := range []*draft{t, u} {
		x.lanes = 0
		for _, ref := range x.refs[:x.n] {
			b := s.a.block(ref)
			x.lanes += b.n
		}
		if err := s.refit(x, sharedCells); err != nil {
			return err
		}
	}
	return nil
}
