package poset

import (
	"errors"
	"slices"
	"testing"

	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func empty(t require.TestingT) *Poset {
	p, err := New(matcher.NewHeapMemory(region, region))
	require.NoError(t, err)
	return p
}

// supported reports whether the poset takes a predicate, from its contract.
func supported(p filter.Predicate) bool {
	switch p.Op {
	case filter.Eq:
		return p.Value.Type() != filter.TypeBool
	case filter.Lt, filter.Le, filter.Gt, filter.Ge, filter.Between:
		return p.Value.IsNumber()
	default:
		return false
	}
}

// predicates draws conjunctions; numbers on few names prevail, so that filters
// meet.
func predicates() *rapid.Generator[[]filter.Predicate] {
	number := matchtest.Value().Filter(filter.Value.IsNumber)
	interval := rapid.Custom(func(t *rapid.T) filter.Predicate {
		op := rapid.SampledFrom([]filter.Op{filter.Eq, filter.Lt, filter.Le, filter.Gt, filter.Ge, filter.Between}).Draw(t, "op")
		p := filter.Predicate{Attr: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name"), Op: op, Value: number.Draw(t, "value")}
		if op == filter.Between {
			p.High = number.Draw(t, "high")
		}
		return p
	})
	text := rapid.Custom(func(t *rapid.T) filter.Predicate {
		return filter.Predicate{Attr: matchtest.Name().Draw(t, "name"), Op: filter.Eq, Value: filter.String(matchtest.Text().Draw(t, "text"))}
	})
	return rapid.SliceOfN(rapid.OneOf(interval, interval, text), 0, 4)
}

// verify walks the whole tree: links are consistent, parents cover children,
// siblings do not cover each other, and counts agree with Stats.
func verify(t require.TestingT, p *Poset, o *matchtest.Oracle) {
	filters := map[uint64]filter.Filter{}
	for i := range o.Len() {
		filters[o.At(i).Tag] = o.At(i).Filter
	}
	nodes, subs := 0, 0
	of := func(n int) filter.Filter {
		tags := p.tags(n, nil)
		require.NotEmpty(t, tags)
		for _, tag := range tags[1:] {
			require.True(t, filters[tag].Equal(filters[tags[0]]), "subscribers of one node have equal filters")
		}
		return filters[tags[0]]
	}
	var below func(n int)
	below = func(n int) {
		var seen []filter.Filter
		last := 0
		for c := p.get(n, nodeFirstChild); c != 0; c = p.get(c, nodeNext) {
			require.Equal(t, n, p.get(c, nodeParent))
			f := of(c)
			if n != anchor {
				require.True(t, of(n).Covers(f), "a parent covers its children")
			}
			for _, g := range seen {
				require.False(t, f.Covers(g) || g.Covers(f), "siblings do not cover each other")
			}
			seen = append(seen, f)
			nodes++
			subs += len(p.tags(c, nil))
			last = c
			below(c)
		}
		require.Equal(t, last, p.get(n, nodeLastChild))
	}
	below(anchor)
	s := p.Stats()
	require.Equal(t, nodes, s.Nodes)
	require.Equal(t, subs, s.Subscriptions)
	require.Equal(t, o.Len(), s.Subscriptions)
}

func subscribe(t require.TestingT, p *Poset, o *matchtest.Oracle, preds []filter.Predicate, tag uint64) {
	f, err := filter.New(preds...)
	require.NoError(t, err)
	require.NoError(t, p.Insert(preds, tag))
	o.Insert(matchtest.Subscription{Expr: matchtest.Conjoined(preds), Filter: f, Tag: tag})
}

func requireSame(t require.TestingT, p *Poset, o *matchtest.Oracle, e filter.Event) {
	got := p.Match(&e, []uint64{})
	slices.Sort(got)
	want := o.Match(e)
	slices.Sort(want)
	require.Equal(t, want, got)
}

// TestOracle: whatever is inserted in whatever order, the answer is the
// oracle's, and the tree is a containment poset.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(predicates(), 0, 40).Draw(t, "filters")
		order := rapid.Permutation(all).Draw(t, "order")
		events := rapid.SliceOfN(matchtest.Event(), 1, 10).Draw(t, "events")
		p, q := empty(t), empty(t)
		var o, r matchtest.Oracle
		for i := range all {
			subscribe(t, p, &o, all[i], uint64(i))
			subscribe(t, q, &r, order[i], uint64(i))
		}
		verify(t, p, &o)
		verify(t, q, &r)
		require.Equal(t, p.Stats().Roots, q.Stats().Roots, "no order of insertion changes the roots")
		for _, e := range events {
			requireSame(t, p, &o, e)
			requireSame(t, q, &r, e)
		}
	})
}

// TestRefusals: any predicates are taken or refused as the contract says.
func TestRefusals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		preds := matchtest.Predicates().Draw(t, "preds")
		p := empty(t)
		before := p.Stats()
		err := p.Insert(preds, 1)
		if !slices.ContainsFunc(preds, func(q filter.Predicate) bool { return !supported(q) }) {
			require.NoError(t, err)
			return
		}
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, Unsupported, e.Kind)
		require.Equal(t, before, p.Stats())
	})
}

func TestBadFilter(t *testing.T) {
	for _, pred := range []filter.Predicate{
		{},
		{Attr: "", Op: filter.Eq, Value: filter.Int(1)},
		{Attr: "a", Op: filter.Eq, Value: filter.String("\xff")},
		{Attr: "a", Op: filter.Between, Value: filter.Int(1), High: filter.String("b")},
	} {
		err := empty(t).Insert([]filter.Predicate{pred}, 1)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, BadFilter, e.Kind)
		var cause *filter.Error
		require.ErrorAs(t, err, &cause)
	}
}

// TestEqualFiltersShare: texts of one meaning are one node.
func TestEqualFiltersShare(t *testing.T) {
	half, err := filter.Float(500)
	require.NoError(t, err)
	p := empty(t)
	for i, preds := range [][]filter.Predicate{
		{{Attr: "a", Op: filter.Eq, Value: filter.Int(500)}},
		{{Attr: "a", Op: filter.Eq, Value: half}},
		{{Attr: "a", Op: filter.Between, Value: filter.Int(500), High: half}},
		{{Attr: "a", Op: filter.Ge, Value: filter.Int(500)}, {Attr: "a", Op: filter.Le, Value: filter.Int(500)}},
	} {
		require.NoError(t, p.Insert(preds, uint64(i)))
	}
	s := p.Stats()
	require.Equal(t, 1, s.Nodes)
	require.Equal(t, 4, s.Subscriptions)
}

// chain is a filter that all later ones of it cover.
func chain(i int) []filter.Predicate {
	return []filter.Predicate{{Attr: "x", Op: filter.Le, Value: filter.Int(int64(i))}}
}

// TestBudget: whatever the budget, an insertion that does not fit is refused by
// kind and changes nothing.
func TestBudget(t *testing.T) {
	e, err := filter.NewEvent(filter.Attribute{Name: "x", Value: filter.Int(-1)})
	require.NoError(t, err)
	for budget := 0; budget < 3*commitStep; budget += 100 {
		p, err := New(matcher.NewHeapMemory(region, budget))
		if budget < anchor+nodeBytes {
			require.ErrorIs(t, err, matcher.ErrBudget)
			continue
		}
		require.NoError(t, err)
		n := 0
		for err == nil {
			if err = p.Insert(chain(n), uint64(n)); err == nil {
				n++
			}
		}
		var fault *matcher.Error
		require.ErrorAs(t, err, &fault)
		require.Equal(t, matcher.EPCBudget, fault.Kind)
		require.False(t, errors.As(err, new(*Error)))
		want := p.Stats()
		require.Equal(t, n, want.Nodes)
		require.LessOrEqual(t, want.Bytes, budget)
		image := slices.Clone(p.region)
		require.ErrorIs(t, p.Insert(chain(n), uint64(n)), matcher.ErrBudget)
		require.Equal(t, image, p.region, "nothing was changed")
		got := p.Stats()
		got.Compares = want.Compares
		require.Equal(t, want, got)
		require.Len(t, p.Match(&e, nil), n)
		for n > 0 && p.Insert(chain(0), uint64(n)) == nil { // an equal filter needs less
			n++
		}
		require.Len(t, p.Match(&e, nil), n)
	}
}

// TestRegionEnds: the end of the reservation is a budget like any other.
func TestRegionEnds(t *testing.T) {
	p, err := New(matcher.NewHeapMemory(1000, 1000))
	require.NoError(t, err)
	for i := 0; err == nil; i++ {
		err = p.Insert(chain(i), uint64(i))
	}
	require.ErrorIs(t, err, matcher.ErrBudget)
	require.LessOrEqual(t, p.Stats().Bytes, 1000)
}

// counting is Memory that is told what is read.
type counting struct {
	*matcher.HeapMemory
	touched map[int]int
}

func (c *counting) Touch(off, n int) { c.touched[off] = n }

// TestTouch: Match reports the whole blocks that it reads, and no others.
func TestTouch(t *testing.T) {
	mem := &counting{HeapMemory: matcher.NewHeapMemory(region, region), touched: map[int]int{}}
	p, err := New(mem)
	require.NoError(t, err)
	require.NoError(t, p.Insert(chain(1), 1)) // will be below the next
	require.NoError(t, p.Insert(chain(2), 2))
	require.NoError(t, p.Insert([]filter.Predicate{{Attr: "y", Op: filter.Eq, Value: filter.String("z")}}, 3))
	all := 0
	for _, n := range mem.touched {
		all += n
	}
	require.Equal(t, p.Stats().Bytes-anchor, all, "Insert touched every block, each without a gap")

	match := func(attrs ...filter.Attribute) (blocks, tests int) {
		clear(mem.touched)
		before := p.Stats().Tests
		e, err := filter.NewEvent(attrs...)
		require.NoError(t, err)
		p.Match(&e, nil)
		return len(mem.touched), int(p.Stats().Tests - before)
	}
	for _, c := range []struct {
		x             int64
		blocks, tests int
	}{
		{3, 5, 2}, // the anchor; two roots with a constraint each
		{2, 8, 3}, // and a subscriber; a child and its constraint
		{1, 9, 3}, // and the child's subscriber
	} {
		blocks, tests := match(filter.Attribute{Name: "x", Value: filter.Int(c.x)})
		require.Equal(t, c.blocks, blocks, "x = %d", c.x)
		require.Equal(t, c.tests, tests, "x = %d", c.x)
	}
}

// TestDeepChain: a chain of any depth is walked without recursion.
func TestDeepChain(t *testing.T) {
	const depth = 3000
	p := empty(t)
	for i := range depth {
		require.NoError(t, p.Insert(chain(i), uint64(i)))
	}
	require.Equal(t, 1, p.Stats().Roots)
	for _, x := range []int{0, 1000, depth - 1, depth} {
		e, err := filter.NewEvent(filter.Attribute{Name: "x", Value: filter.Int(int64(x))})
		require.NoError(t, err)
		require.Len(t, p.Match(&e, nil), depth-x)
	}
}
