package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/scbr/scbr/bench/epcbench/measure"
)

// column is one of a table's: its name, which is its key in JSON, and its cell.
type column struct {
	name string
	cell func(r *measure.Row) string
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func optional(x *float64) string {
	if x == nil {
		return ""
	}
	return number(*x)
}

// columns are the keys of a row, in their order.
func columns() []column {
	return []column{
		{"layout", func(r *measure.Row) string { return r.Layout }},
		{"workload", func(r *measure.Row) string { return r.Workload }},
		{"access", func(r *measure.Row) string { return r.Access }},
		{"overflow", func(r *measure.Row) string { return r.Overflow }},
		{"subscriptions", func(r *measure.Row) string { return strconv.Itoa(r.Subscriptions) }},
		{"store_mb", func(r *measure.Row) string { return number(r.StoreMB) }},
		{"epc_mb", func(r *measure.Row) string { return number(r.EPCMB) }},
		{"slowdown", func(r *measure.Row) string { return number(r.Slowdown) }},
		{"faults_per_event", func(r *measure.Row) string { return number(r.FaultsPerEvent) }},
		{"batch", func(r *measure.Row) string { return strconv.Itoa(r.Batch) }},
		{"fault_cost_us", func(r *measure.Row) string { return number(r.FaultCostUs) }},
		{"source", func(r *measure.Row) string { return r.Source }},
		{"policy", func(r *measure.Row) string { return r.Policy }},
		{"ns_per_event", func(r *measure.Row) string { return number(r.NsPerEvent) }},
		{"unlimited_ns_per_event", func(r *measure.Row) string { return number(r.UnlimitedNs) }},
		{"pages_per_event", func(r *measure.Row) string { return optional(r.PagesPerEvent) }},
		{"matches_per_event", func(r *measure.Row) string { return number(r.MatchesPerEvent) }},
		{"events", func(r *measure.Row) string { return strconv.Itoa(r.Events) }},
		{"assumed_fault_cost_us", func(r *measure.Row) string { return optional(r.AssumedCostUs) }},
		{"assumed_slowdown", func(r *measure.Row) string { return optional(r.AssumedSlowdown) }},
	}
}

// inTable is the number of columns that fit a terminal; the last of them is the number of distinct pages.
func inTable(c column) bool {
	switch c.name {
	case "policy", "events", "matches_per_event":
		return false
	}
	return true
}

func writeTable(w io.Writer, rows []measure.Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i := -1; i < len(rows); i++ {
		for _, c := range columns() {
			if !inTable(c) {
				continue
			}
			cell := strings.TrimSuffix(c.name, "_per_event")
			if i >= 0 {
				cell = c.cell(&rows[i])
			}
			fmt.Fprint(t, cell, "\t") //nolint:errcheck // Flush reports it
		}
		fmt.Fprintln(t) //nolint:errcheck // Flush reports it
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nMB are MiB. Slowdown is wall clock time by that of the same store with an unlimited EPC, in turns: of events the medians of three passes each, of registrations the means.")
	return err
}

func writeCSV(w io.Writer, rows []measure.Row) error {
	out := csv.NewWriter(w)
	for i := -1; i < len(rows); i++ {
		var record []string
		for _, c := range columns() {
			cell := c.name
			if i >= 0 {
				cell = c.cell(&rows[i])
			}
			record = append(record, cell)
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

const (
	dirMode  = 0o755
	fileMode = 0o644
)

// save writes the rows and the figures into a directory.
func save(dir string, rows []measure.Row) error {
	if err := os.MkdirAll(dir, dirMode); err != nil { // #nosec G301 -- results are for everybody
		return err
	}
	var table strings.Builder
	if err := writeCSV(&table, rows); err != nil {
		return err
	}
	list, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "rows.csv"), []byte(table.String()), fileMode), // #nosec G306 G703 -- results are for everybody; the user names the directory
		os.WriteFile(filepath.Join(dir, "rows.json"), append(list, '\n'), fileMode),    // #nosec G306 G703 -- the same
	)
	if err != nil || len(rows) == 0 {
		return err
	}
	return draw(dir, rows)
}
