package measure

import (
	"slices"
	"time"
)

const (
	// maxInserts are timed at a time, and no more than a part of the store.
	maxInserts = 1000
	growth     = 100
	// limitedPasses is how long insertions with a limit may take, in passes, and
	// unlimitedPart what part of one those without: filters differ in their work by a
	// hundred, so there have to be many, and faults take long.
	limitedPasses = 2
	unlimitedPart = 4
)

// sum is insertions that were timed.
type sum struct {
	ns, loads float64
	items     int
}

func (s *sum) mean(x float64) float64 { return x / float64(max(s.items, 1)) }

// register measures insertions with one size of the EPC, by their mean: what is
// inserted stays, so each is of another filter.
func (s *series) register(epc int64) (*Row, error) {
	if s.modelled() {
		if s.job.Layout == Ours {
			return nil, nil //nolint:nilnil // no row: package matcher does not say what insertions touch
		}
		if err := s.trace.begin(s.Policy, epc); err != nil {
			return nil, err
		}
		defer s.trace.end()
	}
	var limited, unlimited sum
	for range rounds {
		if !s.modelled() {
			if err := s.t.limit(epc); err != nil {
				return nil, err
			}
			if s.job.Layout == Ours { // a registration looks at a few pages, as an event does
				s.warm(s.t, 0, epc, 1)
			}
			if err := s.inserts(&limited, limitedPasses*s.Pass); err != nil {
				return nil, err
			}
		}
		if err := s.t.limit(0); err != nil {
			return nil, err
		}
		if err := s.inserts(&unlimited, s.Pass/unlimitedPart); err != nil {
			return nil, err
		}
	}
	if s.modelled() {
		limited = unlimited
	}
	row := s.rowOf(timing{
		limited: limited.mean(limited.ns), unlimited: unlimited.mean(unlimited.ns),
		faults: limited.mean(limited.loads), items: limited.items,
	}, epc)
	row.Access, row.Batch = Register, 1
	return row, s.feed.check(s.t.store)
}

// inserts adds some registrations to a sum, for as long as there is time.
func (s *series) inserts(to *sum, atMost time.Duration) error {
	var all sum
	step := 1
	if s.job.Layout == Ours {
		step = min(maxInserts/growth, s.feed.count/growth) + 1
	}
	for most := min(maxInserts, s.feed.count/growth); all.items == 0 || all.items < most && all.ns < float64(atMost); {
		if err := s.insert(&all, step); err != nil {
			return err
		}
	}
	to.ns, to.loads, to.items = to.ns+all.ns, to.loads+all.loads, to.items+all.items
	return nil
}

// insert adds n registrations to a sum, and does them to the other copies as well: if
// a model is looking on, its loads count.
func (s *series) insert(to *sum, n int) error {
	p, err := s.taken(n)
	if err != nil {
		return err
	}
	ns, loads, err := s.t.timed(p, 0)
	if err != nil {
		return err
	}
	to.ns, to.loads, to.items = to.ns+ns*float64(n), to.loads+loads*float64(n), to.items+n
	if s.other != nil {
		if err := p.do(s.other.store); err != nil {
			return err
		}
	}
	if s.trace == nil {
		return nil
	}
	before := s.trace.seen()
	err = p.do(s.trace.store)
	to.loads += float64(s.trace.seen() - before)
	return err
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
