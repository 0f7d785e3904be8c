package filter

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// merge puts all predicates on one attribute into one constraint. A
// contradiction has kind 0.
func merge(preds []Predicate) (Constraint, error) {
	c := Constraint{attr: preds[0].Attr, kind: Any}
	if err := checkName(c.attr); err != nil {
		return c, err
	}
	empty := false
	for _, p := range preds {
		part, err := single(p)
		if err != nil {
			return c, err
		}
		if !empty && !c.intersect(part) {
			empty = true
		}
	}
	if empty || !c.normalise() {
		return Constraint{attr: c.attr}, nil
	}
	return c, nil
}

// single is the constraint of one predicate, not yet in normal form.
func single(p Predicate) (Constraint, error) {
	if p.Op == Exists {
		return Constraint{kind: Any}, nil
	}
	low, err := operand(p.Value)
	if err != nil {
		return Constraint{}, err
	}
	if low.typ == TypeBool {
		return booleanConstraint(p.Op, low)
	}
	c := Constraint{kind: Numbers}
	if low.typ == TypeString {
		c.kind = Strings
	}
	switch p.Op {
	case Eq:
		c.lo, c.hi = Bound{low, true, false}, Bound{low, true, false}
	case Ne:
		c.not = []Value{low}
	case Lt, Le:
		c.hi = Bound{low, true, p.Op == Lt}
	case Gt, Ge:
		c.lo = Bound{low, true, p.Op == Gt}
	case Between:
		high, err := operand(p.High)
		if err != nil {
			return Constraint{}, err
		}
		if high.IsNumber() != low.IsNumber() || high.typ == TypeBool {
			return Constraint{}, fault(BadPredicate, -1, "BETWEEN needs two values of one type")
		}
		c.lo, c.hi = Bound{low, true, false}, Bound{high, true, false}
	case Prefix:
		if low.typ != TypeString {
			return Constraint{}, fault(BadPredicate, -1, "only a string has a prefix")
		}
		c.lo, c.hi = Bound{low, true, false}, prefixEnd(low.str)
		if len(c.hi.Value.str) > MaxStringBytes {
			return Constraint{}, fault(BadString, -1, beyond("prefix longer than its limit", MaxStringBytes, bytesUnit))
		}
	default:
		return Constraint{}, fault(BadPredicate, -1, "unknown operator")
	}
	return c, nil
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

func booleanConstraint(op Op, v Value) (Constraint, error) {
	switch op {
	case Eq:
	case Ne:
		v = Bool(!v.Bool())
	default:
		return Constraint{}, fault(BadPredicate, -1, "booleans have no order")
	}
	return Constraint{kind: Point, lo: Bound{Value: v, Set: true}}, nil
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

// intersect narrows c by d; false means nothing is left for certain.
func (c *Constraint) intersect(d Constraint) bool {
	if d.kind == Any {
		return true
	}
	if c.kind == Any {
		d.attr = c.attr
		*c = d
		return true
	}
	if c.kind != d.kind {
		return false
	}
	if c.kind == Point { // both booleans: an interval becomes a Point only in normalise
		return c.lo.Value == d.lo.Value
	}
	if d.lo.Set && !lowCovers(d.lo, c.lo) {
		c.lo = d.lo
	}
	if d.hi.Set && !highCovers(d.hi, c.hi) {
		c.hi = d.hi
	}
	c.not = append(c.not, d.not...)
	return true
}

// normalise brings an interval to its one form; false means it is empty.
func (c *Constraint) normalise() bool {
	if c.kind != Numbers && c.kind != Strings {
		return true
	}
	slices.SortFunc(c.not, func(a, b Value) int {
		order, _ := a.Compare(b)
		return order
	})
	c.not = slices.Compact(c.not)
	if c.kind == Strings {
		return c.normaliseStrings()
	}
	return c.normaliseNumbers()
}

func (c *Constraint) normaliseNumbers() bool {
	for _, v := range c.not {
		if c.lo.Set && c.lo.Value == v {
			c.lo.Open = true
		}
		if c.hi.Set && c.hi.Value == v {
			c.hi.Open = true
		}
	}
	c.not = slices.DeleteFunc(c.not, func(v Value) bool { return !c.inside(v) })
	if !c.lo.Set || !c.hi.Set {
		return true
	}
	order, _ := c.lo.Value.Compare(c.hi.Value)
	if order > 0 || order == 0 && (c.lo.Open || c.hi.Open) {
		return false
	}
	if order == 0 {
		c.becomePoint(c.lo.Value)
	}
	return true
}

func (c *Constraint) becomePoint(v Value) {
	c.kind, c.lo, c.hi, c.not = Point, Bound{Value: v, Set: true}, Bound{}, nil
}

// normaliseStrings works on the half-open form [low, high): the string after s
// is s with a zero byte, so every end can be written that way.
func (c *Constraint) normaliseStrings() bool {
	low, high, bounded := c.halfOpen()
	if bounded && high <= low {
		return false
	}
	if bounded && high == low+"\x00" {
		c.becomePoint(String(low))
		return true
	}
	c.lo, c.hi = lowEnd(low), Bound{}
	if bounded {
		c.hi = highEnd(high)
	}
	c.not = slices.DeleteFunc(c.not, func(v Value) bool { return !c.inside(v) })
	return true
}

// halfOpen returns the interval with exclusions at its ends cut off.
func (c *Constraint) halfOpen() (low, high string, bounded bool) {
	low, high, bounded = c.lo.Value.str, c.hi.Value.str, c.hi.Set
	if c.lo.Open {
		low += "\x00"
	}
	if bounded && !c.hi.Open {
		high += "\x00"
	}
	for _, v := range c.not {
		if v.str == low {
			low += "\x00"
		}
	}
	for i := len(c.not) - 1; i >= 0 && bounded; i-- {
		if c.not[i].str+"\x00" == high {
			high = c.not[i].str
		}
	}
	return low, high, bounded
}

// lowEnd writes "from s on"; from the empty string on is no bound.
func lowEnd(s string) Bound {
	if before, ok := strings.CutSuffix(s, "\x00"); ok {
		return Bound{Value: String(before), Set: true, Open: true}
	}
	if s == "" {
		return Bound{}
	}
	return Bound{Value: String(s), Set: true}
}

// highEnd writes "before s".
func highEnd(s string) Bound {
	if last, ok := strings.CutSuffix(s, "\x00"); ok {
		return Bound{Value: String(last), Set: true}
	}
	return Bound{Value: String(s), Set: true, Open: true}
}
