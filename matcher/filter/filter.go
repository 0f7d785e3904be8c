package filter

import (
	"slices"
	"strings"
)

// Filter is a disjunction of conjunctions in normal form. It is immutable. The
// zero Filter is TRUE.
type Filter struct {
	alternatives []Conjunction // none: TRUE, unless empty
	empty        bool
}

// New returns the normal form of a conjunction of predicates. No predicates
// make TRUE, a contradiction makes FALSE. Ordering on booleans, infinite
// bounds, bad names and strings, and anything beyond a limit are refused.
func New(preds ...Predicate) (Filter, error) {
	weight := 0
	for i := range preds {
		weight += preds[i].weight()
	}
	if weight > MaxPredicates {
		return Filter{}, tooMany()
	}
	parts := make([]Constraint, 0, len(preds))
	for i := range preds {
		before := len(parts)
		var err error
		if parts, err = preds[i].alternatives(parts, true); err != nil {
			return Filter{}, err
		}
		if len(parts) != before+1 {
			return build(conjunctionOf(preds))
		}
	}
	c, ok, err := newConjunction(parts)
	switch {
	case err != nil:
		return Filter{}, err
	case !ok:
		return Filter{empty: true}, nil
	}
	return finish([]Conjunction{c})
}

func conjunctionOf(preds []Predicate) Expr {
	args := make([]Expr, 0, len(preds))
	for _, p := range preds {
		args = append(args, Is(p))
	}
	return And(args...)
}

func tooMany() *Error {
	return fault(TooMany, -1, beyond("more predicates than a filter may have", MaxPredicates, ""))
}

// finish makes a filter of conjunctions in normal form, sorted.
func finish(all []Conjunction) (Filter, error) {
	var f Filter
	switch {
	case len(all) == 0:
		f.empty = true
	case len(all[0].constraints) > 0: // TRUE stands alone: it covers all others
		f.alternatives = all
	}
	if f.binarySize() > MaxFilterBytes {
		return Filter{}, fault(TooLong, -1, beyond("filter larger than its limit", MaxFilterBytes, bytesUnit))
	}
	return f, nil
}

// Empty reports whether the filter is a contradiction.
func (f Filter) Empty() bool { return f.empty }

// IsTrue reports whether the filter matches everything.
func (f Filter) IsTrue() bool { return !f.empty && len(f.alternatives) == 0 }

// Len returns the number of conjunctions: none for FALSE, one without
// constraints for TRUE.
func (f Filter) Len() int {
	if f.IsTrue() {
		return 1
	}
	return len(f.alternatives)
}

// At returns conjunction i of 0..Len()-1, in the order of their encodings.
func (f Filter) At(i int) *Conjunction {
	if len(f.alternatives) == 0 {
		return &Conjunction{}
	}
	return &f.alternatives[i]
}

// Equal reports whether f and g have the same normal form.
func (f Filter) Equal(g Filter) bool {
	return f.empty == g.empty && slices.EqualFunc(f.alternatives, g.alternatives, func(a, b Conjunction) bool { return a.equal(&b) })
}

// Match evaluates the filter on an event. It is the reference that every other
// evaluation has to agree with.
func (f Filter) Match(e *Event) bool {
	for i := range f.alternatives {
		if f.alternatives[i].Match(e) {
			return true
		}
	}
	return f.IsTrue()
}

// Covers reports whether every event that g matches is matched by f. It is
// sound; it looks for one conjunction of f that covers each of g, and that is
// exact as Conjunction.Covers is.
func (f Filter) Covers(g Filter) bool {
	if f.IsTrue() {
		return true
	}
	for i := range g.Len() {
		if !f.covers(g.At(i)) {
			return false
		}
	}
	return true
}

func (f Filter) covers(c *Conjunction) bool {
	for i := range f.alternatives {
		if f.alternatives[i].Covers(c) {
			return true
		}
	}
	return false
}

// Conjunction is one constraint for each of some attributes, all of which have
// to hold, sorted by name. It is immutable.
type Conjunction struct {
	constraints []Constraint
}

// newConjunction is the normal form of constraints in any order, which it may
// reorder; false means that they contradict each other.
func newConjunction(parts []Constraint) (Conjunction, bool, error) {
	slices.SortStableFunc(parts, func(a, b Constraint) int { return strings.Compare(a.attr, b.attr) })
	var c Conjunction
	if len(parts) > 0 {
		c.constraints = make([]Constraint, 0, len(parts))
	}
	weight := 0
	for start := 0; start < len(parts); {
		end := start
		for end < len(parts) && parts[end].attr == parts[start].attr {
			end++
		}
		one, ok := merge(parts[start:end])
		if !ok {
			return Conjunction{}, false, nil
		}
		if len(one.patterns) > MaxPatterns {
			return Conjunction{}, false, fault(TooMany, -1, beyond("more patterns than an attribute may have", MaxPatterns, ""))
		}
		weight += one.weight()
		c.constraints = append(c.constraints, one)
		start = end
	}
	if weight > MaxPredicates {
		return Conjunction{}, false, tooMany()
	}
	return c, true, nil
}

// Len returns the number of constraints.
func (c *Conjunction) Len() int { return len(c.constraints) }

// At returns constraint i of 0..Len()-1, in the order of attribute names.
func (c *Conjunction) At(i int) *Constraint { return &c.constraints[i] }

func (c *Conjunction) equal(d *Conjunction) bool {
	if len(c.constraints) != len(d.constraints) {
		return false
	}
	for i := range c.constraints {
		if !c.constraints[i].equal(&d.constraints[i]) {
			return false
		}
	}
	return true
}

// Match evaluates the conjunction on an event.
func (c *Conjunction) Match(e *Event) bool {
	for i := range c.constraints {
		one := &c.constraints[i]
		v := e.find(one.attr)
		if v == nil {
			if one.kind != Missing {
				return false
			}
			continue
		}
		if !one.matches(v) {
			return false
		}
	}
	return true
}

// Covers reports whether every event that d matches is matched by c. It is
// sound, and exact where neither has patterns.
func (c *Conjunction) Covers(d *Conjunction) bool {
	rest := d.constraints
	for i := range c.constraints {
		one := &c.constraints[i]
		for len(rest) > 0 && rest[0].attr < one.attr {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0].attr != one.attr || !one.Covers(&rest[0]) {
			return false
		}
	}
	return true
}
