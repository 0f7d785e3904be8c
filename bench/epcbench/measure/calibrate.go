package measure

import "time"

const (
	// calibrationPages are resident while a fault is timed, and calibrationFaults
	// are timed: each evicts a page that was written and loads one.
	calibrationPages  = 128
	calibrationFaults = 4 * calibrationPages
	calibrationRounds = 3
)

// calibrate times a fault of the pager that evicts a page and loads another: the
// median of a few rounds, in microseconds.
func calibrate(start func(size int) (Region, error)) (float64, error) {
	region, err := start(2 * calibrationPages * pageBytes)
	if err != nil {
		return 0, err
	}
	defer region.Close() //nolint:errcheck // nothing in it is needed
	if err := region.Limit(calibrationPages); err != nil {
		return 0, err
	}
	bytes := region.Bytes()
	touch := func(n int) {
		for i := range n {
			bytes[i%(2*calibrationPages)*pageBytes]++
		}
	}
	touch(2 * calibrationPages) // each for the first time
	all := make([]float64, 0, calibrationRounds)
	for range calibrationRounds {
		before, err := region.Loads()
		if err != nil {
			return 0, err
		}
		begin := time.Now()
		touch(calibrationFaults)
		spent := time.Since(begin)
		after, err := region.Loads()
		if err != nil {
			return 0, err
		}
		all = append(all, float64(spent.Nanoseconds())/nsPerUs/float64(max(after-before, 1)))
	}
	return rounded(median(all)), nil
}
