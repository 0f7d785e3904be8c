package measure

import (
	"fmt"
	"time"

	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/bench/llc"
	"github.com/scbr/scbr/client/cputime"
	"github.com/scbr/scbr/matcher/filter"
)

// The sides.
const (
	Plain   = "plain"   // matcher.Store.Match on decoded events
	Core    = "core"    // enclave.Core.StepTo on sealed batches, in this process
	Process = "process" // enclaved behind its socket, one batch at a time
	Paged   = "paged"   // the same with its store in a simulated EPC
)

// plainRounds are in one pass over the events: one alone is too short for its clock.
const plainRounds = 16

// batches are the publications in one frame.
func batches() []int { return []int{1, 16, 256} }

// side is one way of asking.
type side struct {
	b     *bench
	party *party // nil: the store
	kind  string
	batch int // 0: none
}

func (s *side) name() string {
	if s.batch == 0 {
		return s.kind
	}
	return fmt.Sprintf("%s, batches of %d", s.kind, s.batch)
}

func (b *bench) sides() []side {
	all := []side{{b: b, kind: Plain}}
	for _, p := range []struct {
		kind  string
		party *party
	}{{Core, b.core}, {Process, b.proc}, {Paged, b.paged}} {
		if p.party == nil {
			continue
		}
		for _, n := range batches() {
			all = append(all, side{b, p.party, p.kind, n})
		}
	}
	return all
}

// check compares the answers to all events.
func (s *side) check() error {
	if s.party == nil {
		got := make([][]uint64, len(s.b.events))
		for i := range s.b.events {
			got[i] = s.b.store.Match(&s.b.events[i], nil)
		}
		return s.b.truth.compare(s.name(), got)
	}
	first := s.party.counter + 1
	all, err := s.party.publications(s.b.events, s.batch)
	if err != nil {
		return err
	}
	got, err := s.party.matches(all, first, len(s.b.events))
	if err != nil {
		return err
	}
	return s.b.truth.compare(s.name(), got)
}

// spent is what a pass took, in nanoseconds an event.
type spent struct{ cpu, wall float64 }

// pass does all events, once to warm up and once on the clocks.
func (s *side) pass() (spent, error) {
	if s.party == nil {
		return s.plain()
	}
	var t spent
	for range 2 {
		all, err := s.party.publications(s.b.events, s.batch)
		if err != nil {
			return t, err
		}
		cpu, wall := s.party.peer.cpu(), time.Now()
		envelopes, err := s.party.send(all)
		t = since(s.party.peer.cpu()-cpu, time.Since(wall), len(s.b.events))
		if err != nil {
			return t, err
		}
		if want := s.b.truth.envelopes(); envelopes != want {
			return t, fmt.Errorf("%w: %s: %d envelopes instead of %d", harness.ErrMismatch, s.name(), envelopes, want)
		}
	}
	return t, nil
}

func since(cpu, wall time.Duration, n int) spent {
	return spent{float64(cpu) / float64(n), float64(wall) / float64(n)}
}

// plain counts the matches of every pass as well.
func (s *side) plain() (spent, error) {
	s.matchAll(s.b.events)
	cpu, wall, found := cputime.Thread(), time.Now(), 0
	for range plainRounds {
		found += s.matchAll(s.b.events)
	}
	t := since(cputime.Thread()-cpu, time.Since(wall), plainRounds*len(s.b.events))
	if want := plainRounds * s.b.truth.pairs(); found != want {
		return t, fmt.Errorf("%w: %s: %d matches instead of %d", harness.ErrMismatch, s.name(), found, want)
	}
	return t, nil
}

func (s *side) matchAll(all []filter.Event) (found int) {
	var dst []uint64
	for i := range all {
		dst = s.b.store.Match(&all[i], dst[:0])
		found += len(dst)
	}
	return found
}

// misses counts those of the last-level cache for an event, where this thread does the work.
func (s *side) misses() (float64, error) {
	switch s.kind {
	case Plain:
		n, err := llc.Misses(func() { s.matchAll(s.b.events) })
		return n / float64(len(s.b.events)), err
	case Core:
		all, err := s.party.publications(s.b.events, s.batch)
		if err != nil {
			return 0, err
		}
		var failed error
		n, err := llc.Misses(func() { _, failed = s.party.send(all) })
		if failed != nil {
			return 0, failed
		}
		return n / float64(len(s.b.events)), err
	default:
		return 0, fmt.Errorf("%w: enclaved closes itself to observers", llc.ErrNone)
	}
}
