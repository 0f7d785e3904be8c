package filter

import (
	"slices"
)

// ConstraintKind is the shape of a constraint.
type ConstraintKind uint8

// The shapes. A constraint on booleans is always a Point or a Set.
const (
	Any     ConstraintKind = 1 + iota // the attribute exists
	Point                             // one value
	Numbers                           // an interval of numbers, without some points
	Strings                           // an interval of strings, without some points, as all patterns say
	Set                               // 2 to MaxMembers values, of any types
	Missing                           // the attribute does not exist
	// encodedPatterned is how a Strings with patterns is encoded.
	encodedPatterned
)

// Bound is one end of an interval.
type Bound struct {
	Value Value
	Set   bool // false: unbounded
	Open  bool // the value itself is outside
}

// Constraint is everything a conjunction says about one attribute, in normal
// form: never a wider form where a narrower one is equal, and contradictory
// only where patterns contradict each other in a way that is not looked for.
// Numbers that are whole int64 are held as such. A string interval's ends are
// written without the zero byte that distinguishes `>= 'a\x00'` from `> 'a'`.
type Constraint struct {
	attr     string
	kind     ConstraintKind
	lo       Bound // Point: the value
	hi       Bound
	points   []Value // intervals: left out, strictly inside; Set: the members; ascending
	patterns []Pattern
}

// Attr returns the attribute's name.
func (c *Constraint) Attr() string { return c.attr }

// Kind returns the shape.
func (c *Constraint) Kind() ConstraintKind { return c.kind }

// Point returns the value of a Point.
func (c *Constraint) Point() Value { return c.lo.Value }

// Low returns the lower end of an interval.
func (c *Constraint) Low() Bound { return c.lo }

// High returns the upper end of an interval.
func (c *Constraint) High() Bound { return c.hi }

// IsPrefix reports whether the interval of Strings holds exactly the strings
// that begin with its low end.
func (c *Constraint) IsPrefix() bool {
	return c.kind == Strings && c.lo.Set && !c.lo.Open && prefixEnd(c.lo.Value.str) == c.hi
}

// Excluded returns the number of points taken out of an interval.
func (c *Constraint) Excluded() int {
	if c.kind == Set {
		return 0
	}
	return len(c.points)
}

// ExcludedAt returns excluded point i, in ascending order.
func (c *Constraint) ExcludedAt(i int) Value { return c.points[i] }

// Members returns the number of values of a Set, 0 for other kinds.
func (c *Constraint) Members() int {
	if c.kind != Set {
		return 0
	}
	return len(c.points)
}

// MemberAt returns member i of a Set: numbers first, then strings, then
// booleans, each ascending.
func (c *Constraint) MemberAt(i int) Value { return c.points[i] }

// Patterns returns the number of patterns that a Strings has to be like.
func (c *Constraint) Patterns() int { return len(c.patterns) }

// PatternAt returns pattern i.
func (c *Constraint) PatternAt(i int) Pattern { return c.patterns[i] }

func (c *Constraint) equal(d *Constraint) bool {
	return c.attr == d.attr && c.kind == d.kind && c.lo == d.lo && c.hi == d.hi &&
		slices.Equal(c.points, d.points) && slices.Equal(c.patterns, d.patterns)
}

// weight is what the constraint counts against MaxPredicates: what its text does.
func (c *Constraint) weight() int {
	if c.kind != Numbers && c.kind != Strings {
		return 1
	}
	n := len(c.points)
	switch {
	case c.IsPrefix():
		n += 2
	case c.lo.Set && c.hi.Set:
		n += 2
	case c.lo.Set || c.hi.Set:
		n++
	}
	for i := range c.patterns {
		n++
		if c.patterns[i].kind == PatternPrefix {
			n++
		}
	}
	return max(n, 1)
}

// Matches reports whether a present attribute may have the value.
func (c *Constraint) Matches(v Value) bool { return c.matches(&v) }

func (c *Constraint) matches(v *Value) bool {
	switch c.kind {
	case Any:
		return v.typ != 0
	case Point:
		order, ok := v.Compare(c.lo.Value)
		return ok && order == 0
	case Set:
		return c.has(v)
	case Numbers:
		return v.IsNumber() && c.inside(v) && !c.has(v)
	case Strings:
		return v.typ == TypeString && c.inside(v) && !c.has(v) && c.like(v.str)
	default:
		return false
	}
}

// inside tests v, of the interval's type, against both ends.
func (c *Constraint) inside(v *Value) bool {
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

// has finds v among the points.
func (c *Constraint) has(v *Value) bool {
	if len(c.points) == 0 || v.typ == 0 {
		return false
	}
	_, found := slices.BinarySearchFunc(c.points, *v, order)
	return found
}

// like tries all patterns.
func (c *Constraint) like(s string) bool {
	for i := range c.patterns {
		if !c.patterns[i].matches(s) {
			return false
		}
	}
	return true
}

// Covers reports whether everything d admits, c admits; the names are not
// compared. It is sound, and exact where neither has patterns.
func (c *Constraint) Covers(d *Constraint) bool {
	switch {
	case c.kind == Missing || d.kind == Missing:
		return c.kind == d.kind
	case c.kind == Any:
		return true
	case d.kind == Point:
		return c.matches(&d.lo.Value)
	case d.kind == Set:
		for i := range d.points {
			if !c.matches(&d.points[i]) {
				return false
			}
		}
		return true
	case c.kind != d.kind || c.kind == Point || c.kind == Set:
		return false
	}
	return c.coversInterval(d)
}

func (c *Constraint) coversInterval(d *Constraint) bool {
	if !c.endsCover(d) {
		return false
	}
	for i := range c.points {
		if d.matches(&c.points[i]) {
			return false
		}
	}
	for i := range c.patterns {
		if !d.implies(c.patterns[i]) {
			return false
		}
	}
	return true
}

// endsCover looks also at what d's patterns say about how its strings begin.
func (c *Constraint) endsCover(d *Constraint) bool {
	if lowCovers(&c.lo, &d.lo) && highCovers(&c.hi, &d.hi) {
		return true
	}
	for i := range d.patterns {
		p := &d.patterns[i]
		head := p.head()
		if p.negative || head == "" {
			continue
		}
		low, high := Bound{Value: String(head), Set: true}, prefixEnd(head)
		if (lowCovers(&c.lo, &d.lo) || lowCovers(&c.lo, &low)) && (highCovers(&c.hi, &d.hi) || highCovers(&c.hi, &high)) {
			return true
		}
	}
	return false
}

// implies reports whether every string that c admits is as p says, for sure.
func (c *Constraint) implies(p Pattern) bool {
	if !p.negative && c.IsPrefix() && p.impliedBy(Pattern{kind: PatternPrefix, text: c.lo.Value.str}) {
		return true
	}
	for _, q := range c.patterns {
		if p.follows(q) {
			return true
		}
	}
	return p.negative && p.kind == PatternPrefix && c.besides(p.text)
}

// follows reports whether p holds wherever q does, signs included.
func (p Pattern) follows(q Pattern) bool {
	if p.negative != q.negative {
		return false
	}
	if p.negative {
		return q.impliedBy(p)
	}
	return p.impliedBy(q)
}

// besides reports whether the interval holds no string with the prefix.
func (c *Constraint) besides(prefix string) bool {
	if c.hi.Set && c.hi.Value.str <= prefix && (c.hi.Open || c.hi.Value.str < prefix) {
		return true
	}
	end := prefixEnd(prefix)
	return c.lo.Set && end.Set && c.lo.Value.str >= end.Value.str
}

func lowCovers(c, d *Bound) bool {
	if !c.Set || !d.Set {
		return !c.Set
	}
	if order, _ := c.Value.Compare(d.Value); order != 0 {
		return order < 0
	}
	return !c.Open || d.Open
}

func highCovers(c, d *Bound) bool {
	if !c.Set || !d.Set {
		return !c.Set
	}
	if order, _ := c.Value.Compare(d.Value); order != 0 {
		return order > 0
	}
	return !c.Open || d.Open
}
