package matcher

import "golang.org/x/sys/cpu"

// hasAVX2 says whether the processor and the system let scanAVX2 run.
func hasAVX2() bool { return cpu.X86.HasAVX2 }

// scanAVX2 is scan in assembly, for n in 0..64. It reads 32 bytes from the start
// of every vector when n <= 32, else 64, and nothing when r <= 0.
//
//go:noescape
func scanAVX2(rows *byte, n, r int, cells *[scanSlots]byte) (maybe, sure uint64)

// scanBlocksAVX2 is scanBlocks in assembly. Beyond what scan reads it asks the
// processor to fetch blocks and lanes ahead, which never faults.
//
//go:noescape
func scanBlocksAVX2(arena *byte, refs *uint32, which uint64, cells *[scanSlots]byte, hits *[pageBlocks]hit) (n int)
