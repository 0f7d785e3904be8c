package filter

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
	"unsafe"
)

// reader takes an encoding apart. The first fault sticks; every later read
// yields zero values.
type reader struct {
	b   []byte
	pos int
	bad bool
	at  int
	msg string
}

func (r *reader) fail(at int, msg string) {
	if !r.bad {
		r.bad, r.at, r.msg = true, at, msg
	}
}

func (r *reader) finish() error {
	if !r.bad && r.pos != len(r.b) {
		r.fail(r.pos, "trailing bytes")
	}
	if r.bad {
		return fault(BadEncoding, r.at, r.msg)
	}
	return nil
}

func (r *reader) take(n int) []byte {
	if r.bad || len(r.b)-r.pos < n {
		r.fail(r.pos, "truncated")
		return nil
	}
	p := r.b[r.pos : r.pos+n]
	r.pos += n
	return p
}

func (r *reader) u8() byte {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if p := r.take(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (r *reader) text(n int) string {
	at := r.pos
	p := r.take(n)
	if !utf8.Valid(p) {
		r.fail(at, "not valid UTF-8")
		return ""
	}
	return view(p)
}

// view is a string over bytes.
func view(p []byte) string {
	return unsafe.String(unsafe.SliceData(p), len(p)) // #nosec G103 -- borrowed by contract: valid while p is unchanged
}

func (r *reader) name() string {
	at := r.pos
	n := int(r.u8())
	if !r.bad && n == 0 {
		r.fail(at, "empty attribute name")
	}
	return r.text(n)
}

func (r *reader) value() Value {
	at := r.pos
	switch typ := Type(r.u8()); typ {
	case TypeInt, TypeFloat:
		p := r.take(numberBytes)
		if p == nil {
			return Value{}
		}
		v := Value{bits: binary.BigEndian.Uint64(p), typ: typ}
		if f := v.Float(); typ == TypeFloat && (f != f || v.bits == math.Float64bits(math.Copysign(0, -1))) {
			r.fail(at, "number without a canonical form")
		}
		return v
	case TypeString:
		n := int(r.u16())
		if n > MaxStringBytes {
			r.fail(at, beyond("string longer than its limit", MaxStringBytes, bytesUnit))
			return Value{}
		}
		return Value{str: r.text(n), typ: TypeString}
	case TypeBool:
		x := r.u8()
		if x > 1 {
			r.fail(at, "boolean that is neither 0 nor 1")
		}
		return Value{bits: uint64(x), typ: TypeBool}
	default:
		r.fail(at, "unknown value type")
		return Value{}
	}
}
