package measure

import (
	"errors"
	"fmt"
	"iter"

	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	// events are more than a pass takes, and than the caches hold the clusters of.
	events = 20_000
	// probes are the events whose answers are compared with the linear scan's: it
	// looks at each filter once for each of them.
	probes = 3
)

// subscription is one of the workload's.
type subscription struct {
	preds  []filter.Predicate
	filter filter.Filter
	tag    uint64
}

// answer is what matches an event: how many, and a sum that tells which.
type answer struct {
	count int
	sum   uint64
}

func (a *answer) add(tag uint64) {
	const odd = 0x9e3779b97f4a7c15 // spreads tags over the sum
	a.count++
	x := (tag + 1) * odd
	a.sum += x ^ x>>29
}

// feed hands out the subscriptions of a workload, and keeps the linear scan's
// answers to the first events over those that it handed out.
type feed struct {
	events []filter.Event
	next   func() (subscription, error, bool)
	stop   func()
	count  int
	truth  [probes]answer
}

var errStopped = errors.New("stopped")

func newFeed(name string) (*feed, error) {
	all, err := workload.Events(name, events, workload.DefaultSeed)
	if err != nil {
		return nil, err
	}
	f := &feed{events: all}
	f.next, f.stop = iter.Pull2(func(yield func(subscription, error) bool) {
		err := workload.EachFilter(name, MaxSubscriptions, workload.DefaultSeed, func(i int, preds []filter.Predicate) error {
			made, err := filter.New(preds...)
			if err == nil && !yield(subscription{preds: preds, filter: made, tag: uint64(i)}, nil) {
				err = errStopped
			}
			return err
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(subscription{}, err)
		}
	})
	return f, nil
}

// take returns the next subscription. Its predicates are good until the next call.
func (f *feed) take() (subscription, error) {
	s, err, ok := f.next()
	if err == nil && !ok {
		err = fmt.Errorf("%w: more than %d subscriptions", ErrJob, MaxSubscriptions)
	}
	if err != nil {
		return s, err
	}
	f.count++
	for i := range f.truth {
		if s.filter.Match(&f.events[i]) {
			f.truth[i].add(s.tag)
		}
	}
	return s, nil
}

// check compares a store's answers with the linear scan's.
func (f *feed) check(s store) error {
	for i, want := range f.truth {
		var got answer
		s.match(f.events[i:i+1], func(tags []uint64) {
			for _, tag := range tags {
				got.add(tag)
			}
		})
		if got != want {
			return fmt.Errorf("%w: event %d has %d matches, not %d, or others", harness.ErrMismatch, i, got.count, want.count)
		}
	}
	return nil
}

// window returns n events from a place on, which wraps around.
func (f *feed) window(from, n int) []filter.Event {
	n = min(n, len(f.events))
	from = ((from % len(f.events)) + len(f.events)) % len(f.events)
	if from+n > len(f.events) {
		from = len(f.events) - n
	}
	return f.events[from : from+n]
}
