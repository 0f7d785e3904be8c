package filter

import (
	"encoding/binary"
)

// MatchConstraint reports whether a present attribute may have the value,
// straight from bytes that Constraint.AppendBinary produced; what follows them
// is ignored. It allocates nothing. The bytes are trusted: for others it may
// panic.
func MatchConstraint(b []byte, v Value) bool {
	kind, b := ConstraintKind(b[0]), b[1:]
	switch kind {
	case Any:
		return true
	case Point:
		order, ok, _ := compareEncoded(b, &v)
		return ok && order == 0
	case Set:
		found, _ := findEncoded(b, &v)
		return found
	case Numbers:
		if !v.IsNumber() {
			return false
		}
	case Strings, encodedPatterned:
		if v.typ != TypeString {
			return false
		}
	default:
		return false
	}
	b, ok := insideEncoded(b, &v)
	if !ok {
		return false
	}
	found, n := findEncoded(b, &v)
	if found || kind != encodedPatterned {
		return !found
	}
	return likeEncoded(b[n:], v.str)
}

// insideEncoded tests the ends and returns what follows them.
func insideEncoded(b []byte, v *Value) ([]byte, bool) {
	flags, b := b[0], b[1:]
	if flags&flagLow != 0 {
		order, _, n := compareEncoded(b, v)
		if order < 0 || order == 0 && flags&flagLowOpen != 0 {
			return nil, false
		}
		b = b[n:]
	}
	if flags&flagHigh != 0 {
		order, _, n := compareEncoded(b, v)
		if order > 0 || order == 0 && flags&flagHighOpen != 0 {
			return nil, false
		}
		b = b[n:]
	}
	return b, true
}

// compareEncoded compares v with the encoded value and returns that one's size.
func compareEncoded(b []byte, v *Value) (order int, ok bool, size int) {
	w := Value{typ: Type(b[0])}
	switch w.typ {
	case TypeString:
		size = 3 + int(binary.BigEndian.Uint16(b[1:]))
		w.str = view(b[3:size])
	case TypeBool:
		size = 2
		w.bits = uint64(b[1])
	default:
		size = 1 + numberBytes
		w.bits = binary.BigEndian.Uint64(b[1:])
	}
	order, ok = v.Compare(w)
	return order, ok, size
}

// findEncoded looks for v in u8 count and values, and returns their size if it
// is not there.
func findEncoded(b []byte, v *Value) (found bool, size int) {
	size = 1
	for range b[0] {
		order, ok, n := compareEncoded(b[size:], v)
		if ok && order == 0 {
			return true, 0
		}
		size += n
	}
	return false, size
}

func likeEncoded(b []byte, s string) bool {
	n := int(b[0])
	b = b[1:]
	for range n {
		p, size := borrowPattern(b)
		if !p.matches(s) {
			return false
		}
		b = b[size:]
	}
	return true
}
