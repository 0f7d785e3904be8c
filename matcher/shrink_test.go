package matcher_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
)

// stock is what a store holds, for a linear scan.
type stock struct {
	filters []filter.Filter
	handles []matcher.Handle
	tags    []uint64
	events  []filter.Event
}

func (s *stock) insert(t *testing.T, store *matcher.Store, text string) {
	f, err := filter.Parse(text)
	require.NoError(t, err)
	tag, moved := uint64(len(s.tags)), store.Stats().Moved
	h, err := store.Insert(f, tag)
	require.NoError(t, err)
	require.LessOrEqual(t, store.Stats().Moved-moved, uint64(matcher.MaxMoved))
	s.filters, s.handles, s.tags = append(s.filters, f), append(s.handles, h), append(s.tags, tag)
}

// remove takes out those from n on.
func (s *stock) remove(t *testing.T, store *matcher.Store, n int) {
	for _, h := range s.handles[n:] {
		moved := store.Stats().Moved
		require.NoError(t, store.Remove(h))
		require.LessOrEqual(t, store.Stats().Moved-moved, uint64(matcher.MaxMoved))
	}
	s.filters, s.handles, s.tags = s.filters[:n], s.handles[:n], s.tags[:n]
}

func (s *stock) requireMatches(t *testing.T, store *matcher.Store) {
	t.Helper()
	found := 0
	for i := range s.events {
		want := []uint64{}
		for j := range s.filters {
			if s.filters[j].Match(&s.events[i]) {
				want = append(want, s.tags[j])
			}
		}
		got := store.Match(&s.events[i], []uint64{})
		slices.Sort(got)
		slices.Sort(want)
		require.Equal(t, want, got, "%d filters, event %d", len(s.filters), i)
		found += len(got)
	}
	require.True(t, found > 0 || len(s.filters) < 500, "events that match nothing show nothing")
}

func numbered(t *testing.T, r *rand.Rand, names []string) filter.Event {
	var attrs []filter.Attribute
	for _, name := range names {
		attrs = append(attrs, filter.Attribute{Name: name, Value: filter.Int(r.Int64N(1000))})
	}
	e, err := filter.NewEvent(attrs...)
	require.NoError(t, err)
	return e
}

// TestShrinking: a store that loses its subscriptions in any order answers rightly
// all the way down, gives up room for them as it does, and holds nothing in the
// end. Few names are on all pages; with many, neighbouring pages have others.
func TestShrinking(t *testing.T) {
	const n = 12_000
	for _, count := range []int{2, 6, 40} {
		for name, shuffled := range map[string]bool{"in any order": true, "the last first": false} {
			t.Run(fmt.Sprintf("%d names, %s", count, name), func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(count), 1))
				var names []string
				for i := range count {
					names = append(names, fmt.Sprintf("n%02d", i))
				}
				store, err := matcher.New(matcher.NewHeapMemory(1<<27, 1<<24), matcher.Config{Seed: 3})
				require.NoError(t, err)
				s := &stock{}
				for range 6 {
					s.events = append(s.events, numbered(t, r, names))
				}
				for i := range n {
					a := names[i*count/n] // neighbours in the order of insertion share names
					b := names[r.IntN(count)]
					s.insert(t, store, fmt.Sprintf("%s > %d AND %s < %d AND %s < %d", a, r.IntN(500), a, 500+r.IntN(500), b, 200+r.IntN(800)))
				}
				if shuffled {
					r.Shuffle(n, func(i, j int) {
						s.filters[i], s.filters[j] = s.filters[j], s.filters[i]
						s.handles[i], s.handles[j] = s.handles[j], s.handles[i]
						s.tags[i], s.tags[j] = s.tags[j], s.tags[i]
					})
				}
				full := store.Stats()
				for _, left := range []int{n, n / 2, n / 4, n / 10, n / 30, n / 100, n / 300, 3} {
					s.remove(t, store, left)
					s.requireMatches(t, store)
					require.Equal(t, left, store.Stats().Subscriptions)
				}
				few := store.Stats()
				require.LessOrEqual(t, few.Pages, 3)
				require.Less(t, few.Used, full.Used/4, "tables stay, the rest goes")
				s.remove(t, store, 0)
				empty := store.Stats()
				require.Zero(t, empty.Filters+empty.Clusters+empty.Pages+empty.Blocks+empty.Names+empty.Strings+empty.Subscriptions)
			})
		}
	}
}

// TestErrors: kinds have names, an error says what the Memory said, and errors are
// told apart by kind, and by operation where one is asked for.
func TestErrors(t *testing.T) {
	seen := map[string]bool{}
	for k := matcher.EPCBudget; k <= matcher.Damaged; k++ {
		require.NotEqual(t, "unknown fault", k.String())
		require.False(t, seen[k.String()])
		seen[k.String()] = true
	}
	require.Equal(t, "unknown fault", (matcher.Damaged + 1).String())
	cause := errors.New("no more")
	e := &matcher.Error{Op: "insert", Kind: matcher.EPCBudget, Err: cause}
	require.EqualError(t, e, "matcher: insert: memory budget used up: no more")
	require.ErrorIs(t, e, cause)
	require.ErrorIs(t, e, matcher.ErrBudget)
	require.NotErrorIs(t, e, matcher.ErrUnknownHandle)
	require.ErrorIs(t, e, &matcher.Error{Op: "insert", Kind: matcher.EPCBudget})
	require.NotErrorIs(t, e, &matcher.Error{Op: "remove", Kind: matcher.EPCBudget})
	require.EqualError(t, &matcher.Error{Op: "remove", Kind: matcher.UnknownHandle}, "matcher: remove: unknown handle")
}

// refusing is Memory that refuses to grow, for a reason of its own, when it is told to.
type refusing struct {
	*matcher.HeapMemory
	err error
}

func (m *refusing) Commit(off, n int) error {
	if m.err != nil {
		return m.err
	}
	return m.HeapMemory.Commit(off, n)
}

// TestMemorysOwnErrorIsKept: what a Memory says when it refuses reaches the caller,
// as ErrBudget, and the store goes on once there is memory again.
func TestMemorysOwnErrorIsKept(t *testing.T) {
	mem := &refusing{HeapMemory: matcher.NewHeapMemory(1<<20, 1<<20)}
	store, err := matcher.New(mem, matcher.Config{Seed: 1})
	require.NoError(t, err)
	mem.err = errors.New("pager is gone")
	f, err := filter.Parse("x > 1")
	require.NoError(t, err)
	held := 0
	for ; held < 100_000; held++ {
		if _, err = store.Insert(f, uint64(held)); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, mem.err)
	require.ErrorIs(t, err, matcher.ErrBudget)
	require.Equal(t, held, store.Stats().Subscriptions)
	mem.err = nil
	_, err = store.Insert(f, 0)
	require.NoError(t, err)
	require.Equal(t, held+1, store.Stats().Subscriptions)
}

// TestTouchedPages: a Memory that wants to know hears of some pages for an event,
// of no more than the store has, and of the same again for the same event; the
// answers are those of a store that does not tell.
func TestTouchedPages(t *testing.T) {
	_, preds, events := readSCBR(t)
	mem := matchtest.NewPageCounter(matcher.NewHeapMemory(1<<26, 1<<24))
	store, err := matcher.New(mem, matcher.Config{Seed: 1})
	require.NoError(t, err)
	silent, _ := fill(t, preds)
	for i, p := range preds {
		f, err := filter.New(p...)
		require.NoError(t, err)
		_, err = store.Insert(f, uint64(i))
		require.NoError(t, err)
	}
	require.Equal(t, int64(1<<24), store.Stats().Budget)
	for i := range events[:200] {
		mem.Reset()
		got := store.Match(&events[i], []uint64{})
		pages := mem.Pages()
		require.Positive(t, pages)
		require.LessOrEqual(t, int64(pages), store.Stats().Bytes/matchtest.PageBytes+1)
		mem.Reset()
		require.Equal(t, got, store.Match(&events[i], []uint64{}))
		require.Equal(t, pages, mem.Pages())
		want := silent.Match(&events[i], []uint64{})
		slices.Sort(got)
		slices.Sort(want)
		require.Equal(t, want, got)
	}
}

// TestOwnersHaveRoomAgain: what an owner removed counts no more, down to nothing.
func TestOwnersHaveRoomAgain(t *testing.T) {
	store, err := matcher.New(matcher.NewHeapMemory(1<<20, 1<<20), matcher.Config{Seed: 1, MaxPerOwner: 3})
	require.NoError(t, err)
	f, err := filter.Parse("x > 1 OR y > 1")
	require.NoError(t, err)
	for range 3 {
		var handles []matcher.Handle
		for owner := range uint64(2) {
			for i := range uint64(3) {
				h, err := store.Insert(f, owner<<32|i)
				require.NoError(t, err)
				handles = append(handles, h)
			}
			_, err := store.Insert(f, owner<<32|9)
			require.ErrorIs(t, err, matcher.ErrOwnerQuota)
		}
		for _, h := range handles {
			require.NoError(t, store.Remove(h))
		}
		require.ErrorIs(t, store.Remove(handles[0]), matcher.ErrUnknownHandle)
	}
	require.Zero(t, store.Stats().Filters)
}
