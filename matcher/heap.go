package matcher

import "math/bits"

const (
	// smallBins is the number of exact bins: every filter of ordinary size.
	smallBins = 64
	// binSteps is the number of bins to a doubling beyond.
	binSteps = 8
	allBins  = smallBins + 22*binSteps // up to blockSize
	// binScan bounds the search of a bin whose blocks may be too small, and
	// hardScan the one that is made before memory is refused.
	binScan  = 8
	hardScan = 1024
	// largeUnit is what sizes beyond the exact bins are rounded up to, so that a
	// hole fits what is a little larger than what left it.
	largeUnit = 4
	// minBlock holds the links and the footer of a free block.
	minBlock = 2
)

// heap hands out blocks of words from one range of the arena, which it counts from
// the range's beginning. Free neighbours are
// joined at once (boundary tags), so memory that held one kind of object can hold
// another. Every operation is bounded.
//
// A free block links its bin by the high half of word 0 (next) and the low half
// of word 1 (previous); the high half of its last word repeats its size.
type heap struct {
	start, limit uint32   // first word to hand out, and first word beyond
	end          uint32   // first word never handed out; the block before it is in use
	committed    uint32   // first word that is not usable
	used         uint32   // words in use
	bins         []uint32 // first free block of each size
	full         []uint64 // which bins have blocks
}

func binOf(size uint32) int {
	if size < smallBins {
		return int(size)
	}
	e := bits.Len32(size) - bits.Len32(smallBins)
	return smallBins + e*binSteps + int(size>>(e+3))&(binSteps-1) // 3 is log2(smallBins/binSteps)
}

// roundUp is the size of the block that n words get.
func roundUp(n uint32) uint32 {
	if n = max(n, minBlock); n >= smallBins {
		n = (n + largeUnit - 1) &^ (largeUnit - 1)
	}
	return n
}

// firstBin returns the first bin from i on that has a block, or -1.
func (h *heap) firstBin(i int) int {
	for half := i >> 6; half < len(h.full); half++ {
		set := h.full[half]
		if half == i>>6 {
			set = set >> (i & 63) << (i & 63)
		}
		if set != 0 {
			return half<<6 + bits.TrailingZeros64(set)
		}
	}
	return -1
}

func (h *heap) binAdd(w []uint64, p, size uint32) {
	i := binOf(size)
	next := h.bins[i]
	w[p] = pack(size|blockFree, next)
	w[p+1] = withLow(w[p+1], 0)
	w[p+size-1] = withHigh(w[p+size-1], size)
	if next != 0 {
		w[next+1] = withLow(w[next+1], p)
	}
	h.bins[i] = p
	h.full[i>>6] |= 1 << (i & 63)
	w[p+size] |= blockPrevFree // a free block is never last: there is a next one
}

func (h *heap) binRemove(w []uint64, p uint32) {
	size := low(w[p]) & blockSize
	i := binOf(size)
	next, prev := high(w[p]), low(w[p+1])
	if prev != 0 {
		w[prev] = withHigh(w[prev], next)
	} else {
		h.bins[i] = next
		if next == 0 {
			h.full[i>>6] &^= 1 << (i & 63)
		}
	}
	if next != 0 {
		w[next+1] = withLow(w[next+1], prev)
	}
}

// reuse cuts a block of n words, which are rounded up, out of a free one, or
// returns 0; it looks at so many of those that may be too small.
func (h *heap) reuse(w []uint64, n uint32, scan int) uint32 {
	p := h.find(w, n, scan)
	if p == 0 {
		return 0
	}
	h.binRemove(w, p)
	size := low(w[p]) & blockSize
	if rest := size - n; rest >= minBlock {
		w[p] = uint64(n)
		h.binAdd(w, p+n, rest)
		h.used += n
		return p
	}
	w[p] = uint64(size)
	w[p+size] &^= blockPrevFree
	h.used += size
	return p
}

// find returns a free block of at least n words, or 0.
func (h *heap) find(w []uint64, n uint32, scan int) uint32 {
	from := binOf(n)
	if n >= smallBins { // this bin's blocks may be too small, the next one's are not
		p := h.bins[from]
		for range scan {
			if p == 0 || low(w[p])&blockSize >= n {
				break
			}
			p = high(w[p])
		}
		if p != 0 && low(w[p])&blockSize >= n {
			return p
		}
		from++
	}
	if from = h.firstBin(from); from < 0 {
		return 0
	}
	return h.bins[from]
}

// push hands out n words, which are rounded up and usable, at the end.
func (h *heap) push(w []uint64, n uint32) uint32 {
	p := h.end
	h.end += n
	w[p] = uint64(n)
	h.used += n
	return p
}

// free gives a block back and joins it with its free neighbours.
func (h *heap) free(w []uint64, p uint32) {
	size := low(w[p]) & blockSize
	h.used -= size
	if low(w[p])&blockPrevFree != 0 {
		before := high(w[p-1])
		p -= before
		h.binRemove(w, p)
		size += before
	}
	next := p + size
	if next == h.end {
		h.end = p
		return
	}
	if low(w[next])&blockFree != 0 {
		h.binRemove(w, next)
		size += low(w[next]) & blockSize
	}
	h.binAdd(w, p, size)
}
