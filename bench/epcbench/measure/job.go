package measure

import (
	"fmt"
	"slices"

	"github.com/scbr/scbr/matcher"
)

// MiB is what "MB" means here.
const MiB = 1 << 20

// Bounds of a job.
const (
	// MaxBytes is the address space that package matcher can use.
	MaxBytes = 8 << 30
	// MaxSubscriptions fits there at 128 bytes each.
	MaxSubscriptions = 64_000_000
	// MaxBatch is how many events package matcher takes together.
	MaxBatch = matcher.MaxBatch
	// MinEPC leaves room for the empty store and what one event touches.
	MinEPC = 1 << 20
)

// Point is a size of the store: it is filled until it has both.
type Point struct {
	Bytes         int64 // of memory
	Subscriptions int
}

// Job is a store that grows, and what is measured of it at each size.
type Job struct {
	Workload string
	Layout   string
	Overflow string
	Points   []Point  // ascending
	EPC      []int64  // bytes
	Accesses []string //
	Batches  []int    // of Match; 1 where the store takes one event at a time
	Pages    bool     // count distinct pages as well
	// Paged makes of a job with Spill one that measures the accesses of its unlimited
	// copy with Pager too: a large store is filled once for both.
	Paged bool
}

// Rows is how many a job makes, unless something cannot be measured here.
func (j *Job) Rows() int {
	if j.Paged {
		spill, pager := j.halves()
		return spill.Rows() + pager.Rows()
	}
	n := 0
	if slices.Contains(j.Accesses, Match) {
		n += len(j.Batches)
	}
	if slices.Contains(j.Accesses, Register) {
		n++
	}
	return n * len(j.Points) * len(j.EPC)
}

// halves are the two jobs that one with Paged stands for.
func (j *Job) halves() (spill, pager Job) {
	spill, pager = *j, *j
	spill.Paged, pager.Paged = false, false
	spill.Accesses = []string{Match}
	pager.Overflow, pager.Batches = Pager, []int{1}
	return spill, pager
}

// check says what is out of bounds. Where the EPC is real there is no size of it.
func (j *Job) check(real bool) error {
	fault := func(what string) error { return fmt.Errorf("%w: %s", ErrJob, what) }
	switch {
	case !slices.Contains([]string{Ours, Contrast}, j.Layout):
		return fault("layout")
	case !slices.Contains([]string{Pager, Spill}, j.Overflow):
		return fault("overflow")
	case j.Paged && j.Overflow != Spill, j.Overflow == Spill && !j.canSpill():
		return fault("spill is for matching of package matcher, with one size of the EPC")
	case slices.ContainsFunc(j.Accesses, func(a string) bool { return a != Match && a != Register }):
		return fault("access")
	case slices.ContainsFunc(j.EPC, func(n int64) bool { return !real && n < MinEPC || n < 0 || n > MaxBytes }):
		return fault("EPC size")
	case slices.ContainsFunc(j.Batches, func(n int) bool { return n < 1 || n > MaxBatch }):
		return fault("batch")
	case j.Rows() == 0:
		return fault("nothing to measure")
	}
	return checkPoints(j.Points)
}

func (j *Job) canSpill() bool {
	return j.Layout == Ours && len(j.EPC) == 1 && (j.Paged || !slices.Contains(j.Accesses, Register))
}

func checkPoints(points []Point) error {
	for i, p := range points {
		if p.Bytes < 0 || p.Bytes > MaxBytes || p.Subscriptions < 0 || p.Subscriptions > MaxSubscriptions {
			return fmt.Errorf("%w: size", ErrJob)
		}
		if i > 0 && (p.Bytes < points[i-1].Bytes || p.Subscriptions < points[i-1].Subscriptions) {
			return fmt.Errorf("%w: sizes do not ascend", ErrJob)
		}
	}
	return nil
}
