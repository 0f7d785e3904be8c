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

func mustFilter(t require.TestingT, text string) filter.Filter {
	f, err := filter.Parse(text)
	require.NoError(t, err, text)
	return f
}

func newStore(t require.TestingT, budget int) *Store {
	s, err := New(NewHeapMemory(max(budget, commitStep), budget), Config{Seed: 7})
	require.NoError(t, err)
	return s
}

// TestRefusalChangesNothing ends the budget at every word, so that every
// allocation that an insertion makes is the refused one at some point.
func TestRefusalChangesNothing(t *testing.T) {
	gen := matchtest.Predicates()
	var preds [][]filter.Predicate
	for i := range 80 {
		preds = append(preds, gen.Example(i))
	}
	var events []filter.Event
	for i := range 40 {
		events = append(events, matchtest.Event().Example(i))
	}
	refused := 0
	for budget := commitStep; budget < 10000; budget += wordBytes {
		refused += fillTo(t, budget, preds, events)
	}
	require.Greater(t, refused, 1000)
}

func fillTo(t *testing.T, budget int, preds [][]filter.Predicate, events []filter.Event) (refused int) {
	s := newStore(t, budget)
	var o matchtest.Oracle
	for i, p := range preds {
		f, err := filter.New(p...)
		require.NoError(t, err)
		before := held(s)
		if _, err := s.Insert(f, uint64(i)); err == nil {
			o.Insert(matchtest.Subscription{Preds: p, Filter: f, Tag: uint64(i)})
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
	s := newStore(t, 64<<10)
	fill := func(format string) (handles []Handle) {
		for i := 0; ; i++ {
			h, err := s.Insert(mustFilter(t, fmt.Sprintf(format, i)), uint64(i))
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
		require.Greater(t, len(many), 3*len(first))
		for _, h := range many {
			require.NoError(t, s.Remove(h))
		}
		check(t, s)
		again := fill(large)
		require.Greater(t, len(again), len(first)*3/4, "tables grew for the small ones and stay")
		first = again
	}
}

// TestIncomparableFiltersAreBounded is the attack of 20,000 filters of which
// none covers another: a naive poset compares each with all.
func TestIncomparableFiltersAreBounded(t *testing.T) {
	const n = 20000
	s := newStore(t, 16<<20)
	for i := range n {
		_, err := s.Insert(mustFilter(t, fmt.Sprintf("x BETWEEN %d AND %d", i, i+n)), uint64(i))
		require.NoError(t, err)
	}
	st := s.Stats()
	require.LessOrEqual(t, st.InsertTests, uint64(n*InsertBudget))
	require.Greater(t, st.Flat, uint64(n-2*InsertBudget))
	_, err := s.Insert(mustFilter(t, "symbol = 'HAL' AND x < 5"), n)
	require.NoError(t, err)
	e, err := filter.NewEvent(filter.Attribute{Name: "symbol", Value: filter.String("HAL")}, filter.Attribute{Name: "x", Value: filter.Int(4)})
	require.NoError(t, err)
	got := s.Match(&e, nil)
	slices.Sort(got)
	require.Equal(t, []uint64{0, 1, 2, 3, 4, n}, got)
	require.LessOrEqual(t, s.Stats().MatchTests, uint64(n+1))
}

// TestChains: filters nested in one another, inserted from either end or
// shuffled, become one tree. An event looks at what matches and at what hangs
// directly below that, also after the removal of every second filter.
func TestChains(t *testing.T) {
	const n = 1000
	for name, at := range map[string]func(i int) int{
		"wide first":   func(i int) int { return i },
		"narrow first": func(i int) int { return n - 1 - i },
		"shuffled":     func(i int) int { return i * 7919 % n },
	} {
		s := newStore(t, 4<<20)
		handles := make([]Handle, n)
		for i := range n {
			k := at(i)
			h, err := s.Insert(mustFilter(t, fmt.Sprintf("x >= %d", k)), uint64(k))
			require.NoError(t, err)
			handles[k] = h
		}
		check(t, s)
		require.Equal(t, 1, s.Stats().Roots, name)
		matchX(t, s, -1, 0, 1)
		matchX(t, s, 0, 1, 2)
		matchX(t, s, 99, 100, 101)
		for k := 0; k < n; k += 2 {
			require.NoError(t, s.Remove(handles[k]))
		}
		check(t, s)
		require.Equal(t, 1, s.Stats().Roots, name)
		matchX(t, s, -1, 0, 1)
		matchX(t, s, 99, 50, 51)
	}
}

// matchX requires of the event x = v how many subscriptions it matches, and
// after how many tests.
func matchX(t *testing.T, s *Store, v int64, matches int, tests uint64) {
	t.Helper()
	e, err := filter.NewEvent(filter.Attribute{Name: "x", Value: filter.Int(v)})
	require.NoError(t, err)
	before := s.Stats().MatchTests
	require.Len(t, s.Match(&e, nil), matches)
	require.Equal(t, tests, s.Stats().MatchTests-before, "tests of x = %d", v)
}

// TestAdoption: a filter that comes after those it covers takes them below it,
// and gives them back when it goes.
func TestAdoption(t *testing.T) {
	const n = 100
	s := newStore(t, 1<<20)
	for i := range n {
		_, err := s.Insert(mustFilter(t, fmt.Sprintf("x BETWEEN %d AND %d", i, i+n)), uint64(i))
		require.NoError(t, err)
	}
	require.Equal(t, n, s.Stats().Roots)
	matchX(t, s, -1, 0, n)
	broad, err := s.Insert(mustFilter(t, "x >= 0"), n)
	require.NoError(t, err)
	require.Equal(t, 1, s.Stats().Roots)
	matchX(t, s, -1, 0, 1)
	matchX(t, s, n-1, n+1, n+1)
	require.NoError(t, s.Remove(broad))
	check(t, s)
	require.Equal(t, n, s.Stats().Roots)
	matchX(t, s, -1, 0, n)
}

// TestRemovalOfABroadFilter: however many filters hang below one, its removal
// compares at most InsertBudget of them.
func TestRemovalOfABroadFilter(t *testing.T) {
	const n = 20000
	s := newStore(t, 16<<20)
	broad, err := s.Insert(mustFilter(t, "EXISTS x"), n)
	require.NoError(t, err)
	for i := range n {
		_, err := s.Insert(mustFilter(t, fmt.Sprintf("x BETWEEN %d AND %d", i, i+n)), uint64(i))
		require.NoError(t, err)
	}
	before := s.Stats()
	require.Equal(t, 1, before.Roots)
	require.NoError(t, s.Remove(broad))
	check(t, s)
	after := s.Stats()
	require.Equal(t, n, after.Roots)
	require.LessOrEqual(t, after.InsertTests-before.InsertTests, uint64(InsertBudget))
	require.Equal(t, before.Flat+1, after.Flat)
	matchX(t, s, 10, 11, n)
}

// TestLongPrefixes: filters for prefixes that share their first 900 bytes are
// told apart without reading these again for each.
func TestLongPrefixes(t *testing.T) {
	const n = 2000
	s := newStore(t, 8<<20)
	common := strings.Repeat("p", 900)
	for i := range n {
		_, err := s.Insert(mustFilter(t, fmt.Sprintf("x LIKE '%s%04d%s%%'", common, i, strings.Repeat("q", i%2))), uint64(i))
		require.NoError(t, err)
	}
	for _, c := range []struct {
		value string
		want  []uint64
		texts uint64 // one for each length of prefix that is not longer
	}{
		{"0006", []uint64{6}, 1},
		{"0007", nil, 1},
		{"0007q and more", []uint64{7}, 2},
		{"x0067", nil, 2},
		{"", nil, 0},
	} {
		e, err := filter.NewEvent(filter.Attribute{Name: "x", Value: filter.String(common + c.value)})
		require.NoError(t, err)
		before := s.Stats()
		got := s.Match(&e, nil)
		require.Equal(t, c.want, got)
		after := s.Stats()
		require.Equal(t, uint64(n), after.MatchTests-before.MatchTests)
		require.Equal(t, c.texts, after.MatchTexts-before.MatchTexts)
	}
}

// TestPrefixesOfSeveralStrings: what is remembered of one string or length is
// not taken for another, and intervals that are nearly prefixes are none.
func TestPrefixesOfSeveralStrings(t *testing.T) {
	s := newStore(t, 1<<16)
	long := strings.Repeat("z", cutSlots+1)
	for tag, text := range []string{
		"a LIKE 'x1%' AND b LIKE 'y1%'",
		"a LIKE 'y1%'",
		"b LIKE 'x1%'",
		"a >= 'x1' AND a < 'x2'",
		"a > 'x1' AND a < 'x2'",
		"a BETWEEN 'x1' AND 'x2'",
		"a >= 'x1' AND a < 'y'",
		"a LIKE 'z%'",
		"a LIKE '" + long + "%'",
	} {
		_, err := s.Insert(mustFilter(t, text), uint64(tag))
		require.NoError(t, err)
	}
	require.Equal(t, 4, s.Stats().Roots, "1, 2, 6 and 7 cover the others")
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
	s := newStore(t, 1<<16)
	_, err := s.Insert(mustFilter(t, "a LIKE 'x1%'"), 1)
	require.NoError(t, err)
	for text, want := range map[string]bool{
		"a > 'x1' AND a < 'x2'":    true,
		"a >= 'x1' AND a < 'x2'":   true,
		"a LIKE 'x12%'":            true,
		"a = 'x1'":                 true,
		"a BETWEEN 'x1' AND 'x2'":  false,
		"a LIKE 'x%'":              false,
		"a >= 'x1'":                false,
		"a > 'x0' AND a < 'x2'":    false,
		"a = 'x2'":                 false,
		"b LIKE 'x1%'":             false,
		"b = 1 AND a LIKE 'x1yz%'": true,
	} {
		require.Equal(t, want, s.Covered(mustFilter(t, text)), text)
	}
}

// TestEqualFiltersOfTwoOwners: removing one leaves the other.
func TestEqualFiltersOfTwoOwners(t *testing.T) {
	s := newStore(t, 1<<16)
	f := mustFilter(t, "symbol = 'HAL' AND price < 50.5")
	var handles []Handle
	for tag := range uint64(5) {
		h, err := s.Insert(f, tag)
		require.NoError(t, err)
		handles = append(handles, h)
	}
	require.Equal(t, 1, s.Stats().Nodes)
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
	s := newStore(t, 1<<20)
	for i := range 1000 {
		f := mustFilter(t, fmt.Sprintf("side = '%s' AND symbol = 'S%d'", []string{"buy", "sell"}[i%2], i%100))
		_, err := s.Insert(f, uint64(i))
		require.NoError(t, err)
	}
	e, err := filter.NewEvent(filter.Attribute{Name: "symbol", Value: filter.String("S7")}, filter.Attribute{Name: "side", Value: filter.String("sell")})
	require.NoError(t, err)
	require.Len(t, s.Match(&e, nil), 10)
	require.LessOrEqual(t, s.Stats().MatchTests, uint64(5))
}

// TestKeysOrderLikeValues: the matcher's order of numbers is the exact one.
func TestKeysOrderLikeValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(
			matchtest.Value().Filter(filter.Value.IsNumber),
			rapid.Map(rapid.Int64(), filter.Int),
			rapid.Map(rapid.Float64(), func(f float64) filter.Value {
				v, err := filter.Float(f)
				require.NoError(t, err)
				return v
			}),
		)
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		order, ok := a.Compare(b)
		require.True(t, ok)
		x, y := scalarKey(a), scalarKey(b)
		require.Equal(t, order < 0, x.less(y))
		require.Equal(t, order > 0, y.less(x))
		require.True(t, x.below().less(x) && x.less(x.above()))
		if order < 0 {
			require.False(t, y.less(x.above()), "an open end passes a number")
			require.False(t, y.below().less(x), "an open end passes a number")
		}
		require.True(t, isNumber(x.key))
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

func TestUnknownHandles(t *testing.T) {
	s := newStore(t, 1<<16)
	for _, h := range []Handle{0, 1, 2, 1 << 31, 1<<32 - 1} {
		require.ErrorIs(t, s.Remove(h), ErrUnknownHandle)
	}
	require.EqualError(t, s.Remove(9), "matcher: remove: unknown handle")
}
