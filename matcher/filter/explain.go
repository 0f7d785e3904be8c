package filter

import (
	"slices"
	"strconv"
	"strings"
)

// Truth is a truth value of Kleene's three-valued logic. The zero Truth is
// Unknown.
type Truth int8

// The truth values, in their order: AND is the least, OR the greatest.
const (
	False   Truth = -1
	Unknown Truth = 0
	True    Truth = 1
)

// String returns the truth value in lower case.
func (t Truth) String() string {
	switch {
	case t < 0:
		return "false"
	case t > 0:
		return "true"
	}
	return "unknown"
}

// Reason is one predicate that decided, with its value for an event.
type Reason struct {
	Predicate Predicate
	Truth     Truth
	Found     Value  // the attribute's value; its Type is 0 where the event has none
	Path      []Step // where the predicate stands, from the outside
}

// Step leads from a connective to one of its arguments.
type Step struct {
	Form     Form // FormAnd, FormOr, FormXor or FormNot
	Argument int  // from 0
	Of       int  // number of arguments
}

// String returns the step in words, such as "argument 2 of 3 of AND".
func (s Step) String() string {
	if s.Form == FormNot {
		return "NOT"
	}
	return "argument " + strconv.Itoa(s.Argument+1) + " of " + strconv.Itoa(s.Of) + " of " + s.Form.String()
}

// String returns the reason in words, such as "price > 10 is false: price is 7".
// It shows the value.
func (r Reason) String() string {
	b := append(r.Predicate.appendText(nil), " is "...)
	b = append(append(b, r.Truth.String()...), ": "...)
	name := string(appendQuotedName(nil, r.Predicate.Attr))
	switch {
	case r.Found.typ == 0:
		return string(append(b, "no attribute "...)) + name
	case r.Truth == Unknown:
		return string(append(b, name...)) + " is " + typeName(r.Found)
	}
	return string(appendLiteral(append(append(b, name...), " is "...), r.Found))
}

func typeName(v Value) string {
	switch v.typ {
	case TypeString:
		return "a string"
	case TypeBool:
		return "a boolean"
	default:
		return "a number"
	}
}

// Explanation says what an expression is for an event, and why.
type Explanation struct {
	Truth   Truth
	Reasons []Reason // none where a constant decided
}

// String returns the verdict and one line for each reason.
func (x Explanation) String() string {
	var b strings.Builder
	switch x.Truth {
	case True:
		b.WriteString("match")
	case False:
		b.WriteString("no match: the filter is false")
	default:
		b.WriteString("no match: the filter is unknown")
	}
	for _, r := range x.Reasons {
		b.WriteString("\n  ")
		b.WriteString(r.String())
		for i := len(r.Path) - 1; i >= 0; i-- {
			b.WriteString("\n    in ")
			b.WriteString(r.Path[i].String())
		}
	}
	return b.String()
}

// Explain evaluates an expression on an event as it was written and names the
// predicates that decided: of AND the first argument that is false, or else those
// that are unknown, or else all; of OR the first that is true, or else all. A predicate
// that Build refuses is unknown.
func Explain(x Expr, e *Event) Explanation { return explain(x, e, nil) }

// explain is Explain of what stands at the end of a path.
func explain(x Expr, e *Event, path []Step) Explanation {
	switch x.Form() {
	case FormPredicate:
		r := reason(&x.n.pred, e)
		r.Path = slices.Clone(path)
		return Explanation{Truth: r.Truth, Reasons: []Reason{r}}
	case FormAnd:
		return explainAll(x, e, path, 1)
	case FormOr:
		return explainAll(x, e, path, -1)
	case FormXor:
		a, b := explainArgument(x, e, path, 0), explainArgument(x, e, path, 1)
		switch {
		case a.Truth == Unknown && b.Truth != Unknown:
			return a
		case b.Truth == Unknown && a.Truth != Unknown:
			return b
		}
		a.Reasons = append(a.Reasons, b.Reasons...)
		a.Truth *= -b.Truth
		return a
	case FormNot:
		a := explainArgument(x, e, path, 0)
		a.Truth = -a.Truth
		return a
	default:
		if x.Value() {
			return Explanation{Truth: True}
		}
		return Explanation{Truth: False}
	}
}

func explainArgument(x Expr, e *Event, path []Step, i int) Explanation {
	return explain(x.At(i), e, append(path, Step{x.Form(), i, x.Len()}))
}

// explainAll is AND for sign 1 and OR for sign -1: it returns the first argument
// that decides, else all, but of an AND that is unknown without what is true.
func explainAll(x Expr, e *Event, path []Step, sign Truth) Explanation {
	all, holding := Explanation{Truth: sign}, []Reason(nil)
	for i := range x.Len() {
		one := explainArgument(x, e, path, i)
		switch {
		case one.Truth == -sign:
			return one
		case one.Truth == Unknown:
			all.Truth = Unknown
		case sign > 0:
			holding = append(holding, one.Reasons...)
			continue
		}
		all.Reasons = append(all.Reasons, one.Reasons...)
	}
	if all.Truth == True {
		all.Reasons = holding
	}
	return all
}

func reason(p *Predicate, e *Event) Reason {
	r := Reason{Predicate: *p}
	v := e.find(p.Attr)
	if v != nil {
		r.Found = *v
	}
	switch {
	case p.holds(v, true):
		r.Truth = True
	case p.holds(v, false):
		r.Truth = False
	}
	return r
}

// holds reports whether the predicate has the truth value for the attribute's
// value, nil if there is none.
func (p *Predicate) holds(v *Value, want bool) bool {
	parts, err := p.alternatives(nil, want)
	if err != nil {
		return false
	}
	for i := range parts {
		if v == nil && parts[i].kind == Missing || v != nil && parts[i].admits(v) {
			return true
		}
	}
	return false
}
