package filter

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// Attribute is one named value of an event.
type Attribute struct {
	Name  string
	Value Value
}

// Event is a set of attributes, sorted by name. The zero Event is the empty
// event. Events are immutable except through DecodeBorrow.
type Event struct {
	attrs []Attribute
}

// NewEvent builds an event from attributes in any order. It refuses a duplicate
// name, a bad name or value, more than MaxAttributes, and an event whose
// encoding would exceed MaxEventBytes, all with Kind BadEvent.
func NewEvent(attrs ...Attribute) (Event, error) {
	if len(attrs) > MaxAttributes {
		return Event{}, fault(BadEvent, -1, beyond("more attributes than an event may have", MaxAttributes, ""))
	}
	own := slices.Clone(attrs)
	slices.SortFunc(own, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	size := eventHeader
	for i, a := range own {
		if i > 0 && own[i-1].Name == a.Name {
			return Event{}, fault(BadEvent, -1, "duplicate attribute")
		}
		if err := checkName(a.Name); err != nil {
			return Event{}, fault(BadEvent, -1, err.Msg)
		}
		if err := a.Value.check(); err != nil {
			return Event{}, fault(BadEvent, -1, err.Msg)
		}
		size += 1 + len(a.Name) + valueSize(a.Value)
	}
	if size > MaxEventBytes {
		return Event{}, fault(BadEvent, -1, beyond("event larger than its limit", MaxEventBytes, bytesUnit))
	}
	return Event{attrs: own}, nil
}

// Len returns the number of attributes.
func (e Event) Len() int { return len(e.attrs) }

// At returns attribute i of 0..Len()-1, in the order of names.
func (e Event) At(i int) Attribute { return e.attrs[i] }

// Get returns the value of an attribute, and whether the event has it.
func (e Event) Get(name string) (Value, bool) {
	i, ok := slices.BinarySearchFunc(e.attrs, name, func(a Attribute, n string) int {
		return strings.Compare(a.Name, n)
	})
	if !ok {
		return Value{}, false
	}
	return e.attrs[i].Value, true
}

// Encoded sizes.
const (
	eventHeader = 2 // u16 count
	numberBytes = 8
)

func valueSize(v Value) int {
	switch v.typ {
	case TypeString:
		return 1 + 2 + len(v.str)
	case TypeBool:
		return 1 + 1
	default:
		return 1 + numberBytes
	}
}

// AppendBinary appends the canonical encoding: u16 count, then for each
// attribute, strictly ascending by name, u8 length and name, u8 type and the
// value (8 bytes of int64 or of float64 bits; u16 length and string; u8 0 or 1).
func (e Event) AppendBinary(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(e.attrs)))
	for i := range e.attrs {
		a := &e.attrs[i]
		dst = append(dst, byte(len(a.Name)))
		dst = append(dst, a.Name...)
		dst = appendValue(dst, a.Value)
	}
	return dst
}

func appendValue(dst []byte, v Value) []byte {
	dst = append(dst, byte(v.typ))
	switch v.typ {
	case TypeString:
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(v.str)))
		return append(dst, v.str...)
	case TypeBool:
		return append(dst, byte(v.bits))
	default:
		return binary.BigEndian.AppendUint64(dst, v.bits)
	}
}

// DecodeEvent decodes the whole of b. Anything that AppendBinary does not
// produce is refused with Kind BadEncoding. The event does not alias b.
func DecodeEvent(b []byte) (Event, error) {
	var e Event
	if err := e.DecodeBorrow(slices.Clone(b)); err != nil {
		return Event{}, err
	}
	return e, nil
}

// DecodeBorrow is DecodeEvent into e's own storage, without allocation once e
// has held an event of that many attributes. The event's names and strings
// alias b: they are valid as long as b is unchanged. After an error e is empty.
func (e *Event) DecodeBorrow(b []byte) error {
	e.attrs = e.attrs[:0]
	if len(b) > MaxEventBytes {
		return fault(BadEncoding, 0, beyond("event larger than its limit", MaxEventBytes, bytesUnit))
	}
	r := reader{b: b}
	n := int(r.u16())
	if n > MaxAttributes {
		return fault(BadEncoding, 0, beyond("more attributes than an event may have", MaxAttributes, ""))
	}
	if cap(e.attrs) < n {
		e.attrs = make([]Attribute, 0, n)
	}
	last := ""
	for range n {
		at := r.pos
		name := r.name()
		v := r.value()
		if !r.bad && name <= last {
			r.fail(at, "attributes out of order")
		}
		if r.bad {
			break
		}
		last = name
		e.attrs = append(e.attrs, Attribute{Name: name, Value: v})
	}
	if err := r.finish(); err != nil {
		e.attrs = e.attrs[:0]
		return err
	}
	return nil
}

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
	if len(p) == 0 {
		return ""
	}
	if !utf8.Valid(p) {
		r.fail(at, "not valid UTF-8")
		return ""
	}
	return unsafe.String(&p[0], len(p)) // #nosec G103 -- borrowed by contract: valid while b is unchanged
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
