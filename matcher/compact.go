package matcher

// compact closes the holes of a zone where there are too many. Blocks grow and
// shrink by being made anew, and among the few dozen of a zone there is seldom one
// that fits what another left. It moves what is in use down, in its order, and tells
// whoever refers to it: pages of their blocks, clusters of their pages, and the
// writer's tables. Nothing can fail on the way. It is for a store without readers,
// between two transactions.
func (s *Store) compact(id uint32) {
	a := &s.a
	if !a.zones.isOpen(id) {
		return
	}
	h := a.zones.at(id)
	if h.end-h.start-h.used <= max(h.used/holesPart, holesLeast) {
		return
	}
	a.need(id)
	w, first, to := a.words(h), a.zones.first(id), h.start
	for p := to; p < h.end; {
		size := low(w[p]) & blockSize
		if low(w[p])&blockFree == 0 {
			w[p] &^= blockPrevFree
			if p != to {
				copy(w[to:to+size], w[p:p+size])
				s.moved(first+p, first+to)
			}
			to += size
		}
		p += size
	}
	h.end, h.dirty = to, true
	clear(h.bins)
	clear(h.full)
	a.trim(h)
	s.stats.Compactions++
}

// moved tells who refers to an object that it is at another place now.
func (s *Store) moved(from, to uint32) {
	a := &s.a
	if a.classOf(to) == classFilter {
		at := s.entry(&s.blocks, a.blockID(to))
		page := low(s.entry(&s.pages, high(at)))
		p := a.page(page)
		a.h[p.refs+p.blockAt(a, from)] = to
		a.setDirty(page)
		s.overwrite(&s.blocks, a.blockID(to), withLow(at, to))
		return
	}
	id := a.pageID(to)
	at := s.entry(&s.pages, id)
	c := uint32(s.entry(&s.clusters, high(at)))
	a.w[int(c)+clusterPages+2*a.pageAt(c, from)+1] = pack(to, id)
	s.overwrite(&s.pages, id, withLow(at, to))
}

// overwrite is setEntry without a way back.
func (s *Store) overwrite(t *ids, i uint32, v uint64) {
	word, _ := t.place(i)
	s.a.w[word] = v
}
