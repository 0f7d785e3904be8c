package measure

import (
	"time"

	"github.com/scbr/scbr/bench/llc"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/client/cputime"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
)

// pageEvents are matched to count pages.
const pageEvents = 200

// built is a store that holds a workload.
type built struct {
	store   Store
	handles []matcher.Handle // by tag
}

// insertAll fills a store and returns what that took.
func (b *bench) insertAll(into *built) (time.Duration, error) {
	var spent time.Duration
	err := workload.EachChunk(b.Workload, b.Subscriptions, func(first int, filters []filter.Filter) (err error) {
		begin := cputime.Thread()
		for i := range filters {
			if into.handles[first+i], err = into.store.Insert(filters[i], uint64(first+i)); err != nil {
				return err
			}
		}
		spent += cputime.Thread() - begin
		return nil
	})
	return spent, err
}

func (b *bench) store() error {
	mem, err := newMemory()
	if err != nil {
		return err
	}
	defer mem.Close() //nolint:errcheck // the process has it anyway
	s := built{handles: make([]matcher.Handle, b.Subscriptions)}
	before := liveHeap()
	if s.store, err = b.NewStore(mem); err != nil {
		return err
	}
	spent, err := b.insertAll(&s)
	if err != nil {
		return err
	}
	n := float64(b.Subscriptions)
	b.cell.InsertNs = rounded(float64(spent) / n)
	b.cell.BytesPerSubscription = rounded(float64(mem.Committed()+liveHeap()-before) / n)
	if err := b.truth.compare(b.events, nil, s.store.Match); err != nil {
		return err
	}
	b.matches(s.store)
	if err := b.covered(s.store); err != nil {
		return err
	}
	return b.remove(&s)
}

// matches times Match and counts what it finds and, where it can, what it misses.
func (b *bench) matches(s Store) {
	all := matchAll(b.events, s.Match)
	t := timed(len(b.events), all)
	b.cell.NsPerEvent, b.cell.Events = rounded(t.ns), t.items
	found := 0
	var dst []uint64
	for i := range t.items {
		dst = s.Match(&b.events[i], dst[:0])
		found += len(dst)
	}
	b.cell.MatchesPerEvent = rounded(float64(found) / float64(t.items))
	if misses, err := llc.Misses(func() { all(0, t.items) }); err == nil {
		perEvent := rounded(misses / float64(t.items))
		b.cell.LLCMissesPerEvent = &perEvent
	}
}

// covered times Covered, whose answers are the scan's.
func (b *bench) covered(s Store) error {
	for i, want := range b.truth.covered {
		if s.Covered(b.probes[i]) != want {
			return wrongCovering(i)
		}
	}
	b.cell.CoveredNs = rounded(timed(len(b.probes), func(from, to int) {
		for i := from; i < to; i++ {
			s.Covered(b.probes[i])
		}
	}).ns)
	return nil
}

// remove times the removal of a sample, which is put back each time, and compares
// answers while it is away and after it came back.
func (b *bench) remove(s *built) error {
	absent := map[uint64]bool{}
	for _, r := range b.truth.sample {
		absent[uint64(r.tag)] = true
	}
	all := make([]float64, 0, passes)
	for pass := range passes {
		begin := cputime.Thread()
		for _, r := range b.truth.sample {
			if err := s.store.Remove(s.handles[r.tag]); err != nil {
				return err
			}
		}
		all = append(all, float64(cputime.Thread()-begin)/float64(len(b.truth.sample)))
		if pass == 0 {
			if err := b.truth.compare(b.events, absent, s.store.Match); err != nil {
				return err
			}
		}
		for _, r := range b.truth.sample {
			h, err := s.store.Insert(r.filter, uint64(r.tag))
			if err != nil {
				return err
			}
			s.handles[r.tag] = h
		}
	}
	b.cell.RemoveNs = rounded(median(all))
	return b.truth.compare(b.events, nil, s.store.Match)
}

// pages builds the store a second time, because one that is told to report what
// it touches is slower, unless a small one shows that it does not report.
func (b *bench) pages() error {
	mem, err := newMemory()
	if err != nil {
		return err
	}
	defer mem.Close() //nolint:errcheck // the process has it anyway
	counter := matchtest.NewPageCounter(mem)
	s := built{handles: make([]matcher.Handle, b.Subscriptions)}
	if s.store, err = b.NewStore(counter); err != nil {
		return err
	}
	h, err := s.store.Insert(b.probes[0], 0)
	if err != nil {
		return err
	}
	s.store.Match(&b.events[0], nil)
	if counter.Touches() == 0 {
		return nil
	}
	if err := s.store.Remove(h); err != nil {
		return err
	}
	if _, err := b.insertAll(&s); err != nil {
		return err
	}
	perEvent := rounded(pagesOf(counter, b.events[:pageEvents], s.store.Match))
	b.cell.PagesPerEvent = &perEvent
	return nil
}

// pagesOf is the mean number of pages that matching an event touches.
func pagesOf(counter *matchtest.PageCounter, events []filter.Event, match func(e *filter.Event, dst []uint64) []uint64) float64 {
	pages := 0
	var dst []uint64
	for i := range events {
		counter.Reset()
		dst = match(&events[i], dst[:0])
		pages += counter.Pages()
	}
	return float64(pages) / float64(len(events))
}
