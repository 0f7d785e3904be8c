//go:build unix

package matcher

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	scanMaxRows = 8
	scanBlocks  = 120_000
	mixedBlocks = 256 // more than the branch predictor learns, less than a cache holds
)

// scanBlock is one input of scan; b ends 64 bytes behind the rows.
type scanBlock struct {
	b     []byte
	n, r  int
	cells [scanSlots]byte
}

func newScanBlock(n, r int) *scanBlock {
	return &scanBlock{b: make([]byte, scanVectors*n*r+scanLanes), n: n, r: r}
}

func (k *scanBlock) set(lane, row int, attr, lo, hi byte) {
	v := k.b[scanVectors*row*k.n:]
	v[lane], v[k.n+lane], v[2*k.n+lane] = attr, lo, hi
}

// edgeByte prefers the values where a signed or wrapping comparison goes wrong.
func edgeByte(rnd *rand.Rand) byte {
	if rnd.IntN(2) == 0 {
		return byte(rnd.Uint32())
	}
	edges := [...]byte{0, 1, 126, 127, 128, 129, 254, 255}
	return edges[rnd.IntN(len(edges))]
}

// randomScanBlock draws a block whose lanes are outside with a probability of
// outside/256 per row, and touch an end with one of touch/256.
func randomScanBlock(rnd *rand.Rand, n, r, outside, touch int) *scanBlock {
	k := newScanBlock(n, r)
	for i := range k.b {
		k.b[i] = edgeByte(rnd) // what stays behind the rows is garbage
	}
	for i := range k.cells {
		k.cells[i] = edgeByte(rnd)
	}
	for j := range r {
		for i := range n {
			attr := byte(rnd.IntN(scanSlots))
			c := k.cells[attr]
			lo, hi := byte(rnd.IntN(int(c)+1)), c+byte(rnd.IntN(256-int(c)))
			if rnd.IntN(256) < touch {
				lo = c
			}
			if rnd.IntN(256) < touch {
				hi = c
			}
			if rnd.IntN(256) < outside {
				lo, hi = edgeByte(rnd), edgeByte(rnd)
			}
			k.set(i, j, attr, lo, hi)
		}
	}
	return k
}

func needAVX2(t testing.TB) {
	if !hasAVX2() {
		t.Skip("no AVX2 here: scan is the portable twin")
	}
}

func allLanes(n int) uint64 { return ^uint64(0) >> (64 - n) }

func scanTwins(t *testing.T, f func(t *testing.T, portable bool)) {
	t.Run("portable", func(t *testing.T) { f(t, true) })
	t.Run("avx2", func(t *testing.T) {
		needAVX2(t)
		f(t, false)
	})
}

// TestScanOneLane puts every kind of bound on every lane in turn, with the
// answer written down by hand; all other lanes answer the opposite.
func TestScanOneLane(t *testing.T) {
	const no, maybe, sure = 0, 1, 2
	cases := []struct{ lo, c, hi, want byte }{
		{0, 0, 0, maybe},
		{0, 0, 255, maybe},
		{0, 255, 255, maybe},
		{255, 255, 255, maybe},
		{0, 1, 2, sure},
		{0, 1, 255, sure},
		{0, 254, 255, sure},
		{126, 127, 128, sure},
		{127, 128, 129, sure},
		{0, 128, 255, sure},
		{127, 127, 128, maybe},
		{127, 128, 128, maybe},
		{128, 127, 255, no},
		{0, 128, 127, no},
		{1, 0, 255, no},
		{0, 255, 254, no},
		{255, 0, 255, no},
		{0, 255, 0, no},
		{255, 128, 0, no},
		{200, 100, 150, no},
		{50, 100, 60, no},
	}
	scanTwins(t, func(t *testing.T, portable bool) {
		for _, c := range cases {
			for lane := range scanLanes {
				k := newScanBlock(scanLanes, 1)
				slot := byte(lane % scanSlots)
				other := (slot + 1) % scanSlots
				k.cells[slot], k.cells[other] = c.c, 100
				for i := range scanLanes {
					k.set(i, 0, other, 99, 101)
				}
				k.set(lane, 0, slot, c.lo, c.hi)
				wantMaybe, wantSure := allLanes(scanLanes), allLanes(scanLanes)
				if c.want < maybe {
					wantMaybe &^= 1 << lane
				}
				if c.want < sure {
					wantSure &^= 1 << lane
				}
				m, s := scan(k.b, k.n, k.r, &k.cells, portable)
				require.Equal(t, wantMaybe, m, "maybe, lane %d, %+v", lane, c)
				require.Equal(t, wantSure, s, "sure, lane %d, %+v", lane, c)
			}
		}
	})
}

// TestScanEverySlot gives each slot a cell of its own: a lookup in the wrong
// half or at the wrong place is outside the bounds.
func TestScanEverySlot(t *testing.T) {
	scanTwins(t, func(t *testing.T, portable bool) {
		k := newScanBlock(scanLanes, 1)
		for i := range k.cells {
			k.cells[i] = byte(8*i + 3)
		}
		for i := range scanLanes {
			slot := byte(i*5+i/32) % scanSlots
			k.set(i, 0, slot, k.cells[slot]-1, k.cells[slot]+1)
		}
		m, s := scan(k.b, k.n, k.r, &k.cells, portable)
		require.Equal(t, allLanes(scanLanes), m)
		require.Equal(t, allLanes(scanLanes), s)
	})
}

// TestScanNoRows has garbage that would fail, and no row to fail by.
func TestScanNoRows(t *testing.T) {
	scanTwins(t, func(t *testing.T, portable bool) {
		k := newScanBlock(1, 0)
		for i := range k.b {
			k.b[i] = 255
		}
		for n := 1; n <= scanLanes; n++ {
			m, s := scan(k.b, n, 0, &k.cells, portable)
			require.Equal(t, allLanes(n), m, "n=%d", n)
			require.Equal(t, allLanes(n), s, "n=%d", n)
		}
	})
}

// TestScanTwinsAgree compares the twins on random blocks, and then counts what
// the draw was like: twins that agree on nothing but empty answers prove little.
func TestScanTwinsAgree(t *testing.T) {
	needAVX2(t)
	rnd := rand.New(rand.NewPCG(20, 26))
	densities := [...]int{0, 2, 16, 64, 128, 256}
	var empty, every, some, surely, between int
	for i := range scanBlocks {
		n, r := 1+i%scanLanes, i/scanLanes%(scanMaxRows+1)
		k := randomScanBlock(rnd, n, r, densities[rnd.IntN(len(densities))], densities[rnd.IntN(len(densities))])
		m, s := scanAVX2(&k.b[0], n, r, &k.cells)
		wantM, wantS := scanPortable(k.b, n, r, &k.cells)
		if m != wantM || s != wantS {
			t.Fatalf("block %d, n=%d r=%d: maybe %#x, want %#x; sure %#x, want %#x\nrows %v\ncells %v",
				i, n, r, m, wantM, s, wantS, k.b, k.cells)
		}
		switch {
		case m == 0:
			empty++
		case m == allLanes(n):
			every++
		default:
			some++
		}
		if s != 0 {
			surely++
		}
		if s != m && s != 0 {
			between++
		}
	}
	for what, count := range map[string]int{
		"no lane": empty, "every lane": every, "some lanes": some, "sure lanes": surely, "sure and only maybe": between,
	} {
		require.Greater(t, count, scanBlocks/20, what)
	}
}

// TestScanIgnoresGarbage lets everything behind the lanes pass, then fail: the
// answer must not change, and no lane past n may be in it.
func TestScanIgnoresGarbage(t *testing.T) {
	needAVX2(t)
	rnd := rand.New(rand.NewPCG(3, 14))
	for n := 1; n <= scanLanes; n++ {
		for r := 1; r <= scanMaxRows; r++ {
			k := randomScanBlock(rnd, n, r, 32, 32)
			wantM, wantS := scanPortable(k.b, n, r, &k.cells)
			for _, garbage := range []byte{0, 15, 16, 31, 32, 127, 128, 255} {
				for i := scanVectors * n * r; i < len(k.b); i++ {
					k.b[i] = garbage
				}
				m, s := scanAVX2(&k.b[0], n, r, &k.cells)
				require.Equal(t, [2]uint64{wantM, wantS}, [2]uint64{m, s}, "n=%d r=%d garbage %d", n, r, garbage)
				require.LessOrEqual(t, bits.Len64(m), n, "a lane past the last")
			}
		}
	}
}

// guarded returns a page of memory between two pages that no one may touch.
func guarded(t *testing.T) []byte {
	t.Helper()
	page := os.Getpagesize()
	mem, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(mem)) })
	require.NoError(t, unix.Mprotect(mem[:page], unix.PROT_NONE))
	require.NoError(t, unix.Mprotect(mem[2*page:], unix.PROT_NONE))
	return mem[page : 2*page : 2*page]
}

// faults says whether f touched memory that it must not touch.
func faults(f func()) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { fault = recover() != nil }()
	f()
	return false
}

// TestScanReadsNoFurther puts the last byte that the assembly may read right in
// front of a forbidden page, and the first right behind one.
func TestScanReadsNoFurther(t *testing.T) {
	needAVX2(t)
	page := guarded(t)
	rnd := rand.New(rand.NewPCG(6, 7))
	for n := 1; n <= scanLanes; n++ {
		reach := scanLanes
		if n <= scanLanes/2 {
			reach = scanLanes / 2
		}
		for r := 1; r <= scanMaxRows; r++ {
			k := randomScanBlock(rnd, n, r, 0, 64)
			rows := k.b[:scanVectors*n*r]
			wantM, wantS := scanPortable(k.b, n, r, &k.cells)
			last := len(rows) - n
			for _, at := range []int{0, len(page) - last - reach} {
				copy(page[at:], rows)
				var m, s uint64
				require.False(t, faults(func() { m, s = scanAVX2(&page[at], n, r, &k.cells) }), "n=%d r=%d at %d", n, r, at)
				require.Equal(t, [2]uint64{wantM, wantS}, [2]uint64{m, s}, "n=%d r=%d at %d", n, r, at)
			}
		}
	}
}

// TestScanGuardHolds moves the rows of the test above one byte on: unless that
// faults, the test proves nothing.
func TestScanGuardHolds(t *testing.T) {
	needAVX2(t)
	page := guarded(t)
	for _, n := range []int{32, 64} {
		var cells [scanSlots]byte
		at := len(page) - scanVectors*n + 1
		require.True(t, faults(func() { scanAVX2(&page[at], n, 1, &cells) }), "n=%d", n)
	}
}

// TestScanShortSlice ends the slice with the rows, at the forbidden page: scan
// itself must notice and still answer.
func TestScanShortSlice(t *testing.T) {
	page := guarded(t)
	rnd := rand.New(rand.NewPCG(8, 9))
	for n := 1; n <= scanLanes; n++ {
		for r := range scanMaxRows + 1 {
			k := randomScanBlock(rnd, n, r, 8, 64)
			rows := k.b[:scanVectors*n*r]
			at := page[len(page)-len(rows):]
			copy(at, rows)
			wantM, wantS := scanPortable(k.b, n, r, &k.cells)
			var m, s uint64
			require.False(t, faults(func() { m, s = scan(at, n, r, &k.cells, false) }), "n=%d r=%d", n, r)
			require.Equal(t, [2]uint64{wantM, wantS}, [2]uint64{m, s}, "n=%d r=%d", n, r)
		}
	}
}

// BenchmarkScan measures one block whose lanes all live to the last row; mixed
// takes turns among blocks that lose their lanes at different rows or not at
// all, which the early exit's branch has to guess.
func BenchmarkScan(b *testing.B) {
	for _, twin := range []string{"portable", "avx2"} {
		for _, shape := range [][2]int{{16, 2}, {32, 3}, {64, 1}, {64, 2}, {64, 3}, {64, 8}} {
			name := fmt.Sprintf("n=%d,r=%d/%s", shape[0], shape[1], twin)
			b.Run(name, func(b *testing.B) { benchScan(b, shape, 1, 0, twin) })
		}
		b.Run("mixed/n=64,r=3/"+twin, func(b *testing.B) { benchScan(b, [2]int{64, 3}, mixedBlocks, 230, twin) })
		b.Run("mixed/n=64,r=8/"+twin, func(b *testing.B) { benchScan(b, [2]int{64, 8}, mixedBlocks, 230, twin) })
	}
}

func benchScan(b *testing.B, shape [2]int, blocks, outside int, twin string) {
	portable := twin == "portable"
	if !portable {
		needAVX2(b)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	all := make([]*scanBlock, blocks)
	for i := range all {
		all[i] = randomScanBlock(rnd, shape[0], shape[1], outside, 0)
	}
	b.SetBytes(int64(scanVectors * shape[0] * shape[1]))
	var found uint64
	i := 0
	for b.Loop() {
		k := all[i]
		if i++; i == len(all) {
			i = 0
		}
		m, s := scan(k.b, k.n, k.r, &k.cells, portable)
		found += m ^ s
	}
	if found == 1 {
		b.Log(found)
	}
}
