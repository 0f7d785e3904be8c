//go:build !amd64

package matcher

import "unsafe"

func hasAVX2() bool { return false }

func scanAVX2(rows *byte, n, r int, cells *[scanSlots]byte) (maybe, sure uint64) {
	return scanPortable(unsafe.Slice(rows, scanVectors*n*r), n, r, cells) // #nosec G103 -- the rows and no more
}

func scanBlocksAVX2(*byte, *uint32, uint64, *[scanSlots]byte, *[pageBlocks]hit) int {
	panic("matcher: no assembly here")
}
