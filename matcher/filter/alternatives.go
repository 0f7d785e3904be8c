package filter

import (
	"math"
	"slices"
	"unicode/utf8"
)

// alternatives appends the constraints of which one has to hold for the
// predicate to be true, or to be false where want is false. They are not yet in
// normal form; there are none where the predicate cannot be so. Whether there is
// an error does not depend on want.
func (p *Predicate) alternatives(dst []Constraint, want bool) ([]Constraint, error) {
	if err := checkName(p.Attr); err != nil {
		return dst, err
	}
	switch p.Op {
	case Exists, Absent:
		c := Constraint{attr: p.Attr, kind: Missing}
		if (p.Op == Exists) == want {
			c.kind = Any
		}
		return append(dst, c), nil
	case In, NotIn:
		return p.list(dst, (p.Op == In) == want)
	case Eq, Ne, Lt, Le, Gt, Ge, Between:
		return p.comparison(dst, want)
	case Prefix, Suffix, Contains, Like, EqualFold:
		return p.pattern(dst, want)
	default:
		return dst, fault(BadPredicate, -1, "unknown operator")
	}
}

func (p *Predicate) comparison(dst []Constraint, want bool) ([]Constraint, error) {
	low, err := operand(p.Value)
	if err != nil {
		return dst, err
	}
	equality := p.Op == Eq || p.Op == Ne
	if low.typ == TypeBool && !equality {
		return dst, fault(BadPredicate, -1, "booleans have no order")
	}
	c := Constraint{attr: p.Attr, kind: intervalOf(low)}
	switch p.Op {
	case Eq, Ne:
		return equal(dst, p.Attr, low, (p.Op == Eq) == want), nil
	case Lt, Ge:
		if (p.Op == Lt) == want {
			c.hi = Bound{low, true, true}
		} else {
			c.lo = Bound{low, true, false}
		}
	case Le, Gt:
		if (p.Op == Le) == want {
			c.hi = Bound{low, true, false}
		} else {
			c.lo = Bound{low, true, true}
		}
	default:
		return p.between(dst, low, want)
	}
	return append(dst, c), nil
}

func intervalOf(v Value) ConstraintKind {
	if v.typ == TypeString {
		return Strings
	}
	return Numbers
}

// equal is x = v, or else x != v.
func equal(dst []Constraint, attr string, v Value, want bool) []Constraint {
	if !want && v.typ == TypeBool {
		v, want = Bool(!v.Bool()), true
	}
	if want {
		return append(dst, Constraint{attr: attr, kind: Point, lo: Bound{Value: v, Set: true}})
	}
	return append(dst, Constraint{attr: attr, kind: intervalOf(v), points: []Value{v}})
}

func (p *Predicate) between(dst []Constraint, low Value, want bool) ([]Constraint, error) {
	high, err := operand(p.High)
	if err != nil {
		return dst, err
	}
	if class(high) != class(low) {
		return dst, fault(BadPredicate, -1, "BETWEEN needs two values of one type")
	}
	c := Constraint{attr: p.Attr, kind: intervalOf(low)}
	if want {
		c.lo, c.hi = Bound{low, true, false}, Bound{high, true, false}
		return append(dst, c), nil
	}
	d := c
	c.hi, d.lo = Bound{low, true, true}, Bound{high, true, true}
	return append(dst, c, d), nil
}

// list is x IN List, or else x NOT IN List: what is in no list of its own type.
func (p *Predicate) list(dst []Constraint, want bool) ([]Constraint, error) {
	if len(p.List) == 0 {
		return dst, fault(BadPredicate, -1, "a list without members")
	}
	if len(p.List) > MaxMembers {
		return dst, fault(TooMany, -1, beyond("more members than a list may have", MaxMembers, ""))
	}
	members := make([]Value, 0, len(p.List))
	for _, v := range p.List {
		v, err := operand(v)
		if err != nil {
			return dst, err
		}
		members = append(members, v)
	}
	slices.SortFunc(members, order)
	members = slices.Compact(members)
	if want {
		return append(dst, Constraint{attr: p.Attr, kind: Set, points: members}), nil
	}
	for len(members) > 0 {
		n := 1
		for n < len(members) && class(members[n]) == class(members[0]) {
			n++
		}
		if members[0].typ != TypeBool {
			dst = append(dst, Constraint{attr: p.Attr, kind: intervalOf(members[0]), points: members[:n:n]})
		} else if n == 1 {
			dst = equal(dst, p.Attr, members[0], false)
		}
		members = members[n:]
	}
	return dst, nil
}

// pattern reduces a condition on a string to the simplest one that says the same.
func (p *Predicate) pattern(dst []Constraint, want bool) ([]Constraint, error) {
	v, err := operand(p.Value)
	if err != nil {
		return dst, err
	}
	if v.typ != TypeString {
		return dst, fault(BadPredicate, -1, "only a string has a pattern")
	}
	op, text := p.Op, v.str
	if op == Like {
		compiled, err := compileLike(text)
		if err != nil {
			return dst, err
		}
		if op, text = classify(compiled); op == Like && len(text) > MaxPatternBytes {
			return dst, fault(BadString, -1, beyond("pattern with wildcards inside longer than its limit", MaxPatternBytes, bytesUnit))
		}
	}
	if op == EqualFold {
		folded, variants := foldText(text)
		if text = folded; !variants {
			op = Eq
		}
	}
	c := Constraint{attr: p.Attr, kind: Strings}
	switch {
	case op == Eq:
		return equal(dst, p.Attr, String(text), want), nil
	case text == "": // begins or ends with nothing, or has it inside: every string
		if want {
			dst = append(dst, c)
		}
		return dst, nil
	case op == Prefix:
		end := prefixEnd(text)
		if len(end.Value.str) > MaxStringBytes {
			return dst, fault(BadString, -1, beyond("prefix longer than its limit", MaxStringBytes, bytesUnit))
		}
		if want {
			c.lo, c.hi = Bound{String(text), true, false}, end
			return append(dst, c), nil
		}
	}
	c.patterns = []Pattern{{text: text, kind: patternOf(op), negative: !want}}
	return append(dst, c), nil
}

func patternOf(op Op) PatternKind {
	switch op {
	case Prefix:
		return PatternPrefix
	case Suffix:
		return PatternSuffix
	case Contains:
		return PatternContains
	case Like:
		return PatternLike
	default:
		return PatternFold
	}
}

// operand checks a predicate's value and brings numbers to one form.
func operand(v Value) (Value, error) {
	if err := v.check(); err != nil {
		return v, err
	}
	if v.typ == TypeFloat && (math.IsInf(v.Float(), 0) || v.Float() != v.Float()) {
		return v, fault(BadNumber, -1, "a filter's numbers are finite")
	}
	return v.exact(), nil
}

// prefixEnd is the first string after all those with the prefix: UTF-8 orders
// like its code points, so the last code point that has a successor gets it.
func prefixEnd(prefix string) Bound {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		if r == utf8.MaxRune {
			continue
		}
		r++
		if !utf8.ValidRune(r) {
			r = 0xE000 // the surrogates are no characters
		}
		return Bound{Value: String(prefix + string(r)), Set: true, Open: true}
	}
	return Bound{}
}
