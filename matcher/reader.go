package matcher

import (
	"math"
	"slices"

	"github.com/scbr/scbr/matcher/filter"
)

// A Reader matches events while the writer changes the Store. It takes no lock:
// it announces the epoch it reads in, and what it can see stays until it is
// done. Each answer is that of one moment, between two changes. A Reader is used
// by one goroutine at a time.
type Reader struct {
	s      *Store
	pin    paddedEpoch
	memo   [memoSize]shapeMemo
	event  event
	wholes []uint32
	cells  [slots]byte
	index  [slots]uint8
	half   [slots]int32
	blocks uint64 // counted since the owner looked
	tests  uint64
}

// memoSize is how many kinds of events, by their attribute names, a reader
// remembers. Publishers send few.
const memoSize = 8

// shapeMemo remembers what the names of one kind of event resolve to.
type shapeMemo struct {
	version uint32
	n       int
	clash   bool
	keys    [filter.MaxAttributes]uint64
	names   [filter.MaxAttributes]uint32 // 0: no filter mentions it
	keyed   [filter.MaxAttributes]uint8  // attributes that key clusters
	keyedN  int
	where   [256]uint8 // low byte of a name: index of its attribute
}

// event is the event being matched.
type event struct {
	*shapeMemo
	e *filter.Event
}

// absent is the index of an attribute that the event does not have.
const absent = 255

// find returns the index of the attribute with a name, or absent.
func (m *shapeMemo) find(name uint32) uint8 {
	i := m.where[byte(name)]
	if int(i) < m.n && m.names[i] == name {
		return i
	}
	if m.clash {
		if k := slices.Index(m.names[:m.n], name); k >= 0 {
			return uint8(k)
		}
	}
	return absent
}

// resolve looks up the names of an event.
func (r *Reader) resolve(root *root, e *filter.Event) *shapeMemo {
	m := &r.memo[e.Shape()%memoSize]
	keys := e.Keys()
	a := &r.s.a
	if m.version == root.version+1 && slices.Equal(m.keys[:m.n], keys) && (!e.LongNames() || r.sameLong(m, root, e)) {
		return m
	}
	*m = shapeMemo{version: root.version + 1, n: len(keys)}
	copy(m.keys[:], keys)
	for i := range m.where {
		m.where[i] = absent
	}
	for i := range m.n {
		name := e.NameAt(i)
		p := a.lookUp(root.names, r.s.hash.text(name), name)
		m.names[i] = p
		if p == 0 {
			continue
		}
		if a.keyed(p) {
			m.keyed[m.keyedN] = uint8(i)
			m.keyedN++
		}
		m.clash = m.clash || m.where[byte(p)] != absent
		m.where[byte(p)] = uint8(i)
	}
	return m
}

// sameLong reports whether the names whose key is only a hash are those that a
// memo resolved.
func (r *Reader) sameLong(m *shapeMemo, root *root, e *filter.Event) bool {
	a := &r.s.a
	for i := range m.n {
		name := e.NameAt(i)
		switch p := m.names[i]; {
		case m.keys[i]>>63 == 0: // the key is the name
		case p != 0 && a.text(p) != name, p == 0 && a.lookUp(root.names, r.s.hash.text(name), name) != 0:
			return false
		}
	}
	return true
}

// match appends the tags of what matches in the state of a root.
func (r *Reader) match(at uint32, e *filter.Event, dst []uint64) []uint64 {
	s := r.s
	root := s.readRoot(at)
	if s.toucher != nil {
		r.touch(at, rootWords)
	}
	if root.lanes == 0 {
		return dst
	}
	r.event = event{r.resolve(&root, e), e}
	r.wholes = r.wholes[:0]
	for _, i := range r.event.keyed[:r.event.keyedN] {
		k := s.placeOf(r.event.names[i], *e.ValueAt(int(i)))
		if c, _ := s.a.lookCluster(root.clusters, &k); c != 0 {
			dst = r.cluster(c, dst)
		}
	}
	if root.ranges != 0 {
		dst = r.cluster(root.ranges, dst)
	}
	if len(r.wholes) == 0 {
		return dst
	}
	slices.Sort(r.wholes)
	for i, whole := range r.wholes {
		if i == 0 || r.wholes[i-1] != whole {
			dst = append(dst, s.a.w[whole+wholeTag])
		}
	}
	return dst
}

func (r *Reader) cluster(c uint32, dst []uint64) []uint64 {
	a := &r.s.a
	n := a.clusterPages(c)
	if r.s.toucher != nil {
		r.touch(c, clusterPages+2*uint32(n))
	}
	for i := range n {
		dst = r.page(a.clusterPage(c, i), dst)
	}
	return dst
}

func (r *Reader) touch(p, words uint32) {
	r.s.toucher.Touch(int(p)*wordBytes, int(words)*wordBytes)
}

func (r *Reader) page(ref uint32, dst []uint64) []uint64 {
	a := &r.s.a
	p := a.page(ref)
	if r.s.toucher != nil {
		r.touch(ref, p.words())
	}
	r.setCells(&p)
	r.blocks++
	if p.n == 1 {
		return r.block(a.h[p.refs], dst)
	}
	maybe, _ := scan(a.b[p.bounds:], p.n, hullRows, &r.cells, r.s.portable)
	for ; maybe != 0; maybe &= maybe - 1 {
		dst = r.block(a.h[p.refs+trailing(maybe)], dst)
	}
	return dst
}

// setCells computes the cells of the event's values on a page's scales.
func (r *Reader) setCells(p *page) {
	a := &r.s.a
	m := r.event.shapeMemo
	w := a.w[int(p.ref)+pageHead : int(p.ref)+pageHead+2*p.d]
	for k := range p.d {
		x := w[2*k]
		i := m.find(low(x))
		r.index[k] = i
		if i == absent {
			r.cells[k] = cellAbsent
			continue
		}
		v := r.event.e.ValueAt(int(i))
		c := scale{math.Float64frombits(w[2*k+1]), math.Float32frombits(high(x))}
		switch v.Type() {
		case filter.TypeInt:
			n := v.Int()
			r.half[k], r.cells[k] = halfInt(n), c.cell(float64(n))
		case filter.TypeFloat:
			f := v.Float()
			r.half[k], r.cells[k] = halfFloat(f), c.cell(f)
		case filter.TypeString:
			r.cells[k] = textCell(r.s.hash.text(v.Str()))
		default:
			r.cells[k] = cellBool
		}
	}
	r.cells[noSlot] = cellNone
}

// block appends the tags of a block's lanes that match.
func (r *Reader) block(ref uint32, dst []uint64) []uint64 {
	a := &r.s.a
	r.blocks++
	head := uint64(a.h[2*ref+2])
	m := int(head & 0xff)
	if head&(blockUniform<<blockFlags) != 0 {
		m = 1
	}
	maybe, sure := scan(a.b[int(ref)*wordBytes+4*int(head>>blockRows):], m, int(head>>8&0xf), &r.cells, r.s.portable)
	if maybe == 0 && r.s.toucher == nil {
		return dst
	}
	b := a.block(ref)
	if r.s.toucher != nil {
		r.touch(ref, b.words())
	}
	inexact, part := b.masks(a)
	if b.flags&blockUniform != 0 {
		r.tests++
		if sure&^inexact == 0 && !r.exact(&b, 0) {
			return dst
		}
		return r.report(&b, b.tagMask(), part, dst)
	}
	sure &^= inexact
	for maybe &^= sure; maybe != 0; maybe &= maybe - 1 {
		i := trailing(maybe)
		r.tests++
		if r.exact(&b, i) {
			sure |= 1 << i
		}
	}
	return r.report(&b, sure, part, dst)
}

// report appends the tags of the lanes in a mask.
func (r *Reader) report(b *block, lanes, part uint64, dst []uint64) []uint64 {
	tags := r.s.a.w[b.tags : b.tags+b.n]
	for parts := lanes & part; parts != 0; parts &= parts - 1 {
		r.wholes = append(r.wholes, uint32(tags[trailing(parts)]))
	}
	for lanes &^= part; lanes != 0; lanes &= lanes - 1 {
		dst = append(dst, tags[trailing(lanes)])
	}
	return dst
}

// exact evaluates lane i, whose rows admit the event as far as cells tell.
func (r *Reader) exact(b *block, i int) bool {
	a := &r.s.a
	if b.flags&blockGeneral != 0 {
		return r.list(a.list(a.h[b.values+i]))
	}
	v, slot := a.h[b.values+i:], a.b[b.rows+i:]
	for j := range b.r {
		k := slot[3*j*b.m]
		if k == noSlot {
			break
		}
		h := r.half[k&(slots-1)]
		if h < int32(v[2*j*b.m]) || h > int32(v[(2*j+1)*b.m]) {
			return false
		}
	}
	return true
}

// list evaluates a constraint list.
func (r *Reader) list(list []byte) bool {
	for len(list) > 0 {
		name, c, rest := nextTerm(list)
		i := r.event.find(name)
		if missing := filter.ConstraintKind(c[0]) == filter.Missing; missing || i == absent {
			if missing != (i == absent) {
				return false
			}
		} else if !filter.MatchConstraint(c, *r.event.e.ValueAt(int(i))) {
			return false
		}
		list = rest
	}
	return true
}
