package measure

import (
	"slices"

	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/scbr/scbr/matcher/matchtest"
)

// target is a store being measured, in memory with a limit that can be lifted.
type target struct {
	store  store
	mem    *memory
	region Region // nil: there is no pager
	close  func()
}

// newTarget makes a store of a layout for up to so many bytes.
func (s *Session) newTarget(layout string, bytes int64) (*target, error) {
	t := &target{close: func() {}}
	size := int(bytes+bytes/4) + slack
	if s.Start != nil {
		region, err := s.Start(spare * size)
		if err != nil {
			return nil, err
		}
		t.region, t.close = region, func() { _ = region.Close() } // the process ends with it
		t.mem = &memory{region: region.Bytes(), discard: region.Discard, budget: size}
	} else {
		t.mem = &memory{region: make([]byte, spare*size), budget: size}
	}
	var err error
	if t.store, err = newStore(layout, t.mem); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// limit sets the size of the EPC, 0 for an unlimited one, in which all pages are
// then resident.
func (t *target) limit(bytes int64) error {
	if t.region == nil {
		return nil
	}
	if err := t.region.Limit(int(bytes / pageBytes)); err != nil {
		return err
	}
	if bytes == 0 {
		t.mem.loadAll()
	}
	return nil
}

// loads returns how many pages were brought back so far.
func (t *target) loads() (uint64, error) {
	if t.region == nil {
		return 0, nil
	}
	return t.region.Loads()
}

// trace is a second copy of a store, which says what it touches.
type trace struct {
	store store
	mem   *traced
}

func newTrace(layout string, bytes int64) (*trace, error) {
	size := int(bytes+bytes/4) + slack
	below := &memory{region: make([]byte, spare*size), budget: size}
	t := &trace{mem: &traced{PageCounter: matchtest.NewPageCounter(below), below: below}}
	var err error
	t.store, err = newStore(layout, t.mem)
	return t, err
}

// pages returns the mean number of distinct pages that an event touches.
func (t *trace) pages(f *feed, n int) float64 {
	t.mem.on, t.mem.model = true, nil
	defer func() { t.mem.on = false }()
	pages := 0
	var tags []uint64
	for i := range n {
		t.mem.Reset()
		tags = t.store.match(f.window(i, 1), tags[:0])
		pages += t.mem.Pages()
	}
	return float64(pages) / float64(n)
}

// loads counts the pages that a model brings back while do is done, after warm was.
// The model begins as a pager does: all pages in use are resident, then those that
// are too many go.
func (t *trace) loads(policy epcmodel.Policy, bytes int64, warm, do func(store) error) (uint64, error) {
	model, err := epcmodel.New(epcmodel.Config{Policy: policy})
	if err != nil {
		return 0, err
	}
	t.mem.below.pages(func(page int) { model.Touch(uint32(page)) })
	if err := model.Limit(int(bytes / pageBytes)); err != nil {
		return 0, err
	}
	t.mem.on, t.mem.model = true, model
	defer func() { t.mem.on, t.mem.model = false, nil }()
	if err := warm(t.store); err != nil {
		return 0, err
	}
	before := model.Counters().Loads
	err = do(t.store)
	return model.Counters().Loads - before, err
}

// median sorts x, which is not empty, and returns its middle.
func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
