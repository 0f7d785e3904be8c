package matcher

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
)

// spilled is a store twice as large as its budget, of some hundred clusters, and its
// filters by cluster.
type spilled struct {
	*Store
	mem     *matchtest.Outside
	filters [spillKeys][]filter.Filter
	tags    [spillKeys][]uint64
	handles map[uint64]Handle
	next    uint64
}

const spillKeys = 300

func newSpilled(t *testing.T) *spilled {
	mem := matchtest.NewOutside(1<<21, 1024<<10, ErrBudget)
	s, err := New(mem, Config{Seed: 5, Spill: true})
	require.NoError(t, err)
	return &spilled{Store: s, mem: mem, handles: map[uint64]Handle{}}
}

func (s *spilled) add(t *testing.T, r *rand.Rand) {
	k, lo := r.IntN(spillKeys), r.IntN(900)
	text := fmt.Sprintf("k = %d AND x BETWEEN %d AND %d AND y < %d", k, lo, lo+r.IntN(60), r.IntN(1000))
	switch r.IntN(300) {
	case 0:
		text = fmt.Sprintf("k IN (%d, %d) AND x < %d", k, (k+1)%spillKeys, lo)
	case 1:
		text = fmt.Sprintf("k = %d AND x > %d.5", k, lo)
	}
	f := parse(t, text)
	s.next++
	h, err := s.Insert(f, s.next)
	require.NoError(t, err)
	s.handles[s.next] = h
	keys := []int{k}
	if f.Len() > 0 && text[:4] == "k IN" {
		keys = []int{k, (k + 1) % spillKeys}
	}
	for _, k := range keys {
		s.filters[k], s.tags[k] = append(s.filters[k], f), append(s.tags[k], s.next)
	}
}

// matching is what the scan of a cluster says, without what was taken out.
func (s *spilled) matching(k int, e *filter.Event) []uint64 {
	want := []uint64{}
	for i := range s.filters[k] {
		if _, held := s.handles[s.tags[k][i]]; held && s.filters[k][i].Match(e) {
			want = append(want, s.tags[k][i])
		}
	}
	slices.Sort(want)
	return want
}

func (s *spilled) events(t *testing.T, r *rand.Rand, n int) (events []filter.Event, want [][]uint64) {
	for range n {
		k := r.IntN(spillKeys)
		e, err := filter.NewEvent(filter.Attribute{Name: "k", Value: filter.Int(int64(k))},
			filter.Attribute{Name: "x", Value: filter.Int(r.Int64N(1000))}, filter.Attribute{Name: "y", Value: filter.Int(r.Int64N(1000))})
		require.NoError(t, err)
		events, want = append(events, e), append(want, s.matching(k, &e))
	}
	return events, want
}

// TestSpilling: a store most of which is outside gives the scan's answers, one event at
// a time and in batches, while subscriptions come and go.
func TestSpilling(t *testing.T) {
	s, r := newSpilled(t), rand.New(rand.NewPCG(3, 4))
	for range 4 {
		for range 12_000 {
			s.add(t, r)
		}
		require.Positive(t, s.Stats().Spilled+1)
		events, want := s.events(t, r, 400)
		for i := range events {
			got := s.Match(&events[i], []uint64{})
			slices.Sort(got)
			require.Equal(t, want[i], got)
		}
		next := 0
		s.MatchBatch(len(events), func(i int) *filter.Event { return &events[i] }, func(i int, tags []uint64) {
			require.Equal(t, next, i, "the order of events")
			next++
			got := append([]uint64{}, tags...)
			slices.Sort(got)
			require.Equal(t, want[i], got)
		})
		require.Equal(t, len(events), next)
		check(t, s.Store)
		for tag, h := range s.handles {
			if r.IntN(3) == 0 {
				require.NoError(t, s.Remove(h))
				delete(s.handles, tag)
			}
		}
		check(t, s.Store)
	}
	st := s.Stats()
	require.Greater(t, st.Spilled, s.mem.Budget()/4)
	require.Greater(t, st.Spills, st.Seals+100, "what did not change is sealed again")
	for _, h := range s.handles {
		require.NoError(t, s.Remove(h))
	}
	check(t, s.Store)
	require.Zero(t, s.mem.Zones(), "kept outside for nobody")
	require.Zero(t, s.Stats().Spilled)
}

// TestBatchesBringInLess: a batch brings each zone in once, an event alone its own.
func TestBatchesBringInLess(t *testing.T) {
	s, r := newSpilled(t), rand.New(rand.NewPCG(5, 6))
	for range 40_000 {
		s.add(t, r)
	}
	events, _ := s.events(t, r, 2000)
	load := func(i int) *filter.Event { return &events[i] }
	fetched := func(do func()) uint64 {
		before := s.Stats().Fetches
		do()
		return s.Stats().Fetches - before
	}
	single := fetched(func() {
		for i := range events {
			s.Match(&events[i], nil)
		}
	})
	s.MatchBatch(firstBatch, load, func(int, []uint64) {}) // now it knows how much events match
	together := fetched(func() { s.MatchBatch(len(events), load, func(int, []uint64) {}) })
	require.Greater(t, single, uint64(500))
	require.LessOrEqual(t, together, uint64(s.Stats().Zones))

	s.work.batch.limit = 50 // no room for answers
	s.work.batch.mean = 0
	found := 0
	s.MatchBatch(len(events), load, func(_ int, tags []uint64) { found += len(tags) })
	want := 0
	for i := range events {
		want += len(s.Match(&events[i], nil))
	}
	require.Equal(t, want, found)
}

// TestDamagedOutside: a zone that does not come back as it was ends everything, with a
// panic that says so.
func TestDamagedOutside(t *testing.T) {
	s, r := newSpilled(t), rand.New(rand.NewPCG(7, 8))
	for range 40_000 {
		s.add(t, r)
	}
	for id := range uint32(len(s.a.zones.all) + 1) {
		s.mem.Damage(id)
	}
	events, _ := s.events(t, r, 500)
	defer func() {
		err, _ := recover().(*Error)
		require.NotNil(t, err)
		require.Equal(t, Damaged, err.Kind)
	}()
	for i := range events {
		s.Match(&events[i], nil)
	}
	t.Fatal("answered without what it needs")
}

// TestSpillNeedsOutside: of a Memory, and of the absence of readers.
func TestSpillNeedsOutside(t *testing.T) {
	_, err := New(NewHeapMemory(1<<20, 1<<20), Config{Spill: true})
	require.ErrorIs(t, err, &Error{Kind: BadMemory})
	s := newSpilled(t)
	require.Panics(t, func() { s.NewReader() })
}

// TestFullOutside: where even what has to stay does not fit, insertions are refused,
// and everything can be taken out again.
func TestFullOutside(t *testing.T) {
	mem := matchtest.NewOutside(1<<20, 256<<10, ErrBudget)
	s, err := New(mem, Config{Seed: 5, Spill: true})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(9, 9))
	var handles []Handle
	for {
		before := held(s)
		h, err := s.Insert(parse(t, fmt.Sprintf("k = %d AND x < %d", r.IntN(200), r.IntN(1000))), uint64(len(handles)))
		if err != nil {
			require.ErrorIs(t, err, ErrBudget)
			after := held(s)
			require.Equal(t, before.Subscriptions, after.Subscriptions)
			break
		}
		handles = append(handles, h)
		require.Less(t, len(handles), 1_000_000)
	}
	require.Greater(t, len(handles), 3000)
	check(t, s)
	for _, h := range handles {
		require.NoError(t, s.Remove(h))
	}
	check(t, s)
	require.Zero(t, s.Stats().Subscriptions)
}
