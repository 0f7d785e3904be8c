package filter

import "math/bits"

const (
	// shortName is the longest name that a key holds whole.
	shortName = 7
	// longKey marks the key of a longer name.
	longKey = 1 << 63
	// fnvPrime and fnvOffset are those of 64-bit FNV-1a.
	fnvPrime  = 0x100000001b3
	fnvOffset = 0xcbf29ce484222325
)

// NameKey returns a number for an attribute name. For a name of up to seven
// bytes it is the name itself, bytes in little-endian order and the length in
// the top byte, so that equal keys mean equal names. Longer names have the top
// bit set over a hash that has no secret: whoever wants to can make two of them
// collide.
func NameKey(name string) uint64 {
	n := len(name)
	switch {
	case n > shortName:
		return longNameKey(name)
	case n >= 4:
		return le32(name) | le32(name[n-4:])<<(8*(n-4)) | uint64(n)<<56
	case n > 0:
		return uint64(name[0]) | uint64(name[n/2])<<(n/2*8) | uint64(name[n-1])<<(8*(n-1)) | uint64(n)<<56
	}
	return 0
}

func le32(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}

func le64(s string) uint64 { return le32(s) | le32(s[4:])<<32 }

// longNameKey takes eight bytes at a time in the manner of FNV-1a; folding the
// product brings its high half, which depends on all bits, down.
func longNameKey(name string) uint64 {
	h := uint64(fnvOffset) ^ uint64(len(name))
	tail := le64(name[len(name)-8:])
	for len(name) > 8 {
		h = foldKey(h^le64(name), fnvPrime<<16|fnvOffset&0xffff)
		name = name[8:]
	}
	return foldKey(h^tail, fnvOffset) | longKey
}

func foldKey(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
