package filter

// The first byte of an encoded filter.
const (
	encodedFalse byte = 0 // nothing follows
	encodedAnd   byte = 1 // u8 count, constraints strictly ascending by name
)

// Flags of an encoded interval.
const (
	flagLow byte = 1 << iota
	flagLowOpen
	flagHigh
	flagHighOpen
	flagsEnd // first unused
)

// AppendBinary appends the canonical encoding. After the first byte and the
// count, each constraint is u8 length and name, u8 kind, then for a Point the
// value; for an interval u8 flags, the ends that are set, u8 count and the
// excluded points ascending. Values are encoded as in events.
func (f Filter) AppendBinary(dst []byte) []byte {
	if f.empty {
		return append(dst, encodedFalse)
	}
	dst = append(dst, encodedAnd, byte(len(f.constraints)))
	for i := range f.constraints {
		dst = f.constraints[i].appendBinary(dst)
	}
	return dst
}

func (c *Constraint) appendBinary(dst []byte) []byte {
	dst = append(dst, byte(len(c.attr)))
	dst = append(dst, c.attr...)
	dst = append(dst, byte(c.kind))
	switch c.kind {
	case Point:
		return appendValue(dst, c.lo.Value)
	case Numbers, Strings:
	default:
		return dst
	}
	var flags byte
	for _, x := range []struct {
		on  bool
		bit byte
	}{{c.lo.Set, flagLow}, {c.lo.Open, flagLowOpen}, {c.hi.Set, flagHigh}, {c.hi.Open, flagHighOpen}} {
		if x.on {
			flags |= x.bit
		}
	}
	dst = append(dst, flags)
	if c.lo.Set {
		dst = appendValue(dst, c.lo.Value)
	}
	if c.hi.Set {
		dst = appendValue(dst, c.hi.Value)
	}
	dst = append(dst, byte(len(c.not)))
	for _, v := range c.not {
		dst = appendValue(dst, v)
	}
	return dst
}

// binarySize is the length of the canonical encoding.
func (f Filter) binarySize() int {
	size := 2
	for i := range f.constraints {
		c := &f.constraints[i]
		size += 1 + len(c.attr) + 1
		switch c.kind {
		case Point:
			size += valueSize(c.lo.Value)
			continue
		case Numbers, Strings:
			size += 2
		default:
			continue
		}
		if c.lo.Set {
			size += valueSize(c.lo.Value)
		}
		if c.hi.Set {
			size += valueSize(c.hi.Value)
		}
		for _, v := range c.not {
			size += valueSize(v)
		}
	}
	return size
}

// Decode decodes the whole of b. Only what AppendBinary produces is accepted;
// everything else is refused with Kind BadEncoding (TooLong beyond
// MaxFilterBytes). The filter does not alias b.
func Decode(b []byte) (Filter, error) {
	if len(b) > MaxFilterBytes {
		return Filter{}, fault(TooLong, 0, beyond("encoding longer than its limit", MaxFilterBytes, bytesUnit))
	}
	r := reader{b: []byte(string(b))}
	preds := r.predicates()
	if err := r.finish(); err != nil {
		return Filter{}, err
	}
	f, err := New(preds...)
	if err != nil {
		return Filter{}, fault(BadEncoding, 0, "encoding of no valid filter")
	}
	if len(b) > 0 && b[0] == encodedFalse {
		return Filter{empty: true}, nil
	}
	if string(f.AppendBinary(make([]byte, 0, len(b)))) != string(b) {
		return Filter{}, fault(BadEncoding, 0, "encoding is not canonical")
	}
	return f, nil
}

// predicates reads an encoding back as predicates; New then decides whether
// they are the normal form they claim to be.
func (r *reader) predicates() []Predicate {
	switch r.u8() {
	case encodedFalse:
		return nil
	case encodedAnd:
	default:
		r.fail(0, "unknown form")
		return nil
	}
	n := int(r.u8())
	if n > MaxPredicates {
		r.fail(1, beyond("more constraints than a filter may have", MaxPredicates, ""))
		return nil
	}
	preds := make([]Predicate, 0, MaxPredicates)
	for range n {
		preds = r.constraint(preds)
		if len(preds) > MaxPredicates {
			r.fail(r.pos, beyond("more predicates than a filter may have", MaxPredicates, ""))
		}
		if r.bad {
			return nil
		}
	}
	return preds
}

func (r *reader) constraint(preds []Predicate) []Predicate {
	name := r.name()
	at := r.pos
	switch kind := ConstraintKind(r.u8()); kind {
	case Any:
		return append(preds, Predicate{Attr: name, Op: Exists})
	case Point:
		return append(preds, Predicate{Attr: name, Op: Eq, Value: r.value()})
	case Numbers, Strings:
		return r.interval(name, kind, preds)
	default:
		r.fail(at, "unknown constraint kind")
		return preds
	}
}

func (r *reader) interval(name string, kind ConstraintKind, preds []Predicate) []Predicate {
	at := r.pos
	before := len(preds)
	flags := r.u8()
	if flags >= flagsEnd {
		r.fail(at, "unknown flags")
		return preds
	}
	if flags&flagLow != 0 {
		preds = append(preds, Predicate{Attr: name, Op: choose(flags&flagLowOpen != 0, Gt, Ge), Value: r.value()})
	}
	if flags&flagHigh != 0 {
		preds = append(preds, Predicate{Attr: name, Op: choose(flags&flagHighOpen != 0, Lt, Le), Value: r.value()})
	}
	n := int(r.u8())
	if n > MaxPredicates {
		r.fail(at, beyond("more predicates than a filter may have", MaxPredicates, ""))
		return preds
	}
	for range n {
		preds = append(preds, Predicate{Attr: name, Op: Ne, Value: r.value()})
	}
	if len(preds) == before {
		if kind != Strings {
			r.fail(at, "interval without ends")
		}
		preds = append(preds, Predicate{Attr: name, Op: Ge, Value: String("")})
	}
	return preds
}

func choose(cond bool, yes, no Op) Op {
	if cond {
		return yes
	}
	return no
}
