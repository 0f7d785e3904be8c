package matcher

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/stretchr/testify/require"
)

// wideFilter is two to four constraints on eight attributes, rarely an equality.
func wideFilter(t *testing.T, r *rand.Rand) filter.Filter {
	text := ""
	for i, attr := range r.Perm(8)[:2+r.IntN(3)] {
		if i > 0 {
			text += " AND "
		}
		lo := r.IntN(900)
		switch r.IntN(12) {
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
// changed in place.
func TestManyPages(t *testing.T) {
	for _, watched := range []bool{false, true} {
		t.Run(fmt.Sprintf("watched=%v", watched), func(t *testing.T) { manyPages(t, watched) })
	}
}

func manyPages(t *testing.T, watched bool) {
	const n = 12_000
	s := newStore(t, 1<<22, Config{Seed: 9})
	if watched {
		defer s.NewReader().Close()
	}
	r := rand.New(rand.NewPCG(1, 2))
	filters := make([]filter.Filter, n)
	handles := make([]Handle, n)
	insert := func(i int) {
		var err error
		handles[i], err = s.Insert(filters[i], uint64(i))
		require.NoError(t, err)
	}
	for i := range n {
		filters[i] = wideFilter(t, r)
		insert(i)
	}
	require.Greater(t, s.Stats().Pages, 4)
	gone := map[int]bool{}
	for _, left := range []int{n / 10, n / 100, 3} { // few enough that blocks and pages are joined
		compareWithScan(t, s, r, filters, gone)
		for len(gone) < n-left {
			i := r.IntN(n)
			if !gone[i] {
				require.NoError(t, s.Remove(handles[i]))
				gone[i] = true
			}
		}
		compareWithScan(t, s, r, filters, gone)
		require.LessOrEqual(t, s.Stats().Blocks, 1+left/2, "blocks are joined")
		require.LessOrEqual(t, s.Stats().Pages, 1+left/20, "pages are joined")
		for i := range gone {
			filters[i] = wideFilter(t, r)
			insert(i)
		}
		clear(gone)
	}
}

func compareWithScan(t *testing.T, s *Store, r *rand.Rand, filters []filter.Filter, gone map[int]bool) {
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
		f := wideFilter(t, r)
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
