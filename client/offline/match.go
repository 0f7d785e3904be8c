package offline

import (
	"fmt"
	"math"
	"math/big"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/scbr/scbr/client/cputime"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

// The room reserved for a store: generous, because only what is touched costs
// anything. An encoded constraint of a dozen bytes never takes more than sixteen
// times that with its names, strings, index and node.
const (
	reserveFixed  = 1 << 20
	reserveFilter = 256
	reserveFactor = 16
	// reserveSpace is how much address space there is to a byte of it: enough for the
	// store to keep clusters together.
	reserveSpace = 4
)

// result is everything one run of the matcher found.
type result struct {
	names   []string // distinct ids in output order
	matches [][]uint32
	pairs   int
}

// built is a store together with what it cost to build.
type built struct {
	store    *matcher.Store
	insert   time.Duration // of one insertion, on average
	bytes    float64       // of one subscription, everything included
	rankOf   []uint32      // of the id of each subscription
	distinct []string
	filters  int // distinct normal forms
}

// build inserts all subscriptions. Tags are positions in subs.
func build(subs []Subscription) (*built, error) {
	reserve := reserveFixed
	for _, s := range subs {
		reserve += reserveFilter + reserveFactor*len(s.Filter.AppendBinary(nil))
	}
	b := &built{}
	b.rankOf, b.distinct = rank(subs)
	b.filters = distinctFilters(subs)
	before := liveHeap()
	store, err := matcher.New(matcher.NewHeapMemory(reserveSpace*reserve, reserve), matcher.Config{})
	if err != nil {
		return nil, err
	}
	b.store = store
	runtime.LockOSThread() // what the clock needs
	defer runtime.UnlockOSThread()
	start := cputime.Thread()
	for i, s := range subs {
		if _, err := store.Insert(s.Filter, uint64(i)); err != nil {
			return nil, fmt.Errorf("subscription %d: %w", i, err)
		}
	}
	cost := cputime.Thread() - start
	heap := int64(liveHeap()-before) - int64(reserve) // the reservation counts by what is committed of it
	total := store.Stats().Bytes + max(heap, 0)
	if n := len(subs); n > 0 {
		b.insert = cost / time.Duration(n)
		b.bytes = float64(total) / float64(n)
	}
	return b, nil
}

// distinctFilters counts the normal forms.
func distinctFilters(subs []Subscription) int {
	forms := map[string]bool{}
	for _, s := range subs {
		forms[string(s.Filter.AppendBinary(nil))] = true
	}
	return len(forms)
}

// liveHeap is what the collector cannot free.
func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// rank sorts the distinct ids once, numerically if all are integers and
// bytewise if not, and returns each subscription's place among them.
func rank(subs []Subscription) (rankOf []uint32, distinct []string) {
	place := map[string]uint32{}
	numbers := map[string]*big.Int{}
	for _, s := range subs {
		if _, ok := place[s.ID]; ok {
			continue
		}
		place[s.ID] = 0
		distinct = append(distinct, s.ID)
		if n, ok := new(big.Int).SetString(s.ID, 10); ok && numbers != nil {
			numbers[s.ID] = n
		} else {
			numbers = nil
		}
	}
	slices.SortFunc(distinct, func(a, b string) int {
		if numbers != nil {
			if c := numbers[a].Cmp(numbers[b]); c != 0 {
				return c
			}
		}
		return strings.Compare(a, b)
	})
	for i, id := range distinct {
		place[id] = uint32(i)
	}
	for _, s := range subs {
		rankOf = append(rankOf, place[s.ID])
	}
	return rankOf, distinct
}

// all matches every publication and keeps the distinct ids in output order.
func (b *built) all(pubs []filter.Event) result {
	r := result{names: b.distinct, matches: make([][]uint32, len(pubs))}
	var tags []uint64
	var ranks []uint32
	for i := range pubs {
		tags = b.store.Match(&pubs[i], tags[:0])
		ranks = ranks[:0]
		for _, tag := range tags {
			ranks = append(ranks, b.rankOf[tag])
		}
		slices.Sort(ranks)
		ranks = slices.Compact(ranks)
		r.matches[i] = slices.Clone(ranks)
		r.pairs += len(ranks)
	}
	return r
}

// nsPerEvent is the median over passes of the processor time to match one
// publication; nothing else is inside the measurement.
func (b *built) nsPerEvent(pubs []filter.Event, passes int) float64 {
	if len(pubs) == 0 {
		return 0
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	times := make([]float64, 0, passes)
	var tags []uint64
	for range passes {
		start := cputime.Thread()
		for i := range pubs {
			tags = b.store.Match(&pubs[i], tags[:0])
		}
		times = append(times, float64(cputime.Thread()-start)/float64(len(pubs)))
	}
	return median(times)
}

func median(x []float64) float64 {
	slices.Sort(x)
	mid := len(x) / 2
	if len(x)%2 == 1 {
		return x[mid]
	}
	return (x[mid-1] + x[mid]) / 2
}

// tenths rounds for output.
func tenths(x float64) float64 { return math.Round(x*10) / 10 }
