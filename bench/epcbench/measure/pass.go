package measure

import (
	"fmt"
	"slices"
	"time"

	"github.com/scbr/scbr/matcher/filter"
)

const (
	// rounds of a limited and an unlimited pass; odd, so that the median took place.
	rounds = 3
	// minPass is what a pass takes at least, so that neither the clock nor one
	// interrupt shows in it.
	minPass = 20 * time.Millisecond
	// minEvents and maxEvents bound a pass, and pilotEvents are tried first.
	minEvents, maxEvents = 2, 4000
	pilotEvents          = 2
	// minInserts and maxInserts are the same of registrations.
	minInserts, maxInserts = 2, 1000
	// Before a pass with a limit events are matched until this many times as many
	// pages as the EPC has were faulted, or so many events in a row took no fault.
	turnovers   = 2
	steadyAfter = 2000
	warmChunk   = 50
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
	var tags []uint64
	return pass{len(events), func(s store) error {
		*found = 0
		for chunk := range slices.Chunk(events, batch) {
			tags = s.match(chunk, tags[:0])
			*found += len(tags)
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
	n, err := s.pilot(epc, batch)
	if err != nil {
		return nil, err
	}
	all := make([]timing, 0, rounds)
	found, times := 0, 0
	for round := range rounds {
		var in, out int
		p := s.feed.window(probes+round*n, n)
		limited, unlimited := matching(p, batch, &in), matching(p, batch, &out)
		t, err := s.pair(epc, probes+(round+1)*n, unlimited, limited)
		if err != nil {
			return nil, err
		}
		if in != out {
			return nil, fmt.Errorf("%w: %d matches with a limit, %d without", ErrMismatch, in, out)
		}
		all = append(all, t)
		found, times = found+in, times+len(p)
	}
	row := s.row(all, epc)
	row.Access, row.Batch, row.PagesPerEvent = Match, batch, s.pages
	row.MatchesPerEvent = rounded(float64(found) / float64(times))
	return row, nil
}

// pair does a pass without a limit and one with it. Events from a place on are
// what the caches are warmed with.
func (s *series) pair(epc int64, from int, unlimited, limited pass) (t timing, err error) {
	t.items = unlimited.items
	if err := s.t.limit(0); err != nil {
		return t, err
	}
	s.warm(from, 0)
	free := 0.0
	if t.unlimited, free, err = s.t.timed(unlimited, minPass); err != nil {
		return t, err
	}
	if free > 0 {
		return t, fmt.Errorf("%w: %.2f an event", ErrUnsteady, free)
	}
	if s.source == FromModel {
		faults, err := s.trace.loads(s.Policy, epc, s.warmTrace(from, epc), limited.do)
		t.faults = float64(faults) / float64(limited.items)
		t.limited = t.unlimited + t.faults*s.costUs*1000
		return t, err
	}
	if err := s.t.limit(epc); err != nil {
		return t, err
	}
	s.warm(from, epc)
	t.limited, t.faults, err = s.t.timed(limited, minPass)
	return t, err
}

// warm matches other events than those to come: with a limit until the pages that
// are resident are those that matching leaves resident.
func (s *series) warm(from int, epc int64) {
	begin := time.Now()
	first, _ := s.t.loads() // an error will come back
	last, steady := first, 0
	var tags []uint64
	for i := 0; ; i += warmChunk {
		for _, e := range s.feed.window(from+i, warmChunk) {
			tags = s.t.store.match([]filter.Event{e}, tags[:0])
			if time.Since(begin) > s.Pass {
				return
			}
		}
		now, _ := s.t.loads()
		if now != last {
			last, steady = now, 0
		}
		steady += warmChunk
		if epc == 0 || steady >= steadyAfter || now-first >= uint64(turnovers*epc/pageBytes) {
			return
		}
	}
}

// warmTrace is warm for a model.
func (s *series) warmTrace(from int, epc int64) func(store) error {
	return func(st store) error {
		begin := time.Now()
		var tags []uint64
		model := s.trace.mem.model
		for i := 0; i < steadyAfter && model.Counters().Loads < uint64(turnovers*epc/pageBytes); i++ {
			tags = st.match(s.feed.window(from+i, 1), tags[:0])
			if time.Since(begin) > s.Pass {
				break
			}
		}
		return nil
	}
}

// pilot says how many events go into a pass.
func (s *series) pilot(epc int64, batch int) (int, error) {
	if err := s.t.limit(epc); err != nil {
		return 0, err
	}
	s.warm(0, epc)
	found := 0
	ns, _, err := s.t.timed(matching(s.feed.window(0, pilotEvents), 1, &found), 0)
	n := int(float64(s.Pass) / ns)
	n = min(max(n, minEvents), max(maxEvents, batch), events/(rounds+1))
	return max(n/batch, 1) * batch, err
}

// register measures insertions with one size of the EPC. What is inserted stays.
func (s *series) register(epc int64) (*Row, error) {
	if s.source == FromModel && s.job.Layout == Ours {
		return nil, nil //nolint:nilnil // no row: package matcher does not say what insertions touch
	}
	n := minInserts
	all := make([]timing, 0, rounds)
	for round := range rounds + 1 { // the first is the pilot
		t, err := s.registerPair(epc, n)
		if err != nil {
			return nil, err
		}
		if round == 0 {
			n = min(max(int(float64(s.Pass)/t.limited), minInserts), maxInserts)
			continue
		}
		all = append(all, t)
	}
	row := s.row(all, epc)
	row.Access, row.Batch = Register, 1
	return row, s.feed.check(s.t.store)
}

// registerPair inserts n subscriptions without a limit and n others with it, each
// after one that is not timed.
func (s *series) registerPair(epc int64, n int) (t timing, err error) {
	t.items = n
	if err := s.t.limit(0); err != nil {
		return t, err
	}
	if t.unlimited, _, err = s.inserts(n); err != nil {
		return t, err
	}
	if s.source == FromModel {
		var last, p pass
		if last, err = s.taken(1); err != nil {
			return t, err
		}
		if p, err = s.taken(n); err != nil {
			return t, err
		}
		faults, err := s.trace.loads(s.Policy, epc, last.do, p.do)
		t.faults = float64(faults) / float64(n)
		t.limited = t.unlimited + t.faults*s.costUs*1000
		if err == nil {
			err = last.do(s.t.store)
		}
		if err == nil {
			err = p.do(s.t.store)
		}
		return t, err
	}
	if err := s.t.limit(epc); err != nil {
		return t, err
	}
	s.warm(0, epc)
	t.limited, t.faults, err = s.inserts(n)
	return t, err
}

// inserts times n registrations after one that is not timed.
func (s *series) inserts(n int) (ns, faults float64, err error) {
	for _, k := range []int{1, n} {
		p, err := s.taken(k)
		if err != nil {
			return 0, 0, err
		}
		if ns, faults, err = s.t.timed(p, 0); err != nil {
			return 0, 0, err
		}
		if s.trace != nil {
			if err := p.do(s.trace.store); err != nil {
				return 0, 0, err
			}
		}
	}
	return ns, faults, nil
}

// taken is the registration of the next n subscriptions.
func (s *series) taken(n int) (pass, error) {
	subs := make([]subscription, n)
	for i := range subs {
		var err error
		if subs[i], err = s.feed.take(); err != nil {
			return pass{}, err
		}
		subs[i].preds = slices.Clone(subs[i].preds)
	}
	return pass{n, func(st store) error {
		for i := range subs {
			if err := st.register(&subs[i]); err != nil {
				return err
			}
		}
		return nil
	}}, nil
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
	limited := of(func(t timing) float64 { return t.limited })
	unlimited := of(func(t timing) float64 { return t.unlimited })
	row := &Row{
		Subscriptions: s.feed.count, Events: all[0].items,
		StoreMB: rounded(float64(s.t.mem.Committed()) / MiB), EPCMB: rounded(float64(epc) / MiB),
		NsPerEvent: rounded(limited), UnlimitedNs: rounded(unlimited), Slowdown: rounded(limited / unlimited),
		FaultsPerEvent: rounded(of(func(t timing) float64 { return t.faults })),
	}
	if s.source == FromReal { // nothing to compare with
		row.UnlimitedNs, row.Slowdown = 0, 0
	}
	return row
}
