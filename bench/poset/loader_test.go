package poset

import (
	"fmt"
	"testing"

	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// requireSameBytes: nothing tells p from q but what was compared.
func requireSameBytes(t require.TestingT, p, q *Poset) {
	want, got := p.Stats(), q.Stats()
	got.Compares = want.Compares
	require.Equal(t, want, got)
	require.Equal(t, p.region[:p.end], q.region[:q.end])
}

// TestLoaderMakesTheSameBytes: whatever is inserted, in whatever parts by a
// Loader.
func TestLoaderMakesTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := empty(t), empty(t)
		plain := rapid.SliceOfN(predicates(), 0, 10).Draw(t, "inserted before")
		for i, preds := range plain {
			require.NoError(t, p.Insert(preds, uint64(i)))
			require.NoError(t, q.Insert(preds, uint64(i)))
		}
		l := NewLoader(q)
		for i, preds := range rapid.SliceOfN(predicates(), 0, 40).Draw(t, "loaded") {
			require.NoError(t, p.Insert(preds, uint64(i)))
			require.NoError(t, l.Insert(preds, uint64(i)))
			requireSameBytes(t, p, q)
		}
	})
}

// TestLoaderOnWorkloads: the same of the workloads it is for, and that it
// compares less.
func TestLoaderOnWorkloads(t *testing.T) {
	const subscriptions, room = 2000, 4 << 20
	for _, name := range []string{"A", "B", "e100a1", "e80a1", "e80a2"} {
		p, err := New(matcher.NewHeapMemory(room, room))
		require.NoError(t, err)
		q, err := New(matcher.NewHeapMemory(room, room))
		require.NoError(t, err)
		l := NewLoader(q)
		require.NoError(t, workload.EachFilter(name, subscriptions, workload.DefaultSeed, func(i int, preds []filter.Predicate) error {
			require.NoError(t, p.Insert(preds, uint64(i)))
			return l.Insert(preds, uint64(i))
		}))
		requireSameBytes(t, p, q)
		if len(name) == 1 || name == "e100a1" {
			require.Less(t, 10*q.Stats().Compares, p.Stats().Compares, name)
		}
		t.Logf("%s: %d bytes a subscription, %d roots of %d nodes", name, p.end/subscriptions, p.Stats().Roots, p.nodes)
	}
}

func TestLoaderRefuses(t *testing.T) {
	p, err := New(matcher.NewHeapMemory(1000, 1000))
	require.NoError(t, err)
	l := NewLoader(p)
	var bad *Error
	require.ErrorAs(t, l.Insert([]filter.Predicate{{Attr: "a", Op: filter.Prefix, Value: filter.String("x")}}, 1), &bad)
	for i := 0; err == nil; i++ {
		before := p.Stats()
		if err = l.Insert(chain(i), uint64(i)); err != nil {
			after := p.Stats()
			after.Compares = before.Compares
			require.Equal(t, before, after)
		}
	}
	require.ErrorIs(t, err, matcher.ErrBudget)
}

// TestLoaderWithManyNames: more than a set of names has bits for.
func TestLoaderWithManyNames(t *testing.T) {
	p, q := empty(t), empty(t)
	l := NewLoader(q)
	at := func(i, v int) filter.Predicate {
		return filter.Predicate{Attr: fmt.Sprintf("n%02d", i%80), Op: filter.Ge, Value: filter.Int(int64(v))}
	}
	for i := range 400 {
		preds := []filter.Predicate{at(i, 9-i/80), at(7*i+1, 5)}
		if i%3 == 0 {
			preds = preds[:1]
		}
		require.NoError(t, p.Insert(preds, uint64(i)))
		require.NoError(t, l.Insert(preds, uint64(i)))
	}
	requireSameBytes(t, p, q)
	require.Less(t, p.Stats().Roots, p.Stats().Nodes, "some were moved")
}
