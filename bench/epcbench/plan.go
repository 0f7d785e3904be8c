package main

import (
	"slices"

	"github.com/scbr/scbr/bench/epcbench/measure"
)

// next makes a job when the ones before it are done; there may be none.
type next func(rows []measure.Row) (measure.Job, bool)

func just(j measure.Job) next {
	return func([]measure.Row) (measure.Job, bool) { return j, true }
}

// plan lists the jobs. For each workload the contrast comes first: how many subscriptions it holds decides how many package matcher is
// given to compare.
func (o *options) plan() (all []next) {
	if o.quick {
		return quickPlan()
	}
	pager, spill := slices.Contains(o.overflows, measure.Pager), slices.Contains(o.overflows, measure.Spill)
	ours, contrast := slices.Contains(o.layouts, measure.Ours), slices.Contains(o.layouts, measure.Contrast)
	spill = spill && slices.Contains(o.accesses, measure.Match)
	for _, name := range o.workloads {
		j := measure.Job{
			Workload: name, Layout: measure.Contrast, Overflow: measure.Pager, Points: sizes(o.sizes...), EPC: bytes(o.epc),
			Accesses: o.accesses, Batches: []int{1}, Pages: true,
		}
		if contrast && pager {
			all = append(all, just(j))
		}
		j.Layout = measure.Ours
		if contrast && ours && pager {
			all = append(all, sameNumbers(j))
		}
		if ours {
			all = append(all, bySize(j, pager, spill, o.batches)...)
		}
	}
	return all
}

// bySize are the jobs of package matcher at the sizes of the contrast: one where its store can be filled once for both.
func bySize(j measure.Job, pager, spill bool, batches []int) (all []next) {
	if pager && spill && len(j.EPC) == 1 {
		j.Overflow, j.Batches, j.Paged = measure.Spill, batches, true
		return []next{just(j)}
	}
	if pager {
		all = append(all, just(j))
	}
	if spill {
		all = append(all, spilling(j, batches)...)
	}
	return all
}

// spilling are jobs of the same sizes, one for each size of the EPC.
func spilling(j measure.Job, batches []int) (all []next) {
	j.Layout, j.Overflow, j.Accesses, j.Batches, j.Pages = measure.Ours, measure.Spill, []string{measure.Match}, batches, false
	for _, epc := range j.EPC {
		one := j
		one.EPC = []int64{epc}
		all = append(all, just(one))
	}
	return all
}

// sameNumbers is a job with as many subscriptions as the contrast had where it was measured.
func sameNumbers(j measure.Job) next {
	return func(rows []measure.Row) (measure.Job, bool) {
		j.Points = nil
		for i := range rows {
			r := &rows[i]
			if r.Layout == measure.Contrast && r.Workload == j.Workload && r.Access == j.Accesses[0] && r.EPCMB == rows[0].EPCMB {
				j.Points = append(j.Points, measure.Point{Subscriptions: r.Subscriptions})
			}
		}
		return j, len(j.Points) > 0
	}
}

// quickPlan has an EPC of 8 MiB: the contrast at twice that, package matcher with as many subscriptions and at twice the EPC, and with
// spill. What takes longest comes last.
func quickPlan() (all []next) {
	var last []next
	for _, name := range []string{"e100a1", "A"} {
		j := measure.Job{
			Workload: name, Layout: measure.Contrast, Overflow: measure.Pager, Points: sizes(2 * quickEPC), EPC: bytes([]int{quickEPC}),
			Accesses: []string{measure.Match, measure.Register}, Batches: []int{1},
		}
		contrast := just(j)
		j.Layout = measure.Ours
		same := sameNumbers(j)
		j.Overflow, j.Batches, j.Paged = measure.Spill, []int{1, quickBatch}, true
		if name == "A" { // whose contrast reads nearly every page for each event
			all, last = append(all, just(j)), []next{contrast, same}
			continue
		}
		all = append(all, contrast, same, just(j))
	}
	return append(all, last...)
}

const quickBatch = 4096

func sizes(mb ...int) (points []measure.Point) {
	for _, n := range bytes(mb) {
		points = append(points, measure.Point{Bytes: n})
	}
	return points
}

func bytes(mb []int) (all []int64) {
	for _, n := range mb {
		all = append(all, int64(n)*measure.MiB)
	}
	return all
}
