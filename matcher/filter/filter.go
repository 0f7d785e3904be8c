package filter

import (
	"slices"
	"strings"
)

// Op is a predicate's operator.
type Op uint8

// The operators. Between takes both ends as belonging to the range; Prefix
// takes a string; Exists takes no value.
const (
	Eq Op = 1 + iota
	Ne
	Lt
	Le
	Gt
	Ge
	Between
	Prefix
	Exists
)

// Predicate is one condition on one attribute. High is used by Between alone.
type Predicate struct {
	Attr  string
	Op    Op
	Value Value
	High  Value
}

// weight is what a predicate counts against MaxPredicates.
func (p Predicate) weight() int {
	if p.Op == Between || p.Op == Prefix {
		return 2
	}
	return 1
}

// Filter is a conjunction of predicates in normal form: one constraint for each
// attribute, sorted by name. It is immutable. The zero Filter is TRUE.
type Filter struct {
	constraints []Constraint
	empty       bool
}

// New returns the normal form of a conjunction of predicates. No predicates
// make TRUE, a contradiction makes FALSE. Ordering on booleans, infinite
// bounds, bad names and strings, and anything beyond a limit are refused.
func New(preds ...Predicate) (Filter, error) {
	weight := 0
	for _, p := range preds {
		weight += p.weight()
	}
	if weight > MaxPredicates {
		return Filter{}, fault(TooMany, -1, beyond("more predicates than a filter may have", MaxPredicates, ""))
	}
	own := slices.Clone(preds)
	slices.SortStableFunc(own, func(a, b Predicate) int { return strings.Compare(a.Attr, b.Attr) })
	var f Filter
	for start := 0; start < len(own); {
		end := start
		for end < len(own) && own[end].Attr == own[start].Attr {
			end++
		}
		c, err := merge(own[start:end])
		if err != nil {
			return Filter{}, err
		}
		f.empty = f.empty || c.kind == 0
		f.constraints = append(f.constraints, c)
		start = end
	}
	if f.empty {
		return Filter{empty: true}, nil
	}
	if f.binarySize() > MaxFilterBytes {
		return Filter{}, fault(TooLong, -1, beyond("filter larger than its limit", MaxFilterBytes, bytesUnit))
	}
	return f, nil
}

// Empty reports whether the filter is a contradiction.
func (f Filter) Empty() bool { return f.empty }

// IsTrue reports whether the filter is the empty conjunction.
func (f Filter) IsTrue() bool { return !f.empty && len(f.constraints) == 0 }

// Len returns the number of constraints; TRUE and FALSE have none.
func (f Filter) Len() int { return len(f.constraints) }

// At returns constraint i of 0..Len()-1, in the order of attribute names.
func (f Filter) At(i int) Constraint { return f.constraints[i] }

// Equal reports whether f and g have the same normal form.
func (f Filter) Equal(g Filter) bool {
	return f.empty == g.empty && slices.EqualFunc(f.constraints, g.constraints, Constraint.equal)
}

// Match evaluates the filter on an event. It is the reference that every other
// evaluation has to agree with.
func (f Filter) Match(e Event) bool {
	if f.empty {
		return false
	}
	for i := range f.constraints {
		v, ok := e.Get(f.constraints[i].attr)
		if !ok || !f.constraints[i].matches(v) {
			return false
		}
	}
	return true
}

// Covers reports whether every event that g matches is matched by f.
func (f Filter) Covers(g Filter) bool {
	if g.empty {
		return true
	}
	if f.empty {
		return false
	}
	rest := g.constraints
	for i := range f.constraints {
		name := f.constraints[i].attr
		for len(rest) > 0 && rest[0].attr < name {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0].attr != name || !f.constraints[i].covers(&rest[0]) {
			return false
		}
	}
	return true
}
