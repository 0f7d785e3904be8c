package filter

import (
	"slices"
	"strings"
)

// merge puts all constraints on one attribute into one in normal form, of which
// it owns every part; false means that they contradict each other.
func merge(parts []Constraint) (Constraint, bool) {
	c := parts[0]
	c.points, c.patterns = slices.Clone(c.points), slices.Clone(c.patterns)
	for i := range parts[1:] {
		if !c.intersect(&parts[1+i]) {
			return Constraint{}, false
		}
	}
	return c, c.normalise()
}

// intersect narrows c by d; false means nothing is left for certain.
func (c *Constraint) intersect(d *Constraint) bool {
	switch {
	case c.kind == Missing || d.kind == Missing:
		return c.kind == d.kind
	case d.kind == Any:
		return true
	case c.kind == Any:
		c.kind, c.lo, c.hi = d.kind, d.lo, d.hi
		c.points, c.patterns = slices.Clone(d.points), slices.Clone(d.patterns)
		return true
	case c.kind == Point || c.kind == Set:
		return c.keep(c, d)
	case d.kind == Point || d.kind == Set:
		return c.keep(d, c)
	case c.kind != d.kind:
		return false
	}
	if d.lo.Set && !lowCovers(&d.lo, &c.lo) {
		c.lo = d.lo
	}
	if d.hi.Set && !highCovers(&d.hi, &c.hi) {
		c.hi = d.hi
	}
	c.points = append(c.points, d.points...)
	c.patterns = append(c.patterns, d.patterns...)
	return true
}

// keep makes c those members of a Point or Set that the other admits. An
// interval that is not yet in normal form still has to test one by one.
func (c *Constraint) keep(members, other *Constraint) bool {
	var left []Value
	if members.kind == Point {
		if other.admits(&members.lo.Value) {
			left = []Value{members.lo.Value}
		}
	}
	for i := range members.points {
		if v := &members.points[i]; other.admits(v) {
			left = append(left, *v)
		}
	}
	return c.becomeMembers(left)
}

// admits is matches for points in any order.
func (c *Constraint) admits(v *Value) bool {
	found := slices.ContainsFunc(c.points, func(p Value) bool { return order(p, *v) == 0 })
	switch c.kind {
	case Set:
		return found
	case Numbers:
		return v.IsNumber() && c.inside(v) && !found
	case Strings:
		return v.typ == TypeString && c.inside(v) && !found && c.like(v.str)
	default:
		return c.matches(v)
	}
}

// becomeMembers makes c the values, which ascend; false if there are none.
func (c *Constraint) becomeMembers(values []Value) bool {
	*c = Constraint{attr: c.attr}
	switch len(values) {
	case 0:
		return false
	case 1:
		c.kind, c.lo = Point, Bound{Value: values[0], Set: true}
	default:
		c.kind, c.points = Set, values
	}
	return true
}

// normalise brings a constraint, whose slices c owns, to its one form; false
// means that it is empty.
func (c *Constraint) normalise() bool {
	if c.kind != Numbers && c.kind != Strings && c.kind != Set {
		return true
	}
	slices.SortFunc(c.points, order)
	c.points = slices.Compact(c.points)
	var ok bool
	switch c.kind {
	case Set:
		return c.becomeMembers(c.points)
	case Strings:
		ok = c.normaliseStrings()
	default:
		ok = c.normaliseNumbers()
	}
	if len(c.points) == 0 { // one form in memory
		c.points = nil
	}
	if len(c.patterns) == 0 {
		c.patterns = nil
	}
	return ok
}

func (c *Constraint) normaliseNumbers() bool {
	for _, v := range c.points {
		if c.lo.Set && c.lo.Value == v {
			c.lo.Open = true
		}
		if c.hi.Set && c.hi.Value == v {
			c.hi.Open = true
		}
	}
	c.points = slices.DeleteFunc(c.points, func(v Value) bool { return !c.inside(&v) })
	if !c.lo.Set || !c.hi.Set {
		return true
	}
	order, _ := c.lo.Value.Compare(c.hi.Value)
	if order > 0 || order == 0 && (c.lo.Open || c.hi.Open) {
		return false
	}
	if order == 0 {
		return c.becomeMembers([]Value{c.lo.Value})
	}
	return true
}

// normaliseStrings works on the half-open form [low, high): the string after s
// is s with a zero byte, so every end can be written that way.
func (c *Constraint) normaliseStrings() bool {
	low, high, bounded := c.halfOpen()
	if bounded && high <= low {
		return false
	}
	if bounded {
		if few, ok := c.enumerate(low, high); ok {
			return c.becomeMembers(few)
		}
	}
	c.lo, c.hi = lowEnd(low), Bound{}
	if bounded {
		c.hi = highEnd(high)
	}
	if !c.normalisePatterns() {
		return false
	}
	c.points = slices.DeleteFunc(c.points, func(v Value) bool { return !c.inside(&v) || !c.like(v.str) })
	return true
}

// enumerate lists the members of an interval that is finite: its high end is the
// low one with zero bytes behind it. The exclusions are taken out.
func (c *Constraint) enumerate(low, high string) ([]Value, bool) {
	zeros, ok := strings.CutPrefix(high, low)
	if !ok || len(zeros) > MaxMembers+len(c.points) || strings.Trim(zeros, "\x00") != "" {
		return nil, false
	}
	var members []Value
	for i := range len(zeros) {
		v := String(high[:len(low)+i])
		if !c.has(&v) && c.like(v.str) {
			members = append(members, v)
		}
	}
	return members, len(members) <= MaxMembers
}

// normalisePatterns sorts the patterns and drops what others imply; false means
// that some string would have to be as a pattern says and not be so.
func (c *Constraint) normalisePatterns() bool {
	if len(c.patterns) == 0 {
		return true
	}
	slices.SortFunc(c.patterns, Pattern.compareTo)
	all := slices.Compact(c.patterns)
	prefix := Pattern{kind: PatternPrefix}
	if c.IsPrefix() {
		prefix.text = c.lo.Value.str
	}
	for i := 0; i < len(all); i++ {
		p := all[i]
		if p.negative && (prefix.text != "" && p.impliedBy(prefix) || slices.ContainsFunc(all, func(q Pattern) bool {
			return !q.negative && p.impliedBy(q)
		})) {
			return false
		}
	}
	c.patterns = slices.DeleteFunc(all, func(p Pattern) bool {
		return !p.negative && prefix.text != "" && p.impliedBy(prefix) || p.negative && p.kind == PatternPrefix && c.besides(p.text)
	})
	for i := 0; i < len(c.patterns); {
		p := c.patterns[i]
		rest := slices.Delete(slices.Clone(c.patterns), i, i+1)
		if slices.ContainsFunc(rest, p.follows) {
			c.patterns = rest
			continue
		}
		i++
	}
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
	for _, v := range c.points {
		if v.str == low {
			low += "\x00"
		}
	}
	for i := len(c.points) - 1; i >= 0 && bounded; i-- {
		if c.points[i].str+"\x00" == high {
			high = c.points[i].str
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
