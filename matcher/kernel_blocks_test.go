//go:build unix

package matcher

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomBlocks fills an arena with blocks of every shape, whose bytes are drawn.
func randomBlocks(t *testing.T, rnd *rand.Rand) (s *Store, refs []uint32) {
	s = newStore(t, 1<<20, Config{})
	for range pageBlocks {
		b, err := s.newBlock(1+rnd.IntN(blockLanes), rnd.IntN(maxRows+1), uint32(rnd.IntN(16)), 7)
		require.NoError(t, err)
		k := randomScanBlock(rnd, b.m, b.r, 64, 64)
		copy(s.a.b[b.rows:], k.b[:scanVectors*b.m*b.r])
		refs = append(refs, b.ref)
	}
	rnd.Shuffle(len(refs), func(i, j int) { refs[i], refs[j] = refs[j], refs[i] })
	return s, refs
}

// TestScanBlocksTwinsAgree: any choice of blocks of any shape gives the same hits
// in the same order, and nothing is written behind them.
func TestScanBlocksTwinsAgree(t *testing.T) {
	needAVX2(t)
	rnd := rand.New(rand.NewPCG(27, 11))
	var none, all, some int
	for range 300 {
		s, refs := randomBlocks(t, rnd)
		for _, which := range []uint64{0, 1, 1 << 63, ^uint64(0), rnd.Uint64(), rnd.Uint64() & rnd.Uint64() & rnd.Uint64()} {
			var cells [scanSlots]byte
			for i := range cells {
				cells[i] = edgeByte(rnd)
			}
			mark := hit{^uint32(0), ^uint32(0), ^uint64(0), ^uint64(0)}
			var got, want [pageBlocks]hit
			for i := range got {
				got[i], want[i] = mark, mark
			}
			n := s.a.scanBlocks(refs, which, &cells, &got, false)
			m := s.a.scanBlocks(refs, which, &cells, &want, true)
			require.Equal(t, m, n)
			require.Equal(t, want, got)
			switch n {
			case 0:
				none++
			case bits.OnesCount64(which):
				all++
			default:
				some++
			}
		}
	}
	require.Greater(t, min(none, all, some), 100)
}
