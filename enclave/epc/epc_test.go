package epc_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/matcher"
)

const (
	page   = matcher.MemoryPage
	budget = 3<<20 + page
)

func newArena(t testing.TB) *epc.Arena {
	a, err := epc.New(budget)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func kindOf(err error) epc.Kind {
	var e *epc.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func TestBudgetBounds(t *testing.T) {
	for _, n := range []int64{-1, 0, epc.MinBudget - 1, epc.MaxBudget + 1, math.MaxInt64} {
		_, err := epc.New(n)
		require.Equal(t, epc.KindBadBudget, kindOf(err), n)
		_, err = epc.NewOn(nil, n)
		require.Equal(t, epc.KindBadBudget, kindOf(err), n)
	}
	require.EqualValues(t, 64<<30, epc.Reserve(64<<30), "never less than the budget")
}

func TestCommitRefusesBeyondTheBudgetAndChangesNothing(t *testing.T) {
	a := newArena(t)
	require.NoError(t, a.Commit(5*page, page))
	a.Region()[5*page] = 7
	for _, x := range [][2]int{{-page, page}, {0, -1}, {0, budget}, {0, math.MaxInt}, {math.MaxInt, page}, {len(a.Region()), page}} {
		err := a.Commit(x[0], x[1])
		require.Equal(t, epc.KindBudget, kindOf(err), x)
		require.ErrorIs(t, err, matcher.ErrBudget)
		require.EqualValues(t, page, a.Committed())
		require.EqualValues(t, 7, a.Region()[5*page])
	}
	require.NoError(t, a.Commit(0, 5*page))
	require.NoError(t, a.Commit(6*page, budget-6*page))
	require.EqualValues(t, budget, a.Committed())
}

// TestMemory compares the arena with an ordinary slice under random granting, giving
// back and writing.
func TestMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := epc.New(budget)
		require.NoError(t, err)
		defer func() { require.NoError(t, a.Close()) }()
		start := &a.Region()[0]
		const pages = 512
		granted := map[int]bool{}
		model := make([]byte, pages*page)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			at := rapid.IntRange(0, pages-1).Draw(t, "page")
			if granted[at] && rapid.Bool().Draw(t, "give back") {
				a.Release(at*page, page)
				clear(model[at*page : (at+1)*page])
				delete(granted, at)
			} else if !granted[at] {
				require.NoError(t, a.Commit(at*page, page))
				granted[at] = true
			}
			require.True(t, start == &a.Region()[0], "the region moved")
			require.EqualValues(t, len(granted)*page, a.Committed())
			if granted[at] {
				at := at*page + rapid.IntRange(0, page-1).Draw(t, "at")
				a.Region()[at], model[at] = 9, 9
			}
		}
		require.True(t, bytes.Equal(model, a.Region()[:len(model)]))
	})
}
