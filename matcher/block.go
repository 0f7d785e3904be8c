package matcher

import "math/bits"

// A block is an object with up to blockLanes lanes: filters of one cluster that
// are near in order.
//
//	word 1          lanes 8 bits | rows 4 | flags 4 | word where the tags begin 16; number of the block
//	bytes           for each row the slots, the low cells, the high cells of all lanes
//	2 words         lanes whose list decides, lanes that are parts (only with blockMasks)
//	word per lane   tag, or the reference of a part's whole
//	halves          compact: for each lane the low and the high half of each row; general: its list
//	half per lane   handle
//
// What the kernel reads of every block comes first, at a place that is known
// without the header, so that it can be fetched ahead; what is read of a lane
// that survives lies together.
//
// A uniform block holds one filter for all of its tags: rows and halves or list
// are there once.
const (
	blockLanes = 64
	// raggedLanes bounds a block of lanes of different numbers of rows: beyond,
	// less padding is worth another block.
	raggedLanes = 16

	blockGeneral = 1 << 0
	blockMasks   = 1 << 1
	blockMixed   = 1 << 2 // lanes of more than one group
	blockUniform = 1 << 3

	blockFlags = 12 // bit
	blockTags  = 16 // bit
	blockHead  = 2  // first word after the header
)

// block says where the vectors of a block are.
type block struct {
	ref     uint32
	at      uint32 // where it is
	n, m, r int    // tags; filters; rows
	flags   uint32
	rows    int // byte
	tags    int // word; the masks are before
	values  int // half
	stride  int // halves of a filter
	handles int // half
}

// lay computes where the vectors are from where the tags are.
func (b *block) lay(tags int) {
	b.m, b.stride = b.n, 2*b.r
	if b.flags&blockUniform != 0 {
		b.m = 1
	}
	if b.flags&blockGeneral != 0 {
		b.stride = 1
	}
	b.tags = int(b.at) + tags
	b.rows = wordBytes * (int(b.at) + blockHead)
	b.values = 2 * (b.tags + b.n)
	b.handles = b.values + b.m*b.stride
}

func blockShape(n, r int, flags uint32) block {
	b := block{n: n, r: r, flags: flags}
	m := n
	if flags&blockUniform != 0 {
		m = 1
	}
	tags := blockHead + (scanVectors*r*m+wordBytes-1)/wordBytes
	if flags&blockMasks != 0 {
		tags += 2
	}
	b.lay(tags)
	return b
}

// words is the size of a block.
func (b *block) words() uint32 { return uint32(b.handles+b.n+1)/2 - b.at }

func (a *arena) block(p uint32) block {
	a.stay(p)
	at := a.at(p)
	head := a.h[2*at+2]
	b := block{ref: p, at: at, n: int(head & 0xff), r: int(head >> 8 & 0xf), flags: head >> blockFlags & 0xf}
	b.lay(int(head >> blockTags))
	return b
}

// rowBytes is what the kernel reads of a block with a header.
func rowBytes(head uint32) int {
	m := int(head & 0xff)
	if head>>blockFlags&blockUniform != 0 {
		m = 1
	}
	return scanVectors * int(head>>8&0xf) * m
}

func (a *arena) blockID(p uint32) uint32 { return a.h[2*a.at(p)+3] }

// masks returns the lanes whose list decides, and those that are parts.
func (b *block) masks(a *arena) (inexact, part uint64) {
	if b.flags&blockMasks == 0 {
		return 0, 0
	}
	return a.w[b.tags-2], a.w[b.tags-1]
}

func (b *block) findHandle(a *arena, handle uint32) int {
	for i, h := range a.h[b.handles : b.handles+b.n] {
		if h == handle {
			return i
		}
	}
	return -1
}

// newBlock makes an empty block of a shape, with its header.
func (s *Store) newBlock(n, r int, flags, id uint32) (block, error) {
	shape := blockShape(n, r, flags)
	p, err := s.makeAt(s.work.home, shape.words(), classFilter)
	if err != nil {
		return block{}, err
	}
	s.maxBlock = max(s.maxBlock, shape.words())
	at := s.a.at(p)
	s.a.h[2*at+2], s.a.h[2*at+3] = uint32(n)|uint32(r)<<8|flags<<blockFlags|uint32(shape.tags)<<blockTags, id
	s.a.rows += rowBytes(s.a.h[2*at+2])
	b := s.a.block(p)
	if flags&blockMasks != 0 {
		s.a.w[b.tags-2], s.a.w[b.tags-1] = 0, 0
	}
	return b, nil
}

// put writes a lane at a place of a block that is not visible yet; its masks
// were zero there.
func (b *block) put(s *Store, i int, l *lane, d *dict) {
	a := &s.a
	a.w[b.tags+i], a.h[b.handles+i] = l.tag, l.handle
	if b.flags&blockMasks != 0 {
		if l.inexact && l.list != 0 {
			a.w[b.tags-2] |= 1 << i
		}
		if l.part {
			a.w[b.tags-1] |= 1 << i
		}
	}
	if b.m <= i {
		return
	}
	if b.flags&blockGeneral != 0 {
		a.h[b.values+i] = l.list
	}
	for j := range b.r {
		at := b.rows + 3*j*b.m + i
		slot, lo, hi := byte(noSlot), byte(0), byte(cellTop)
		hlo, hhi := int32(unboundedLow), int32(unboundedHigh)
		if j < l.n {
			r := &l.rows[j]
			if slot = d.slot(r.name); slot != noSlot {
				lo, hi = r.cells(d.scale[slot])
			}
			hlo, hhi = r.hlo, r.hhi
		}
		a.b[at], a.b[at+b.m], a.b[at+2*b.m] = slot, lo, hi
		if b.flags&blockGeneral == 0 {
			at := b.values + i*b.stride + 2*j
			a.h[at], a.h[at+1] = uint32(hlo), uint32(hhi)
		}
	}
}

// get reads a lane.
func (s *Store) get(b *block, i int, l *lane, d *dict) {
	a := &s.a
	*l = lane{tag: a.w[b.tags+i], handle: a.h[b.handles+i]}
	_, part := b.masks(a)
	l.part = part>>i&1 != 0
	if b.flags&blockUniform != 0 {
		i = 0
	}
	if b.flags&blockGeneral != 0 {
		l.list = a.h[b.values+i]
		s.work.terms = decodeList(s.work.terms[:0], a.list(l.list))
		s.fill(l, s.work.terms)
		l.setOrder()
		return
	}
	for j := range b.r {
		slot := a.b[b.rows+3*j*b.m+i]
		if slot == noSlot {
			break
		}
		at := b.values + i*b.stride + 2*j
		l.rows[j] = compactRow(d.name[slot], int32(a.h[at]), int32(a.h[at+1]))
		l.n++
	}
	l.setOrder()
}

// copyMasks copies the masks of n lanes from one block to another, without lane
// cut if that is one of them.
func copyMasks(a *arena, from, to *block, cut int) {
	if to.flags&blockMasks == 0 {
		return
	}
	inexact, part := from.masks(a)
	a.w[to.tags-2], a.w[to.tags-1] = without(inexact, cut), without(part, cut)
}

// without takes a bit out of a mask, and moves those above it down.
func without(mask uint64, bit int) uint64 {
	if bit < 0 {
		return mask
	}
	low := uint64(1)<<bit - 1
	return mask&low | mask>>1&^low
}

// cutBlock is a copy of a block without lane i, which is not its only one.
func (s *Store) cutBlock(p uint32, i int) (uint32, error) {
	from := s.a.block(p)
	to, err := s.newBlock(from.n-1, from.r, from.flags, s.a.blockID(p))
	if err != nil {
		return 0, err
	}
	a := &s.a
	copyMasks(a, &from, &to, i)
	squeeze(a.w[to.tags:to.tags+to.n], a.w[from.tags:from.tags+from.n], i)
	squeeze(a.h[to.handles:to.handles+to.n], a.h[from.handles:from.handles+from.n], i)
	if from.flags&blockUniform != 0 {
		copy(a.h[to.values:], a.h[from.values:from.values+from.stride])
		copy(a.b[to.rows:], a.b[from.rows:from.rows+3*from.r])
		return to.ref, nil
	}
	copy(a.h[to.values:], a.h[from.values:from.values+i*from.stride])
	copy(a.h[to.values+i*to.stride:to.handles], a.h[from.values+(i+1)*from.stride:from.handles])
	for j := range 3 * from.r {
		squeeze(a.b[to.rows+j*to.m:to.rows+(j+1)*to.m], a.b[from.rows+j*from.m:from.rows+(j+1)*from.m], i)
	}
	return to.ref, nil
}

// squeeze copies src without element i.
func squeeze[T any](dst, src []T, i int) {
	copy(dst, src[:i])
	copy(dst[i:], src[i+1:])
}

// growBlock is a copy of a block with one more lane at the end, of no more rows.
func (s *Store) growBlock(p uint32, l *lane, flags uint32, d *dict) (uint32, error) {
	from := s.a.block(p)
	if l.part || l.list != 0 {
		flags |= blockMasks
	}
	to, err := s.newBlock(from.n+1, from.r, from.flags|flags, s.a.blockID(p))
	if err != nil {
		return 0, err
	}
	a := &s.a
	copyMasks(a, &from, &to, -1)
	copy(a.w[to.tags:], a.w[from.tags:from.tags+from.n])
	copy(a.h[to.handles:], a.h[from.handles:from.handles+from.n])
	copy(a.h[to.values:], a.h[from.values:from.handles])
	for j := range 3 * from.r {
		copy(a.b[to.rows+j*to.m:], a.b[from.rows+j*from.m:from.rows+(j+1)*from.m])
	}
	to.put(s, from.n, l, d)
	return to.ref, nil
}

// hull is the cells that all lanes of a block lie in, for up to hullRows slots
// that all of them have: slot, low, high.
type hull [hullRows]hullRow

type hullRow [3]byte

// renewHull is how many lanes of a block come or go before its hull is made
// anew. In between it only widens.
const renewHull = 8

// hullOf returns the hull of a block that had one before it got or lost a lane.
func (b *block) hullOf(a *arena, before hull, l *lane, d *dict) hull {
	if b.n%renewHull == 0 || b.n < renewHull/2 {
		return b.hull(a)
	}
	if l == nil {
		return before
	}
	for j := range before {
		if x := &before[j]; x[0] != noSlot && !x.widen(l, d) {
			return b.hull(a)
		}
	}
	return before
}

// widen makes a row of a hull hold for a lane as well, which it cannot if the lane
// says nothing about the attribute.
func (x *hullRow) widen(l *lane, d *dict) bool {
	for j := range l.n {
		if r := &l.rows[j]; d.slot(r.name) == x[0] {
			lo, hi := r.cells(d.scale[x[0]])
			x[1], x[2] = min(x[1], lo), max(x[2], hi)
			return true
		}
	}
	return false
}

// hull makes the narrowest one.
func (b *block) hull(a *arena) (h hull) {
	for j := range h {
		h[j] = hullRow{noSlot, 0, cellTop}
	}
	var lo, hi, count [slots]byte
	var seen uint32
	for j := range b.r {
		v := a.b[b.rows+3*j*b.m:]
		for i := range b.m {
			k, l, u := v[i]&(slots-1), v[b.m+i], v[2*b.m+i]
			if seen&(1<<k) == 0 {
				seen |= 1 << k
				lo[k], hi[k] = l, u
			}
			lo[k], hi[k] = min(lo[k], l), max(hi[k], u)
			count[k]++
		}
	}
	for ; seen != 0; seen &= seen - 1 {
		k := bits.TrailingZeros32(seen)
		if k == noSlot || int(count[k]) != b.m {
			continue
		}
		x := hullRow{byte(k), lo[k], hi[k]}
		for j := range h {
			if h[j][0] == noSlot || x[2]-x[1] < h[j][2]-h[j][1] {
				h[j], x = x, h[j]
			}
		}
	}
	return h
}

// tagMask is a mask with a bit for each tag.
func (b *block) tagMask() uint64 { return ^uint64(0) >> (blockLanes - b.n) }

func trailing(mask uint64) int { return bits.TrailingZeros64(mask) }
