package matcher

import (
	"iter"
	"slices"

	"github.com/scbr/scbr/matcher/filter"
)

// each iterates over the handles of all subscriptions.
func (s *Store) each() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for h := uint32(1); h < s.handles.end; h++ {
			if s.known(&s.handles, h) && !s.isPart(h) && !yield(h) {
				return
			}
		}
	}
}

// tagOf returns the tag of the subscription with a handle.
func (s *Store) tagOf(h uint32) uint64 {
	e := uint32(s.entry(&s.handles, h))
	if e&wholeBit != 0 {
		return s.a.w[e&^wholeBit+wholeTag]
	}
	b := s.a.block(low(s.entry(&s.blocks, e)))
	return s.a.w[b.tags+b.findHandle(&s.a, h)]
}

// Roots appends to dst the tag of each subscription whose filter no other one
// covers; of equal filters the one with the lowest handle counts, and of
// filters that cover each other without being equal in form as well. Every
// event that matches anything matches a root. It is for the writer, and costs
// one covering question for each conjunction stored, which is quadratic where
// filters can only be compared one by one, as patterns are.
func (s *Store) Roots(dst []uint64) []uint64 {
	for h := range s.each() {
		if s.isRoot(h) {
			dst = append(dst, s.tagOf(h))
		}
	}
	return dst
}

// isRoot reports whether no subscription covers that with handle h, except those
// that it covers as well and that come later.
func (s *Store) isRoot(h uint32) bool {
	at := s.readRoot(s.root.Load())
	mine := s.conjunctionsOf(h)
	if len(mine) == 0 {
		return at.lanes == 0 && s.isFirst(h) // FALSE, which everything covers
	}
	self := h
	if e := uint32(s.entry(&s.handles, h)); e&wholeBit != 0 {
		self = e
	}
	if len(mine) == 1 {
		return s.isRootOfOne(&at, self, h, mine[0])
	}
	var all map[uint32]bool
	for i, terms := range mine {
		found := map[uint32]bool{}
		s.coverers(&at, terms, func(id uint32, _ uint64) bool {
			if id != self && (i == 0 || all[id]) {
				found[id] = true
			}
			return true
		})
		if all = found; len(all) == 0 {
			return true
		}
	}
	for id := range all {
		other := s.handleOf(id)
		if other < h || !s.coversAll(self, s.conjunctionsOf(other)) {
			return false
		}
	}
	return true
}

// isRootOfOne is isRoot of a single conjunction: it ends at the first subscription
// that shows the contrary, which among equal filters and those that cover each
// other in a row is soon met.
func (s *Store) isRootOfOne(at *root, self, h uint32, mine []term) bool {
	return s.coverers(at, mine, func(id uint32, _ uint64) bool {
		if id == self {
			return true
		}
		other := s.handleOf(id)
		return other > h && coverAll(mine, s.conjunctionsOf(other))
	})
}

// coverAll reports whether a conjunction covers each of others.
func coverAll(terms []term, others [][]term) bool {
	for _, other := range others {
		for _, t := range terms {
			i := slices.IndexFunc(other, func(o term) bool { return o.name == t.name })
			if i < 0 || !t.c.Covers(other[i].c) {
				return false
			}
		}
	}
	return len(others) > 0
}

// isFirst reports whether no handle is lower.
func (s *Store) isFirst(h uint32) bool {
	for first := range s.each() {
		return first == h
	}
	return false
}

// coversAll reports whether the subscription with an id covers conjunctions.
func (s *Store) coversAll(id uint32, conjunctions [][]term) bool {
	at := s.readRoot(s.root.Load())
	for _, terms := range conjunctions {
		if s.coverers(&at, terms, func(x uint32, _ uint64) bool { return x != id }) {
			return false
		}
	}
	return len(conjunctions) > 0
}

// handleOf returns the handle of what coverers named.
func (s *Store) handleOf(id uint32) uint32 {
	if id&wholeBit == 0 {
		return id
	}
	return s.a.h[2*(id&^wholeBit)+wholeHandle]
}

// conjunctionsOf reads back the conjunctions of a subscription.
func (s *Store) conjunctionsOf(h uint32) [][]term {
	e := uint32(s.entry(&s.handles, h))
	if e&wholeBit == 0 {
		return [][]term{s.termsOf(h, e)}
	}
	whole := e &^ wholeBit
	var all [][]term
	for i := range s.a.h[2*whole+wholeParts] {
		part := s.a.h[2*whole+wholeParts+1+i]
		all = append(all, s.termsOf(part, uint32(s.entry(&s.handles, part))))
	}
	return all
}

// termsOf reads back the conjunction of a lane: what its rows or its list say,
// and the equality of its cluster.
func (s *Store) termsOf(h, id uint32) []term {
	a := &s.a
	at := s.entry(&s.blocks, id)
	onPage := s.entry(&s.pages, high(at))
	b := a.block(low(at))
	p := a.page(low(onPage))
	a.readDict(&p, &s.work.fitted)
	var l lane
	s.get(&b, b.findHandle(a, h), &l, &s.work.fitted)
	var terms []term
	if l.list != 0 {
		terms = decodeList(nil, a.list(l.list))
	} else {
		for j := range l.n {
			terms = append(terms, term{l.rows[j].name, l.rows[j].constraint()})
		}
	}
	return s.withPlace(terms, uint32(s.entry(&s.clusters, high(onPage))))
}

// withPlace adds the equality of a cluster, unless the terms speak of its
// attribute already: then it is one of the values of a set.
func (s *Store) withPlace(terms []term, c uint32) []term {
	attr, mark := low(s.a.w[c+clusterAttr]), high(s.a.w[c+clusterAttr])
	if mark == valueRange {
		return terms
	}
	for _, t := range terms {
		if t.name == attr {
			return terms
		}
	}
	var v filter.Value
	if mark == valueString {
		v = filter.String(s.a.text(uint32(s.a.w[c+clusterValue])))
	} else {
		v = valueOf(key{s.a.w[c+clusterValue], uint16(mark)})
	}
	return append(terms, term{attr, constraintOf(filter.Predicate{Op: filter.Eq, Value: v})})
}

// constraintOf is the constraint of predicates on one attribute that do not
// contradict each other.
func constraintOf(preds ...filter.Predicate) *filter.Constraint {
	for i := range preds {
		preds[i].Attr = "a" // terms carry their names themselves
	}
	f, err := filter.New(preds...)
	if err != nil || f.Len() != 1 || f.At(0).Len() != 1 {
		panic("matcher: a stored constraint is none")
	}
	return f.At(0).At(0)
}

// constraint is what the halves of a compact row say.
func (r *row) constraint() *filter.Constraint {
	var preds []filter.Predicate
	if r.hlo != unboundedLow {
		op := filter.Ge
		if r.hlo&1 != 0 {
			op = filter.Gt
		}
		preds = append(preds, filter.Predicate{Op: op, Value: filter.Int(int64(r.lo))})
	}
	if r.hhi != unboundedHigh {
		op := filter.Le
		if r.hhi&1 != 0 {
			op = filter.Lt
		}
		preds = append(preds, filter.Predicate{Op: op, Value: filter.Int(int64(r.hi))})
	}
	return constraintOf(preds...)
}
