package matcher

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// hasher is a keyed multiply-and-fold hash in the manner of wyhash. Every
// operand of a multiplication is masked by a key, so that without the seed no
// input can be made to cancel one.
type hasher struct {
	k0, k1, k2 uint64
}

// newHasher spreads the seed by splitmix64 (Steele, Lea, Flood 2014).
func newHasher(seed uint64) hasher {
	next := func() uint64 {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	return hasher{next(), next(), next()}
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func (h *hasher) pair(a, b uint64) uint64 { return fold(a^h.k0, b^h.k1) }

func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) // #nosec G103 -- read only, for wide loads
}

func (h *hasher) text(s string) uint64 {
	b := bytesOf(s)
	x := h.k2 ^ uint64(len(b))
	for len(b) > 16 {
		x = fold(binary.LittleEndian.Uint64(b)^h.k0, binary.LittleEndian.Uint64(b[8:])^x)
		b = b[16:]
	}
	lo, hi := ends(b)
	return fold(lo^h.k0, hi^h.k1^x)
}

// ends are two words that, together with the length, tell texts of up to 16
// bytes from one another.
func ends(b []byte) (lo, hi uint64) {
	switch {
	case len(b) >= 8:
		return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[len(b)-8:])
	case len(b) >= 4:
		return uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[len(b)-4:]))
	case len(b) > 0:
		return uint64(b[0])<<16 | uint64(b[len(b)/2])<<8 | uint64(b[len(b)-1]), 0
	}
	return 0, 0
}
