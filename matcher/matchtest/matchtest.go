// Package matchtest checks matchers: a linear oracle that evaluates expressions
// and predicates one by one, generators of them and of events for rapid, and a
// Memory that counts pages. It is imported by tests and benchmarks only. Nobody
// may lie to it, and it promises nothing but to be simple: it shares no
// evaluation code with package filter or matcher.
package matchtest

import (
	"math"
	"math/big"
	"strings"

	"github.com/scbr/scbr/matcher/filter"
)

// Holds evaluates a conjunction of predicates as they were written, without a
// normal form.
func Holds(preds []filter.Predicate, e filter.Event) bool {
	for _, p := range preds {
		v, ok := get(e, p.Attr)
		if !ok || !holds(p, v) {
			return false
		}
	}
	return true
}

func get(e filter.Event, name string) (filter.Value, bool) {
	for i := range e.Len() {
		if e.At(i).Name == name {
			return e.At(i).Value, true
		}
	}
	return filter.Value{}, false
}

func holds(p filter.Predicate, v filter.Value) bool {
	if p.Op == filter.Exists {
		return true
	}
	if p.Op == filter.Prefix {
		return v.Type() == filter.TypeString && strings.HasPrefix(v.Str(), p.Value.Str())
	}
	c, ok := compare(v, p.Value)
	if !ok {
		return false
	}
	switch p.Op {
	case filter.Eq:
		return c == 0
	case filter.Ne:
		return c != 0
	case filter.Lt:
		return c < 0
	case filter.Le:
		return c <= 0
	case filter.Gt:
		return c > 0
	case filter.Ge:
		return c >= 0
	case filter.Between:
		d, ok := compare(v, p.High)
		return ok && c >= 0 && d <= 0
	default:
		return false
	}
}

func compare(a, b filter.Value) (int, bool) {
	switch {
	case a.IsNumber() && b.IsNumber():
		return exact(a).Cmp(exact(b)), true
	case a.Type() != b.Type():
		return 0, false
	case a.Type() == filter.TypeString:
		return strings.Compare(a.Str(), b.Str()), true
	case a.Bool() == b.Bool():
		return 0, true
	}
	return 1, true
}

// exact holds every int64 and float64 without rounding.
func exact(v filter.Value) *big.Float {
	x := new(big.Float).SetPrec(64)
	if v.Type() == filter.TypeInt {
		return x.SetInt64(v.Int())
	}
	if math.IsInf(v.Float(), 0) {
		return x.SetInf(v.Float() < 0)
	}
	return x.SetFloat64(v.Float())
}

// Oracle is a matcher that tries every filter.
type Oracle struct {
	subs []Subscription
}

// Subscription is one entry of an Oracle.
type Subscription struct {
	Expr   filter.Expr   // as it was written
	Filter filter.Filter // its normal form, for covering
	Tag    uint64
}

// Conjoined is the expression of predicates that all have to hold.
func Conjoined(preds []filter.Predicate) filter.Expr {
	all := make([]filter.Expr, len(preds))
	for i, p := range preds {
		all[i] = filter.Is(p)
	}
	return filter.And(all...)
}

// Insert adds a subscription.
func (o *Oracle) Insert(s Subscription) { o.subs = append(o.subs, s) }

// Remove takes out the subscription with a tag.
func (o *Oracle) Remove(tag uint64) {
	for i := range o.subs {
		if o.subs[i].Tag == tag {
			o.subs = append(o.subs[:i], o.subs[i+1:]...)
			return
		}
	}
}

// Len returns the number of subscriptions.
func (o *Oracle) Len() int { return len(o.subs) }

// At returns subscription i of 0..Len()-1.
func (o *Oracle) At(i int) Subscription { return o.subs[i] }

// Match returns the tags of the matching subscriptions in order of insertion.
func (o *Oracle) Match(e filter.Event) []uint64 {
	tags := []uint64{}
	for _, s := range o.subs {
		if Eval(s.Expr, &e) == filter.True {
			tags = append(tags, s.Tag)
		}
	}
	return tags
}

// Covered reports whether a subscription's filter covers f.
func (o *Oracle) Covered(f filter.Filter) bool {
	for _, s := range o.subs {
		if s.Filter.Covers(f) {
			return true
		}
	}
	return false
}
