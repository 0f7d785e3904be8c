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

// wideFilter is two to four constraints on eight attributes, one in plain/4 of which
// is no range of integers.
func wideFilter(t *testing.T, r *rand.Rand, plain int) filter.Filter {
	text := ""
	for i, attr := range r.Perm(8)[:2+r.IntN(3)] {
		if i > 0 {
			text += " AND "
		}
		lo := r.IntN(900)
		switch r.IntN(plain) {
		case 0:
			text += fmt.Sprintf("a%d >= %d.5", attr, lo)
		case 1:
			text += fmt.Sprintf("NOT EXISTS a%d", attr)
		case 2:
			text += fmt.Sprintf("a%d < %d", attr, lo)
		case 3:
			text += fmt.Sprintf("a%d LIKE 's%d%%'", attr, lo%10)
		default:
			text += fmt.Sprintf("a%d BETWEEN %d AND %d", attr, lo, lo+50+r.IntN(200))
		}
	}
	return parse(t, text)
}

func wideEvent(t *testing.T, r *rand.Rand) filter.Event {
	var attrs []filter.Attribute
	for i := range 8 {
		a := filter.Attribute{Name: fmt.Sprintf("a%d", i), Value: filter.Int(int64(r.IntN(1000)))}
		switch r.IntN(16) {
		case 0:
			continue
		case 1:
			a.Value = filter.String(fmt.Sprintf("s%d", r.IntN(100)))
		case 2:
			a.Value, _ = filter.Float(float64(r.IntN(4000)) / 4)
		}
		attrs = append(attrs, a)
	}
	e, err := filter.NewEvent(attrs...)
	require.NoError(t, err)
	return e
}

// TestManyPages: a cluster of many pages, which divide, are joined and know
// their bounds, always gives the linear scan's answers; with a reader nothing is
// changed in place; where memory is short, pages are outside.
func TestManyPages(t *testing.T) {
	parts := []int{10, 100, 4000}
	if testing.Short() {
		parts = parts[:1]
	}
	t.Run("alone", func(t *testing.T) { manyPages(t, newStore(t, 1<<22, Config{Seed: 9}), 12_000, 12, parts...) })
	t.Run("watched", func(t *testing.T) {
		s := newStore(t, 1<<22, Config{Seed: 9})
		defer s.NewReader().Close()
		manyPages(t, s, 12_000, 12, parts...)
	})
	t.Run("spilling", func(t *testing.T) {
		if testing.Short() {
			t.Skip("-short: TestSpilling is the shorter one")
		}
		mem := matchtest.NewOutside(1<<22, 3200<<10, ErrBudget)
		s, err := New(mem, Config{Seed: 9, Spill: true})
		require.NoError(t, err)
		manyPages(t, s, 56_000, 300, 60)
		st := s.Stats()
		require.Greater(t, st.Fetches, uint64(500))
		require.Greater(t, st.Spills, st.Seals, "what did not change is sealed again")
		require.Zero(t, mem.Zones(), "kept outside for nobody")
	})
}

// manyPages fills a store with n filters, takes all but one in so many out, and fills
// it again, once for each of parts.
func manyPages(t *testing.T, s *Store, n, plain int, parts ...int) {
	r := rand.New(rand.NewPCG(1, 2))
	filters := make([]filter.Filter, n)
	handles := make([]Handle, n)
	insert := func(i int) {
		var err error
		handles[i], err = s.Insert(filters[i], uint64(i))
		require.NoError(t, err)
	}
	for i := range n {
		filters[i] = wideFilter(t, r, plain)
		insert(i)
	}
	require.Greater(t, s.Stats().Pages, 4)
	gone := map[int]bool{}
	for _, part := range parts { // few enough that blocks and pages are joined
		left := n / part
		compareWithScan(t, s, r, filters, gone, plain)
		for len(gone) < n-left {
			i := r.IntN(n)
			if !gone[i] {
				require.NoError(t, s.Remove(handles[i]))
				gone[i] = true
			}
		}
		compareWithScan(t, s, r, filters, gone, plain)
		require.LessOrEqual(t, s.Stats().Blocks, 1+left/2, "blocks are joined")
		require.LessOrEqual(t, s.Stats().Pages, 1+left/20, "pages are joined")
		for i := range gone {
			filters[i] = wideFilter(t, r, plain)
			insert(i)
		}
		clear(gone)
	}
	for i := range n {
		require.NoError(t, s.Remove(handles[i]))
	}
	check(t, s)
}

func compareWithScan(t *testing.T, s *Store, r *rand.Rand, filters []filter.Filter, gone map[int]bool, plain int) {
	check(t, s)
	for range 60 {
		e := wideEvent(t, r)
		want := []uint64{}
		for i := range filters {
			if !gone[i] && filters[i].Match(&e) {
				want = append(want, uint64(i))
			}
		}
		got := s.Match(&e, []uint64{})
		slices.Sort(got)
		require.Equal(t, want, got)
	}
	for range 20 {
		f := wideFilter(t, r, plain)
		want := []uint64{}
		for i := range filters {
			if !gone[i] && filters[i].Covers(f) {
				want = append(want, uint64(i))
			}
		}
		got := s.Containers(f, []uint64{})
		slices.Sort(got)
		require.Equal(t, want, got)
	}
}
