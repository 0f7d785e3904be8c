package measure

import (
	"math"
	"slices"
	"time"

	"github.com/scbr/scbr/client/cputime"
)

const (
	// passes is odd, so that the median is a pass that took place.
	passes = 5
	// passTime is what a pass takes at least, so that neither the clock nor one
	// interrupt shows in it.
	passTime = 30 * time.Millisecond
	// warmTime bounds the first look at slow structures; the passes then run over
	// the items that it reached.
	warmTime = 500 * time.Millisecond
	// warmItems is the number of items that are tried whatever they cost.
	warmItems = 20
	// maxRounds bounds the repetitions in a pass where the clock stands still.
	maxRounds = 10_000
	// calibrationSteps take about 20 ms.
	calibrationSteps = 1 << 24
	// multiplier and increment are Knuth's, of MMIX.
	multiplier = 6364136223846793005
	increment  = 1
)

// span does the items from..to-1 of some work.
type span func(from, to int)

// timing is what repeated passes over some work came to.
type timing struct {
	ns    float64 // CPU time of an item, the median pass's
	items int     // in a pass; fewer than there are where they are slow
}

// timed runs a warm-up and then the passes. With no items it returns zeros.
func timed(items int, do span) timing {
	if items <= 0 {
		return timing{}
	}
	begin, done := cputime.Thread(), 0
	for step := warmItems; done < items && (done == 0 || cputime.Thread()-begin < warmTime); step *= 2 {
		to := min(done+step, items)
		do(done, to)
		done = to
	}
	rounds := roundsFor(cputime.Thread() - begin)
	all := make([]float64, 0, passes)
	for range passes {
		begin := cputime.Thread()
		for range rounds {
			do(0, done)
		}
		all = append(all, float64(cputime.Thread()-begin)/float64(rounds*done))
	}
	return timing{ns: median(all), items: done}
}

// roundsFor is how often work that takes once goes into a pass.
func roundsFor(once time.Duration) int {
	if once <= 0 {
		return maxRounds
	}
	return int(min(max((passTime+once-1)/once, 1), maxRounds))
}

// median sorts x and returns its middle, or the mean of both. That of nothing is
// not a number.
func median(x []float64) float64 {
	slices.Sort(x)
	switch n := len(x); {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return x[n/2]
	default:
		return (x[n/2-1] + x[n/2]) / 2
	}
}

// calibrate returns the CPU nanoseconds of one dependent multiplication and
// addition, and the end of the chain, so that it cannot be left out.
func calibrate(steps int) (ns float64, end uint64) {
	begin := cputime.Thread()
	x := uint64(1)
	for range steps {
		x = x*multiplier + increment
	}
	return float64(cputime.Thread()-begin) / float64(steps), x
}
