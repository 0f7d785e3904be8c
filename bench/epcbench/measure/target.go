package measure

import (
	"crypto/rand"
	"errors"
	"slices"

	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/matchtest"
)

// batchTags lets a batch be as large as it may: 2,000 matches for each of
// matcher.MaxBatch events, 64 MiB of answers beside the store.
const batchTags = 8 << 20

// target is a store being measured.
type target struct {
	store   store
	mem     *memory
	region  Region         // whose limit can be set; nil: there is no pager
	spilled *matcher.Store // that moves parts of itself out; nil: it does not
}

// budgetFor is the memory of a store that will have so many bytes.
func budgetFor(bytes int64) int64 { return bytes + bytes/4 + slack }

// newMemory makes memory of a budget and an address space of so many bytes, behind a
// pager if there is one.
func (s *Session) newMemory(budget, space int64) (*target, error) {
	if s.Start == nil {
		arena, err := epc.New(budget)
		return &target{mem: &memory{Arena: arena}}, err
	}
	region, err := s.Start(int(space))
	if err != nil {
		return nil, err
	}
	arena, err := epc.NewOn(region, budget)
	if err != nil {
		return nil, errors.Join(err, region.Close())
	}
	return &target{mem: &memory{Arena: arena}, region: region}, nil
}

// newTarget makes a store of a layout for up to so many bytes, in memory with a limit
// that can be lifted.
func (s *Session) newTarget(layout string, bytes int64) (*target, error) {
	budget := budgetFor(bytes)
	t, err := s.newMemory(budget, epc.Reserve(budget))
	if err != nil {
		return nil, err
	}
	if t.store, err = newStore(layout, t.mem); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// newSpilling makes a store that keeps to a budget by moving parts of itself out. Its
// memory is limited to that as well; what it moved out is in ordinary memory.
func (s *Session) newSpilling(budget int64) (*target, error) {
	t, err := s.newMemory(budget, epc.Reserve(budget))
	if err != nil {
		return nil, err
	}
	err = t.mem.KeepOutside(rand.Reader)
	if err == nil && t.region != nil {
		err = t.region.Limit(int(budget / pageBytes))
	}
	if err == nil {
		t.spilled, err = matcher.New(t.mem, matcher.Config{Seed: workload.DefaultSeed, Spill: true, BatchTags: batchTags})
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	t.store = &ours{Store: t.spilled}
	return t, nil
}

func (t *target) close() error { return t.mem.Close() }

// limit sets the size of the EPC, 0 for an unlimited one, in which all pages are
// then resident. A store that spills keeps the limit that it was made with.
func (t *target) limit(bytes int64) error {
	if t.region == nil || t.spilled != nil {
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

// loads returns how many pages were brought back so far, and parts of a store that
// spills.
func (t *target) loads() (n uint64, err error) {
	if t.region != nil {
		n, err = t.region.Loads()
	}
	if t.spilled != nil {
		n += t.spilled.Stats().Fetches
	}
	return n, err
}

// bytes is how large the store is, wherever it lies.
func (t *target) bytes() int64 {
	if t.spilled != nil {
		s := t.spilled.Stats()
		return s.Bytes + s.Spilled
	}
	return t.mem.Committed()
}

// trace is a second copy of a store, which says what it touches.
type trace struct {
	store store
	mem   *traced
}

func newTrace(layout string, bytes int64) (*trace, error) {
	arena, err := epc.New(budgetFor(bytes))
	if err != nil {
		return nil, err
	}
	below := &memory{Arena: arena}
	t := &trace{mem: &traced{PageCounter: matchtest.NewPageCounter(below), below: below}}
	if t.store, err = newStore(layout, t.mem); err != nil {
		return nil, errors.Join(err, arena.Close())
	}
	return t, nil
}

// pages returns the mean number of distinct pages that an event touches.
func (t *trace) pages(f *feed, n int) float64 {
	t.mem.on, t.mem.model = true, nil
	defer func() { t.mem.on = false }()
	pages := 0
	for i := range n {
		t.mem.Reset()
		t.store.match(f.window(i, 1), ignore)
		pages += t.mem.Pages()
	}
	return float64(pages) / float64(n)
}

// begin lets a model look on, which begins as a pager does: all pages in use are
// resident, then those that are too many go.
func (t *trace) begin(policy epcmodel.Policy, bytes int64) error {
	model, err := epcmodel.New(epcmodel.Config{Policy: policy})
	if err != nil {
		return err
	}
	t.mem.below.pages(func(page int) { model.Touch(uint32(page)) })
	if err := model.Limit(int(bytes / pageBytes)); err != nil {
		return err
	}
	t.mem.on, t.mem.model = true, model
	return nil
}

func (t *trace) end() { t.mem.on, t.mem.model = false, nil }

// seen is how many pages the model brought back.
func (t *trace) seen() uint64 {
	if t.mem.model == nil {
		return 0
	}
	return t.mem.model.Counters().Loads
}

// loads counts the pages that a model brings back while do is done, after warm was.
func (t *trace) loads(policy epcmodel.Policy, bytes int64, warm, do func(store) error) (uint64, error) {
	if err := t.begin(policy, bytes); err != nil {
		return 0, err
	}
	defer t.end()
	if err := warm(t.store); err != nil {
		return 0, err
	}
	before := t.seen()
	err := do(t.store)
	return t.seen() - before, err
}

// median sorts x, which is not empty, and returns its middle.
func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}
