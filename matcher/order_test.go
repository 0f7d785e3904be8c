package matcher

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShrinkingStaysInOrder: everything that a store holds is in order on the way
// down from many pages to none, whether neighbouring pages have names in common or not.
func TestShrinkingStaysInOrder(t *testing.T) {
	const n = 12_000
	for _, names := range []int{2, 40} {
		r := rand.New(rand.NewPCG(uint64(names), 2))
		s := newStore(t, 1<<25, Config{Seed: 5})
		handles := make([]Handle, n)
		for i := range handles {
			a := i * names / n
			f := parse(t, fmt.Sprintf("n%d > %d AND n%d < %d AND n%d < %d", a, r.IntN(500), a, 500+r.IntN(500), r.IntN(names), r.IntN(999)))
			var err error
			handles[i], err = s.Insert(f, uint64(i))
			require.NoError(t, err)
		}
		r.Shuffle(n, func(i, j int) { handles[i], handles[j] = handles[j], handles[i] })
		pages := s.Stats().Pages
		require.Greater(t, pages, 3, "too few to be joined")
		for i, h := range handles {
			require.NoError(t, s.Remove(h))
			if left := n - 1 - i; left%1000 == 0 || left < 1000 && left%40 == 0 {
				check(t, s)
			}
		}
		require.Zero(t, s.Stats().Pages)
	}
}
