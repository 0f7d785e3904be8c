package filter

import (
	"encoding/binary"
	"slices"
	"strings"
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
	keys  []uint64 // of the names, in the same order
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
	e := Event{attrs: own}
	if len(own) > 0 {
		e.keys = make([]uint64, 0, len(own))
	}
	for i := range own {
		e.addKey(own[i].Name)
	}
	return e, nil
}

// addKey extends what is known of the names by the next one.
func (e *Event) addKey(name string) {
	e.keys = append(e.keys, NameKey(name))
}

// reset makes the event empty and keeps its storage.
func (e *Event) reset() {
	e.attrs, e.keys = e.attrs[:0], e.keys[:0]
}

// Len returns the number of attributes.
func (e *Event) Len() int { return len(e.attrs) }

// At returns attribute i of 0..Len()-1, in the order of names.
func (e *Event) At(i int) Attribute { return e.attrs[i] }

// NameAt returns the name of attribute i.
func (e *Event) NameAt(i int) string { return e.attrs[i].Name }

// ValueAt returns the value of attribute i, which nobody may change.
func (e *Event) ValueAt(i int) *Value { return &e.attrs[i].Value }

// Keys returns the NameKey of each attribute, in the order of At. Nobody may
// change them.
func (e *Event) Keys() []uint64 { return e.keys }

// Get returns the value of an attribute, and whether the event has it.
func (e *Event) Get(name string) (Value, bool) {
	if v := e.find(name); v != nil {
		return *v, true
	}
	return Value{}, false
}

// find returns the value of an attribute, nil if the event has none.
func (e *Event) find(name string) *Value {
	lo, hi := 0, len(e.attrs)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := strings.Compare(e.attrs[mid].Name, name); {
		case c == 0:
			return &e.attrs[mid].Value
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return nil
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
	e.reset()
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
	if cap(e.keys) < n {
		e.keys = make([]uint64, 0, n)
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
		e.addKey(name)
	}
	if err := r.finish(); err != nil {
		e.reset()
		return err
	}
	return nil
}
