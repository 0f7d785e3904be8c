package figure

import (
	"math"
	"slices"
)

// Bounds of a chart; what is beyond could not be read.
const (
	MaxSeries = 12
	MaxPoints = 10_000 // of one series
	MaxMarks  = 8
	MaxText   = 120 // bytes of a title, label or name
)

// Chart is what is drawn.
type Chart struct {
	Title  string
	X, Y   Axis
	Series []Series
	Marks  []Mark
}

// Axis is one of the two axes.
type Axis struct {
	Label string
	Log   bool // ticks at 1, 2, 5, 10 and their decades, or at decades where there are many
	Bytes bool // values are bytes: ticks are KiB, MiB, GiB, on a logarithmic axis by powers of two
}

// Series is one line: the points X[i], Y[i], in their order.
type Series struct {
	Name string
	X, Y []float64
}

// Mark is a vertical line with a label.
type Mark struct {
	X     float64
	Label string
}

// extent is the range of values on an axis.
type extent struct{ low, high float64 }

func nothing() extent { return extent{math.Inf(1), math.Inf(-1)} }

func (e *extent) add(values ...float64) {
	for _, v := range values {
		e.low, e.high = min(e.low, v), max(e.high, v)
	}
}

// check refuses what cannot be drawn, and returns the ranges of the rest.
func (c *Chart) check() (x, y extent, err error) {
	x, y = nothing(), nothing()
	if len(c.Series) > MaxSeries || len(c.Marks) > MaxMarks || tooLong(c.Title, c.X.Label, c.Y.Label) {
		return x, y, &Error{Op: "chart", Kind: KindLimit}
	}
	for i := range c.Series {
		s := &c.Series[i]
		switch {
		case len(s.X) > MaxPoints || tooLong(s.Name):
			return x, y, &Error{Op: "series", Kind: KindLimit}
		case len(s.X) != len(s.Y) || !c.X.has(s.X...) || !c.Y.has(s.Y...):
			return x, y, &Error{Op: "series", Kind: KindData}
		}
		x.add(s.X...)
		y.add(s.Y...)
	}
	if x.low > x.high {
		return x, y, &Error{Op: "chart", Kind: KindEmpty}
	}
	for _, m := range c.Marks {
		switch {
		case tooLong(m.Label):
			return x, y, &Error{Op: "mark", Kind: KindLimit}
		case !c.X.has(m.X):
			return x, y, &Error{Op: "mark", Kind: KindData}
		}
		x.add(m.X)
	}
	return x, y, nil
}

func tooLong(texts ...string) bool {
	return slices.ContainsFunc(texts, func(s string) bool { return len(s) > MaxText })
}

// has says whether the axis has places for the values. The bound keeps sums of them finite.
func (a Axis) has(values ...float64) bool {
	const largest = 1e100
	for _, v := range values {
		if math.IsNaN(v) || math.Abs(v) > largest || a.Log && v < 1/largest {
			return false
		}
	}
	return true
}

// room widens a range so that points do not lie on the frame, and a range of one value has a width.
func (a Axis) room(e extent) extent {
	const part = 0.04
	if a.Log {
		w := max(math.Log(e.high/e.low)*part, math.Log(1.1))
		return extent{e.low * math.Exp(-w), e.high * math.Exp(w)}
	}
	if e.low > 0 {
		e.low = 0
	}
	w := (e.high - e.low) * part
	if w == 0 {
		w = 1
	}
	if e.low == 0 {
		return extent{0, e.high + w}
	}
	return extent{e.low - w, e.high + w}
}
