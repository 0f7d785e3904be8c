package matcher

import (
	"math"

	"github.com/scbr/scbr/matcher/filter"
)

const (
	// maxRows is how many attributes of a filter the kernel looks at. Filters
	// with more are rare, and the four narrowest exclude nearly everything.
	maxRows = 4
	// unboundedLow and unboundedHigh are the halves of open sides.
	unboundedLow  = math.MinInt32
	unboundedHigh = math.MaxInt32
	// maxHalf bounds integers that have a half: twice as much fits int32 between
	// the open sides.
	maxHalf = 1 << 30
)

// rowKind is what a row admits, as far as cells tell.
type rowKind uint8

const (
	rowNumbers rowKind = iota // numbers between two ends
	rowText                   // the strings of one cell
	rowTexts                  // all strings
	rowBool                   // booleans
	rowMixed                  // values of several types, or of any
	rowMissing                // no value
)

// row is one constraint of a lane as the kernel sees it: never narrower than
// the constraint.
type row struct {
	name       uint32
	kind       rowKind
	text       byte    // rowText: the cell
	lo, hi     float64 // rowNumbers; infinite if open
	hlo, hhi   int32   // halves of the ends, if compact
	compact    bool    // the halves say everything
	complete   bool    // a number strictly inside the cells satisfies the constraint
	selectable uint8   // rank as the primary row: lower is narrower
}

// half is a number's place among the integers and the gaps between them: twice
// the integer, or one more for what is between it and the next. Intervals with
// integer ends, open or closed, are closed intervals of halves.
func half(v filter.Value) int32 {
	if v.Type() == filter.TypeInt {
		return halfInt(v.Int())
	}
	return halfFloat(v.Float())
}

func halfInt(i int64) int32 {
	if i >= maxHalf {
		return unboundedHigh
	}
	if i <= -maxHalf {
		return unboundedLow
	}
	return int32(2 * i)
}

func halfFloat(f float64) int32 {
	if f >= maxHalf {
		return unboundedHigh
	}
	if f <= -maxHalf {
		return unboundedLow
	}
	floor := math.Floor(f)
	h := int32(2 * int64(floor))
	if f > floor {
		h++
	}
	return h
}

func number(v filter.Value) float64 {
	if v.Type() == filter.TypeInt {
		return float64(v.Int())
	}
	return v.Float()
}

// halves returns the halves of an interval's ends, and whether they say all of it.
func halves(lo, hi filter.Bound) (hlo, hhi int32, exact bool) {
	hlo, hhi, exact = unboundedLow, unboundedHigh, true
	if lo.Set {
		hlo = half(lo.Value)
		exact = hlo&1 == 0 && hlo > unboundedLow && hlo < unboundedHigh-1
		if lo.Open && exact {
			hlo++
		}
	}
	if hi.Set {
		hhi = half(hi.Value)
		exact = exact && hhi&1 == 0 && hhi > unboundedLow+1 && hhi < unboundedHigh
		if hi.Open && hhi&1 == 0 && hhi > unboundedLow {
			hhi--
		}
	}
	return hlo, hhi, exact
}

// newRow says what the kernel can know of a constraint.
func (s *Store) newRow(name uint32, c *filter.Constraint) row {
	r := row{name: name, kind: rowMixed, selectable: 5}
	switch c.Kind() {
	case filter.Point:
		r.point(s, c.Point())
	case filter.Numbers:
		r.kind, r.selectable = rowNumbers, 3
		r.ends(c.Low(), c.High())
		if c.Low().Set && c.High().Set {
			r.selectable = 1
		}
		if c.Excluded() > 0 {
			r.compact, r.complete = false, false
		}
	case filter.Strings:
		r.kind, r.selectable = rowTexts, 4
	case filter.Set:
		r.members(c)
	case filter.Missing:
		r.kind = rowMissing
	case filter.Any:
		r.complete = true
	}
	return r
}

func (r *row) point(s *Store, v filter.Value) {
	switch v.Type() {
	case filter.TypeString:
		r.kind, r.text, r.selectable = rowText, textCell(s.hash.text(v.Str())), 2
	case filter.TypeBool:
		r.kind = rowBool
	default:
		r.kind, r.selectable = rowNumbers, 0
		end := filter.Bound{Value: v, Set: true}
		r.ends(end, end)
	}
}

func (r *row) ends(lo, hi filter.Bound) {
	r.lo, r.hi = math.Inf(-1), math.Inf(1)
	if lo.Set {
		r.lo = number(lo.Value)
	}
	if hi.Set {
		r.hi = number(hi.Value)
	}
	r.hlo, r.hhi, r.compact = halves(lo, hi)
	r.complete = true
}

// members is the hull of a set of values of one type.
func (r *row) members(c *filter.Constraint) {
	first := c.MemberAt(0)
	for i := range c.Members() {
		v := c.MemberAt(i)
		if v.Type() != first.Type() && (!v.IsNumber() || !first.IsNumber()) {
			return
		}
	}
	switch {
	case first.IsNumber():
		r.kind, r.selectable = rowNumbers, 1
		lo, hi := first, first
		for i := range c.Members() {
			v := c.MemberAt(i)
			if order, _ := v.Compare(lo); order < 0 {
				lo = v
			}
			if order, _ := v.Compare(hi); order > 0 {
				hi = v
			}
		}
		r.ends(filter.Bound{Value: lo, Set: true}, filter.Bound{Value: hi, Set: true})
		r.compact, r.complete = false, false
	case first.Type() == filter.TypeString:
		r.kind, r.selectable = rowTexts, 4
	default:
		r.kind = rowBool
	}
}

func textCell(hash uint64) byte { return cellString + byte(hash>>58) }

// cells returns the row's cells on a scale.
func (r *row) cells(c scale) (lo, hi byte) {
	switch r.kind {
	case rowNumbers:
		lo, hi = cellLow, cellHigh
		if !math.IsInf(r.lo, -1) {
			lo = c.cell(r.lo)
		}
		if !math.IsInf(r.hi, 1) {
			hi = c.cell(r.hi)
		}
		return lo, hi
	case rowText:
		return r.text, r.text
	case rowTexts:
		return cellString - 1, cellTop
	case rowBool:
		return cellBool, cellBool
	case rowMissing:
		return cellAbsent, cellAbsent
	default:
		return cellBool, cellTop
	}
}

// lane is a conjunction on its way into a block or out of one.
type lane struct {
	tag     uint64 // or the reference of the whole it is a part of
	order   uint64
	handle  uint32
	list    uint32 // the interned constraint list, 0 if compact
	n       int    // rows
	part    bool
	inexact bool // also inside the cells, the constraint list decides
	rows    [maxRows]row
}

func (l *lane) general() bool { return l.list != 0 }

// Parts of the order of lanes, from the top: general, number of rows, sides and
// name of the primary row, and where it begins. Lanes that are near in this
// order exclude the same events. What differs above placeBits is another group.
const (
	orderGeneral = 1 << 63
	orderRows    = 60
	orderSides   = 58
	placeBits    = 30
	nameBits     = orderSides - placeBits
)

// setOrder computes the lane's place; the primary row is row 0.
func (l *lane) setOrder() {
	order := uint64(l.n) << orderRows
	if l.list != 0 {
		order |= orderGeneral
	}
	if l.n > 0 {
		r := &l.rows[0]
		order |= uint64(r.name&(1<<nameBits-1)) << placeBits
		switch {
		case r.kind != rowNumbers:
			order |= uint64(r.text)
		case !math.IsInf(r.lo, -1):
			order |= floatKey(r.lo) >> (64 - placeBits)
			if math.IsInf(r.hi, 1) {
				order |= 1 << orderSides
			} else {
				order |= 2 << orderSides
			}
		default:
			order |= 3<<orderSides | floatKey(r.hi)>>(64-placeBits)
		}
	}
	l.order = order
}

func group(order uint64) uint64 { return order >> placeBits }

// compactRow is the row that two halves stand for.
func compactRow(name uint32, hlo, hhi int32) row {
	r := row{name: name, lo: math.Inf(-1), hi: math.Inf(1), hlo: hlo, hhi: hhi, compact: true, complete: true}
	if hlo != unboundedLow {
		r.lo = float64(hlo >> 1)
	}
	if hhi != unboundedHigh {
		r.hi = float64((int64(hhi) + 1) >> 1)
	}
	return r
}
