package poset

import (
	"bytes"
	"math"

	"github.com/scbr/scbr/matcher/filter"
)

// bound is one end of an interval of numbers; typ 0 is no end.
type bound struct {
	bits uint64
	typ  filter.Type
	open bool // the number itself is outside
}

// boundAt is an end of an interval in package filter's normal form.
func boundAt(b filter.Bound) bound {
	switch {
	case !b.Set:
		return bound{}
	case b.Value.Type() == filter.TypeFloat:
		return bound{bits: math.Float64bits(b.Value.Float()), typ: filter.TypeFloat, open: b.Open}
	}
	return bound{bits: uint64(b.Value.Int()), typ: filter.TypeInt, open: b.Open}
}

func (b bound) set() bool { return b.typ != 0 }

// value is the number at a bound that is set.
func (b bound) value() filter.Value {
	if b.typ == filter.TypeInt {
		return filter.Int(int64(b.bits))
	}
	v, _ := filter.Float(math.Float64frombits(b.bits)) // finite: filter.New saw it
	return v
}

// compare orders a number against the bound, exactly.
func (b bound) compare(v filter.Value) int {
	order, _ := v.Compare(b.value())
	return order
}

// constraint is everything a filter says about one attribute: one string, or an
// interval of numbers.
type constraint struct {
	name   []byte
	text   []byte
	isText bool
	lo, hi bound
}

func (c *constraint) admits(v filter.Value) bool {
	if c.isText {
		return v.Type() == filter.TypeString && string(c.text) == v.Str()
	}
	if !v.IsNumber() {
		return false
	}
	if c.lo.set() {
		if order := c.lo.compare(v); order < 0 || order == 0 && c.lo.open {
			return false
		}
	}
	if c.hi.set() {
		if order := c.hi.compare(v); order > 0 || order == 0 && c.hi.open {
			return false
		}
	}
	return true
}

// covers reports whether c admits everything that d admits.
func (c *constraint) covers(d *constraint) bool {
	if c.isText || d.isText {
		return c.isText && d.isText && bytes.Equal(c.text, d.text)
	}
	return !tighterLow(c.lo, d.lo) && !tighterHigh(c.hi, d.hi)
}

// tighterLow reports whether low end c leaves out something that d admits.
func tighterLow(c, d bound) bool {
	if !c.set() || !d.set() {
		return c.set()
	}
	order := d.compare(c.value())
	return order > 0 || order == 0 && c.open && !d.open
}

func tighterHigh(c, d bound) bool {
	if !c.set() || !d.set() {
		return c.set()
	}
	order := d.compare(c.value())
	return order < 0 || order == 0 && c.open && !d.open
}
