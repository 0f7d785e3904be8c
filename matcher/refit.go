package matcher

// refit fits the scales of a page to its lanes and rebuilds its blocks.
func (s *Store) refit(t *draft) error {
	s.fitDict(t, &s.work.fitted)
	return s.rebuild(t, &s.work.fitted)
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
	for i, ref := range t.refs[:t.n] {
		b := s.a.block(ref)
		s.gather(&b, &t.d)
		q, err := s.buildBlock(s.work.lanes, s.a.blockID(ref), d)
		if err != nil {
			return err
		}
		s.drop(ref)
		t.refs[i] = q
	}
	t.d, t.fitted = *d, t.lanes
	return nil
}

// fitDict chooses the attributes and scales for the blocks of a draft.
func (s *Store) fitDict(t *draft, d *dict) {
	*d = dict{}
	step := max(t.lanes/sampleLanes, 1)
	next := 0
	ends := &s.work.attrEnds
	for i := range ends {
		ends[i] = ends[i][:0]
	}
	seen := 0
	for _, ref := range t.refs[:t.n] {
		b := s.a.block(ref)
		used := b.used(&s.a)
		for i := range t.d.n {
			if used>>i&1 != 0 && d.slot(t.d.name[i]) == noSlot {
				d.add(t.d.name[i], scale{})
			}
		}
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
	for i := range d.n {
		d.scale[i] = fit(ends[i])
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
	copy(u.refs[:], t.refs[half:t.n])
	for _, name := range u.d.name[:u.d.n] {
		s.use(name)
	}
	t.n = half
	for _, x := range []*draft{t, u} {
		x.lanes = 0
		for _, ref := range x.refs[:x.n] {
			b := s.a.block(ref)
			x.lanes += b.n
		}
		if err := s.refit(x); err != nil {
			return err
		}
	}
	return nil
}
