package measure

import (
	"fmt"
	"slices"
	"time"

	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	// rounds of a limited and an unlimited pass; odd, so that the median took place.
	rounds = 3
	// minPass is what a pass takes at least, so that neither the clock nor one
	// interrupt shows in it.
	minPass = 20 * time.Millisecond
	// minEvents and maxEvents bound a pass; pilotEvents at most are tried first.
	minEvents, maxEvents = 1, 4000
	pilotEvents          = 500
	pilotPart            = 4 // of a pass
	// Before a pass with a limit events are matched until this many times as many
	// pages as the EPC has were faulted, or so many events in a row took no fault.
	turnovers   = 1
	steadyAfter = 2000
	warmChunk   = 50
	// warmPasses bounds the time of that, in passes.
	warmPasses = 4
	// zoneBytes is what a store moves out and back at a time, roughly.
	zoneBytes = 32 << 10
)

// timing is what a pair of passes came to.
type timing struct {
	limited, unlimited float64 // nanoseconds of an event
	faults             float64 // of an event, limited
	items              int     // in a pass
}

// pass is a piece of work that can be done to any copy of a store.
type pass struct {
	items int
	do    func(s store) error
}

// matching is a pass over some events, and says how many matches it found.
func matching(events []filter.Event, batch int, found *int) pass {
	return pass{len(events), func(s store) error {
		*found = 0
		for chunk := range slices.Chunk(events, batch) {
			s.match(chunk, func(tags []uint64) { *found += len(tags) })
		}
		return nil
	}}
}

// timed does a pass, again until it took long enough for the clock unless there
// were faults, which would not be the same the second time. It returns the
// nanoseconds and the faults of an item.
func (t *target) timed(p pass, atLeast time.Duration) (ns, faults float64, err error) {
	first, err := t.loads()
	if err != nil {
		return 0, 0, err
	}
	last, done := first, 0
	spent := time.Duration(0)
	for done == 0 || spent < atLeast && last == first {
		begin := time.Now()
		if err := p.do(t.store); err != nil {
			return 0, 0, err
		}
		spent += time.Since(begin)
		done += p.items
		if last, err = t.loads(); err != nil {
			return 0, 0, err
		}
	}
	return float64(spent) / float64(done), float64(last-first) / float64(done), nil
}

// match measures Match of batches with one size of the EPC.
func (s *series) match(epc int64, batch int) (*Row, error) {
	n, times, err := s.pilot(epc, batch)
	if err != nil {
		return nil, err
	}
	all := make([]timing, 0, rounds)
	found, matched := 0, 0
	for round := range times {
		var in, out int
		p := s.feed.window(probes+round*n, n)
		limited, unlimited := matching(p, batch, &in), matching(p, batch, &out)
		t, err := s.pair(epc, probes+(round+1)*n, batch, unlimited, limited)
		if err != nil {
			return nil, err
		}
		if in != out {
			return nil, fmt.Errorf("%w: %d matches with a limit, %d without", harness.ErrMismatch, in, out)
		}
		all = append(all, t)
		found, matched = found+in, matched+len(p)
	}
	row := s.row(all, epc)
	row.Access, row.Batch, row.PagesPerEvent = Match, batch, s.pages
	row.MatchesPerEvent = rounded(float64(found) / float64(matched))
	return row, nil
}

// pair does a pass without a limit and one with it. Events from a place on are
// what the caches are warmed with.
func (s *series) pair(epc int64, from, batch int, unlimited, limited pass) (t timing, err error) {
	t.items = unlimited.items
	if err := s.free.limit(0); err != nil {
		return t, err
	}
	s.warm(s.free, from, 0, 1)
	loads := 0.0
	if t.unlimited, loads, err = s.free.timed(unlimited, minPass); err != nil {
		return t, err
	}
	if loads > 0 {
		return t, fmt.Errorf("%w: %.2f an event", ErrUnsteady, loads)
	}
	if s.modelled() {
		loads, err := s.trace.loads(s.Policy, epc, s.warmTrace(from, epc), limited.do)
		t.faults = float64(loads) / float64(limited.items)
		return t, err
	}
	if err := s.t.limit(epc); err != nil {
		return t, err
	}
	s.warm(s.t, from, epc, batch)
	t.limited, t.faults, err = s.t.timed(limited, minPass)
	return t, err
}

// modelled reports whether faults are a model's: a store that spills has none.
func (s *series) modelled() bool { return s.source == FromModel && s.job.Overflow == Pager }

// warm matches other events than those to come: with a limit until what is in memory
// is what matching leaves there.
func (s *series) warm(t *target, from int, epc int64, batch int) {
	begin := time.Now()
	first, _ := t.loads() // an error will come back
	last, steady := first, 0
	step := max(warmChunk, batch)
	enough := uint64(turnovers * epc / pageBytes)
	if t.spilled != nil {
		enough = uint64(turnovers * epc / zoneBytes)
	}
	for i := 0; ; i += step {
		for chunk := range slices.Chunk(s.feed.window(from+i, step), batch) {
			t.store.match(chunk, ignore)
			if time.Since(begin) > warmPasses*s.Pass {
				return
			}
		}
		now, _ := t.loads()
		if now != last {
			last, steady = now, 0
		}
		steady += step
		if epc == 0 || steady >= steadyAfter || now-first >= enough {
			return
		}
	}
}

// warmTrace is warm for a model.
func (s *series) warmTrace(from int, epc int64) func(store) error {
	return func(st store) error {
		begin := time.Now()
		model := s.trace.mem.model
		for i := 0; i < steadyAfter && model.Counters().Loads < uint64(turnovers*epc/pageBytes); i++ {
			st.match(s.feed.window(from+i, 1), ignore)
			if time.Since(begin) > warmPasses*s.Pass {
				break
			}
		}
		return nil
	}
}

// pilot says how many events go into a pass, and how many passes there are: one where
// an event alone takes longer, because it is thousands of faults that differ little.
func (s *series) pilot(epc int64, batch int) (n, times int, err error) {
	if s.Events > 0 {
		return min(s.Events, events/(rounds+1)), rounds, nil
	}
	if err := s.t.limit(epc); err != nil {
		return 0, 0, err
	}
	s.warm(s.t, 0, epc, 1)
	begin, done := time.Now(), 0
	for done < pilotEvents && (done == 0 || time.Since(begin) < s.Pass/pilotPart) {
		s.t.store.match(s.feed.window(done, 1), ignore)
		done++
	}
	each := time.Since(begin) / time.Duration(done)
	if each > s.Pass {
		return minEvents, 1, nil
	}
	n = min(max(int(s.Pass/max(each, 1)), minEvents), max(maxEvents, batch), events/(rounds+1))
	return max(n/batch, 1) * batch, rounds, nil
}

// row is what passes came to, by their medians.
func (s *series) row(all []timing, epc int64) *Row {
	of := func(get func(t timing) float64) float64 {
		x := make([]float64, len(all))
		for i, t := range all {
			x[i] = get(t)
		}
		return median(x)
	}
	t := timing{
		limited:   of(func(t timing) float64 { return t.limited }),
		unlimited: of(func(t timing) float64 { return t.unlimited }),
		faults:    of(func(t timing) float64 { return t.faults }),
		items:     all[0].items,
	}
	return s.rowOf(t, epc)
}

func (s *series) rowOf(t timing, epc int64) *Row {
	if s.modelled() {
		t.limited = t.unlimited + t.faults*s.costUs*nsPerUs
	}
	row := &Row{
		Subscriptions: s.feed.count, Events: t.items,
		StoreMB: rounded(float64(s.t.bytes()) / MiB), EPCMB: rounded(float64(epc) / MiB),
		NsPerEvent: rounded(t.limited), UnlimitedNs: rounded(t.unlimited), Slowdown: rounded(t.limited / t.unlimited),
		FaultsPerEvent: rounded(t.faults),
	}
	if s.source == FromReal { // nothing to compare with
		row.UnlimitedNs, row.Slowdown = 0, 0
	}
	return row
}
