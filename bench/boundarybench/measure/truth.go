package measure

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/matcher/filter"
)

// truth is what a linear scan says: for each event the tags that match, ascending.
type truth [][]uint64

// scan evaluates a chunk of filters on all events, on all cores.
func (t truth) scan(first int, filters []filter.Filter, events []filter.Event) {
	workers := runtime.GOMAXPROCS(0)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := w; i < len(events); i += workers {
				for j := range filters {
					if filters[j].Match(&events[i]) {
						t[i] = append(t[i], uint64(first)+uint64(j))
					}
				}
			}
		})
	}
	wait.Wait()
}

// pairs are the matches of all events.
func (t truth) pairs() (n int) {
	for _, tags := range t {
		n += len(tags)
	}
	return n
}

// envelopes are the pairs of event and session.
func (t truth) envelopes() (n int) {
	for _, tags := range t {
		var seen [sessions]bool
		for _, tag := range tags {
			if !seen[tag%sessions] {
				seen[tag%sessions] = true
				n++
			}
		}
	}
	return n
}

// compare checks answers, which it sorts.
func (t truth) compare(side string, got [][]uint64) error {
	for i, want := range t {
		slices.Sort(got[i])
		if !slices.Equal(got[i], want) {
			return fmt.Errorf("%w: %s, event %d: %d matches instead of %d, or others", harness.ErrMismatch, side, i, len(got[i]), len(want))
		}
	}
	return nil
}
