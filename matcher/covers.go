package matcher

import (
	"cmp"
	"slices"

	"github.com/scbr/scbr/matcher/filter"
)

// query is a conjunction that stored filters are asked to cover.
type query struct {
	terms     []queryTerm
	where     [256]uint8  // low byte of a name: index of its term; later ones are found by search
	d         dict        // of the page in question
	low, high [slots]byte // the cells there of the ends
}

type queryTerm struct {
	term
	row
}

// init takes the terms of a conjunction.
func (q *query) init(s *Store, terms []term) {
	q.terms = q.terms[:0]
	for i := range q.where {
		q.where[i] = absent
	}
	for _, t := range terms {
		if t.name == 0 {
			continue // no stored filter mentions it
		}
		if q.where[byte(t.name)] == absent {
			q.where[byte(t.name)] = uint8(len(q.terms))
		}
		q.terms = append(q.terms, queryTerm{t, s.newRow(t.name, t.c)})
	}
}

// find returns the term about a name, or nil.
func (q *query) find(name uint32) *queryTerm {
	i := int(q.where[byte(name)])
	for ; i < len(q.terms); i++ {
		if q.terms[i].term.name == name {
			return &q.terms[i]
		}
	}
	return nil
}

// hull returns the cells between which all values are that a constraint admits.
func (t *queryTerm) hull(c scale) (lo, hi byte) {
	switch t.kind {
	case rowTexts:
		return cellString, cellTop
	case rowMixed:
		return cellBool, cellTop
	default:
		return t.cells(c)
	}
}

// within reports whether a compact row with these halves admits all that the
// term does.
func (t *queryTerm) within(lo, hi int32) bool {
	return t != nil && t.kind == rowNumbers && lo <= t.hlo && t.hhi <= hi
}

// coverers calls visit for each lane of a state that covers a conjunction, until
// visit returns false. id is the lane's handle, or, if it is a part, the
// reference of its whole with wholeBit.
func (s *Store) coverers(at *root, terms []term, visit func(id uint32, tag uint64) bool) bool {
	q := &s.work.query
	q.init(s, terms)
	for i := range q.terms {
		t := &q.terms[i]
		var v filter.Value
		needs := uint32(0)
		switch t.c.Kind() {
		case filter.Point:
			v = t.c.Point()
		case filter.Set: // a set that covers this one is indexed by each of its members
			v, needs = t.c.MemberAt(0), t.term.name
		default:
			continue
		}
		k := s.placeOf(t.term.name, v)
		if c, _ := s.a.lookCluster(at.clusters, &k); c != 0 && !s.coverersIn(c, needs, visit) {
			return false
		}
	}
	return at.ranges == 0 || s.coverersIn(at.ranges, 0, visit)
}

// coverersIn looks in one cluster, for lanes that themselves say something about
// the name needs, if that is not 0.
func (s *Store) coverersIn(c, needs uint32, visit func(id uint32, tag uint64) bool) bool {
	a := &s.a
	bounded := a.clusterBounds(c)
	for i := range a.clusterPages(c) {
		if bounded != nil {
			if b := readBounds(bounded[boundsEntry*i:]); s.work.query.outside(&b) {
				continue
			}
		}
		p := a.page(a.clusterPage(c, i))
		s.work.query.setPage(a, &p)
		blocks := s.contain(a.b[p.bounds:], p.n, hullRows)
		for ; blocks != 0; blocks &= blocks - 1 {
			a.stay(p.ref) // what visit did may have needed others
			b := a.block(a.h[p.refs+trailing(blocks)])
			maybe := s.contain(a.b[b.rows:], b.m, b.r)
			for ; maybe != 0; maybe &= maybe - 1 {
				i := trailing(maybe)
				a.stay(p.ref)
				s.stats.CoverTests++
				if s.covers(&b, i, needs) && !s.visitLane(&b, i, visit) {
					return false
				}
			}
		}
	}
	return true
}

// contain returns the lanes between whose cells the query's are.
func (s *Store) contain(rows []byte, n, r int) uint64 {
	s.stats.CoverBlocks++
	low, _ := scan(rows, n, r, &s.work.query.low, s.portable)
	if low == 0 {
		return 0
	}
	high, _ := scan(rows, n, r, &s.work.query.high, s.portable)
	return low & high
}

func (s *Store) visitLane(b *block, i int, visit func(id uint32, tag uint64) bool) bool {
	_, part := b.masks(&s.a)
	from, to := i, i+1
	if b.flags&blockUniform != 0 {
		from, to = 0, b.n
	}
	for i := from; i < to; i++ {
		s.a.stay(b.ref)
		id, tag := s.a.h[b.handles+i], s.a.w[b.tags+i]
		if part>>i&1 != 0 {
			id, tag = wholeBit|uint32(tag), s.a.w[uint32(tag)+wholeTag]
		}
		if !visit(id, tag) {
			return false
		}
	}
	return true
}

// setPage computes the cells of the constraints on a page's scales.
func (q *query) setPage(a *arena, p *page) {
	a.readDict(p, &q.d)
	for k := range q.d.n {
		q.low[k], q.high[k] = cellAbsent, cellAbsent
		if t := q.find(q.d.name[k]); t != nil {
			q.low[k], q.high[k] = t.hull(q.d.scale[k])
		}
	}
	q.low[noSlot], q.high[noSlot] = cellNone, cellNone
}

// covers decides whether lane i covers the query.
func (s *Store) covers(b *block, i int, needs uint32) bool {
	a, q := &s.a, &s.work.query
	if b.flags&blockGeneral != 0 {
		said := needs == 0
		for list := a.list(a.h[b.values+i]); len(list) > 0; {
			name, enc, rest := nextTerm(list)
			t := q.find(name)
			if t == nil {
				return false
			}
			c, _, err := filter.DecodeConstraint(enc)
			if err != nil || !c.Covers(t.c) {
				return false
			}
			list, said = rest, said || name == needs
		}
		return said
	}
	if needs != 0 {
		return false
	}
	for j := range b.r {
		slot := a.b[b.rows+3*j*b.m+i]
		if slot == noSlot {
			break
		}
		at := b.values + i*b.stride + 2*j
		lo, hi := int32(a.h[at]), int32(a.h[at+1])
		if !q.find(q.d.name[slot]).within(lo, hi) {
			return false
		}
	}
	return true
}

// queryTerms resolves a conjunction's names without making any; the next call
// takes the terms back.
func (s *Store) queryTerms(at *root, c *filter.Conjunction) []term {
	dst := s.work.asked[:0]
	for i := range c.Len() {
		name := c.At(i).Attr()
		dst = append(dst, term{s.a.lookUp(at.names, s.hash.text(name), name), c.At(i)})
	}
	s.work.asked = dst
	return dst
}

// Covered reports whether some stored filter covers f: each conjunction of f is
// covered by one of that filter's. It changes nothing, and is for the writer.
func (s *Store) Covered(f filter.Filter) bool {
	at := s.readRoot(s.root.Load())
	if f.Len() == 0 {
		return at.subs > 0
	}
	if f.Len() == 1 {
		return !s.coverers(&at, s.queryTerms(&at, f.At(0)), func(uint32, uint64) bool { return false })
	}
	return len(s.allCoverers(&at, &f)) > 0
}

// coverer is a subscription that covers something: its handle, or the reference
// of its whole with wholeBit, and its tag.
type coverer struct {
	id  uint32
	tag uint64
}

func byID(a, b coverer) int { return cmp.Compare(a.id, b.id) }

// allCoverers returns the subscriptions that cover every conjunction of f, which
// has at least one.
func (s *Store) allCoverers(at *root, f *filter.Filter) []coverer {
	var all []coverer
	for i := range f.Len() {
		var found []coverer
		s.coverers(at, s.queryTerms(at, f.At(i)), func(id uint32, tag uint64) bool {
			found = append(found, coverer{id, tag})
			return true
		})
		slices.SortFunc(found, byID)
		found = slices.CompactFunc(found, func(a, b coverer) bool { return a.id == b.id })
		if i > 0 {
			found = slices.DeleteFunc(found, func(c coverer) bool {
				_, before := slices.BinarySearchFunc(all, c, byID)
				return !before
			})
		}
		if all = found; len(all) == 0 {
			return nil
		}
	}
	return all
}

// Containers appends to dst the tag of each subscription whose filter covers f,
// in no particular order. It is for the writer.
func (s *Store) Containers(f filter.Filter, dst []uint64) []uint64 {
	at := s.readRoot(s.root.Load())
	if f.Len() == 0 {
		for h := range s.each() {
			dst = append(dst, s.tagOf(h))
		}
		return dst
	}
	for _, c := range s.allCoverers(&at, &f) {
		dst = append(dst, c.tag)
	}
	return dst
}
