package filter

// The first byte of an encoded filter.
const (
	encodedFalse byte = 0 // nothing follows
	encodedAnd   byte = 1 // one conjunction
	encodedOr    byte = 2 // u8 count, conjunctions strictly ascending
)

// Flags of an encoded interval.
const (
	flagLow byte = 1 << iota
	flagLowOpen
	flagHigh
	flagHighOpen
	flagsEnd // first unused
)

// AppendBinary appends the canonical encoding. A conjunction is u8 count and
// its constraints, strictly ascending by name, each of them u8 length and name
// and then what Constraint.AppendBinary appends.
func (f Filter) AppendBinary(dst []byte) []byte {
	switch {
	case f.empty:
		return append(dst, encodedFalse)
	case len(f.alternatives) == 0:
		return append(dst, encodedAnd, 0)
	case len(f.alternatives) == 1:
		return f.alternatives[0].appendBinary(append(dst, encodedAnd))
	}
	dst = append(dst, encodedOr, byte(len(f.alternatives)))
	for i := range f.alternatives {
		dst = f.alternatives[i].appendBinary(dst)
	}
	return dst
}

func (c *Conjunction) appendBinary(dst []byte) []byte {
	dst = append(dst, byte(len(c.constraints)))
	for i := range c.constraints {
		dst = appendName(dst, c.constraints[i].attr)
		dst = c.constraints[i].AppendBinary(dst)
	}
	return dst
}

// appendWithout appends what tells apart conjunctions that have the same
// attributes, except for what constraint at says.
func (c *Conjunction) appendWithout(dst []byte, at int) []byte {
	for i := range c.constraints {
		dst = appendName(dst, c.constraints[i].attr)
		if i != at {
			dst = c.constraints[i].AppendBinary(dst)
		}
	}
	return dst
}

func appendName(dst []byte, name string) []byte {
	return append(append(dst, byte(len(name))), name...)
}

// AppendBinary appends the constraint without its attribute's name: u8 kind;
// then for a Point the value; for a Set u8 count and the values ascending; for
// an interval u8 flags, the ends that are set, u8 count and the excluded points
// ascending, and if there are patterns, which is a kind of its own, u8 count and
// the patterns ascending. Values are encoded as in events.
func (c *Constraint) AppendBinary(dst []byte) []byte {
	kind := c.kind
	if len(c.patterns) > 0 {
		kind = encodedPatterned
	}
	dst = append(dst, byte(kind))
	switch c.kind {
	case Point:
		return appendValue(dst, c.lo.Value)
	case Set:
		return appendValues(dst, c.points)
	case Numbers, Strings:
		dst = c.appendInterval(dst)
	default:
		return dst
	}
	if len(c.patterns) > 0 {
		dst = append(dst, byte(len(c.patterns)))
	}
	for _, p := range c.patterns {
		dst = p.AppendBinary(dst)
	}
	return dst
}

func appendValues(dst []byte, values []Value) []byte {
	dst = append(dst, byte(len(values)))
	for _, v := range values {
		dst = appendValue(dst, v)
	}
	return dst
}

func (c *Constraint) appendInterval(dst []byte) []byte {
	dst = append(dst, c.lo.flags(flagLow, flagLowOpen)|c.hi.flags(flagHigh, flagHighOpen))
	if c.lo.Set {
		dst = appendValue(dst, c.lo.Value)
	}
	if c.hi.Set {
		dst = appendValue(dst, c.hi.Value)
	}
	return appendValues(dst, c.points)
}

func (b *Bound) flags(set, open byte) (flags byte) {
	if b.Set {
		flags |= set
	}
	if b.Open {
		flags |= open
	}
	return flags
}

// binarySize is the length of the canonical encoding.
func (f Filter) binarySize() int {
	size := 1
	if len(f.alternatives) != 1 && !f.empty {
		size++ // the count of alternatives, or TRUE's of constraints
	}
	for i := range f.alternatives {
		size++
		for j := range f.alternatives[i].constraints {
			c := &f.alternatives[i].constraints[j]
			size += 1 + len(c.attr) + c.binarySize()
		}
	}
	return size
}

func (c *Constraint) binarySize() int {
	size := 1
	switch c.kind {
	case Point:
		return size + valueSize(c.lo.Value)
	case Set:
		size++
	case Numbers, Strings:
		size += 2
		if c.lo.Set {
			size += valueSize(c.lo.Value)
		}
		if c.hi.Set {
			size += valueSize(c.hi.Value)
		}
	default:
	}
	for i := range c.points {
		size += valueSize(c.points[i])
	}
	if len(c.patterns) > 0 {
		size++
	}
	for i := range c.patterns {
		size += patternHeader + len(c.patterns[i].text)
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
	all := r.filter()
	if err := r.finish(); err != nil {
		return Filter{}, err
	}
	f, err := finish(reduce(all))
	if err != nil || string(f.AppendBinary(make([]byte, 0, len(b)))) != string(b) {
		return Filter{}, fault(BadEncoding, 0, "encoding is not canonical")
	}
	return f, nil
}

func (r *reader) filter() []Conjunction {
	n := 1
	switch r.u8() {
	case encodedFalse:
		return nil
	case encodedAnd:
	case encodedOr:
		if n = int(r.u8()); n > MaxConjunctions {
			r.fail(1, beyond("more conjunctions than a filter may have", MaxConjunctions, ""))
		}
	default:
		r.fail(0, "unknown form")
	}
	if r.bad {
		return nil
	}
	all := make([]Conjunction, 0, n)
	for range n {
		c := r.conjunction()
		if r.bad {
			return nil
		}
		all = append(all, c)
	}
	return all
}

func (r *reader) conjunction() (c Conjunction) {
	at := r.pos
	n := int(r.u8())
	if n > MaxPredicates {
		r.fail(at, beyond("more constraints than a filter may have", MaxPredicates, ""))
	}
	if r.bad || n == 0 {
		return c
	}
	c.constraints = make([]Constraint, 0, n)
	weight, last := 0, ""
	for range n {
		at = r.pos
		name := r.name()
		if !r.bad && name <= last {
			r.fail(at, "constraints out of order")
		}
		one := r.constraint()
		if one.attr, last = name, name; r.bad {
			return c
		}
		if weight += one.weight(); weight > MaxPredicates {
			r.fail(at, beyond("more predicates than a filter may have", MaxPredicates, ""))
		}
		c.constraints = append(c.constraints, one)
	}
	return c
}

// DecodeConstraint decodes a constraint that Constraint.AppendBinary produced at
// the beginning of b and returns what follows. Everything else is refused with
// Kind BadEncoding. The constraint has no attribute name and does not alias b.
func DecodeConstraint(b []byte) (c Constraint, rest []byte, err error) {
	r := reader{b: []byte(string(b[:min(len(b), MaxFilterBytes)]))}
	c = r.constraint()
	if r.bad {
		return Constraint{}, nil, fault(BadEncoding, r.at, r.msg)
	}
	return c, b[r.pos:], nil
}

// constraint reads one in normal form.
func (r *reader) constraint() Constraint {
	start := r.pos
	kind := ConstraintKind(r.u8())
	c := Constraint{kind: kind}
	switch kind {
	case Any, Missing:
	case Point:
		c.lo = Bound{Value: r.operand(0), Set: true}
	case Set:
		c.points = r.values(MaxMembers, 0)
	case Numbers, Strings:
		r.interval(&c)
	case encodedPatterned:
		c.kind = Strings
		r.interval(&c)
		r.patterns(&c)
	default:
		r.fail(start, "unknown constraint kind")
	}
	if r.bad {
		return c
	}
	end := r.pos
	if !c.normalise() || string(c.AppendBinary(make([]byte, 0, end-start))) != string(r.b[start:end]) {
		r.fail(start, "constraint is not canonical")
	}
	return c
}

// operand reads a value in the form that filters hold, of a type that belongs to
// the kind; kind 0 is any.
func (r *reader) operand(kind ConstraintKind) Value {
	at := r.pos
	v := r.value()
	if r.bad {
		return v
	}
	if one, err := operand(v); err != nil || one != v {
		r.fail(at, "number without a canonical form")
	}
	if kind != 0 && (v.typ == TypeBool || intervalOf(v) != kind) {
		r.fail(at, "value of another type than its interval's")
	}
	return v
}

func (r *reader) values(limit int, kind ConstraintKind) []Value {
	at := r.pos
	n := int(r.u8())
	if n > limit {
		r.fail(at, beyond("more values than a constraint may have", limit, ""))
	}
	if r.bad || n == 0 {
		return nil
	}
	all := make([]Value, 0, n)
	for range n {
		all = append(all, r.operand(kind))
		if r.bad {
			return nil
		}
	}
	return all
}

func (r *reader) interval(c *Constraint) {
	at := r.pos
	flags := r.u8()
	open := flags & (flagLowOpen | flagHighOpen)
	if flags >= flagsEnd || open>>1&^flags != 0 {
		r.fail(at, "unknown flags")
		return
	}
	if flags&flagLow != 0 {
		c.lo = Bound{r.operand(c.kind), true, flags&flagLowOpen != 0}
	}
	if flags&flagHigh != 0 {
		c.hi = Bound{r.operand(c.kind), true, flags&flagHighOpen != 0}
	}
	c.points = r.values(MaxPredicates, c.kind)
	if c.kind == Numbers && flags == 0 && len(c.points) == 0 {
		r.fail(at, "interval without ends")
	}
}

func (r *reader) patterns(c *Constraint) {
	at := r.pos
	n := int(r.u8())
	if n > MaxPatterns {
		r.fail(at, beyond("more patterns than an attribute may have", MaxPatterns, ""))
		return
	}
	for range n {
		c.patterns = append(c.patterns, r.pattern())
		if r.bad {
			return
		}
	}
}
