package poset

import (
	"slices"
	"strings"

	"github.com/scbr/scbr/matcher/filter"
)

// conjunction is a filter in normal form: one constraint for each attribute,
// ascending by name; or a contradiction, which has none.
type conjunction struct {
	constraints []constraint
	never       bool
}

// normalise checks predicates and brings them to normal form.
func normalise(preds []filter.Predicate) (conjunction, error) {
	if _, err := filter.New(preds...); err != nil {
		return conjunction{}, &Error{Op: "insert", Kind: BadFilter, Err: err}
	}
	var f conjunction
	own := slices.Clone(preds)
	slices.SortStableFunc(own, func(a, b filter.Predicate) int { return strings.Compare(a.Attr, b.Attr) })
	for i := range own {
		c, ok := single(own[i])
		if !ok {
			return conjunction{}, &Error{Op: "insert", Kind: Unsupported}
		}
		if i > 0 && own[i-1].Attr == own[i].Attr {
			last := &f.constraints[len(f.constraints)-1]
			f.never = !last.narrow(&c) || f.never
			continue
		}
		f.never = f.never || c.contradicts()
		f.constraints = append(f.constraints, c)
	}
	if f.never {
		f.constraints = nil
	}
	return f, nil
}

// single is the constraint of one predicate; false means there is none.
func single(p filter.Predicate) (constraint, bool) {
	c := constraint{name: []byte(p.Attr)}
	if p.Op == filter.Eq && p.Value.Type() == filter.TypeString {
		c.isText, c.text = true, []byte(p.Value.Str())
		return c, true
	}
	if !p.Value.IsNumber() {
		return c, false
	}
	switch p.Op {
	case filter.Eq:
		c.lo, c.hi = closed(p.Value), closed(p.Value)
	case filter.Lt:
		c.hi = opened(p.Value)
	case filter.Le:
		c.hi = closed(p.Value)
	case filter.Gt:
		c.lo = opened(p.Value)
	case filter.Ge:
		c.lo = closed(p.Value)
	case filter.Between:
		c.lo, c.hi = closed(p.Value), closed(p.High)
	default:
		return c, false
	}
	return c, true
}
