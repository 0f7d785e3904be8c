package filter_test

import (
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestNormalFormMeansTheSame: the normal form matches what the predicates, one
// by one, match; and it survives text and bytes.
func TestNormalFormMeansTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		preds := matchtest.Predicates().Draw(t, "preds")
		f, err := filter.New(preds...)
		require.NoError(t, err)
		e := matchtest.Event().Draw(t, "event")
		require.Equal(t, matchtest.Holds(preds, e), f.Match(&e), f.String())
		requireSurvives(t, f)
	})
}

// requireSurvives: a filter is the same after text and bytes.
func requireSurvives(t require.TestingT, f filter.Filter) {
	g, err := filter.Parse(f.String())
	require.NoError(t, err, f.String())
	require.True(t, f.Equal(g), "%s became %s", f, g)
	h, err := filter.Decode(f.AppendBinary(nil))
	require.NoError(t, err, f.String())
	require.True(t, f.Equal(h), "%s became %s", f, h)
}

// TestCoversIsSound: nothing matches the covered filter alone.
func TestCoversIsSound(t *testing.T) {
	covered := 0
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(matchtest.Predicate(), 0, 2).Draw(t, "f")
		q := append(rapid.SliceOfN(matchtest.Predicate(), 0, 3).Draw(t, "g"), p[:rapid.IntRange(0, len(p)).Draw(t, "shared")]...)
		f, err := filter.New(p...)
		require.NoError(t, err)
		g, err := filter.New(q...)
		require.NoError(t, err)
		if !f.Covers(g) {
			return
		}
		covered++
		e := matchtest.Event().Draw(t, "event")
		require.False(t, matchtest.Holds(q, e) && !matchtest.Holds(p, e), "%s covers %s", f, g)
		both, err := filter.New(append(p, q...)...)
		require.NoError(t, err)
		require.True(t, both.Equal(g), "%s covers %s, so both together are the latter", f, g)
	})
	require.NotZero(t, covered)
}

// TestCoversIsComplete: if f and g together are g, f covers g.
func TestCoversIsComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(matchtest.Predicate(), 0, 2).Draw(t, "f")
		q := rapid.SliceOfN(matchtest.Predicate(), 0, 3).Draw(t, "g")
		f, err := filter.New(p...)
		require.NoError(t, err)
		both, err := filter.New(append(q, p...)...)
		require.NoError(t, err)
		require.True(t, f.Covers(both), "%s does not cover %s", f, both)
	})
}

// TestCompareIsExact checks numbers against arbitrary precision.
func TestCompareIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := matchtest.Value().Draw(t, "a"), matchtest.Value().Draw(t, "b")
		order, ok := a.Compare(b)
		e, err := filter.NewEvent(filter.Attribute{Name: "x", Value: a})
		require.NoError(t, err)
		for op, want := range map[filter.Op]bool{filter.Eq: ok && order == 0, filter.Ne: ok && order != 0} {
			require.Equal(t, want, matchtest.Holds([]filter.Predicate{{Attr: "x", Op: op, Value: b}}, e))
		}
	})
}

// TestExpressionsMeanTheSame: the normal form matches what the expression does,
// and survives text and bytes.
func TestExpressionsMeanTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := matchtest.Expr().Draw(t, "expression")
		f, err := filter.Build(x)
		if err != nil {
			t.Skip("too wide")
		}
		e := matchtest.Event().Draw(t, "event")
		require.Equal(t, matchtest.Eval(x, &e) == filter.True, f.Match(&e), f.String())
		require.Equal(t, matchtest.Eval(x, &e), filter.Explain(x, &e).Truth)
		requireSurvives(t, f)
	})
}

// TestCoversOfExpressionsIsSound: nothing matches the covered filter alone.
func TestCoversOfExpressionsIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := matchtest.Expr().Draw(t, "f"), matchtest.Expr().Draw(t, "g")
		f, errF := filter.Build(x)
		g, errG := filter.Build(filter.And(y, x))
		h, errH := filter.Build(y)
		if errF != nil || errG != nil || errH != nil {
			t.Skip("too wide")
		}
		for range 5 {
			e := matchtest.Event().Draw(t, "event")
			for _, other := range []filter.Filter{g, h} {
				require.False(t, f.Covers(other) && other.Match(&e) && !f.Match(&e), "%s covers %s", f, other)
			}
		}
	})
}
