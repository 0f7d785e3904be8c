// Package workload makes the filters and events that the benchmarks run on: two synthetic workloads, A (stock quotes with a
// symbol and ranges on prices) and B (ranges on uniform integers), and the nine of the SCBR paper's table, which draw their
// publications from package dataset.
//
// It reads nothing but its arguments and the embedded sample, so nobody can lie to it; numbers of items are the caller's to
// bound. It promises that a name, a seed and a place in the sequence always give the same item, that a shorter sequence is
// the beginning of a longer one, and that the text it writes is byte for byte that of the generators whose digests are
// pinned in the tests. It does not promise that the draws are hard to predict, nor that the paper's own, unpublished,
// workloads are these.
package workload

import (
	"errors"
	"fmt"
	"slices"

	"github.com/scbr/scbr/matcher/filter"
)

// DefaultSeed gives the sequences that are quoted in results. The SCBR workloads are seeded by their names alone under this
// seed; any other seed becomes part of what they are seeded by.
const DefaultSeed uint64 = 42

// Errors that callers can tell apart with errors.Is.
var (
	// ErrUnknown reports a name that is not one of Names.
	ErrUnknown = errors.New("unknown workload")
	// ErrCount reports a negative number of items.
	ErrCount = errors.New("negative number of items")
	// ErrNoSchema reports a workload whose text carries its attribute names, and so has no schema.
	ErrNoSchema = errors.New("workload without a schema")
)

// nextFilter appends the predicates of the next filter to dst.
type nextFilter func(dst []filter.Predicate) []filter.Predicate

// nextEvent appends the attributes of the next event to dst.
type nextEvent func(dst []filter.Attribute) []filter.Attribute

// generator is one workload. Filters and events come from separate streams of random numbers.
type generator interface {
	filters(seed uint64) nextFilter
	events(seed uint64) (nextEvent, error)
	text() format
}

func lookup(name string) (generator, error) {
	switch name {
	case quotesName:
		return quotes{}, nil
	case rangesName:
		return ranges{}, nil
	}
	for _, p := range papers() {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w %q", ErrUnknown, name)
}

// start finds the workload and checks the number of items.
func start(name string, n int) (generator, error) {
	if n < 0 {
		return nil, fmt.Errorf("workload %q: %w: %d", name, ErrCount, n)
	}
	return lookup(name)
}

// Names returns the workloads: A, B and those of the paper in the order of its table.
func Names() []string {
	names := []string{quotesName, rangesName}
	for _, p := range papers() {
		names = append(names, p.name)
	}
	return names
}

// EachFilter calls yield with the predicates of filters 0..n-1, in order. The slice is reused after yield returns; its
// strings are not. The first error of yield ends the sequence and is returned as it is.
func EachFilter(name string, n int, seed uint64, yield func(i int, preds []filter.Predicate) error) error {
	g, err := start(name, n)
	if err != nil {
		return err
	}
	next := g.filters(seed)
	var preds []filter.Predicate
	for i := range n {
		preds = next(preds[:0])
		if err := yield(i, preds); err != nil {
			return err
		}
	}
	return nil
}

// EachEvent calls yield with the attributes of events 0..n-1, in order and in the order of the text. The slice is reused
// after yield returns; its strings are not. The first error of yield ends the sequence and is returned as it is.
func EachEvent(name string, n int, seed uint64, yield func(i int, attrs []filter.Attribute) error) error {
	g, err := start(name, n)
	if err != nil {
		return err
	}
	next, err := g.events(seed)
	if err != nil {
		return err
	}
	var attrs []filter.Attribute
	for i := range n {
		attrs = next(attrs[:0])
		if err := yield(i, attrs); err != nil {
			return err
		}
	}
	return nil
}

// Filters returns the first n filters. None of them is a contradiction.
func Filters(name string, n int, seed uint64) ([]filter.Filter, error) {
	var all []filter.Filter
	err := EachFilter(name, n, seed, func(_ int, preds []filter.Predicate) error {
		if all == nil {
			all = slices.Grow(all, n)
		}
		f, err := filter.New(preds...)
		all = append(all, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Events returns the first n events.
func Events(name string, n int, seed uint64) ([]filter.Event, error) {
	var all []filter.Event
	err := EachEvent(name, n, seed, func(_ int, attrs []filter.Attribute) error {
		if all == nil {
			all = slices.Grow(all, n)
		}
		e, err := filter.NewEvent(attrs...)
		all = append(all, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
