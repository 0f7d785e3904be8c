package filter

import (
	"cmp"
	"math"
	"strings"
	"unicode/utf8"
)

// Type is the type of a value. The numbers are those of the encodings.
type Type uint8

// The types of values.
const (
	TypeInt    Type = 1 // int64
	TypeFloat  Type = 2 // float64, never NaN
	TypeString Type = 3 // valid UTF-8
	TypeBool   Type = 4
)

// twoTo63 is the first float64 beyond int64.
const twoTo63 = float64(1 << 63)

// Value is an attribute's value. It is comparable with ==, which tells 500 from
// 500.0; Compare does not. The zero Value is invalid.
type Value struct {
	str  string
	bits uint64
	typ  Type
}

// Int returns an integer value.
func Int(i int64) Value { return Value{bits: uint64(i), typ: TypeInt} }

// Float returns a floating-point value; NaN is refused with BadNumber, and
// negative zero becomes zero.
func Float(f float64) (Value, error) {
	if f != f {
		return Value{}, fault(BadNumber, -1, "NaN is not a value")
	}
	return floatValue(f), nil
}

func floatValue(f float64) Value {
	if f == 0 {
		f = 0 // negative zero equals zero: one encoding for both
	}
	return Value{bits: math.Float64bits(f), typ: TypeFloat}
}

// String returns a string value. It does not check; a string that is not valid
// UTF-8 or longer than MaxStringBytes is refused by NewEvent and New.
func String(s string) Value { return Value{str: s, typ: TypeString} }

// Bool returns a boolean value.
func Bool(b bool) Value {
	v := Value{typ: TypeBool}
	if b {
		v.bits = 1
	}
	return v
}

// Type returns the value's type, 0 for the zero Value.
func (v Value) Type() Type { return v.typ }

// Int returns the integer, 0 if the value is none.
func (v Value) Int() int64 {
	if v.typ != TypeInt {
		return 0
	}
	return int64(v.bits)
}

// Float returns the floating-point number, 0 if the value is none.
func (v Value) Float() float64 {
	if v.typ != TypeFloat {
		return 0
	}
	return math.Float64frombits(v.bits)
}

// Str returns the string, "" if the value is none.
func (v Value) Str() string { return v.str }

// Bool returns the boolean, false if the value is none.
func (v Value) Bool() bool { return v.typ == TypeBool && v.bits == 1 }

// IsNumber reports whether the value is an int or a float.
func (v Value) IsNumber() bool { return v.typ == TypeInt || v.typ == TypeFloat }

// Compare orders v against w: numbers exactly across int and float, strings by
// bytes, false before true. ok is false for values of different kinds.
func (v Value) Compare(w Value) (order int, ok bool) {
	switch {
	case v.typ == TypeInt && w.typ == TypeInt:
		return cmp.Compare(int64(v.bits), int64(w.bits)), true
	case v.typ == TypeFloat && w.typ == TypeFloat:
		return cmp.Compare(v.Float(), w.Float()), true
	case v.typ == TypeInt && w.typ == TypeFloat:
		return compareIntFloat(int64(v.bits), w.Float()), true
	case v.typ == TypeFloat && w.typ == TypeInt:
		return -compareIntFloat(int64(w.bits), v.Float()), true
	case v.typ == TypeString && w.typ == TypeString:
		return strings.Compare(v.str, w.str), true
	case v.typ == TypeBool && w.typ == TypeBool:
		return cmp.Compare(v.bits, w.bits), true
	}
	return 0, false
}

// order sorts values of any types: numbers, then strings, then booleans.
func order(v, w Value) int {
	if c, ok := v.Compare(w); ok {
		return c
	}
	return cmp.Compare(class(v), class(w))
}

// class tells apart the types that no comparison joins.
func class(v Value) int {
	switch v.typ {
	case TypeString:
		return 1
	case TypeBool:
		return 2
	default:
		return 0
	}
}

// compareIntFloat compares without rounding either side: f's whole part fits
// int64 once the outliers are gone, and its fraction only breaks a tie.
func compareIntFloat(i int64, f float64) int {
	switch {
	case f >= twoTo63:
		return -1
	case f < -twoTo63:
		return 1
	}
	floor := math.Floor(f)
	if c := cmp.Compare(i, int64(floor)); c != 0 {
		return c
	}
	if f > floor {
		return -1
	}
	return 0
}

// exact turns a float that is a whole int64 into that integer, so that equal
// numbers have one form in a filter.
func (v Value) exact() Value {
	if v.typ != TypeFloat {
		return v
	}
	f := v.Float()
	if f >= -twoTo63 && f < twoTo63 && f == math.Trunc(f) {
		return Int(int64(f))
	}
	return v
}

// check refuses what no encoding can carry.
func (v Value) check() *Error {
	switch v.typ {
	case TypeInt, TypeFloat, TypeBool:
		return nil
	case TypeString:
		if len(v.str) > MaxStringBytes {
			return fault(BadString, -1, beyond("string longer than its limit", MaxStringBytes, bytesUnit))
		}
		if !utf8.ValidString(v.str) {
			return fault(BadString, -1, "string is not valid UTF-8")
		}
		return nil
	}
	return fault(BadPredicate, -1, "value without a type")
}

func checkName(name string) *Error {
	switch {
	case name == "":
		return fault(BadName, -1, "empty attribute name")
	case len(name) > MaxNameBytes:
		return fault(BadName, -1, beyond("attribute name longer than its limit", MaxNameBytes, bytesUnit))
	case !utf8.ValidString(name):
		return fault(BadName, -1, "attribute name is not valid UTF-8")
	}
	return nil
}
