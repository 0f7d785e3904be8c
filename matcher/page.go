package matcher

import (
	"math"
	"sort"
)

// A page is an object that leads to up to pageBlocks blocks in the order of
// their lanes. Its bounds are themselves a vector of rows for the kernel: what
// no lane of a block admits, the block's bounds exclude at once, so that a
// block stands below its bounds as covered filters stand below their coverer.
//
//	word 1                     blocks u8 | attributes u8 | zone u16, number of the page
//	word 2                     lanes | lanes when the scales were fitted
//	2 words for each attribute name | step, base
//	word for each block        order of its first lane
//	half for each block        reference
//	bytes                      bounds: for each row the slots, the low cells, the high cells
const (
	pageBlocks = 64
	hullRows   = 2
	pageHead   = 3
	// draftBlocks leaves room for what one lane can cause: a few splits into
	// three, each of which at least halves the block in question.
	draftBlocks = pageBlocks + 16
	pageZone    = 16 // bit
)

// page says where the vectors of a page are.
type page struct {
	ref    uint32
	at     uint32 // where it is
	n, d   int    // blocks, attributes
	seps   int    // word
	refs   int    // half
	bounds int    // byte
}

func pageShape(n, d int) page {
	p := page{n: n, d: d, seps: pageHead + 2*d}
	p.refs = 2 * (p.seps + n)
	p.bounds = 4 * (p.refs + n)
	return p
}

// words is the size of a page.
func (p *page) words() uint32 {
	shape := pageShape(p.n, p.d)
	return uint32(shape.bounds+3*hullRows*p.n+wordBytes-1) / wordBytes
}

func (a *arena) page(ref uint32) page {
	a.stay(ref)
	at := a.at(ref)
	head := a.h[2*at+2]
	if home := head >> pageZone; a.zones.out != nil && home != a.zones.of(ref) {
		a.need(home)
		a.stay(ref)
		at = a.at(ref)
	}
	p := pageShape(int(head&0xff), int(head>>8&0xff))
	p.ref, p.at = ref, at
	p.seps += int(at)
	p.refs += 2 * int(at)
	p.bounds += wordBytes * int(at)
	return p
}

// homeOf returns the zone of a page: its blocks are there, or in the common heap.
func (a *arena) homeOf(ref uint32) uint32 {
	a.stay(ref)
	return a.h[2*a.at(ref)+2] >> pageZone
}

func (a *arena) pageID(ref uint32) uint32 {
	a.stay(ref)
	return a.h[2*a.at(ref)+3]
}

// find returns the block in which a lane of an order belongs.
func (p *page) find(a *arena, order uint64) int {
	return lastUpTo(a.w[p.seps:p.seps+p.n], order)
}

func (a *arena) readDict(p *page, d *dict) {
	d.n = p.d
	for i := range p.d {
		x := a.w[int(p.at)+pageHead+2*i:]
		d.name[i] = low(x[0])
		d.scale[i] = scale{math.Float64frombits(x[1]), math.Float32frombits(high(x[0]))}
	}
}

// lastUpTo returns the last of ascending orders that is not above one, or the
// first.
func lastUpTo(seps []uint64, order uint64) int {
	return max(sort.Search(len(seps), func(i int) bool { return seps[i] > order })-1, 0)
}

// setBlock writes what a page says of a block.
func (p *page) setBlock(a *arena, i int, ref uint32, sep uint64, hull *hull) {
	a.w[p.seps+i], a.h[p.refs+i] = sep, ref
	for j := range hull {
		for k, x := range hull[j] {
			a.b[p.bounds+(3*j+k)*p.n+i] = x
		}
	}
}

// patchPage is a page with another block in place i and a change in its number
// of lanes: the same one if it may be changed, or else a copy.
func (s *Store) patchPage(from *page, i int, ref uint32, order uint64, lanes int, hull *hull) (uint32, error) {
	a := &s.a
	order = min(order, a.w[from.seps+i])
	if q := from.ref; s.inPlace(q) {
		s.edit(q, uint32(from.seps+i), order)
		s.editHalf(q, uint32(from.refs+i), ref)
		s.edit(q, from.at+2, a.w[from.at+2]+uint64(lanes))
		for j := range hull {
			for k, x := range hull[j] {
				s.editByte(q, from.bounds+(3*j+k)*from.n+i, x)
			}
		}
		return q, nil
	}
	words := from.words()
	q, err := s.makeAt(a.homeOf(from.ref), words, classPage)
	if err != nil {
		return 0, err
	}
	copy(a.w[a.at(q)+1:], a.w[from.at+1:from.at+words])
	to := a.page(q)
	to.setBlock(a, i, ref, order, hull)
	a.w[to.at+2] += uint64(lanes)
	s.drop(from.ref)
	return q, nil
}

// hullAt returns what a page says of the bounds of block i.
func (p *page) hullAt(a *arena, i int) (h hull) {
	for j := range h {
		for k := range h[j] {
			h[j][k] = a.b[p.bounds+(3*j+k)*p.n+i]
		}
	}
	return h
}

// draft is a page being changed, outside the arena.
type draft struct {
	id            uint32
	old           uint32 // the page it was read from, 0 if none
	home          uint32 // the zone it is to be in
	lanes, fitted int
	n             int
	d             dict
	seps          [draftBlocks]uint64
	refs          [draftBlocks]uint32
	hulls         [draftBlocks]hull
	changed       [draftBlocks]bool // the block is new to the page: its hull and its place are not known
}

func (s *Store) readDraft(ref uint32, t *draft) {
	a := &s.a
	p := a.page(ref)
	t.id, t.old, t.home, t.n = a.pageID(ref), ref, a.homeOf(ref), p.n
	t.lanes, t.fitted = int(low(a.w[p.at+2])), int(high(a.w[p.at+2]))
	a.readDict(&p, &t.d)
	copy(t.seps[:], a.w[p.seps:p.seps+p.n])
	copy(t.refs[:], a.h[p.refs:p.refs+p.n])
	for i := range t.n {
		t.hulls[i], t.changed[i] = p.hullAt(a, i), false
	}
}

// set puts a block that is new to the page in place i.
func (t *draft) set(i int, ref uint32) { t.refs[i], t.changed[i] = ref, true }

// writeDraft makes the page and drops the one it replaces.
func (s *Store) writeDraft(t *draft) error {
	shape := pageShape(t.n, t.d.n)
	words := shape.words()
	if err := s.settle(t); err != nil {
		return err
	}
	q, err := s.makeAt(t.home, words, classPage)
	if err != nil {
		return err
	}
	s.maxPage = max(s.maxPage, words)
	a := &s.a
	at := a.at(q)
	a.h[2*at+2], a.h[2*at+3] = uint32(t.n)|uint32(t.d.n)<<8|t.home<<pageZone, t.id
	a.w[at+2] = pack(uint32(t.lanes), uint32(t.fitted))
	for i := range t.d.n {
		x := a.w[int(at)+pageHead+2*i:]
		x[0] = pack(t.d.name[i], math.Float32bits(t.d.scale[i].step))
		x[1] = math.Float64bits(t.d.scale[i].base)
	}
	p := a.page(q)
	for i := range t.n {
		if t.changed[i] {
			b := a.block(t.refs[i])
			t.hulls[i] = b.hull(a)
		}
		p.setBlock(a, i, t.refs[i], t.seps[i], &t.hulls[i])
	}
	s.drop(t.old)
	t.old = q
	return nil
}

func (t *draft) find(order uint64) int {
	return lastUpTo(t.seps[:t.n], order)
}

// open makes room for a block at place i.
func (t *draft) open(i int) {
	copy(t.seps[i+1:t.n+1], t.seps[i:t.n])
	copy(t.refs[i+1:t.n+1], t.refs[i:t.n])
	copy(t.hulls[i+1:t.n+1], t.hulls[i:t.n])
	copy(t.changed[i+1:t.n+1], t.changed[i:t.n])
	t.n++
}

// close takes place i out.
func (t *draft) close(i int) {
	copy(t.seps[i:], t.seps[i+1:t.n])
	copy(t.refs[i:], t.refs[i+1:t.n])
	copy(t.hulls[i:], t.hulls[i+1:t.n])
	copy(t.changed[i:], t.changed[i+1:t.n])
	t.n--
}
