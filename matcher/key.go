package matcher

import (
	"math"

	"github.com/scbr/scbr/matcher/filter"
)

// A key is a value's place on one line that orders all numbers, int and float
// alike, without rounding: key is the bits of the largest float64 not above the
// number, arranged so that they order as unsigned integers; sub is twice what
// the number has beyond it. Only integers beyond 2^53 have a sub. The odd subs
// lie between numbers and stand for open ends.
//
// The bits of NaNs are free and hold the other types: booleans below all
// numbers, interned strings above.
type key struct {
	key uint64
	sub uint16
}

const (
	keyNegInf = uint64(0x000fffffffffffff)
	keyPosInf = uint64(0xfff0000000000000)
	keyFalse  = uint64(1)
	keyString = uint64(0xfff8000000000000) // | number of the interned string
	// subMax stands below the next key; subs of numbers end at 2*1023, because
	// floats next to 2^63 are 1024 apart.
	subMax = 0xfff
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

// less orders places; it is written without branches on data.
func (k key) less(o key) bool {
	return k.key < o.key || k.key == o.key && k.sub < o.sub
}

// above and below are the places of open ends.
func (k key) above() key { return key{k.key, k.sub + 1} }

func (k key) below() key {
	if k.sub == 0 {
		return key{k.key - 1, subMax}
	}
	return key{k.key, k.sub - 1}
}

func isNumber(k uint64) bool { return k >= keyNegInf && k <= keyPosInf }
