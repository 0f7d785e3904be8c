package matcher

import "math/bits"

const (
	wordBytes = 8
	// commitStep is the granularity of Memory.Commit: one page, so that a small
	// store costs what it needs.
	commitStep = 4096
	// maxRegion is what a block number addresses with the top bit left free to
	// tell leaves from nodes (see hamt.go).
	maxRegion = 1 << 34
	// smallBins is the number of exact bins: every filter of ordinary size.
	smallBins = 64
	// binSteps is the number of bins to a doubling beyond.
	binSteps = 8
	allBins  = smallBins + 22*binSteps // up to blockSize
	// binScan bounds the search of a bin whose blocks may be too small, and
	// hardScan the one that is made before memory is refused.
	binScan  = 8
	hardScan = 1024
	// slackWords is what the kernel may read beyond a block's last row.
	slackWords = 8
	// largeUnit is what sizes beyond the exact bins are rounded up to, so that a
	// hole fits what is a little larger than what left it.
	largeUnit = 4
	// minBlock holds the links and the footer of a free block.
	minBlock = 2
)

// The low half of a block's first word.
const (
	blockSize     = 1<<28 - 1 // in words
	blockFree     = 1 << 31
	blockPrevFree = 1 << 30
)

// arena hands out blocks of 64-bit words inside a Memory. A block is known by
// the number of its first word, never 0. That word is the arena's: size and two
// flags in the low half, the place in the current transaction in the high one;
// readers never look at it. Free neighbours are joined at once (boundary tags),
// so memory that held one kind of object can hold another. Every operation is
// bounded.
//
// A free block links its bin by the high half of word 0 (next) and the low half
// of word 1 (previous); the high half of its last word repeats its size.
type arena struct {
	mem       Memory
	w         []uint64
	h         []uint32 // the same memory by halves of a word
	b         []byte   // and by bytes
	end       uint32   // first word never handed out; the block before it is in use
	committed int      // bytes
	used      uint32   // words in use
	reserve   uint32   // words that only a removal may take
	bins      [allBins]uint32
	full      [(allBins + 63) / 64]uint64 // which bins have blocks
}

func low(x uint64) uint32  { return uint32(x) }
func high(x uint64) uint32 { return uint32(x >> 32) }

func pack(lo, hi uint32) uint64 { return uint64(lo) | uint64(hi)<<32 }

func withLow(x uint64, v uint32) uint64  { return x&^0xffffffff | uint64(v) }
func withHigh(x uint64, v uint32) uint64 { return x&0xffffffff | uint64(v)<<32 }

func (a *arena) size(p uint32) uint32 { return low(a.w[p]) & blockSize }

func binOf(size uint32) int {
	if size < smallBins {
		return int(size)
	}
	e := bits.Len32(size) - bits.Len32(smallBins)
	return smallBins + e*binSteps + int(size>>(e+3))&(binSteps-1) // 3 is log2(smallBins/binSteps)
}

// firstBin returns the first bin from i on that has a block, or -1.
func (a *arena) firstBin(i int) int {
	for half := i >> 6; half < len(a.full); half++ {
		set := a.full[half]
		if half == i>>6 {
			set = set >> (i & 63) << (i & 63)
		}
		if set != 0 {
			return half<<6 + bits.TrailingZeros64(set)
		}
	}
	return -1
}

func (a *arena) binAdd(p, size uint32) {
	i := binOf(size)
	next := a.bins[i]
	a.w[p] = pack(size|blockFree, next)
	a.w[p+1] = withLow(a.w[p+1], 0)
	a.w[p+size-1] = withHigh(a.w[p+size-1], size)
	if next != 0 {
		a.w[next+1] = withLow(a.w[next+1], p)
	}
	a.bins[i] = p
	a.full[i>>6] |= 1 << (i & 63)
	a.w[p+size] |= blockPrevFree // a free block is never last: there is a next one
}

func (a *arena) binRemove(p uint32) {
	size := a.size(p)
	i := binOf(size)
	next, prev := high(a.w[p]), low(a.w[p+1])
	if prev != 0 {
		a.w[prev] = withHigh(a.w[prev], next)
	} else {
		a.bins[i] = next
		if next == 0 {
			a.full[i>>6] &^= 1 << (i & 63)
		}
	}
	if next != 0 {
		a.w[next+1] = withLow(a.w[next+1], prev)
	}
}

// alloc returns a block of at least n words with undefined contents, or 0.
func (a *arena) alloc(n uint32) (uint32, error) {
	n = max(n, minBlock)
	if n >= smallBins {
		n = (n + largeUnit - 1) &^ (largeUnit - 1)
	}
	if n > blockSize {
		return 0, &Error{Op: "allocate", Kind: EPCBudget}
	}
	if p := a.take(a.find(n, binScan), n); p != 0 {
		a.used += a.size(p)
		return p, nil
	}
	if err := a.extend(n); err != nil {
		if p := a.take(a.find(n, hardScan), n); p != 0 {
			a.used += a.size(p)
			return p, nil
		}
		return 0, err
	}
	p := a.end
	a.end += n
	a.w[p] = uint64(n)
	a.used += n
	return p, nil
}

// take cuts a free block to size.
func (a *arena) take(p, n uint32) uint32 {
	if p == 0 {
		return 0
	}
	a.binRemove(p)
	size := a.size(p)
	if rest := size - n; rest >= minBlock {
		a.w[p] = uint64(n)
		a.binAdd(p+n, rest)
		return p
	}
	a.w[p] = uint64(size)
	a.w[p+size] &^= blockPrevFree
	return p
}

// find returns a free block of at least n words, or 0; it looks at so many of
// those that may be too small.
func (a *arena) find(n uint32, scan int) uint32 {
	from := binOf(n)
	if n >= smallBins { // this bin's blocks may be too small, the next one's are not
		p := a.bins[from]
		for range scan {
			if p == 0 || a.size(p) >= n {
				break
			}
			p = high(a.w[p])
		}
		if p != 0 && a.size(p) >= n {
			return p
		}
		from++
	}
	if from = a.firstBin(from); from < 0 {
		return 0
	}
	return a.bins[from]
}

// extend makes n words beyond end usable.
func (a *arena) extend(n uint32) error {
	need := (int(a.end) + int(n) + slackWords + int(a.reserve)) * wordBytes
	if need <= a.committed {
		return nil
	}
	room := len(a.w) * wordBytes
	if need > room {
		return &Error{Op: "allocate", Kind: EPCBudget}
	}
	step := min((need+commitStep-1)/commitStep*commitStep, room)
	err := a.mem.Commit(step)
	if err != nil && step != need { // the budget may end inside the last step
		step = need
		err = a.mem.Commit(step)
	}
	if err != nil {
		return &Error{Op: "allocate", Kind: EPCBudget, Err: err}
	}
	a.committed = step
	return nil
}

// free gives a block back and joins it with its free neighbours.
func (a *arena) free(p uint32) {
	size := a.size(p)
	a.used -= size
	if low(a.w[p])&blockPrevFree != 0 {
		before := high(a.w[p-1])
		p -= before
		a.binRemove(p)
		size += before
	}
	next := p + size
	if next == a.end {
		a.end = p
		return
	}
	if low(a.w[next])&blockFree != 0 {
		a.binRemove(next)
		size += a.size(next)
	}
	a.binAdd(p, size)
}
