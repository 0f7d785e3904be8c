package matcher

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRootsCostTheirAnswer: many equal filters, and many that lie within one
// another, cost work in proportion to their number.
func TestRootsCostTheirAnswer(t *testing.T) {
	const n = 5000
	for name, c := range map[string]struct {
		text string
		root uint64
	}{
		"equal":                  {"x = 3 AND y < 7", 0},
		"nested":                 {"x < #", n - 1},
		"equal without equality": {"x > 1.5 AND y LIKE 'a%b%'", 0},
	} {
		s := newStore(t, 1<<22, Config{Seed: 1})
		for i := range n {
			_, err := s.Insert(parse(t, strings.ReplaceAll(c.text, "#", strconv.Itoa(i))), uint64(i))
			require.NoError(t, err)
		}
		before := s.Stats()
		require.Equal(t, []uint64{c.root}, s.Roots(nil), name)
		after := s.Stats()
		require.Less(t, after.CoverTests-before.CoverTests, uint64(2*n*blockLanes), name)
		require.Less(t, after.CoverBlocks-before.CoverBlocks, uint64(n*40), name)
	}
}

// TestMovesOfReplicatedSets: a filter that is indexed by each value of an IN moves
// no more than the bound for each of them.
func TestMovesOfReplicatedSets(t *testing.T) {
	s := newStore(t, 1<<25, Config{Seed: 7})
	most, moved := uint64(0), uint64(0)
	for i := range 6000 {
		_, err := s.Insert(parse(t, fmt.Sprintf("x IN (0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15) AND y BETWEEN %d AND %d AND z NOT IN (%d)", i, i+7, i%97)), uint64(i))
		require.NoError(t, err)
		st := s.Stats()
		most, moved = max(most, st.Moved-moved), st.Moved
	}
	require.Greater(t, most, uint64(MaxMoved), "the clusters fill up together, or this test shows nothing")
	require.LessOrEqual(t, most, uint64(maxReplicas*MaxMoved))
	require.Less(t, moved, uint64(6000*16*20), "moves are amortised")
}

// TestManyAlternativesLeaveRoom: a filter with as many places as there can be does
// not take memory from others once it has gone, and little while it is there.
func TestManyAlternativesLeaveRoom(t *testing.T) {
	const budget = 2 << 20
	fill := func(s *Store) (n int) {
		for {
			_, err := s.Insert(parse(t, fmt.Sprintf("k = %d AND x BETWEEN %d AND %d", n%50, n, n+100)), uint64(n))
			if err != nil {
				require.ErrorIs(t, err, ErrBudget)
				return n
			}
			n++
		}
	}
	wide := ""
	for i := range 23 {
		if i > 0 {
			wide += " OR "
		}
		wide += fmt.Sprintf("w%d IN (0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15) AND v > %d", i, i)
	}
	alone := fill(newStore(t, budget, Config{Seed: 2}))
	s := newStore(t, budget, Config{Seed: 2})
	h, err := s.Insert(parse(t, wide), 1)
	require.NoError(t, err)
	require.LessOrEqual(t, s.Stats().Filters, maxPlaces)
	require.NoError(t, s.Remove(h))
	require.Greater(t, fill(s), alone*98/100)
	s = newStore(t, budget, Config{Seed: 2})
	_, err = s.Insert(parse(t, wide), 1)
	require.NoError(t, err)
	require.Greater(t, fill(s), alone*80/100)
}
