package matchtest

import (
	"testing"

	"github.com/scbr/scbr/matcher"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPageCounterEdges(t *testing.T) {
	for _, c := range []struct{ off, n, pages int }{
		{0, 0, 0},
		{PageBytes, 0, 0},
		{0, 1, 1},
		{PageBytes - 1, 1, 1},
		{PageBytes - 1, 2, 2},
		{0, PageBytes, 1},
		{1, PageBytes, 2},
		{5 * PageBytes, 3 * PageBytes, 3},
	} {
		p := NewPageCounter(matcher.NewHeapMemory(0, 0))
		p.Touch(c.off, c.n)
		require.Equal(t, c.pages, p.Pages(), "%+v", c)
		p.Touch(c.off, c.n)
		require.Equal(t, c.pages, p.Pages(), "%+v again", c)
		p.Reset()
		require.Zero(t, p.Pages())
		p.Touch(c.off, c.n)
		require.Equal(t, c.pages, p.Pages(), "%+v after Reset", c)
		require.Equal(t, uint64(3), p.Touches())
	}
}

// TestPageCounterCounts: whatever is touched, the count is that of a set of bytes.
func TestPageCounterCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewPageCounter(matcher.NewHeapMemory(0, 0))
		for range rapid.IntRange(1, 3).Draw(t, "periods") {
			pages := map[int]bool{}
			for range rapid.IntRange(0, 8).Draw(t, "touches") {
				off, n := rapid.IntRange(0, 9*PageBytes).Draw(t, "off"), rapid.IntRange(0, 2*PageBytes).Draw(t, "n")
				p.Touch(off, n)
				for b := off; b < off+n; b++ {
					pages[b/PageBytes] = true
				}
			}
			require.Equal(t, len(pages), p.Pages())
			p.Reset()
		}
	})
}

func TestPageCounterIsItsMemory(t *testing.T) {
	mem := matcher.NewHeapMemory(8*PageBytes, 3*PageBytes)
	p := NewPageCounter(mem)
	require.Same(t, &mem.Region()[0], &p.Region()[0])
	require.Equal(t, int64(3*PageBytes), p.Budget())
	require.NoError(t, p.Commit(PageBytes, 3*PageBytes))
	require.ErrorIs(t, p.Commit(0, 1), matcher.ErrBudget)
	p.Release(PageBytes, PageBytes)
	require.NoError(t, p.Commit(0, PageBytes))
	require.Equal(t, int64(8*PageBytes), NewPageCounter(bare{mem}).Budget(), "without a budget it is the reservation")
}

type bare struct{ matcher.Memory }
