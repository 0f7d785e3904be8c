package matcher

import "unsafe"

const (
	// scanLanes is the most lanes one scan tests: a result is one word.
	scanLanes = 64
	// scanSlots is the number of attribute slots: two tables of sixteen bytes,
	// which is what one byte shuffle can look up.
	scanSlots = 32
	// scanVectors is what a row has: attribute slots, low cells, high cells.
	scanVectors = 3
)

// scan tests n lanes (1..64) of r rows (0..8). The rows lie at the start of b
// without padding: the vectors of row j are at (3*j+0)*n (attribute slots),
// (3*j+1)*n (low cells) and (3*j+2)*n (high cells), n bytes each. cells maps a
// slot (0..31) to the event's cell c.
//
// maybe has a lane's bit when low <= c && c <= high in all rows, sure when
// low < c && c < high; without rows every lane is both. Bits from n on are 0.
//
// The assembly reads up to 64 bytes from where a vector starts, so 64 bytes of
// capacity behind the rows keep it usable; with less, scan takes the portable
// twin rather than read what is not b's. A slot beyond 31 makes its lane's two
// bits unspecified and does no other harm.
func scan(b []byte, n, r int, cells *[scanSlots]byte, portable bool) (maybe, sure uint64) {
	if portable || uint(n) > scanLanes || (scanVectors*r-1)*n+scanLanes > cap(b) {
		return scanPortable(b, n, r, cells)
	}
	return scanAVX2(unsafe.SliceData(b), n, r, cells) // #nosec G103 -- the capacity covers every read
}

// scanPortable is the definition of scan, lane by lane.
func scanPortable(b []byte, n, r int, cells *[scanSlots]byte) (maybe, sure uint64) {
	for i := range n {
		closed, open := true, true
		for j := range r {
			row := b[scanVectors*j*n:]
			c, lo, hi := cells[row[i]%scanSlots], row[n+i], row[2*n+i]
			closed = closed && lo <= c && c <= hi
			open = open && lo < c && c < hi
		}
		if closed {
			maybe |= 1 << i
		}
		if open {
			sure |= 1 << i
		}
	}
	return maybe, sure
}

// hit is a block some of whose lanes may match.
type hit struct {
	ref         uint32
	head        uint32 // the block's first half after the arena's word
	maybe, sure uint64 // as of scan; bit 0 for a uniform block
}

// scanBlocks scans those blocks of refs that a mask names, and returns how many
// entries of hits it wrote, in the same order.
func (a *arena) scanBlocks(refs []uint32, which uint64, cells *[scanSlots]byte, hits *[pageBlocks]hit, portable bool) int {
	if !portable {
		return scanBlocksAVX2(unsafe.SliceData(a.b), unsafe.SliceData(refs), which, cells, hits) // #nosec G103 -- the arena keeps slackWords behind its last object
	}
	n := 0
	for ; which != 0; which &= which - 1 {
		ref := refs[trailing(which)]
		b := a.block(ref)
		maybe, sure := scanPortable(a.b[b.rows:], b.m, b.r, cells)
		if maybe != 0 {
			hits[n] = hit{ref, a.h[2*ref+2], maybe, sure}
			n++
		}
	}
	return n
}
