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

// marks are the EPC of the first machines with SGX, what is usable and what is reserved for it, and that of the run if it is another.
func marks(epc float64) []figure.Mark {
	const usable, reserved = 93, 128
	all := []figure.Mark{{X: usable, Label: "93 MiB usable"}, {X: reserved, Label: "128 MiB EPC"}}
	if epc > 0 && epc != usable && epc != reserved {
		all = append(all, figure.Mark{X: epc, Label: fmt.Sprintf("%g MiB here", epc)})
	}
	return all
}

// value is what a row has on an axis, if it belongs there.
type value = func(r *measure.Row) (float64, bool)

func storeMB(r *measure.Row) (float64, bool) { return r.StoreMB, true }

func subscriptions(r *measure.Row) (float64, bool) { return float64(r.Subscriptions), true }

func slowdown(r *measure.Row) (float64, bool) { return r.Slowdown, true }

func slowdownOfMatch(r *measure.Row) (float64, bool) { return r.Slowdown, r.Access == measure.Match }

func pagesOfMatch(r *measure.Row) (float64, bool) {
	if r.PagesPerEvent == nil {
		return 0, false
	}
	return *r.PagesPerEvent, r.Access == measure.Match
}

// draw makes the figures: slowdown against the size of the store and the number of subscriptions, of the first workloads together and
// of each alone, and pages against the size.
func draw(dir string, rows []measure.Row) (err error) {
	var names []string
	for i := range rows {
		if !slices.Contains(names, rows[i].Workload) {
			names = append(names, rows[i].Workload)
		}
	}
	const factor, distinct, store = "time by that with an unlimited EPC", "distinct 4 KiB pages an event", "store, MiB"
	sizes := marks(rows[0].EPCMB)
	chart := func(file, title, x, y string, marks []figure.Mark, series []figure.Series) {
		if len(series) == 0 {
			return
		}
		c := figure.Chart{Title: title, X: figure.Axis{Label: x, Log: true}, Y: figure.Axis{Label: y, Log: true}, Series: series, Marks: marks}
		for _, ext := range []string{".svg", ".png"} {
			err = errors.Join(err, c.Save(filepath.Join(dir, file+ext)))
		}
	}
	first := names[:min(len(names), inOnePicture)]
	chart("slowdown", "Larger than the EPC: slowdown", store, factor, sizes, lines(rows, first, storeMB, slowdownOfMatch))
	chart("slowdown-subscriptions", "Larger than the EPC: slowdown by subscriptions", "subscriptions", factor, nil, lines(rows, first, subscriptions, slowdownOfMatch))
	for _, name := range names {
		chart("slowdown-"+name, "Slowdown, workload "+name, store, factor, sizes, lines(rows, []string{name}, storeMB, slowdown))
	}
	chart("pages", "Pages that matching an event touches", store, distinct, sizes, lines(rows, names, storeMB, pagesOfMatch))
	return err
}

// lines are the rows of some workloads that have a value, by what else they differ in.
func lines(rows []measure.Row, names []string, valueX, valueY value) (all []figure.Series) {
	first := rows[0].EPCMB
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b measure.Row) int { return cmp.Compare(boolInt(a.EPCMB != first), boolInt(b.EPCMB != first)) })
	for i := range rows {
		r := &rows[i]
		x, _ := valueX(r)
		y, ok := valueY(r)
		if !ok || x <= 0 || y <= 0 || !slices.Contains(names, r.Workload) {
			continue
		}
		name := nameOf(r, first)
		at := slices.IndexFunc(all, func(s figure.Series) bool { return s.Name == name })
		if at < 0 {
			at, all = len(all), append(all, figure.Series{Name: name})
		}
		all[at].X, all[at].Y = append(all[at].X, x), append(all[at].Y, y)
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
