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
	rapid.Check(t, func(t *rapid.T) { against(t, 1<<18, false) })
}

// TestOracleUnderBudget does the same with so little memory that insertions
// are refused at every point they can be.
func TestOracleUnderBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		against(t, rapid.IntRange(4096, 8192).Draw(t, "budget"), true)
	})
}

func against(t *rapid.T, budget int, refusals bool) {
	s, err := New(NewHeapMemory(1<<18, budget), Config{Seed: rapid.Uint64().Draw(t, "seed")})
	require.NoError(t, err)
	var o matchtest.Oracle
	handles := map[uint64]Handle{}
	tag := uint64(0)
	t.Repeat(map[string]func(*rapid.T){
		"insert": func(t *rapid.T) {
			preds := matchtest.Predicates().Draw(t, "filter")
			f, err := filter.New(preds...)
			require.NoError(t, err)
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
			o.Insert(matchtest.Subscription{Preds: preds, Filter: f, Tag: tag})
		},
		"remove": func(t *rapid.T) {
			if o.Len() == 0 {
				t.Skip("empty")
			}
			tag := o.At(rapid.IntRange(0, o.Len()-1).Draw(t, "which")).Tag
			require.NoError(t, s.Remove(handles[tag]))
			require.ErrorIs(t, s.Remove(handles[tag]), ErrUnknownHandle)
			o.Remove(tag)
		},
		"match": func(t *rapid.T) {
			e := matchtest.Event().Draw(t, "event")
			got := s.Match(&e, []uint64{})
			slices.Sort(got)
			require.Equal(t, o.Match(e), got)
		},
		"covered": func(t *rapid.T) {
			f, err := filter.New(matchtest.Predicates().Draw(t, "filter")...)
			require.NoError(t, err)
			require.Equal(t, o.Covered(f), s.Covered(f))
		},
		"": func(t *rapid.T) { check(t, s) },
	})
}

// held is what a refused insertion must not change.
func held(s *Store) Stats {
	st := s.Stats()
	st.Bytes, st.Used = 0, 0 // room for tables may have grown
	st.InsertTests, st.Flat = 0, 0
	return st
}
