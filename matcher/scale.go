package matcher

import (
	"math"
	"slices"
)

// Cells of an attribute's value. Numbers fall on a scale of numberCells cells,
// strings into one of stringCells by their hash; the cells around them say
// that the attribute is absent, or a boolean, and stand for the open sides of
// intervals, so that one comparison of bytes tells types apart as well.
const (
	cellAbsent  = 0
	cellBool    = 1
	cellLow     = 2 // below every number
	cellFirst   = 3
	cellLast    = 189
	cellHigh    = 190 // above every number
	cellString  = 192
	cellNone    = 128 // of the slot that no attribute has
	cellTop     = 255
	numberCells = cellLast - cellFirst + 1
	stringCells = cellTop - cellString + 1
)

// scale maps numbers to cells: monotone, so that a cell below another one
// proves that the number is. It is linear in the number or, where step is
// negative, in the bits of its float64, which is nearly its logarithm.
type scale struct {
	base float64
	step float32 // cells to a unit
}

// ordinal is where a float stands among all floats.
func ordinal(f float64) float64 {
	b := int64(math.Float64bits(f))
	if b < 0 {
		b = math.MinInt64 - b // -0 and 0 have one place
	}
	return float64(b)
}

// cell returns the cell of a number.
func (c scale) cell(f float64) byte {
	step := float64(c.step)
	if step < 0 {
		f, step = ordinal(f), -step
	}
	return cellAt((f - c.base) * step)
}

// topCell is the bits of the last place on a scale.
const topCell = 0x4067400000000000 // 186

// cellAt is the cell of a number's place on a scale. Values come in no order, so
// it has no branches: the bits of floats that are not negative order as integers,
// those of the others are negative.
func cellAt(x float64) byte {
	b := min(max(int64(math.Float64bits(x)), 0), topCell) // #nosec G115 -- the sign is wanted
	return cellFirst + byte(int32(math.Float64frombits(uint64(b))))
}

const (
	// sampleLanes is how many lanes of a page lend their ends to a scale, and
	// sampleEnds how many of one attribute it is fitted to; more would hardly
	// move its quantiles by a cell.
	sampleLanes = 256
	sampleEnds  = 64
	// fittedCells is how many cells lie between the ends that a scale is fitted
	// to, and keptCells how many are enough not to fit it anew. Where a cluster
	// has several pages fewer do: a page is one part of it in order, and its
	// scales are better shared with the others than finer.
	fittedCells = numberCells * 3 / 4
	keptCells   = numberCells * 5 / 9
	sharedCells = numberCells / 8
)

// fit makes a scale for numbers like those in ends, which it rearranges. Some at
// either side count as outliers, so that one of them cannot flatten the rest.
func fit(ends []float64) scale {
	if len(ends) == 0 {
		return scale{0, 1}
	}
	return fitInner(innerEnds(ends))
}

// fitLike is fit, unless there is a scale that has so many cells for these
// numbers and has them all inside.
func fitLike(ends []float64, old scale, kept byte) scale {
	if len(ends) == 0 {
		return old
	}
	inner := innerEnds(ends)
	c := fitInner(inner)
	lo, hi := old.cell(inner[0]), old.cell(inner[len(inner)-1])
	if (old.step < 0) == (c.step < 0) && lo > cellFirst && hi < cellLast && hi-lo >= kept {
		return old
	}
	return c
}

// innerEnds is a sorted sample of ends without its outliers.
func innerEnds(ends []float64) []float64 {
	if len(ends) > 2*sampleEnds {
		step := len(ends)/sampleEnds | 1 // odd: low and high ends alternate
		for i := range sampleEnds {
			ends[i] = ends[i*step%len(ends)]
		}
		ends = ends[:sampleEnds]
	}
	slices.Sort(ends)
	cut := len(ends) / 16
	return ends[cut : len(ends)-cut]
}

func fitInner(inner []float64) scale {
	line := between(inner[0], inner[len(inner)-1], 1)
	curve := between(ordinal(inner[0]), ordinal(inner[len(inner)-1]), -1)
	if 2*line.spread(inner) >= curve.spread(inner) {
		return line
	}
	return curve
}

// between is the scale that has an eighth of its cells beyond either end.
func between(lo, hi float64, sign float32) scale {
	span := hi - lo
	if !(span > 0) {
		span = max(math.Abs(lo)/numberCells, 1)
	}
	step := fittedCells / span
	if !(step > 1e-30 && step < 1e30) || math.IsInf(span, 0) {
		step = 1e-30
	}
	return scale{lo - span/6, sign * float32(step)}
}

// spread counts the cells that sorted numbers fall into.
func (c scale) spread(sorted []float64) int {
	n, last := 0, byte(0)
	for _, f := range sorted {
		if x := c.cell(f); x != last {
			n, last = n+1, x
		}
	}
	return n
}
