package figure

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

const (
	// fewTicks is how many labels an axis has room for.
	fewTicks = 12
	// maxTicks bounds the ticks of an axis: it has two hundred decades at most.
	maxTicks = 2000
)

// ticks are the marks of an axis.
type ticks Axis

// Ticks returns those between low and high.
func (t ticks) Ticks(low, high float64) []plot.Tick {
	switch {
	case t.Log && t.Bytes:
		return doublings(low, high)
	case t.Log:
		return decades(low, high)
	case t.Bytes:
		return even(low, high, 1024, size)
	default:
		return even(low, high, 1000, number)
	}
}

// decades labels 1, 2 and 5 of each decade, or as many of them as there is room for.
func decades(low, high float64) []plot.Tick {
	var all []plot.Tick
	span := math.Log10(high / low)
	labelled := map[int]bool{1: true, 2: 3*span <= fewTicks, 5: 3*span <= fewTicks}
	every := 1 + int(span/fewTicks)
	for exp := int(math.Floor(math.Log10(low))); exp <= int(math.Ceil(math.Log10(high))) && len(all) < maxTicks; exp++ {
		for digit := 1; digit < 10; digit++ {
			v := decimal(digit, exp)
			if v < low || v > high {
				continue
			}
			tick := plot.Tick{Value: v}
			if labelled[digit] && exp%every == 0 {
				tick.Label = number(v)
			}
			all = append(all, tick)
		}
	}
	return all
}

// decimal is digit times ten to the exp, without the error of a product.
func decimal(digit, exp int) float64 {
	v, err := strconv.ParseFloat(fmt.Sprintf("%de%d", digit, exp), 64)
	if err != nil {
		return math.Inf(1)
	}
	return v
}

// doublings labels powers of two, or every second, fourth... where there are many.
func doublings(low, high float64) []plot.Tick {
	var all []plot.Tick
	every := 1
	for math.Log2(high/low) > float64(fewTicks*every) {
		every *= 2
	}
	for exp := int(math.Floor(math.Log2(low))); exp <= int(math.Ceil(math.Log2(high))) && len(all) < maxTicks; exp++ {
		v := math.Ldexp(1, exp)
		if v < low || v > high {
			continue
		}
		tick := plot.Tick{Value: v}
		if exp%every == 0 {
			tick.Label = size(v)
		}
		all = append(all, tick)
	}
	return all
}

// even labels multiples of 1, 2 or 5 times a power of ten, in units of base.
func even(low, high, base float64, label func(float64) string) []plot.Tick {
	unit := 1.0
	for base == 1024 && max(math.Abs(low), high) >= unit*base {
		unit *= base
	}
	step := nice((high - low) / unit / (fewTicks / 2))
	var all []plot.Tick
	for i := math.Ceil(low / unit / step); i*step <= high/unit && len(all) < maxTicks; i++ {
		v := i * step * unit
		all = append(all, plot.Tick{Value: v, Label: label(v)})
	}
	return all
}

// nice rounds up to 1, 2 or 5 times a power of ten.
func nice(x float64) float64 {
	exp := int(math.Floor(math.Log10(x)))
	for _, digit := range []int{1, 2, 5} {
		if v := decimal(digit, exp); v >= x {
			return v
		}
	}
	return decimal(1, exp+1)
}

// number writes thousands as k, millions as M, billions as G.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e12:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case a >= 1e9:
		return short(v/1e9) + "G"
	case a >= 1e6:
		return short(v/1e6) + "M"
	case a >= 1e3:
		return short(v/1e3) + "k"
	default:
		return short(v)
	}
}

// size writes bytes in the largest binary unit that is not larger.
func size(v float64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if one := math.Ldexp(1, 40-10*i); math.Abs(v) >= one {
			return short(v/one) + " " + unit
		}
	}
	return short(v) + " B"
}

func short(v float64) string {
	const digits = 4
	return strconv.FormatFloat(v, 'g', digits, 64)
}
