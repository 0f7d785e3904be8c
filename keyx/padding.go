package keyx

import "slices"

const (
	// LeastBucket holds what is small: a typical event, filter, name or list of ids.
	LeastBucket = 64
	// largestRatio is where buckets stop growing by a ratio: from here on they are multiples of stepBucket, so that padding stays below it.
	largestRatio = 64 << 10
	stepBucket   = 32 << 10
)

// Bucket is the length that n bytes are padded to: the least element of 64, 96, 128, 192, 256, 384, ..., 64 KiB, 96 KiB, 128 KiB, 160 KiB, ...
// that holds them. Lengths in one bucket look alike from outside. Each bucket is at most one and a half times the one before, so that padding
// beyond the least bucket is less than half of n.
func Bucket(n int) int {
	if n > largestRatio {
		return (n + stepBucket - 1) / stepBucket * stepBucket
	}
	b := LeastBucket
	for b < n {
		if half := b + b/2; half >= n {
			return half
		}
		b *= 2
	}
	return b
}

// Padding is how many bytes fill n up to its bucket: below 32 KiB, so that a 16-bit length holds it.
func Padding(n int) int { return Bucket(n) - n }

// AppendZeros appends n zero bytes, which is what padding consists of.
func AppendZeros(dst []byte, n int) []byte {
	dst = slices.Grow(dst, n)
	end := dst[len(dst) : len(dst)+n]
	clear(end)
	return dst[:len(dst)+n]
}

// Zeros says whether b is padding: a message has one encoding only, so nothing else may stand there.
func Zeros(b []byte) bool {
	var or byte
	for _, x := range b {
		or |= x
	}
	return or == 0
}
