package matcher

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRefusalChangesNothing ends the budget at every word, so that every
// allocation that an insertion makes is the refused one at some point.
func TestRefusalChangesNothing(t *testing.T) {
	var exprs []filter.Expr
	for i := 0; len(exprs) < 60; i++ {
		if x := matchtest.Expr().Example(i); builds(x) {
			exprs = append(exprs, x)
		}
	}
	var events []filter.Event
	for i := range 40 {
		events = append(events, matchtest.Event().Example(i))
	}
	refused := 0
	for budget := MemoryPage; budget < 14000; budget += wordBytes {
		refused += fillTo(t, budget, exprs, events)
	}
	require.Greater(t, refused, 1000)
}

func builds(x filter.Expr) bool {
	_, err := filter.Build(x)
	return err == nil
}

func fillTo(t *testing.T, budget int, exprs []filter.Expr, events []filter.Event) (refused int) {
	s, err := New(NewHeapMemory(1<<16, budget), Config{Seed: 7})
	require.NoError(t, err)
	var o matchtest.Oracle
	for i, x := range exprs {
		f, err := filter.Build(x)
		require.NoError(t, err)
		before := held(s)
		if _, err := s.Insert(f, uint64(i)); err == nil {
			o.Insert(matchtest.Subscription{Expr: x, Filter: f, Tag: uint64(i)})
			continue
		}
		refused++
		require.Equal(t, before, held(s))
		if refused == 1 {
			check(t, s)
		}
	}
	require.LessOrEqual(t, s.Stats().Bytes, int64(budget))
	check(t, s)
	for i := range events {
		got := s.Match(&events[i], []uint64{})
		slices.Sort(got)
		require.Equal(t, o.Match(events[i]), got)
	}
	return refused
}

// TestMemoryIsReusedAcrossShapes: room that held small filters holds large ones
// afterwards.
func TestMemoryIsReusedAcrossShapes(t *testing.T) {
	s := newStore(t, 64<<10, Config{Seed: 7})
	fill := func(format string) (handles []Handle) {
		for i := 0; ; i++ {
			h, err := s.Insert(parse(t, fmt.Sprintf(format, i)), uint64(i))
			if err != nil {
				require.ErrorIs(t, err, ErrBudget)
				return handles
			}
			handles = append(handles, h)
		}
	}
	const small, large = "x = %d", "x = %[1]d AND name LIKE 'a rather long prefix number %[1]d of this test%%' AND a != 1 AND b != 2 AND c != 3"
	first := fill(large)
	for range 3 {
		for _, h := range first {
			require.NoError(t, s.Remove(h))
		}
		many := fill(small)
		require.Greater(t, len(many), 2*len(first))
		for _, h := range many {
			require.NoError(t, s.Remove(h))
		}
		check(t, s)
		again := fill(large)
		require.Greater(t, len(again), len(first)*3/4, "tables grew for the small ones and stay")
		first = again
	}
}

// TestPrefixesOfSeveralStrings: intervals that are nearly prefixes are none.
func TestPrefixesOfSeveralStrings(t *testing.T) {
	s := newStore(t, 1<<16, Config{Seed: 7})
	long := strings.Repeat("z", 64)
	for tag, text := range []string{
		"a LIKE 'x1%' AND b LIKE 'y1%'", "a LIKE 'y1%'", "b LIKE 'x1%'", "a >= 'x1' AND a < 'x2'", "a > 'x1' AND a < 'x2'",
		"a BETWEEN 'x1' AND 'x2'", "a >= 'x1' AND a < 'y'", "a LIKE 'z%'", "a LIKE '" + long + "%'",
	} {
		_, err := s.Insert(parse(t, text), uint64(tag))
		require.NoError(t, err)
	}
	roots := s.Roots(nil)
	slices.Sort(roots)
	require.Equal(t, []uint64{1, 2, 6, 7}, roots)
	for _, c := range []struct {
		a, b string
		want []uint64
	}{
		{"x1", "y1", []uint64{0, 3, 5, 6}},
		{"y1z", "x1z", []uint64{1, 2}},
		{"x1z", "y1z", []uint64{0, 3, 4, 5, 6}},
		{"x", "y", nil},
		{"x2", "y2", []uint64{5, 6}},
		{"x2z", "x1", []uint64{2, 6}},
		{long[1:], "y", []uint64{7}},
		{long + "z", "y", []uint64{7, 8}},
	} {
		e, err := filter.NewEvent(filter.Attribute{Name: "a", Value: filter.String(c.a)}, filter.Attribute{Name: "b", Value: filter.String(c.b)})
		require.NoError(t, err)
		got := s.Match(&e, nil)
		slices.Sort(got)
		require.Equal(t, c.want, got)
	}
}

// TestPrefixCovers: a prefix covers what lies in its interval and no more.
func TestPrefixCovers(t *testing.T) {
	s := newStore(t, 1<<16, Config{Seed: 7})
	_, err := s.Insert(parse(t, "a LIKE 'x1%'"), 1)
	require.NoError(t, err)
	for text, want := range map[string]bool{
		"a > 'x1' AND a < 'x2'": true, "a >= 'x1' AND a < 'x2'": true, "a LIKE 'x12%'": true, "a = 'x1'": true,
		"a BETWEEN 'x1' AND 'x2'": false, "a LIKE 'x%'": false, "a >= 'x1'": false, "a > 'x0' AND a < 'x2'": false,
		"a = 'x2'": false, "b LIKE 'x1%'": false, "b = 1 AND a LIKE 'x1yz%'": true,
	} {
		require.Equal(t, want, s.Covered(parse(t, text)), text)
	}
}

// TestNestedFilters: filters nested in one another, inserted from either end or
// shuffled, have one root, also after the removal of every second one.
func TestNestedFilters(t *testing.T) {
	const n = 1000
	for name, at := range map[string]func(i int) int{
		"wide first":   func(i int) int { return i },
		"narrow first": func(i int) int { return n - 1 - i },
		"shuffled":     func(i int) int { return i * 7919 % n },
	} {
		s := newStore(t, 4<<20, Config{Seed: 7})
		handles := make([]Handle, n)
		for i := range n {
			k := at(i)
			h, err := s.Insert(parse(t, fmt.Sprintf("x >= %d", k)), uint64(k))
			require.NoError(t, err)
			handles[k] = h
		}
		check(t, s)
		require.Equal(t, []uint64{0}, s.Roots(nil), name)
		for k := 0; k < n; k += 2 {
			require.NoError(t, s.Remove(handles[k]))
		}
		check(t, s)
		require.Equal(t, []uint64{1}, s.Roots(nil), name)
		for v, want := range map[int64]int{-1: 0, 0: 0, 99: 50, n: n / 2} {
			e := integer(t, "x", v)
			require.Len(t, s.Match(&e, nil), want)
		}
	}
}

// TestBroadFilter: a filter that covers many becomes the only root, and they are
// roots again when it goes.
func TestBroadFilter(t *testing.T) {
	const n = 300
	s := newStore(t, 1<<22, Config{Seed: 7})
	for i := range n {
		_, err := s.Insert(parse(t, fmt.Sprintf("x BETWEEN %d AND %d", i, i+n)), uint64(i))
		require.NoError(t, err)
	}
	require.Len(t, s.Roots(nil), n)
	broad, err := s.Insert(parse(t, "EXISTS x"), n)
	require.NoError(t, err)
	require.Equal(t, []uint64{n}, s.Roots(nil))
	before := s.Stats().Moved
	require.NoError(t, s.Remove(broad))
	require.LessOrEqual(t, s.Stats().Moved-before, uint64(MaxMoved))
	require.Len(t, s.Roots(nil), n)
	check(t, s)
}

// TestEqualFiltersOfTwoOwners: removing one leaves the other.
func TestEqualFiltersOfTwoOwners(t *testing.T) {
	s := newStore(t, 1<<16, Config{Seed: 7})
	f := parse(t, "symbol = 'HAL' AND price < 50.5")
	var handles []Handle
	for tag := range uint64(5) {
		h, err := s.Insert(f, tag)
		require.NoError(t, err)
		handles = append(handles, h)
	}
	e, err := filter.NewEvent(filter.Attribute{Name: "symbol", Value: filter.String("HAL")}, filter.Attribute{Name: "price", Value: filter.Int(50)})
	require.NoError(t, err)
	for _, i := range []int{2, 4, 0} {
		require.NoError(t, s.Remove(handles[i]))
		check(t, s)
	}
	got := s.Match(&e, nil)
	slices.Sort(got)
	require.Equal(t, []uint64{1, 3}, got)
}

// TestSelectiveAttribute: the index is keyed by the attribute with many values,
// not by the one that half of all events share.
func TestSelectiveAttribute(t *testing.T) {
	s := newStore(t, 1<<20, Config{Seed: 7})
	for i := range 1000 {
		_, err := s.Insert(parse(t, fmt.Sprintf("side = '%s' AND symbol = 'S%d'", []string{"buy", "sell"}[i%2], i%100)), uint64(i))
		require.NoError(t, err)
	}
	e, err := filter.NewEvent(filter.Attribute{Name: "symbol", Value: filter.String("S7")}, filter.Attribute{Name: "side", Value: filter.String("sell")})
	require.NoError(t, err)
	require.Len(t, s.Match(&e, nil), 10)
	st := s.Stats()
	require.LessOrEqual(t, st.MatchTests, uint64(10))
	require.LessOrEqual(t, st.MatchBlocks, uint64(4))
}

// TestKeysTellValues: the key of a number or boolean gives back its value, and
// keys are equal exactly where values are.
func TestKeysTellValues(t *testing.T) {
	scalar := rapid.OneOf(
		matchtest.Value().Filter(func(v filter.Value) bool { return v.Type() != filter.TypeString }),
		rapid.Map(rapid.Int64(), filter.Int),
		rapid.Map(rapid.Float64(), func(f float64) filter.Value { v, _ := filter.Float(f); return v }),
	)
	rapid.Check(t, func(t *rapid.T) {
		a, b := scalar.Draw(t, "a"), scalar.Draw(t, "b")
		order, ok := a.Compare(b)
		require.Equal(t, ok && order == 0, scalarKey(a) == scalarKey(b))
		order, ok = valueOf(scalarKey(a)).Compare(a)
		require.True(t, ok && order == 0, "%v became %v", a, valueOf(scalarKey(a)))
	})
}

func TestNewRefusesBadMemory(t *testing.T) {
	_, err := New(NewHeapMemory(100, 100), Config{})
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, BadMemory, e.Kind)
	_, err = New(NewHeapMemory(1<<16, 100), Config{})
	require.ErrorIs(t, err, ErrBudget)
	_, err = New(misaligned{NewHeapMemory(1<<16, 1<<16)}, Config{})
	require.ErrorAs(t, err, &e)
	require.Equal(t, BadMemory, e.Kind)
}

type misaligned struct{ *HeapMemory }

func (m misaligned) Region() []byte { return m.HeapMemory.Region()[1:] }
