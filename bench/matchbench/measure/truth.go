package measure

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/client/cputime"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	// fullSize is the largest size at which the answers to all events are checked:
	// 200 million evaluations, some ten seconds on two cores.
	fullSize  = 100_000
	fewEvents = 20
	// linearEvents are timed for the linear scan's figure.
	linearEvents = 100
	// checkedProbes are the queries whose answer "covered" is checked.
	checkedProbes = 20
)

// removable is a subscription that will be removed and put back.
type removable struct {
	tag    int
	filter filter.Filter
}

// truth is what the linear scan says about a workload at a size.
type truth struct {
	matches [][]uint64 // by event: the tags, ascending
	covered []bool     // by probe
	pairs   int        // matches of all events
	linear  float64    // CPU nanoseconds of a scan for one event
	sample  []removable
}

// eventsChecked is how many events are compared at a size.
func eventsChecked(n int) int {
	if n <= fullSize {
		return events
	}
	return fewEvents
}

// scanRest evaluates filters on events without being timed, on all cores.
func (t *truth) scanRest(first int, filters []filter.Filter, all []filter.Event, from int) {
	workers := runtime.GOMAXPROCS(0)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			for i := from + w; i < len(all); i += workers {
				t.matches[i] = linear(t.matches[i], first, filters, &all[i])
			}
		})
	}
	wait.Wait()
}

// scan evaluates every filter on the first events and every covering of the first
// probes, and keeps the filters that will be removed.
func scan(name string, n int, events []filter.Event, probes []filter.Filter, remove int) (*truth, error) {
	events, probes = events[:min(len(events), eventsChecked(n))], probes[:min(len(probes), checkedProbes)]
	t := &truth{matches: make([][]uint64, len(events)), covered: make([]bool, len(probes))}
	chosen := choose(n, remove)
	clocked := events[:min(len(events), linearEvents)]
	var spent time.Duration
	err := workload.EachChunk(name, n, func(first int, filters []filter.Filter) error {
		begin := cputime.Thread()
		for i := range clocked {
			t.matches[i] = linear(t.matches[i], first, filters, &clocked[i])
		}
		spent += cputime.Thread() - begin
		t.scanRest(first, filters, events, len(clocked))
		for i := range probes {
			t.covered[i] = t.covered[i] || slices.ContainsFunc(filters, func(f filter.Filter) bool { return f.Covers(probes[i]) })
		}
		for ; len(chosen) > 0 && chosen[0] < first+len(filters); chosen = chosen[1:] {
			t.sample = append(t.sample, removable{tag: chosen[0], filter: filters[chosen[0]-first]})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range t.matches {
		t.pairs += len(t.matches[i])
	}
	if len(clocked) > 0 {
		t.linear = float64(spent) / float64(len(clocked))
	}
	shuffle(t.sample)
	return t, nil
}

// linear appends the tags of those filters that match.
func linear(dst []uint64, first int, filters []filter.Filter, e *filter.Event) []uint64 {
	for i := range filters {
		if filters[i].Match(e) {
			dst = append(dst, uint64(first+i))
		}
	}
	return dst
}

// Streams of the seed; those of package workload do not meet them.
const (
	chooseStream  = 101
	shuffleStream = 102
)

func random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(workload.DefaultSeed, stream))
}

// choose draws some of the numbers 0..n-1, without repetition, ascending.
func choose(n, some int) []int {
	r, seen, all := random(chooseStream), map[int]bool{}, []int{}
	for len(all) < min(some, n) {
		if i := r.IntN(n); !seen[i] {
			seen[i] = true
			all = append(all, i)
		}
	}
	slices.Sort(all)
	return all
}

func shuffle(all []removable) {
	random(shuffleStream).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
}

// compare checks answers against the truth, without the tags of absent.
func (t *truth) compare(events []filter.Event, absent map[uint64]bool, match func(e *filter.Event, dst []uint64) []uint64) error {
	var got, want []uint64
	for i := range t.matches {
		got = match(&events[i], got[:0])
		slices.Sort(got)
		want = want[:0]
		for _, tag := range t.matches[i] {
			if !absent[tag] {
				want = append(want, tag)
			}
		}
		if !slices.Equal(got, want) {
			missing, surplus := count(want, got)
			return difference(i, missing, surplus)
		}
	}
	return nil
}

// count returns how many tags of want got lacks, and how many it has beyond; both
// are sorted and may repeat tags.
func count(want, got []uint64) (missing, surplus int) {
	for len(want) > 0 && len(got) > 0 {
		switch {
		case want[0] == got[0]:
			want, got = want[1:], got[1:]
		case want[0] < got[0]:
			want = want[1:]
			missing++
		default:
			got = got[1:]
			surplus++
		}
	}
	return missing + len(want), surplus + len(got)
}
