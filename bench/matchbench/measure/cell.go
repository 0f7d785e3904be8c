package measure

import (
	"math"
	"runtime"

	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	// events is small enough to stay in the cache beside the store's own data, as
	// an event does that has just been opened, and large enough that every cluster
	// of a workload is met.
	events = 2000
	// probes are the filters asked about, beyond those that are stored.
	probes = 1000
	// removed bounds the subscriptions that are removed and put back; at small
	// sizes it is a part of them, so that the store stays a store.
	removed     = 10_000
	removedPart = 4
	// budget is more than any store here needs, and leaves the matcher all the address
	// space that it can use.
	budget = 1 << 30
	// MaxSubscriptions is what fits there at four times the memory that package
	// matcher aims at.
	MaxSubscriptions = 64_000_000
)

// Store is what is measured: package matcher's, or a liar's in tests.
type Store interface {
	Insert(f filter.Filter, tag uint64) (matcher.Handle, error)
	Remove(h matcher.Handle) error
	Match(e *filter.Event, dst []uint64) []uint64
	Covered(f filter.Filter) bool
}

// Config names a cell.
type Config struct {
	Workload      string // one of package workload's names
	Subscriptions int    // 1..MaxSubscriptions
	// Progress is told what begins; nil is nobody.
	Progress func(what string)
	// NewStore makes the store that is measured; nil is package matcher's.
	NewStore func(mem matcher.Memory) (Store, error)
}

func newStore(mem matcher.Memory) (Store, error) {
	return matcher.New(mem, matcher.Config{Seed: workload.DefaultSeed})
}

// Cell is the figures of one workload at one size. Times are CPU nanoseconds. The
// JSON names are a contract.
type Cell struct {
	Workload             string    `json:"workload"`
	Subscriptions        int       `json:"subscriptions"`
	NsPerEvent           float64   `json:"ns_per_event"`
	MatchesPerEvent      float64   `json:"matches_per_event"`
	BytesPerSubscription float64   `json:"bytes_per_subscription"` // committed memory and growth of the Go heap
	InsertNs             float64   `json:"insert_ns"`
	RemoveNs             float64   `json:"remove_ns"`
	CoveredNs            float64   `json:"covered_ns"`
	PagesPerEvent        *float64  `json:"pages_per_event"`      // nil: the store does not report what it touches
	LLCMissesPerEvent    *float64  `json:"llc_misses_per_event"` // nil: no such counter here
	CalibrationNs        float64   `json:"calibration_ns"`
	Events               int       `json:"events"`        // in each timed pass
	PairsChecked         int       `json:"pairs_checked"` // matches that were compared with the linear scan's
	Baselines            Baselines `json:"baselines"`
}

// Baselines are the structures measured beside the store.
type Baselines struct {
	Linear Baseline `json:"linear"` // package filter's evaluation of each filter
	Poset  Baseline `json:"poset"`  // package poset
	Expr   Baseline `json:"expr"`   // a compiled program of expr-lang/expr for each filter
}

// Baseline is the figures of one of them, or the reason why there are none.
type Baseline struct {
	NsPerEvent           *float64 `json:"ns_per_event"`
	BytesPerSubscription *float64 `json:"bytes_per_subscription"`
	Reason               string   `json:"reason,omitempty"`
}

// bench is a cell being measured.
type bench struct {
	Config
	cell   *Cell
	events []filter.Event
	probes []filter.Filter
	truth  *truth
}

// Run measures a cell. It locks the calling goroutine to its thread meanwhile. An
// answer that differs from the linear scan's is an *harness.Error with harness.ErrMismatch.
func Run(cfg Config) (*Cell, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.NewStore == nil {
		cfg.NewStore = newStore
	}
	b := &bench{Config: cfg, cell: &Cell{Workload: cfg.Workload, Subscriptions: cfg.Subscriptions}}
	for _, step := range []struct {
		op string
		do func() error
	}{
		{"making events", b.prepare},
		{"scanning linearly", b.scan},
		{"measuring the store", b.store},
		{"counting pages", b.pages},
		{"measuring the poset", b.poset},
		{"measuring expr", b.expr},
	} {
		cfg.Progress(step.op)
		if err := step.do(); err != nil {
			return nil, &harness.Error{Op: step.op, Workload: cfg.Workload, Subscriptions: cfg.Subscriptions, Err: err}
		}
	}
	return b.cell, nil
}

// prepare makes events and probes, which come after the filters that are stored.
func (b *bench) prepare() (err error) {
	ns, _ := calibrate(calibrationSteps)
	b.cell.CalibrationNs = rounded(ns)
	if b.events, err = workload.Events(b.Workload, events, workload.DefaultSeed); err != nil {
		return err
	}
	return workload.EachFilter(b.Workload, b.Subscriptions+probes, workload.DefaultSeed, func(i int, preds []filter.Predicate) error {
		if i < b.Subscriptions {
			return nil
		}
		f, err := filter.New(preds...)
		b.probes = append(b.probes, f)
		return err
	})
}

func (b *bench) scan() (err error) {
	n := b.Subscriptions
	remove := min(removed, (n+removedPart-1)/removedPart)
	if b.truth, err = scan(b.Workload, n, b.events, b.probes, remove); err != nil {
		return err
	}
	b.cell.PairsChecked = b.truth.pairs
	b.cell.Baselines.Linear, err = b.linear()
	return err
}

// linear weighs the filters as values on the heap, from the first chunk of them.
func (b *bench) linear() (Baseline, error) {
	n := min(b.Subscriptions, workload.ChunkFilters)
	before := liveHeap()
	filters, err := workload.Filters(b.Workload, n, workload.DefaultSeed)
	if err != nil {
		return Baseline{}, err
	}
	bytes := float64(liveHeap()-before) / float64(n)
	runtime.KeepAlive(filters)
	return measured(b.truth.linear, bytes), nil
}

// liveHeap is the bytes of the Go heap that are in use.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // the first may have had finalizers to run and pools to empty
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// newMemory reserves the memory of a store. It is outside the Go heap, as an
// enclave's is, so that neither its size nor its growth moves the collector.
func newMemory() (*epc.Arena, error) { return epc.New(budget) }

func measured(ns, bytes float64) Baseline {
	ns, bytes = rounded(ns), rounded(bytes)
	return Baseline{NsPerEvent: &ns, BytesPerSubscription: &bytes}
}

func unmeasured(reason string) Baseline { return Baseline{Reason: reason} }

// rounded drops digits that no clock here has.
func rounded(x float64) float64 {
	const digits = 1000
	return math.Round(x*digits) / digits
}

// matchAll is the work of matching events, in one loop for every structure. It
// keeps the room for answers between calls.
func matchAll(events []filter.Event, match func(e *filter.Event, dst []uint64) []uint64) span {
	var dst []uint64
	return func(from, to int) {
		for i := from; i < to; i++ {
			dst = match(&events[i], dst[:0])
		}
	}
}
