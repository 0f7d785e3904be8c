package filter

import (
	"slices"
)

// ConstraintKind is the shape of a constraint.
type ConstraintKind uint8

// The shapes. A constraint on booleans is always a Point.
const (
	Any     ConstraintKind = 1 + iota // the attribute exists
	Point                             // one value
	Numbers                           // an interval of numbers, without some points
	Strings                           // an interval of strings, without some points
)

// Bound is one end of an interval.
type Bound struct {
	Value Value
	Set   bool // false: unbounded
	Open  bool // the value itself is outside
}

// Constraint is everything a filter says about one attribute, in normal form:
// never contradictory, never a wider form where a narrower one is equal.
// Numbers that are whole int64 are held as such. A string interval's ends are
// written without the zero byte that distinguishes `>= 'a\x00'` from `> 'a'`.
type Constraint struct {
	attr string
	kind ConstraintKind
	lo   Bound // Point: the value
	hi   Bound
	not  []Value // strictly inside the interval, ascending
}

// Attr returns the attribute's name.
func (c Constraint) Attr() string { return c.attr }

// Kind returns the shape.
func (c Constraint) Kind() ConstraintKind { return c.kind }

// Point returns the value of a Point.
func (c Constraint) Point() Value { return c.lo.Value }

// Low returns the lower end of an interval.
func (c Constraint) Low() Bound { return c.lo }

// High returns the upper end of an interval.
func (c Constraint) High() Bound { return c.hi }

// IsPrefix reports whether the interval of Strings holds exactly the strings
// that begin with its low end.
func (c Constraint) IsPrefix() bool {
	return c.kind == Strings && c.lo.Set && !c.lo.Open && prefixEnd(c.lo.Value.str) == c.hi
}

// Excluded returns the number of points taken out of an interval.
func (c Constraint) Excluded() int { return len(c.not) }

// ExcludedAt returns excluded point i, in ascending order.
func (c Constraint) ExcludedAt(i int) Value { return c.not[i] }

func (c Constraint) equal(d Constraint) bool {
	return c.attr == d.attr && c.kind == d.kind && c.lo == d.lo && c.hi == d.hi && slices.Equal(c.not, d.not)
}

func (c *Constraint) matches(v Value) bool {
	switch c.kind {
	case Any:
		return v.typ != 0
	case Point:
		order, ok := v.Compare(c.lo.Value)
		return ok && order == 0
	case Numbers:
		if !v.IsNumber() {
			return false
		}
	case Strings:
		if v.typ != TypeString {
			return false
		}
	default:
		return false
	}
	return c.inside(v) && !c.excludes(v)
}

// inside tests v, of the interval's type, against both ends.
func (c *Constraint) inside(v Value) bool {
	if c.lo.Set {
		if order, _ := v.Compare(c.lo.Value); order < 0 || order == 0 && c.lo.Open {
			return false
		}
	}
	if c.hi.Set {
		if order, _ := v.Compare(c.hi.Value); order > 0 || order == 0 && c.hi.Open {
			return false
		}
	}
	return true
}

func (c *Constraint) excludes(v Value) bool {
	_, found := slices.BinarySearchFunc(c.not, v, func(a, b Value) int {
		order, _ := a.Compare(b)
		return order
	})
	return found
}

// covers reports whether everything d admits, c admits. Both are on the same
// attribute and neither is contradictory.
func (c *Constraint) covers(d *Constraint) bool {
	if c.kind == Any {
		return true
	}
	if d.kind == Point {
		return c.matches(d.lo.Value)
	}
	if c.kind != d.kind || c.kind == Point {
		return false
	}
	if !lowCovers(c.lo, d.lo) || !highCovers(c.hi, d.hi) {
		return false
	}
	for _, v := range c.not {
		if d.inside(v) && !d.excludes(v) {
			return false
		}
	}
	return true
}

func lowCovers(c, d Bound) bool {
	if !c.Set || !d.Set {
		return !c.Set
	}
	if order, _ := c.Value.Compare(d.Value); order != 0 {
		return order < 0
	}
	return !c.Open || d.Open
}

func highCovers(c, d Bound) bool {
	if !c.Set || !d.Set {
		return !c.Set
	}
	if order, _ := c.Value.Compare(d.Value); order != 0 {
		return order > 0
	}
	return !c.Open || d.Open
}
