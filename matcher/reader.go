package matcher

import (
	"math/bits"
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
	names  [nameCache]cachedName
	event  event
	wholes []uint32
	pages  []uint32 // for the event
	cells  [slots]byte
	half   [slots]int32
	dict   []uint64 // the page's attributes and scales that cells and half are for
	hits   [pageBlocks]hit
	refs   [pageBlocks]uint32
	closed bool
	blocks uint64 // counted since the owner looked
	tests  uint64
}

// match appends the tags of what matches in the state of a root.
func (r *Reader) match(at uint32, e *filter.Event, dst []uint64) []uint64 {
	s := r.s
	root := s.rootAt(at)
	if s.toucher != nil {
		r.touch(at, rootWords)
	}
	if root[rootLanes] == 0 {
		return dst
	}
	r.wholes = r.wholes[:0]
	for _, page := range r.pagesFor(root, e) {
		dst = r.page(page, dst)
	}
	slices.Sort(r.wholes)
	for i, whole := range r.wholes {
		if i == 0 || r.wholes[i-1] != whole {
			dst = append(dst, s.a.w[whole+wholeTag])
		}
	}
	return dst
}

// pagesFor resolves an event and returns the pages that may have filters that it
// satisfies. None of them is read.
func (r *Reader) pagesFor(root *[rootHalves]uint32, e *filter.Event) []uint32 {
	s := r.s
	r.pages = r.pages[:0]
	for _, i := range r.resolve(root, e) {
		k := s.placeOf(r.event.names[i], *e.ValueAt(int(i)))
		if c, _ := s.a.lookCluster(root[rootClusters], &k); c != 0 {
			r.cluster(c)
		}
	}
	if root[rootRanges] != 0 {
		r.cluster(root[rootRanges])
	}
	return r.pages
}

func (r *Reader) cluster(c uint32) {
	a := &r.s.a
	n := a.clusterPages(c)
	if r.s.toucher != nil {
		r.touch(c, clusterWords(n))
	}
	all := a.clusterBounds(c)
	if all == nil {
		r.pages = append(r.pages, a.clusterPage(c, 0))
		return
	}
	if r.s.toucher != nil {
		r.touch(uint32(a.w[int(c)+clusterPages+2*n]), boundsWords(n))
	}
	r.blocks += uint64(n / blockLanes)
	for i := range n {
		if b := readBounds(all[boundsEntry*i:]); !r.outside(&b) {
			r.pages = append(r.pages, a.clusterPage(c, i))
		}
	}
}

func (r *Reader) touch(p, words uint32) {
	r.s.toucher.Touch(int(p)*wordBytes, int(words)*wordBytes)
}

// touchPage reports a page and what is read of all blocks that are scanned.
func (r *Reader) touchPage(p *page, refs []uint32, which uint64) {
	r.touch(p.at, p.words())
	for ; which != 0; which &= which - 1 {
		b := r.s.a.block(refs[trailing(which)])
		r.touch(b.at, uint32(b.tags)-b.at)
	}
}

// places returns where the blocks are that a mask names.
func (r *Reader) places(refs []uint32, which uint64) []uint32 {
	for ; which != 0; which &= which - 1 {
		i := trailing(which)
		r.refs[i] = r.s.a.at(refs[i])
	}
	return r.refs[:len(refs)]
}

// page scans the blocks of a page whose bounds admit the event.
func (r *Reader) page(ref uint32, dst []uint64) []uint64 {
	a := &r.s.a
	p := a.page(ref)
	r.setCells(&p)
	r.blocks++
	which := uint64(1)
	if p.n > 1 {
		if which, _ = scan(a.b[p.bounds:], p.n, hullRows, &r.cells, r.s.portable); which == 0 {
			return dst
		}
	}
	r.blocks += uint64(bits.OnesCount64(which))
	refs := a.h[p.refs : p.refs+p.n]
	if a.zones.out != nil {
		refs = r.places(refs, which)
	}
	if r.s.toucher != nil {
		r.touchPage(&p, refs, which)
	}
	n := a.scanBlocks(refs, which, &r.cells, &r.hits, r.s.portable)
	for i := range r.hits[:n] {
		dst = r.hit(&r.hits[i], dst)
	}
	return dst
}

// hit appends the tags of a block's lanes that match.
func (r *Reader) hit(h *hit, dst []uint64) []uint64 {
	a := &r.s.a
	if r.s.toucher != nil {
		b := a.block(h.ref)
		r.touch(h.ref, b.words())
	}
	if h.head&((blockMasks|blockUniform)<<blockFlags) != 0 {
		return r.hitOddly(h, dst)
	}
	sure := h.sure
	if maybe := h.maybe &^ sure; maybe != 0 {
		b := a.block(h.ref)
		r.tests += uint64(bits.OnesCount64(maybe))
		for ; maybe != 0; maybe &= maybe - 1 {
			if i := trailing(maybe); r.within(&b, i) {
				sure |= 1 << i
			}
		}
	}
	tags := int(h.ref + h.head>>blockTags)
	return appendTags(dst, a.w[tags:tags+int(h.head&0xff)], sure)
}

// hitOddly is hit for blocks with one filter for all tags, with parts of
// disjunctions, or with lanes that only a list of constraints can decide.
func (r *Reader) hitOddly(h *hit, dst []uint64) []uint64 {
	b := r.s.a.block(h.ref)
	inexact, part := b.masks(&r.s.a)
	sure := h.sure &^ inexact
	if b.flags&blockUniform != 0 {
		r.tests++
		if sure == 0 && !r.exact(&b, 0) {
			return dst
		}
		return r.report(&b, b.tagMask(), part, dst)
	}
	for maybe := h.maybe &^ sure; maybe != 0; maybe &= maybe - 1 {
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
	return appendTags(dst, tags, lanes&^part)
}

func appendTags(dst, tags []uint64, lanes uint64) []uint64 {
	from := len(dst)
	n := from + bits.OnesCount64(lanes)
	dst = slices.Grow(dst, n-from)[:n]
	for i := from; i < n; i++ {
		dst[i] = tags[trailing(lanes)&(blockLanes-1)]
		lanes &= lanes - 1
	}
	return dst
}

// exact evaluates lane i, whose rows admit the event as far as cells tell.
func (r *Reader) exact(b *block, i int) bool {
	if b.flags&blockGeneral != 0 {
		return r.list(r.s.a.list(r.s.a.h[b.values+i]))
	}
	return r.within(b, i)
}

// within evaluates lane i of a compact block.
func (r *Reader) within(b *block, i int) bool {
	a := &r.s.a
	v, slot := a.h[b.values+i*b.stride:], a.b[b.rows+i:]
	for j := range b.r {
		k := slot[3*j*b.m]
		if k == noSlot {
			break
		}
		h := r.half[k&(slots-1)]
		if h < int32(v[2*j]) || h > int32(v[2*j+1]) {
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
