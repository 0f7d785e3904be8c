package filter

import (
	"cmp"
	"slices"
	"strconv"
)

// Build returns the normal form of an expression: the filter that matches the
// events for which the expression is true. An expression that is not true but
// unknown does not match, and neither does its negation. What New refuses is
// refused, and what comes to more than MaxConjunctions with Kind TooWide.
func Build(x Expr) (Filter, error) {
	switch {
	case x.count() > MaxTerms:
		return Filter{}, fault(TooMany, -1, beyond("more predicates than an expression may have", MaxTerms, ""))
	case x.weight() > MaxPredicates:
		return Filter{}, tooMany()
	case x.levels() > maxLevels:
		return Filter{}, fault(TooDeep, -1, beyond("expression higher than its limit", maxLevels, ""))
	}
	if err := x.check(); err != nil {
		return Filter{}, err
	}
	return build(x)
}

// check looks at every predicate, also at those that no normal form needs.
func (x Expr) check() error {
	if x.Form() == FormPredicate {
		_, err := x.n.pred.alternatives(nil, true)
		return err
	}
	for i := range x.Len() {
		if err := x.At(i).check(); err != nil {
			return err
		}
	}
	return nil
}

func build(x Expr) (Filter, error) {
	var b builder
	all, err := b.expand(x, true)
	if err != nil {
		return Filter{}, err
	}
	all = reduce(all)
	if len(all) > MaxConjunctions {
		return Filter{}, tooWide("alternatives: "+strconv.Itoa(len(all)), MaxConjunctions)
	}
	return finish(all)
}

func tooWide(what string, limit int) *Error {
	return fault(TooWide, -1, beyond(what+" conjunctions, beyond their limit", limit, ""))
}

// builder makes disjunctive forms and counts what it makes.
type builder struct {
	made int
	memo map[*node]both
}

// both are the events for which an expression is true, and those for which it
// is false.
type both struct {
	yes, no []Conjunction
}

// expand returns conjunctions that cover exactly the events for which x is
// true, or false where want is false. Going down with what is wanted instead of
// negating keeps the third truth value apart: it is never wanted.
func (b *builder) expand(x Expr, want bool) ([]Conjunction, error) {
	switch x.Form() {
	case FormNot:
		return b.expand(x.At(0), !want)
	case FormAnd:
		return b.join(x, want, want)
	case FormOr:
		return b.join(x, !want, want)
	case FormXor:
		return b.xor(x, want)
	case FormPredicate:
		return b.predicate(x, want)
	default:
		if x.Value() != want {
			return nil, nil
		}
		return []Conjunction{{}}, nil
	}
}

func (b *builder) predicate(x Expr, want bool) ([]Conjunction, error) {
	parts, err := x.n.pred.alternatives(nil, want)
	if err != nil {
		return nil, err
	}
	var all []Conjunction
	for i := range parts {
		c, ok, err := newConjunction(parts[i : i+1])
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, c)
		}
	}
	return all, nil
}

// join takes the arguments' forms together: all of them or any of them.
func (b *builder) join(x Expr, all, want bool) ([]Conjunction, error) {
	lists := make([][]Conjunction, 0, x.Len())
	for i := range x.Len() {
		one, err := b.expand(x.At(i), want)
		if err != nil {
			return nil, err
		}
		lists = append(lists, one)
	}
	if all {
		return b.product(lists)
	}
	return union(lists...)
}

func (b *builder) xor(x Expr, want bool) ([]Conjunction, error) {
	if known, ok := b.memo[x.n]; ok {
		return known.side(want), nil
	}
	var args [2]both
	for i := range args {
		var err error
		if args[i].yes, err = b.expand(x.At(i), true); err != nil {
			return nil, err
		}
		if args[i].no, err = b.expand(x.At(i), false); err != nil {
			return nil, err
		}
	}
	var known both
	var err error
	if known.yes, err = b.either(args[0].yes, args[1].no, args[0].no, args[1].yes); err != nil {
		return nil, err
	}
	if known.no, err = b.either(args[0].yes, args[1].yes, args[0].no, args[1].no); err != nil {
		return nil, err
	}
	if b.memo == nil {
		b.memo = map[*node]both{}
	}
	b.memo[x.n] = known
	return known.side(want), nil
}

func (k both) side(want bool) []Conjunction {
	if want {
		return k.yes
	}
	return k.no
}

// either is p and q, or r and s.
func (b *builder) either(p, q, r, s []Conjunction) ([]Conjunction, error) {
	left, err := b.product([][]Conjunction{p, q})
	if err != nil {
		return nil, err
	}
	right, err := b.product([][]Conjunction{r, s})
	if err != nil {
		return nil, err
	}
	return union(left, right)
}

func union(lists ...[]Conjunction) ([]Conjunction, error) {
	all := slices.Concat(lists...)
	if len(all) > MaxConjunctions {
		all = distinct(all)
	}
	if len(all) > MaxExpansion {
		return nil, tooWide("more than "+strconv.Itoa(MaxExpansion), MaxConjunctions)
	}
	return all, nil
}

// product takes the shortest lists first: those of single predicates are merged
// at once, and may leave little of the others.
func (b *builder) product(lists [][]Conjunction) ([]Conjunction, error) {
	slices.SortStableFunc(lists, func(x, y []Conjunction) int { return cmp.Compare(len(x), len(y)) })
	var parts []Constraint
	for len(lists) > 0 && len(lists[0]) == 1 {
		parts = append(parts, lists[0][0].constraints...)
		lists = lists[1:]
	}
	if len(lists) > 0 && len(lists[0]) == 0 {
		return nil, nil
	}
	c, ok, err := newConjunction(parts)
	if err != nil || !ok {
		return nil, err
	}
	all := []Conjunction{c}
	for _, list := range lists {
		if all, err = b.cross(all, list); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (b *builder) cross(x, y []Conjunction) ([]Conjunction, error) {
	if b.made += len(x) * len(y); b.made > MaxExpansion {
		return nil, tooWide("more than "+strconv.Itoa(MaxExpansion), MaxConjunctions)
	}
	all := make([]Conjunction, 0, len(x)*len(y))
	for i := range x {
		for j := range y {
			c, ok, err := newConjunction(slices.Concat(x[i].constraints, y[j].constraints))
			if err != nil {
				return nil, err
			}
			if ok {
				all = append(all, c)
			}
		}
	}
	return distinct(all), nil
}
