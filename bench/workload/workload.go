// Package workload makes the filters and events that the benchmarks run on: synthetic ones, A (stock quotes with a
// symbol and ranges on prices), with A-zipf as its variant of popular symbols, and B (ranges on uniform integers), and the nine
// of the SCBR paper's table, which draw their publications from package dataset.
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
type nextFilter = func(dst []filter.Predicate) []filter.Predicate

// nextEvent appends the attributes of the next event to dst.
type nextEvent = func(dst []filter.Attribute) []filter.Attribute

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
	case quotesZipfName:
		return quotes{zipfEvent: true}, nil
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

// Names returns the workloads: A, A-zipf, B and those of the paper in the order of its table.
func Names() []string {
	names := []string{quotesName, quotesZipfName, rangesName}
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
	return each(g.filters(seed), n, yield)
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
	return each(next, n, yield)
}

// each draws n items, all into one slice.
func each[T any](next func(dst []T) []T, n int, yield func(i int, item []T) error) error {
	var item []T
	for i := range n {
		item = next(item[:0])
		if err := yield(i, item); err != nil {
			return err
		}
	}
	return nil
}

// Filters returns the first n filters. None of them is a contradiction.
func Filters(name string, n int, seed uint64) ([]filter.Filter, error) {
	return all(EachFilter, name, n, seed, func(preds []filter.Predicate) (filter.Filter, error) { return filter.New(preds...) })
}

// Events returns the first n events.
func Events(name string, n int, seed uint64) ([]filter.Event, error) {
	return all(EachEvent, name, n, seed, func(attrs []filter.Attribute) (filter.Event, error) { return filter.NewEvent(attrs...) })
}

// sequence is EachFilter or EachEvent.
type sequence[T any] func(name string, n int, seed uint64, yield func(i int, item []T) error) error

// all makes a value of each item.
func all[T, V any](items sequence[T], name string, n int, seed uint64, value func(item []T) (V, error)) ([]V, error) {
	var values []V
	err := items(name, n, seed, func(i int, item []T) error {
		if i == 0 { // the name and n are good
			values = make([]V, 0, n)
		}
		v, err := value(item)
		values = append(values, v)
		return err
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}
