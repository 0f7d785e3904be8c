package measure

import "fmt"

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
	t     *target
	trace *trace // nil: nobody needs to know what is touched
	rows  int
	pages *float64 // at this size
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
	if g.t, err = s.newTarget(j.Layout, j.maxBytes()); err != nil {
		return 0, err
	}
	defer g.t.close()
	if j.Pages || s.source == FromModel {
		if g.trace, err = newTrace(j.Layout, j.maxBytes()); err != nil {
			return 0, err
		}
	}
	for _, p := range j.Points {
		if err := g.point(p); err != nil || s.Expired() {
			return g.rows, err
		}
	}
	return g.rows, nil
}

// point fills the store to a size and measures all that is asked for there.
func (s *series) point(p Point) error {
	if err := s.fill(p); err != nil || s.Expired() {
		return err
	}
	if err := s.feed.check(s.t.store); err != nil {
		return err
	}
	s.pages = nil
	if s.job.Pages {
		pages := rounded(s.trace.pages(s.feed, pageEvents))
		s.pages = &pages
	}
	for _, epc := range s.job.EPC {
		for _, access := range s.job.Accesses {
			if err := s.access(access, epc); err != nil || s.Expired() {
				return err
			}
		}
	}
	return s.t.limit(0)
}

// fill inserts until the store is as large as asked for.
func (s *series) fill(p Point) error {
	for i := 0; s.feed.count < p.Subscriptions || s.t.mem.Committed() < p.Bytes; i++ {
		if i%checkEvery == 0 {
			if s.Expired() {
				return nil
			}
			s.note(fmt.Sprintf("filling, %d MiB", s.t.mem.Committed()/MiB))
		}
		sub, err := s.feed.take()
		if err != nil {
			return err
		}
		if err := s.t.store.load(&sub); err != nil {
			return err
		}
		if s.trace != nil {
			if err := s.trace.store.load(&sub); err != nil {
				return err
			}
		}
	}
	return nil
}

// note tells what is going on.
func (s *series) note(what string) {
	s.Progress(fmt.Sprintf("%s %s %s: %s", s.job.Layout, s.job.Workload, s.job.Overflow, what))
}

// access measures one access with one size of the EPC, and emits the rows.
func (s *series) access(access string, epc int64) error {
	s.note(fmt.Sprintf("%s at %d MiB, EPC %d MiB", access, s.t.mem.Committed()/MiB, epc/MiB))
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
	if s.AssumedCostUs > 0 && row.UnlimitedNs > 0 {
		row.assume(s.AssumedCostUs)
	}
	s.rows++
	return s.Emit(*row)
}
