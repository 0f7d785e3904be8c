package matcher

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func newStore(t require.TestingT, budget int, cfg Config) *Store {
	s, err := New(NewHeapMemory(8*budget, budget), cfg)
	require.NoError(t, err)
	return s
}

func handlesBelow(n Handle) (all []Handle) {
	for h := range n {
		all = append(all, h)
	}
	return all
}

func parse(t require.TestingT, text string) filter.Filter {
	f, err := filter.Parse(text)
	require.NoError(t, err)
	return f
}

func integer(t require.TestingT, name string, v int64) filter.Event {
	e, err := filter.NewEvent(filter.Attribute{Name: name, Value: filter.Int(v)})
	require.NoError(t, err)
	return e
}

// TestOracleUnderBudget: with so little memory that insertions are refused at
// every point they can be, a refusal changes nothing.
func TestOracleUnderBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		against(t, rapid.IntRange(4096, 32768).Draw(t, "budget"), true)
	})
}

// TestRemovalNeedsNoBudget: a full store can be emptied in any order, and then
// holds as much again.
func TestRemovalNeedsNoBudget(t *testing.T) {
	for i, budget := range []int{16 << 10, 64 << 10, 1 << 20, 16 << 10, 64 << 10, 1 << 20} {
		s := newStore(t, budget, Config{Seed: 1})
		if i >= 3 { // nothing is changed in place
			defer s.NewReader().Close()
		}
		r := rand.New(rand.NewPCG(7, uint64(budget)))
		first := 0
		for round := range 4 {
			var handles []Handle
			for i := 0; ; i++ {
				text := fmt.Sprintf("symbol = 's%d' AND price BETWEEN %d AND %d", i%37, r.IntN(1000), 1000+r.IntN(1000))
				if i%5 == 0 {
					text = fmt.Sprintf("price < %d AND name LIKE '%%%d%%' OR volume IN (%d, 7)", r.IntN(100), i, i)
				}
				h, err := s.Insert(parse(t, text), uint64(i))
				if err != nil {
					require.ErrorIs(t, err, ErrBudget)
					break
				}
				handles = append(handles, h)
			}
			if round == 0 {
				first = len(handles)
			}
			require.Greater(t, len(handles), first*8/10, "memory is reused")
			r.Shuffle(len(handles), func(i, j int) { handles[i], handles[j] = handles[j], handles[i] })
			for _, h := range handles {
				require.NoError(t, s.Remove(h))
				require.ErrorIs(t, s.Remove(h), ErrUnknownHandle)
			}
			check(t, s)
			st := s.Stats()
			require.Zero(t, st.Subscriptions+st.Filters+st.Clusters+st.Pages+st.Blocks+st.Names+st.Strings)
		}
	}
}

// TestRemovalOfManyNamesNeedsNoBudget: the same where each filter has up to sixty
// names of its own, all of which go with it.
func TestRemovalOfManyNamesNeedsNoBudget(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newStore(t, 64<<10+int(seed)*5000, Config{Seed: seed})
		if seed%2 == 1 {
			defer s.NewReader().Close()
		}
		var handles []Handle
		for i := 0; ; i++ {
			var terms []string
			for k := range 1 + r.IntN(60) {
				terms = append(terms, fmt.Sprintf("n%d_%d > %d", i, k, k))
			}
			h, err := s.Insert(parse(t, strings.Join(terms, " AND ")), uint64(i))
			if err != nil {
				require.ErrorIs(t, err, ErrBudget)
				break
			}
			handles = append(handles, h)
		}
		r.Shuffle(len(handles), func(i, j int) { handles[i], handles[j] = handles[j], handles[i] })
		for _, h := range handles {
			require.NoError(t, s.Remove(h))
		}
		check(t, s)
	}
}

// grumpy is a Memory that gives its own reason for refusing.
type grumpy struct{ *HeapMemory }

var errGrumpy = errors.New("no more pages")

func (g grumpy) Commit(off, n int) error {
	if g.HeapMemory.Commit(off, n) != nil {
		return errGrumpy
	}
	return nil
}

// TestErrorsSayWhy: an error is of its kind, names the operation, and hands on
// what the Memory said.
func TestErrorsSayWhy(t *testing.T) {
	_, err := New(NewHeapMemory(100, 100), Config{})
	require.EqualError(t, err, "matcher: new: unusable memory")
	s, err := New(grumpy{NewHeapMemory(1<<20, 4096)}, Config{MaxPerOwner: 1000})
	require.NoError(t, err)
	for i := uint64(0); err == nil; i++ {
		_, err = s.Insert(parse(t, fmt.Sprintf("x = %d", i)), i)
	}
	require.ErrorIs(t, err, ErrBudget)
	require.ErrorIs(t, err, errGrumpy)
	require.NotErrorIs(t, err, ErrOwnerQuota)
	require.EqualError(t, err, "matcher: allocate: memory budget used up: no more pages")
	require.Equal(t, "owner has all the subscriptions it may have", OwnerQuota.String())
	require.Equal(t, "unknown fault", Kind(99).String())
}

// TestTouched: a Memory that wants to know is told of everything that a match
// reads, which changes no answer: of an event that nothing admits little more
// than the way to its cluster, of one that matches much the tags as well.
func TestTouched(t *testing.T) {
	mem := matchtest.NewPageCounter(NewHeapMemory(1<<26, 1<<24))
	s, err := New(mem, Config{Seed: 4})
	require.NoError(t, err)
	for i := range uint64(20_000) {
		_, err := s.Insert(parse(t, fmt.Sprintf("k = %d AND x BETWEEN %d AND %d", i%7, i, i+500)), i)
		require.NoError(t, err)
	}
	event := func(k, x int64) filter.Event {
		e, err := filter.NewEvent(filter.Attribute{Name: "k", Value: filter.Int(k)}, filter.Attribute{Name: "x", Value: filter.Int(x)})
		require.NoError(t, err)
		return e
	}
	pages := func(k, x int64, want int) int {
		mem.Reset()
		e := event(k, x)
		require.Len(t, s.Match(&e, nil), want)
		return mem.Pages()
	}
	none, few, many := pages(9, 5, 0), pages(3, -30_000, 0), pages(3, 10_000, 72)
	require.Greater(t, none, 0)
	require.GreaterOrEqual(t, few, none)
	require.Greater(t, many, few)
	require.Less(t, many, 50, "a small part of all pages")
	require.Greater(t, s.Stats().Bytes, int64(150*4096))
}

// TestUnknownHandles: what names no subscription is refused and changes nothing.
func TestUnknownHandles(t *testing.T) {
	s := newStore(t, 1<<20, Config{})
	h, err := s.Insert(parse(t, "x IN (1, 2, 3) OR y = 'a'"), 5)
	require.NoError(t, err)
	for _, i := range append([]Handle{1 << 30, 1 << 31, 1<<32 - 1}, handlesBelow(100)...) {
		if i != h {
			require.ErrorIs(t, s.Remove(i), ErrUnknownHandle, "%d", i)
		}
	}
	require.EqualError(t, s.Remove(99), "matcher: remove: unknown handle")
	check(t, s)
	e := integer(t, "x", 2)
	require.Equal(t, []uint64{5}, s.Match(&e, nil))
	require.NoError(t, s.Remove(h))
	require.Empty(t, s.Match(&e, nil))
	check(t, s)
}

// TestOwnerQuota: an owner's subscriptions are bounded, others' are not affected.
func TestOwnerQuota(t *testing.T) {
	s := newStore(t, 1<<20, Config{MaxPerOwner: 3})
	f := parse(t, "x > 1")
	var handles []Handle
	for i := range uint64(3) {
		h, err := s.Insert(f, 1<<32|i)
		require.NoError(t, err)
		handles = append(handles, h)
	}
	_, err := s.Insert(f, 1<<32|9)
	require.ErrorIs(t, err, ErrOwnerQuota)
	var e *Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, OwnerQuota, e.Kind)
	_, err = s.Insert(f, 2<<32)
	require.NoError(t, err)
	require.NoError(t, s.Remove(handles[1]))
	_, err = s.Insert(f, 1<<32|9)
	require.NoError(t, err)
	require.Equal(t, 4, s.Stats().Subscriptions)
}

// TestRoots: exactly those that no other one covers, against a linear search.
func TestRoots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStore(t, 1<<20, Config{Seed: rapid.Uint64().Draw(t, "seed")})
		var all []filter.Filter
		for range rapid.IntRange(1, 12).Draw(t, "n") {
			_, f := drawFilter(t)
			_, err := s.Insert(f, uint64(len(all)))
			require.NoError(t, err)
			all = append(all, f)
		}
		want := []uint64{}
		for i, f := range all {
			root := true
			for j, g := range all {
				if i != j && g.Covers(f) && (j < i || !f.Covers(g)) {
					root = false
				}
			}
			if root {
				want = append(want, uint64(i))
			}
		}
		got := s.Roots([]uint64{})
		slices.Sort(got)
		require.Equal(t, want, got, "%s", all)
	})
}

// TestManyNames: more attributes than a page has slots, with few moves each.
func TestManyNames(t *testing.T) {
	s := newStore(t, 1<<26, Config{Seed: 3})
	const names = 3000
	moved := uint64(0)
	for i := range names {
		_, err := s.Insert(parse(t, fmt.Sprintf("meter%d > %d AND meter%d < %d AND EXISTS z%d", i, i, i+1, i, i)), uint64(i))
		require.NoError(t, err)
		st := s.Stats()
		require.LessOrEqual(t, st.Moved-moved, uint64(MaxMoved))
		moved = st.Moved
	}
	require.Less(t, moved, uint64(names*100), "moves are amortised")
	check(t, s)
	for i := range 200 {
		e, err := filter.NewEvent(
			filter.Attribute{Name: fmt.Sprintf("meter%d", i), Value: filter.Int(int64(i + 1))},
			filter.Attribute{Name: fmt.Sprintf("meter%d", i+1), Value: filter.Int(int64(i - 1))},
			filter.Attribute{Name: fmt.Sprintf("z%d", i), Value: filter.Bool(true)})
		require.NoError(t, err)
		require.Equal(t, []uint64{uint64(i)}, s.Match(&e, nil))
	}
}

// TestAntichain: 20,000 filters of which none covers another cost work in
// proportion to their number, to insert, to ask and to match.
func TestAntichain(t *testing.T) {
	const n = 20_000
	s := newStore(t, 1<<24, Config{Seed: 5})
	for i := range n {
		_, err := s.Insert(parse(t, fmt.Sprintf("x BETWEEN %d AND %d", i, i+n)), uint64(i))
		require.NoError(t, err)
	}
	st := s.Stats()
	require.Less(t, st.Moved, uint64(20*n))
	e := integer(t, "x", n)
	require.Len(t, s.Match(&e, nil), n)
	e = integer(t, "x", -1)
	require.Empty(t, s.Match(&e, nil))
	after := s.Stats()
	require.LessOrEqual(t, after.MatchTests-st.MatchTests, uint64(n))
	require.LessOrEqual(t, after.MatchBlocks-st.MatchBlocks, uint64(n/8))
	require.False(t, s.Covered(parse(t, fmt.Sprintf("x BETWEEN 0 AND %d", 3*n))))
	require.True(t, s.Covered(parse(t, "x BETWEEN 5 AND 10")))
	last := s.Stats()
	require.LessOrEqual(t, last.CoverBlocks-after.CoverBlocks, uint64(n/8))
	require.LessOrEqual(t, last.CoverTests-after.CoverTests, uint64(n))
}

// TestHashFlood: texts made for a known hash all fall together, and the answers
// stay right: without keys, a text that begins with eight zero bytes has hash 0.
func TestHashFlood(t *testing.T) {
	s := newStore(t, 1<<24, Config{})
	s.hash = hasher{}
	const n = 300
	handles := make([]Handle, n)
	word := func(i int) string { return strings.Repeat("\x00", 8) + fmt.Sprintf("%08d", i) }
	require.Equal(t, s.hash.text(word(1)), s.hash.text(word(2)))
	for i := range n {
		f, err := filter.New(filter.Predicate{Attr: "s", Op: filter.Eq, Value: filter.String(word(i))},
			filter.Predicate{Attr: "n" + word(i), Op: filter.Gt, Value: filter.Int(1)})
		require.NoError(t, err)
		handles[i], err = s.Insert(f, uint64(i))
		require.NoError(t, err)
	}
	for i := range n {
		e, err := filter.NewEvent(filter.Attribute{Name: "s", Value: filter.String(word(i))},
			filter.Attribute{Name: "n" + word(i), Value: filter.Int(2)})
		require.NoError(t, err)
		require.Equal(t, []uint64{uint64(i)}, s.Match(&e, nil))
		require.NoError(t, s.Remove(handles[i]))
		require.Empty(t, s.Match(&e, nil))
	}
}

// TestHashFloodWithinAFilter: places of one filter that fall together are found,
// asked about and removed like others.
func TestHashFloodWithinAFilter(t *testing.T) {
	s := newStore(t, 1<<24, Config{})
	s.hash = hasher{}
	word := func(i int) filter.Value { return filter.String(strings.Repeat("\x00", 8) + fmt.Sprintf("%08d", i)) }
	in := filter.Predicate{Attr: "s", Op: filter.In, List: []filter.Value{word(1), word(2), word(3)}}
	either := filter.Or(filter.Is(in), filter.Is(filter.Predicate{Attr: "s", Op: filter.Eq, Value: word(4)}))
	f, err := filter.Build(either)
	require.NoError(t, err)
	h, err := s.Insert(f, 7)
	require.NoError(t, err)
	check(t, s)
	for i := range 6 {
		e, err := filter.NewEvent(filter.Attribute{Name: "s", Value: word(i)})
		require.NoError(t, err)
		require.Equal(t, i >= 1 && i <= 4, len(s.Match(&e, nil)) == 1, "%d", i)
	}
	require.True(t, s.Covered(f))
	require.NoError(t, s.Remove(h))
	check(t, s)
	require.Zero(t, s.Stats().Filters)
}

// TestEqualFiltersShare: the subscriptions of one filter cost little more than
// their tags and handles, and are all found.
func TestEqualFiltersShare(t *testing.T) {
	s := newStore(t, 1<<24, Config{Seed: 1})
	f := parse(t, "a > 1 AND b > 2 AND c > 3 AND d > 4")
	const n = 10_000
	var handles []Handle
	for i := range n {
		h, err := s.Insert(f, uint64(i))
		require.NoError(t, err)
		handles = append(handles, h)
	}
	require.Less(t, s.Stats().Used, int64(n*24))
	e, err := filter.NewEvent(filter.Attribute{Name: "a", Value: filter.Int(9)}, filter.Attribute{Name: "b", Value: filter.Int(9)},
		filter.Attribute{Name: "c", Value: filter.Int(9)}, filter.Attribute{Name: "d", Value: filter.Int(9)})
	require.NoError(t, err)
	require.Len(t, s.Match(&e, nil), n)
	require.Len(t, s.Containers(f, nil), n)
	for _, h := range handles {
		require.NoError(t, s.Remove(h))
	}
	require.Empty(t, s.Match(&e, nil))
	check(t, s)
}
