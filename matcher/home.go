package matcher

// newHome returns the zone that a page is to be in: the one it is in, or another
// if that is crowded and there is room elsewhere.
func (s *Store) newHome(p *page) uint32 {
	a := &s.a
	now := a.homeOf(p.ref)
	if !a.crowded(now) {
		return now
	}
	return a.homeElse(p.words()+a.wordsOf(a.h[p.refs:p.refs+p.n]), now)
}

// homeElse returns a zone with room for a page of so many words, or the one it is
// in now.
func (a *arena) homeElse(words, now uint32) uint32 {
	if home := a.homeFor(words, now); home != 0 && a.canHold(home, words) {
		return home
	}
	return now
}

// canHold reports whether a zone has room for so many words, or can have it.
func (a *arena) canHold(id, words uint32) bool {
	h := a.zones.at(id)
	need := h.end + words + slackWords
	switch {
	case need > h.limit:
		return false
	case a.zones.out != nil:
		return a.zones.fits(a.bottom(), pagesOf(need))
	default:
		return need <= h.committed || a.canCommit(int(need-h.committed)*wordBytes)
	}
}

// canCommit reports whether memory would grant so many bytes more, of which it then
// has twice as many left: what moves is there twice for a moment.
func (a *arena) canCommit(n int) bool {
	return int64(a.granted+2*n) <= budgetOf(a.mem, len(a.b))
}

// strangers is the size of a draft's blocks that are not in its zone, and of a page.
func (s *Store) strangers(t *draft) uint32 {
	shape := pageShape(t.n, t.d.n)
	words := shape.words() + largeUnit
	for _, ref := range t.refs[:t.n] {
		if s.a.zones.of(ref) != t.home {
			s.a.stay(ref)
			words += s.a.size(ref)
		}
	}
	return words
}

// wordsOf is the size of blocks.
func (a *arena) wordsOf(refs []uint32) (words uint32) {
	for _, ref := range refs {
		a.stay(ref)
		words += a.size(ref)
	}
	return words
}

// settle moves the blocks of a draft that are elsewhere to its zone. Those that find
// no room there are in the common heap, or come to be: in another page's zone they
// might be outside when this page is read.
func (s *Store) settle(t *draft) error {
	a := &s.a
	a.makeRoom(t.home, s.strangers(t))
	for i, ref := range t.refs[:t.n] {
		z := a.zones.of(ref)
		if z == t.home {
			continue
		}
		b := a.block(ref)
		words := b.words()
		q := a.allocIn(t.home, words, classFilter)
		if q != 0 {
			s.made(q)
		} else if z == 0 {
			continue
		} else if p, err := s.make(words, classFilter); err == nil {
			q = p
		} else {
			return err
		}
		a.stay(ref)
		from, to := a.at(ref), a.at(q)
		copy(a.w[to+1:to+words], a.w[from+1:from+words])
		a.rows += rowBytes(a.h[2*to+2])
		s.drop(ref)
		t.set(i, q)
		s.stats.Moved += uint64(b.n)
	}
	return nil
}
