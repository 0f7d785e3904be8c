package poset

import "github.com/scbr/scbr/matcher/filter"

// conjunction is a filter in normal form: one constraint for each attribute,
// ascending by name; or a contradiction, which has none.
type conjunction struct {
	constraints []constraint
	never       bool
}

// normalise checks predicates and brings them to package filter's normal form.
func normalise(preds []filter.Predicate) (conjunction, error) {
	normal, err := filter.New(preds...)
	if err != nil {
		return conjunction{}, &Error{Op: "insert", Kind: BadFilter, Err: err}
	}
	for i := range preds {
		if !takes(&preds[i]) {
			return conjunction{}, &Error{Op: "insert", Kind: Unsupported}
		}
	}
	f := conjunction{never: normal.Empty()}
	if f.never {
		return f, nil
	}
	all := normal.At(0)
	for i := range all.Len() {
		f.constraints = append(f.constraints, constraintOf(all.At(i)))
	}
	return f, nil
}

// takes reports whether this structure has the predicate's operator for values of
// its type.
func takes(p *filter.Predicate) bool {
	switch p.Op {
	case filter.Eq:
		return p.Value.IsNumber() || p.Value.Type() == filter.TypeString
	case filter.Lt, filter.Le, filter.Gt, filter.Ge, filter.Between:
		return p.Value.IsNumber()
	default:
		return false
	}
}

// constraintOf is what such predicates come to on one attribute: a value, or an
// interval of numbers.
func constraintOf(from *filter.Constraint) constraint {
	c := constraint{name: []byte(from.Attr())}
	if from.Kind() != filter.Point {
		c.lo, c.hi = boundAt(from.Low()), boundAt(from.High())
		return c
	}
	if v := from.Point(); v.Type() == filter.TypeString {
		c.isText, c.text = true, []byte(v.Str())
	} else {
		c.lo = boundAt(filter.Bound{Value: v, Set: true})
		c.hi = c.lo
	}
	return c
}
