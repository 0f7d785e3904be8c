package trial

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	// MaxGenerated bounds the subscriptions of a generated workload: they are held in
	// the memory of the trial, beside what must come out of them.
	MaxGenerated = 2_000_000
	// generatedEvents keeps the evaluation and the deliveries of large stores within a
	// minute or so.
	generatedEvents = 2_000
)

// Generate makes a workload of package workload, named as NAME:SUBSCRIPTIONS, such as
// A:200000. What must come out is the reference evaluation of each filter on each event
// that has the attribute and value of its first equality with a text; filters without
// one are evaluated on all.
func Generate(spec string) (*Workload, error) {
	name, count, _ := strings.Cut(spec, ":")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > MaxGenerated {
		return nil, fmt.Errorf("%q: want NAME:SUBSCRIPTIONS with 1 to %d of them, such as A:200000", spec, MaxGenerated)
	}
	w := &Workload{}
	index := map[filter.Attribute][]int{}
	var rest []int
	err = workload.EachFilter(name, n, workload.DefaultSeed, func(i int, preds []filter.Predicate) error {
		f, err := filter.New(preds...)
		w.IDs = append(w.IDs, strconv.Itoa(i))
		w.Subscriptions, w.ids = append(w.Subscriptions, offline.Subscription{ID: w.IDs[i], Filter: f}), append(w.ids, i)
		k := slices.IndexFunc(preds, func(p filter.Predicate) bool { return p.Op == filter.Eq && p.Value.Type() == filter.TypeString })
		if k < 0 {
			rest = append(rest, i)
			return err
		}
		key := filter.Attribute{Name: preds[k].Attr, Value: preds[k].Value}
		index[key] = append(index[key], i)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = workload.EachEvent(name, generatedEvents, workload.DefaultSeed, func(_ int, attrs []filter.Attribute) error {
		e, err := filter.NewEvent(attrs...)
		candidates := slices.Clone(rest)
		for _, a := range attrs {
			candidates = append(candidates, index[a]...)
		}
		w.Events = append(w.Events, e)
		w.expect(&e, candidates)
		return err
	})
	return w, err
}

// expect adds what must come out of one more event, if only candidates can match.
func (w *Workload) expect(e *filter.Event, candidates []int) {
	var matched []int
	for _, i := range candidates {
		if w.Subscriptions[i].Filter.Match(e) {
			matched = append(matched, w.ids[i])
		}
	}
	slices.Sort(matched)
	matched = slices.Compact(matched)
	w.Expected, w.first = append(w.Expected, matched), append(w.first, w.Pairs)
	w.Pairs += len(matched)
}
