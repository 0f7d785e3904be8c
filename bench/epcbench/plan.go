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
	for _, name := range o.workloads {
		j := measure.Job{
			Workload: name, Points: sizes(o.sizes...), EPC: bytes(o.epc), Accesses: o.accesses, Batches: []int{1},
			Overflow: measure.Pager, Pages: true,
		}
		both := slices.Contains(o.layouts, measure.Ours) && slices.Contains(o.layouts, measure.Contrast)
		if slices.Contains(o.layouts, measure.Contrast) {
			j.Layout = measure.Contrast
			all = append(all, just(j))
		}
		if j.Layout = measure.Ours; both {
			all = append(all, sameNumbers(j))
		}
		if slices.Contains(o.layouts, measure.Ours) {
			all = append(all, just(j))
		}
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

// quickPlan has an EPC of 8 MiB: the contrast at twice that, package matcher with as many subscriptions and at twice the EPC.
func quickPlan() (all []next) {
	epc := bytes([]int{quickEPC})
	accesses := []string{measure.Match, measure.Register}
	for _, name := range []string{"A", "e100a1"} {
		j := measure.Job{
			Workload: name, Layout: measure.Contrast, Overflow: measure.Pager, Points: sizes(2 * quickEPC), EPC: epc,
			Accesses: accesses, Batches: []int{1},
		}
		all = append(all, just(j))
		j.Layout = measure.Ours
		all = append(all, sameNumbers(j), just(j))
	}
	return all
}

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

// rows is how many a plan makes, as far as that is known before.
func (o *options) rows() (n int) {
	var known []measure.Row
	for _, next := range o.plan() {
		j, ok := next(known)
		if !ok {
			continue
		}
		n += j.Rows()
		if j.Layout == measure.Contrast { // as sameNumbers will find them
			for range j.Points {
				known = append(known, measure.Row{Layout: j.Layout, Workload: j.Workload, Access: j.Accesses[0]})
			}
		}
	}
	return n
}
