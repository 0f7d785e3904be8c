package matcher

import "math"

// The bounds of a cluster's pages, where it has several, are an object with
// three words for each:
//
//	name, or 0 if there are none | low cell u8, high cell u8
//	base, step of the page's scale for the name
//
// No lane of the page admits an event whose value of that attribute is outside,
// so that whoever goes through the cluster need not look at the page.
const boundsEntry = 3

type bounds struct {
	name   uint32
	lo, hi byte
	scale  scale
}

func boundsWords(pages int) uint32 { return 1 + boundsEntry*uint32(pages) }

// clusterBounds returns the words with the bounds of a cluster's pages, or nil.
func (a *arena) clusterBounds(c uint32) []uint64 {
	n := a.clusterPages(c)
	if n < 2 {
		return nil
	}
	at := a.w[int(c)+clusterPages+2*n] + 1
	return a.w[at : at+uint64(boundsEntry*n)]
}

func (b *bounds) write(w []uint64) {
	w[0] = pack(b.name, uint32(b.lo)|uint32(b.hi)<<8)
	w[1], w[2] = math.Float64bits(b.scale.base), uint64(math.Float32bits(b.scale.step))
}

func readBounds(w []uint64) bounds {
	ends := high(w[0])
	return bounds{low(w[0]), byte(ends), byte(ends >> 8), scale{math.Float64frombits(w[1]), math.Float32frombits(low(w[2]))}}
}

// boundsOf joins the bounds of a page's blocks: of the slots that the first one
// has bounds for, the one that is narrowest in all.
func (a *arena) boundsOf(p *page) bounds {
	best := bounds{hi: cellTop}
	for j := range hullRows {
		slot := a.b[p.bounds+3*j*p.n]
		if slot == noSlot {
			continue
		}
		b := bounds{lo: cellTop}
		for i := range p.n {
			lo, hi, ok := p.blockBounds(a, i, slot)
			if !ok {
				b = bounds{hi: cellTop}
				break
			}
			b.lo, b.hi = min(b.lo, lo), max(b.hi, hi)
		}
		if b.hi-b.lo < best.hi-best.lo {
			w := a.w[int(p.at)+pageHead+2*int(slot):]
			best = bounds{low(w[0]), b.lo, b.hi, scale{math.Float64frombits(w[1]), math.Float32frombits(high(w[0]))}}
		}
	}
	return best
}

// blockBounds returns the cells that block i keeps within in a slot.
func (p *page) blockBounds(a *arena, i int, slot byte) (lo, hi byte, ok bool) {
	for j := range hullRows {
		at := p.bounds + 3*j*p.n + i
		if a.b[at] == slot {
			return a.b[at+p.n], a.b[at+2*p.n], true
		}
	}
	return 0, 0, false
}

// spliceBounds makes the bounds of cluster q, which splice makes of c.
func (s *Store) spliceBounds(c, q uint32, i, cut, with int) error {
	a := &s.a
	old, n := a.clusterBounds(c), a.clusterPages(q)
	if old != nil { // at the end: what is dropped may be handed out again
		defer s.drop(uint32(a.w[int(c)+clusterPages+2*a.clusterPages(c)]))
	}
	if n < 2 {
		return nil
	}
	p, err := s.make(boundsWords(n), classIndex)
	if err != nil {
		return err
	}
	a.w[int(q)+clusterPages+2*n] = uint64(p)
	to := a.clusterBounds(q)
	for k := range n {
		entry := to[boundsEntry*k : boundsEntry*(k+1)]
		was := k
		if k >= i {
			was += cut - with
		}
		if old != nil && (k < i || k >= i+with) {
			copy(entry, old[boundsEntry*was:])
			continue
		}
		page := a.page(a.clusterPage(q, k))
		b := a.boundsOf(&page)
		b.write(entry)
	}
	return nil
}

// widenBounds sees to it that the bounds of page i of a new cluster hold for a
// block with new bounds of its own.
func (s *Store) widenBounds(q uint32, i int, p *page, hull *hull) error {
	a := &s.a
	all := a.clusterBounds(q)
	b := readBounds(all[boundsEntry*i:])
	if b.name == 0 || b.admits(a, p, hull) {
		return nil
	}
	n := a.clusterPages(q)
	at := int(q) + clusterPages + 2*n
	r, err := s.make(boundsWords(n), classIndex)
	if err != nil {
		return err
	}
	copy(a.w[r+1:r+boundsWords(n)], all)
	s.drop(uint32(a.w[at]))
	s.edit(q, uint32(at), uint64(r))
	b = a.boundsOf(p)
	b.write(a.clusterBounds(q)[boundsEntry*i:])
	return nil
}

// admits reports whether a block's bounds are within those of its page.
func (b *bounds) admits(a *arena, p *page, hull *hull) bool {
	for j := range hull {
		if slot := hull[j][0]; slot != noSlot && low(a.w[int(p.at)+pageHead+2*int(slot)]) == b.name {
			return b.lo <= hull[j][1] && hull[j][2] <= b.hi
		}
	}
	return false
}

// outside reports whether no lane of a page with these bounds matches the event.
func (r *Reader) outside(b *bounds) bool {
	if b.name == 0 {
		return false
	}
	cell := byte(cellAbsent)
	if i := r.event.find(b.name); i != absent {
		cell = r.cell(i, b.scale)
	}
	return cell < b.lo || cell > b.hi
}

// outside reports whether no lane of a page with these bounds covers the query.
func (q *query) outside(b *bounds) bool {
	if b.name == 0 {
		return false
	}
	lo, hi := byte(cellAbsent), byte(cellAbsent)
	if t := q.find(b.name); t != nil {
		lo, hi = t.hull(b.scale)
	}
	return lo < b.lo || hi > b.hi
}
