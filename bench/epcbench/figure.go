package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/scbr/scbr/bench/epcbench/measure"
	"github.com/scbr/scbr/bench/figure"
)

// inOnePicture is the number of workloads that one can still tell apart.
const inOnePicture = 2

// inOneChart are the lines that a chart takes; those of the first size of the EPC come first.
const inOneChart = figure.MaxSeries

// marks are the EPC of the first machines with SGX: what is usable, and what is reserved for it.
func marks() []figure.Mark {
	return []figure.Mark{{X: 93, Label: "93 MiB usable"}, {X: 128, Label: "128 MiB EPC"}}
}

// draw makes the figures: slowdown against store size, of the first workloads together and of each alone, and pages against store size.
func draw(dir string, rows []measure.Row) (err error) {
	var names []string
	for i := range rows {
		if !slices.Contains(names, rows[i].Workload) {
			names = append(names, rows[i].Workload)
		}
	}
	slowdown := func(r *measure.Row) (float64, bool) { return r.Slowdown, true }
	pages := func(r *measure.Row) (float64, bool) {
		if r.PagesPerEvent == nil {
			return 0, false
		}
		return *r.PagesPerEvent, r.Access == measure.Match
	}
	chart := func(file, title, y string, names []string, value func(r *measure.Row) (float64, bool)) {
		c := figure.Chart{
			Title: title, X: figure.Axis{Label: "store, MiB", Log: true}, Y: figure.Axis{Label: y, Log: true},
			Series: lines(rows, names, value), Marks: marks(),
		}
		if len(c.Series) == 0 {
			return
		}
		for _, ext := range []string{".svg", ".png"} {
			err = errors.Join(err, c.Save(filepath.Join(dir, file+ext)))
		}
	}
	const factor, distinct = "time by that with an unlimited EPC", "distinct 4 KiB pages an event"
	first := names[:min(len(names), inOnePicture)]
	chart("slowdown", "Larger than the EPC: slowdown", factor, first, func(r *measure.Row) (float64, bool) {
		return r.Slowdown, r.Access == measure.Match
	})
	for _, name := range names {
		chart("slowdown-"+name, "Larger than the EPC: slowdown, workload "+name, factor, []string{name}, slowdown)
	}
	chart("pages", "Pages that matching an event touches", distinct, names, pages)
	return err
}

// lines are the rows of some workloads that have a value, by what else they differ in.
func lines(rows []measure.Row, names []string, value func(r *measure.Row) (float64, bool)) (all []figure.Series) {
	first := rows[0].EPCMB
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b measure.Row) int { return cmp.Compare(boolInt(a.EPCMB != first), boolInt(b.EPCMB != first)) })
	for i := range rows {
		r := &rows[i]
		y, ok := value(r)
		if !ok || y <= 0 || r.StoreMB <= 0 || !slices.Contains(names, r.Workload) {
			continue
		}
		name := nameOf(r, first)
		at := slices.IndexFunc(all, func(s figure.Series) bool { return s.Name == name })
		if at < 0 {
			at, all = len(all), append(all, figure.Series{Name: name})
		}
		all[at].X, all[at].Y = append(all[at].X, r.StoreMB), append(all[at].Y, y)
	}
	for i := range all {
		ascend(&all[i])
	}
	return all[:min(len(all), inOneChart)]
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ascend sorts a line by X: those with as many subscriptions as the contrast come before.
func ascend(s *figure.Series) {
	order := make([]int, len(s.X))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.X[a], s.X[b]) })
	x, y := slices.Clone(s.X), slices.Clone(s.Y)
	for to, from := range order {
		s.X[to], s.Y[to] = x[from], y[from]
	}
}

func nameOf(r *measure.Row, epc float64) string {
	name := fmt.Sprintf("%s, %s: %s", r.Layout, r.Workload, r.Access)
	if r.Overflow == measure.Spill {
		name += fmt.Sprintf(", spill, %d at a time", r.Batch)
	}
	if r.EPCMB != epc {
		name += fmt.Sprintf(" (EPC %g MiB)", r.EPCMB)
	}
	return name
}
