package matcher

import (
	"cmp"
	"slices"

	"github.com/scbr/scbr/matcher/filter"
)

const (
	// MaxBatch is how many events MatchBatch takes together at most.
	MaxBatch = 4096
	// defaultBatchTags is Config.BatchTags when that is 0: 8 MiB.
	defaultBatchTags = 1 << 20
	// maxVisits bounds the pages that the events of a batch are compared with: 2 MiB. A
	// batch that would have more is made of fewer events.
	maxVisits = 1 << 16
	// firstBatch is how many events are taken together before it is known how much
	// they match.
	firstBatch = 64
)

// batch is the scratch of MatchBatch.
type batch struct {
	first  []uint32 // of each event's visits
	visits []visit
	order  []uint32 // of the visits
	next   []uint32 // place in order, by zone
	tags   []uint64
	wholes []whole
	found  []whole // of one event
	dst    []uint64
	limit  int // tags
	mean   int // tags that events of the last batch matched
}

// size returns how many events are taken together, so that their tags have room.
func (b *batch) size() int {
	if b.mean == 0 {
		return firstBatch
	}
	return min(max(b.limit*3/4/b.mean, 1), MaxBatch)
}

// whole is a subscription of several parts, one of which matched.
type whole struct {
	ref uint32
	tag uint64
}

// visit is a page that an event has to be compared with, and what came of it.
type visit struct {
	page, event              uint32
	tags, tagsEnd            uint32
	wholes, wholesEnd, ready uint32
}

// MatchBatch matches events 0 to n-1 and calls found for each, in this order, with the
// tags of the subscriptions that match, valid during the call. event makes an event; it
// is asked for each once, and where parts of the Store are outside once more for each page
// that may match; what it returned last has to stay as it was only until it is asked again. found may change the Store: an event of the same batch may still
// be told of what was there when the batch began. Where a part of the Store is outside, each part is brought in
// once for up to MaxBatch events rather than once for each. It is for the writer.
func (s *Store) MatchBatch(n int, event func(i int) *filter.Event, found func(i int, tags []uint64)) {
	b := &s.work.batch
	for from := 0; from < n; {
		to := min(n, from+b.size())
		if s.a.zones.spilled > 0 && to-from > 1 && s.toucher == nil {
			from = s.matchTogether(from, to, event, found)
			continue
		}
		b.dst = s.Match(event(from), b.dst[:0])
		found(from, b.dst)
		from++
	}
}

// matchTogether matches events from one on, up to another or as many as there is room
// for, and returns the first that it did not.
func (s *Store) matchTogether(from, to int, event func(i int) *filter.Event, found func(i int, tags []uint64)) int {
	b, r := &s.work.batch, &s.own
	root := s.rootAt(s.root.Load())
	b.first, b.visits = b.first[:0], b.visits[:0]
	for i := from; i < to; i++ {
		if i > from && len(b.visits) > maxVisits {
			to = i
			break
		}
		b.first = append(b.first, uint32(len(b.visits)))
		for _, page := range r.pagesFor(root, event(i)) {
			b.visits = append(b.visits, visit{page: page, event: uint32(i)})
		}
	}
	b.first = append(b.first, uint32(len(b.visits)))
	s.sortVisits()
	s.visitAll(root, event)
	sum := 0
	for i := from; i < to; i++ {
		visits := b.visits[b.first[i-from]:b.first[i-from+1]]
		dst, ready := b.dst[:0], uint32(1)
		b.found = b.found[:0]
		for _, v := range visits {
			dst = append(dst, b.tags[v.tags:v.tagsEnd]...)
			b.found = append(b.found, b.wholes[v.wholes:v.wholesEnd]...)
			ready &= v.ready
		}
		if ready == 0 {
			dst = s.Match(event(i), dst[:0])
		} else {
			dst = b.appendWholes(dst)
		}
		b.dst = dst
		sum += len(dst) + 1
		found(i, dst)
	}
	b.mean = (sum + to - from - 1) / (to - from)
	s.stats.MatchBlocks += r.blocks
	s.stats.MatchTests += r.tests
	r.blocks, r.tests = 0, 0
	return to
}

// appendWholes appends the tag of each whole that was found, once.
func (b *batch) appendWholes(dst []uint64) []uint64 {
	slices.SortFunc(b.found, func(x, y whole) int { return cmp.Compare(x.ref, y.ref) })
	for i, w := range b.found {
		if i == 0 || b.found[i-1].ref != w.ref {
			dst = append(dst, w.tag)
		}
	}
	return dst
}

// sortVisits puts together what is in one zone, those in memory first, so that they
// are not moved out before they were of use.
func (s *Store) sortVisits() {
	b, z := &s.work.batch, &s.a.zones
	b.next = append(b.next[:0], make([]uint32, len(z.all)+1)...)
	for i := range b.visits {
		b.next[z.of(b.visits[i].page)]++
	}
	sum := b.next[0]
	b.next[0] = 0
	for _, spilled := range []bool{false, true} {
		for id := range z.all {
			if z.all[id].spilled == spilled {
				b.next[id+1], sum = sum, sum+b.next[id+1]
			}
		}
	}
	b.order = slices.Grow(b.order[:0], len(b.visits))[:len(b.visits)]
	for i := range b.visits {
		at := &b.next[z.of(b.visits[i].page)]
		b.order[*at] = uint32(i)
		*at++
	}
}

// visitAll makes the visits in their order until there is no room for more tags.
func (s *Store) visitAll(root *[rootHalves]uint32, event func(i int) *filter.Event) {
	b, r := &s.work.batch, &s.own
	b.tags, b.wholes = b.tags[:0], b.wholes[:0]
	for _, at := range b.order {
		if len(b.tags) > b.limit {
			return
		}
		v := &b.visits[at]
		r.resolve(root, event(int(v.event)))
		r.wholes = r.wholes[:0]
		v.tags, v.wholes = uint32(len(b.tags)), uint32(len(b.wholes))
		b.tags = r.page(v.page, b.tags)
		for _, ref := range r.wholes {
			b.wholes = append(b.wholes, whole{ref, s.a.w[ref+wholeTag]})
		}
		v.tagsEnd, v.wholesEnd, v.ready = uint32(len(b.tags)), uint32(len(b.wholes)), 1
	}
}
