package matcher

import "unsafe"

const (
	wordBytes = 8
	pageWords = MemoryPage / wordBytes
	// maxRegion is what a block number addresses with two bits left free, to
	// tell leaves from nodes (hamt.go) and free numbers from others (ids.go).
	maxRegion = 1 << 33
	// slackWords is what the kernel may read beyond a block's last row.
	slackWords = 8
)

// The low half of a block's first word.
const (
	blockSize     = 1<<28 - 1 // in words
	blockFree     = 1 << 31
	blockPrevFree = 1 << 30
	blockClass    = 28 // bit; two of them
)

// class says what an object is, for the accounts.
type class uint32

const (
	classIndex  class = iota // what leads to pages, and the writer's tables
	classText                // names, strings, lists of constraints
	classPage                // a page's bounds and scales
	classFilter              // a block's rows and records
	classes
)

// arena hands out blocks of 64-bit words inside a Memory. A block is known by
// the number of its first word, never 0. That word is the arena's: size, class and
// two flags in the low half, the place in the current transaction in the high one;
// readers never look at it.
//
// The common heap grows from the bottom of the region. Zones (zone.go) are heaps of
// their own at its top: each holds what belongs to a few pages.
type arena struct {
	mem     Memory
	w       []uint64
	h       []uint32 // the same memory by halves of a word
	b       []byte   // and by bytes
	common  heap
	zones   zones
	reserve uint32          // words that only a removal may take
	used    [classes]uint32 // words in use
	rows    int             // bytes of blocks that the kernel reads
	granted int             // bytes committed
}

func newArena(mem Memory, out Outside, region []byte) (arena, error) {
	if out != nil { // zones move within the budget, all of which is taken at once
		region = region[:min(len(region), int(out.Budget()))&^(MemoryPage-1)]
		if err := out.Commit(0, len(region)); err != nil {
			return arena{}, &Error{Op: "new", Kind: EPCBudget, Err: err}
		}
	}
	a := arena{
		mem: mem, b: region,
		w: unsafe.Slice((*uint64)(unsafe.Pointer(&region[0])), len(region)/wordBytes),   // #nosec G103 -- aligned, same length
		h: unsafe.Slice((*uint32)(unsafe.Pointer(&region[0])), len(region)/wordBytes*2), // #nosec G103 -- aligned, same length
	}
	a.common = heap{
		start: 1, end: 1, limit: uint32(len(a.w)),
		bins: make([]uint32, allBins), full: make([]uint64, (allBins+63)/64),
	}
	a.zones.out = out
	a.zones.init(&a)
	return a, nil
}

func low(x uint64) uint32  { return uint32(x) }
func high(x uint64) uint32 { return uint32(x >> 32) }

func pack(lo, hi uint32) uint64 { return uint64(lo) | uint64(hi)<<32 }

func withLow(x uint64, v uint32) uint64  { return x&^0xffffffff | uint64(v) }
func withHigh(x uint64, v uint32) uint64 { return x&0xffffffff | uint64(v)<<32 }

// at returns where a block is.
func (a *arena) at(p uint32) uint32 {
	if p < a.zones.floor || a.zones.out == nil {
		return p
	}
	return p + a.zones.at(a.zones.of(p)).shift
}

func (a *arena) size(p uint32) uint32   { return low(a.w[a.at(p)]) & blockSize }
func (a *arena) classOf(p uint32) class { return class(low(a.w[a.at(p)])>>blockClass) % classes }

// pagesOf rounds words up to whole pages.
func pagesOf(words uint32) uint32 { return (words + pageWords - 1) / pageWords * pageWords }

// alloc returns a block of at least n words with undefined contents, of the common
// heap, or 0.
func (a *arena) alloc(n uint32, of class) (uint32, error) {
	n = roundUp(n)
	if n > blockSize {
		return 0, &Error{Op: "allocate", Kind: EPCBudget}
	}
	h := &a.common
	p := h.reuse(a.w, n, binScan)
	if p == 0 {
		err := a.extend(n)
		if err == nil {
			p = h.push(a.w, n)
		} else if p = h.reuse(a.w, n, hardScan); p == 0 {
			return 0, err
		}
	}
	a.account(p, of)
	return p, nil
}

func (a *arena) account(p uint32, of class) {
	a.w[a.at(p)] |= uint64(of) << blockClass
	a.used[of] += a.size(p)
}

// extend makes n words beyond the end of the common heap usable, the reserve
// included.
func (a *arena) extend(n uint32) error {
	h := &a.common
	need := int(h.end) + int(n) + slackWords + int(a.reserve)
	if need <= int(h.committed) {
		return nil
	}
	if need > int(h.limit) || !a.clear(pagesOf(uint32(need)), false) {
		return &Error{Op: "allocate", Kind: EPCBudget}
	}
	return a.commit(h, 0, uint32(need))
}

// commit makes a heap that begins at a word usable up to another, in whole pages.
func (a *arena) commit(h *heap, base, need uint32) error {
	to := min(pagesOf(need), h.limit)
	off, n := int(base+h.committed)*wordBytes, int(to-h.committed)*wordBytes
	if a.zones.out == nil { // which has all of it from the start
		if err := a.mem.Commit(off, n); err != nil {
			return &Error{Op: "allocate", Kind: EPCBudget, Err: err}
		}
	}
	h.committed = to
	a.granted += n
	return nil
}

// free gives a block back.
func (a *arena) free(p uint32) {
	a.stay(p)
	of := a.classOf(p)
	a.used[of] -= a.size(p)
	if of == classFilter {
		a.rows -= rowBytes(a.h[2*a.at(p)+2])
	}
	if z := a.zones.of(p); z != 0 {
		a.freeInZone(z, p, of)
		return
	}
	a.common.free(a.w, p)
}

// describe says where the memory is.
func (a *arena) describe(st *Stats) {
	words := func(c class) int64 { return int64(a.used[c]) * wordBytes }
	st.Bytes, st.Spilled = int64(a.granted), int64(a.zones.spilled)
	st.Zones = len(a.zones.all) - len(a.zones.spare)
	st.Fetches, st.Spills, st.Seals = a.zones.fetches, a.zones.spills, a.zones.seals
	st.Memory = Usage{
		Rows: words(classPage) + int64(a.rows), Records: words(classFilter) - int64(a.rows),
		Dictionaries: words(classText), Owners: words(classIndex),
	}
	for c := range classes {
		st.Used += words(c)
	}
	st.Memory.Free = st.Bytes + st.Spilled - st.Used
}
