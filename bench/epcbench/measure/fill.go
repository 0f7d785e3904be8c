package measure

import (
	"errors"
	"fmt"
)

const (
	// checkEvery is how often growth is compared with the aim, and the clock looked at.
	checkEvery = 256
	// subscriptionBytes is room enough for one in either layout, where only their
	// number is given.
	subscriptionBytes = 1024
	// pageEvents are matched to count pages.
	pageEvents = 50
)

// series is a job under way: a store that grows.
type series struct {
	*Session
	job   *Job
	feed  *feed
	t     *target // measured with a limit
	free  *target // and without: the same, unless it spills
	trace *trace  // nil: nobody needs to know what is touched
	rows  int
	pages *float64 // at this size
	paged *series  // the job's other half; nil: there is none
	other *target  // what is registered is registered there as well; nil: nowhere
}

// maxBytes is how large the store becomes.
func (j *Job) maxBytes() int64 {
	last := j.Points[len(j.Points)-1]
	return max(last.Bytes, int64(last.Subscriptions)*subscriptionBytes)
}

// run measures a job and returns how many rows it made.
func (s *Session) run(j *Job) (rows int, err error) {
	f, err := newFeed(j.Workload)
	if err != nil {
		return 0, err
	}
	defer f.stop()
	g := &series{Session: s, job: j, feed: f}
	if err := g.open(); err != nil {
		return 0, errors.Join(err, g.close())
	}
	defer func() { err = errors.Join(err, g.close()) }()
	for _, p := range j.Points {
		if err := g.point(p); err != nil || s.Expired() {
			return g.made(), err
		}
	}
	return g.made(), nil
}

// made is how many rows there are of both halves.
func (s *series) made() int {
	if s.paged == nil {
		return s.rows
	}
	return s.rows + s.paged.rows
}

// open makes the stores.
func (s *series) open() (err error) {
	j := s.job
	if j.Overflow == Spill {
		if s.free, err = s.newTarget(j.Layout, j.maxBytes()); err != nil {
			return err
		}
		if s.t, err = s.newSpilling(j.EPC[0]); err != nil || !j.Paged {
			return err
		}
		spill, pager := j.halves()
		s.job = &spill
		s.paged = &series{Session: s.Session, job: &pager, feed: s.feed, t: s.free, free: s.free, other: s.t}
		if j.Pages || s.source == FromModel {
			s.trace, err = newTrace(j.Layout, j.maxBytes())
			s.paged.trace = s.trace
		}
		return err
	}
	if s.t, err = s.newTarget(j.Layout, j.maxBytes()); err != nil {
		return err
	}
	s.free = s.t
	if j.Pages || s.source == FromModel {
		s.trace, err = newTrace(j.Layout, j.maxBytes())
	}
	return err
}

func (s *series) close() (err error) {
	if s.free != nil {
		err = s.free.close()
	}
	if s.t != nil && s.t != s.free {
		err = errors.Join(err, s.t.close())
	}
	if s.trace != nil {
		err = errors.Join(err, s.trace.mem.below.Close())
	}
	return err
}

// stores are all copies of the store.
func (s *series) stores() []store {
	all := []store{s.t.store}
	if s.free != s.t {
		all = append(all, s.free.store)
	}
	if s.trace != nil {
		all = append(all, s.trace.store)
	}
	return all
}

// point fills the store to a size and measures all that is asked for there.
func (s *series) point(p Point) error {
	if err := s.fill(p); err != nil || s.Expired() {
		return err
	}
	for _, st := range s.stores() {
		if err := s.feed.check(st); err != nil {
			return err
		}
	}
	s.pages = nil
	if s.job.Pages {
		pages := rounded(s.trace.pages(s.feed, pageEvents))
		s.pages = &pages
	}
	if err := s.accesses(); err != nil || s.Expired() {
		return err
	}
	if s.paged != nil {
		s.paged.pages = s.pages
		if err := s.paged.accesses(); err != nil || s.Expired() {
			return err
		}
	}
	return s.free.limit(0)
}

// accesses measures all that the job asks for.
func (s *series) accesses() error {
	for _, epc := range s.job.EPC {
		for _, access := range s.job.Accesses {
			if err := s.access(access, epc); err != nil || s.Expired() {
				return err
			}
		}
	}
	return nil
}

// fill inserts until the store is as large as asked for.
func (s *series) fill(p Point) error {
	for i := 0; s.feed.count < p.Subscriptions || s.free.bytes() < p.Bytes; i++ {
		if i%checkEvery == 0 {
			if s.Expired() {
				return nil
			}
			s.note(fmt.Sprintf("filling, %d MiB", s.free.bytes()/MiB))
		}
		sub, err := s.feed.take()
		if err != nil {
			return err
		}
		for _, st := range s.stores() {
			if err := st.load(&sub); err != nil {
				return err
			}
		}
	}
	return nil
}

// note tells what is going on.
func (s *series) note(what string) {
	s.Progress(s.free.bytes(), fmt.Sprintf("%s %s %s: %s", s.job.Layout, s.job.Workload, s.job.Overflow, what))
}

// access measures one access with one size of the EPC, and emits the rows.
func (s *series) access(access string, epc int64) error {
	s.note(fmt.Sprintf("%s at %d MiB, EPC %d MiB", access, s.free.bytes()/MiB, epc/MiB))
	if access == Register {
		return s.emit(s.register(epc))
	}
	for _, batch := range s.job.Batches {
		if err := s.emit(s.match(epc, batch)); err != nil {
			return err
		}
	}
	return nil
}

// emit completes a row that could be measured and hands it out.
func (s *series) emit(row *Row, err error) error {
	if err != nil || row == nil {
		return err
	}
	row.Layout, row.Workload, row.Overflow = s.job.Layout, s.job.Workload, s.job.Overflow
	row.FaultCostUs, row.Source, row.Policy = s.costUs, s.source, s.Policy.String()
	if s.AssumedCostUs > 0 && row.UnlimitedNs > 0 && row.Overflow == Pager {
		row.assume(s.AssumedCostUs)
	}
	s.rows++
	return s.Emit(*row)
}
