package matcher

import (
	"math"

	"github.com/scbr/scbr/matcher/filter"
)

// A key is a value's place on one line that orders all numbers, int and float
// alike, without rounding: key is the bits of the largest float64 not above the
// number, arranged so that they order as unsigned integers; sub is twice what
// the number has beyond it. Only integers beyond 2^53 have a sub.
//
// The bits of NaNs are free; those below all numbers hold the booleans.
type key struct {
	key uint64
	sub uint16
}

const (
	keyFalse = uint64(1)
	// exactFloat is where float64 begins to leave out integers.
	exactFloat = 1 << 53
)

func floatKey(f float64) uint64 {
	b := math.Float64bits(f)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

func intKey(i int64) key {
	f := float64(i)
	if i >= -exactFloat && i <= exactFloat {
		return key{key: floatKey(f)}
	}
	return wideKey(i, f)
}

func wideKey(i int64, f float64) key {
	if f >= 1<<63 || int64(f) > i { // the conversion rounded up
		f = math.Nextafter(f, math.Inf(-1))
	}
	return key{key: floatKey(f), sub: uint16(uint64(i)-uint64(int64(f))) << 1}
}

// scalarKey is the key of a value that is not a string.
func scalarKey(v filter.Value) key {
	switch v.Type() {
	case filter.TypeInt:
		return intKey(v.Int())
	case filter.TypeFloat:
		return key{key: floatKey(v.Float())}
	default:
		if v.Bool() {
			return key{key: keyFalse + 1}
		}
		return key{key: keyFalse}
	}
}

// valueOf is the value of a key that is not a string's.
func valueOf(k key) filter.Value {
	if k.key == keyFalse || k.key == keyFalse+1 {
		return filter.Bool(k.key != keyFalse)
	}
	b := ^k.key
	if k.key>>63 != 0 {
		b = k.key &^ (1 << 63)
	}
	f := math.Float64frombits(b)
	if f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63 {
		return filter.Int(int64(f) + int64(k.sub>>1))
	}
	v, _ := filter.Float(f)
	return v
}
