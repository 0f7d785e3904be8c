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

// closed is the bound at a number, which belongs to the interval.
func closed(v filter.Value) bound {
	if v.Type() == filter.TypeFloat {
		return bound{bits: math.Float64bits(v.Float()), typ: filter.TypeFloat}
	}
	return bound{bits: uint64(v.Int()), typ: filter.TypeInt}
}

func opened(v filter.Value) bound {
	b := closed(v)
	b.open = true
	return b
}

func (b bound) set() bool { return b.typ != 0 }

// compare orders a number against the bound, exactly.
func (b bound) compare(v filter.Value) int {
	at := filter.Int(int64(b.bits))
	if b.typ == filter.TypeFloat {
		at, _ = filter.Float(math.Float64frombits(b.bits)) // finite: filter.New saw it
	}
	order, _ := v.Compare(at)
	return order
}

// value is the number at a bound that is set.
func (b bound) value() filter.Value {
	if b.typ == filter.TypeInt {
		return filter.Int(int64(b.bits))
	}
	v, _ := filter.Float(math.Float64frombits(b.bits))
	return v
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

// narrow intersects c with d, on the same attribute; false means nothing is
// left. Numbers are a dense order.
func (c *constraint) narrow(d *constraint) bool {
	if c.isText || d.isText {
		return c.covers(d)
	}
	if tighterLow(d.lo, c.lo) {
		c.lo = d.lo
	}
	if tighterHigh(d.hi, c.hi) {
		c.hi = d.hi
	}
	return !c.contradicts()
}

func (c *constraint) contradicts() bool {
	if c.isText || !c.lo.set() || !c.hi.set() {
		return false
	}
	order := c.hi.compare(c.lo.value())
	return order > 0 || order == 0 && (c.lo.open || c.hi.open)
}
