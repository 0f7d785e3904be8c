package matcher

import (
	"slices"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestOracle: random inserts, removes, matches and covering questions always
// give the oracle's answer.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { against(t, 1<<20, false) })
}

// held is what a refused insertion must not change.
func held(s *Store) Stats {
	st := s.Stats()
	st.Bytes, st.Used, st.Moved, st.Memory, st.Zones = 0, 0, 0, Usage{}, 0 // room for tables may have grown
	return st
}

// against does whatever can be done to a store in random order, and requires the
// oracle's answers and a store in order after each step.
func against(t *rapid.T, budget int, refusals bool) {
	s, err := New(NewHeapMemory(1<<uint(rapid.IntRange(20, 23).Draw(t, "region")), budget), Config{Seed: rapid.Uint64().Draw(t, "seed")})
	require.NoError(t, err)
	s.portable = rapid.Bool().Draw(t, "portable")
	var reader *Reader
	var o matchtest.Oracle
	handles := map[uint64]Handle{}
	tag := uint64(0)
	t.Repeat(map[string]func(*rapid.T){
		"insert": func(t *rapid.T) {
			x, f := drawFilter(t)
			for range rapid.SampledFrom([]int{1, 1, 3, 40, 100}).Draw(t, "times") {
				tag++
				before := held(s)
				h, err := s.Insert(f, tag)
				if err != nil {
					require.True(t, refusals)
					require.ErrorIs(t, err, ErrBudget)
					require.Equal(t, before, held(s))
					return
				}
				handles[tag] = h
				o.Insert(matchtest.Subscription{Expr: x, Filter: f, Tag: tag})
			}
		},
		"remove": func(t *rapid.T) {
			for range rapid.IntRange(1, 60).Draw(t, "n") {
				if o.Len() == 0 {
					return
				}
				tag := o.At(rapid.IntRange(0, o.Len()-1).Draw(t, "which")).Tag
				require.NoError(t, s.Remove(handles[tag]))
				o.Remove(tag)
			}
		},
		"watch": func(t *rapid.T) { // with readers everything is copied, without them changed in place
			if reader == nil {
				reader = s.NewReader()
				return
			}
			reader.Close()
			reader = nil
		},
		"match": func(t *rapid.T) {
			e := matchtest.Event().Draw(t, "event")
			match := s.Match
			if reader != nil {
				match = reader.Match
			}
			got := match(&e, []uint64{})
			slices.Sort(got)
			require.Equal(t, o.Match(e), got)
		},
		"covered": func(t *rapid.T) {
			_, f := drawFilter(t)
			require.Equal(t, o.Covered(f), s.Covered(f))
			want := []uint64{}
			for i := range o.Len() {
				if o.At(i).Filter.Covers(f) {
					want = append(want, o.At(i).Tag)
				}
			}
			got := s.Containers(f, []uint64{})
			slices.Sort(got)
			require.Equal(t, want, got)
		},
		"": func(t *rapid.T) { check(t, s) },
	})
}

// drawFilter draws an expression that has a normal form.
func drawFilter(t *rapid.T) (filter.Expr, filter.Filter) {
	x := matchtest.Expr().Draw(t, "filter")
	f, err := filter.Build(x)
	if err != nil {
		t.Skip("too wide")
	}
	t.Logf("%s", f)
	return x, f
}
