package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"

	"github.com/scbr/scbr/bench/boundarybench/measure"
	"github.com/scbr/scbr/bench/figure"
)

// Modes of what is written for everybody to read.
const (
	folderMode = 0o755
	fileMode   = 0o644
)

// none stands for a figure that there is not.
const none = "n/a"

// report is everything of a run. The JSON names are a contract.
type report struct {
	About origin        `json:"about"`
	Rows  []measure.Row `json:"rows"`
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// writeTable writes the rows aligned, with what has to be known to read them.
func (r *report) writeTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workload\tsubs\tside\tbatch\tcpu ns\tx plain\twall ns\tx plain\tmatches\tenvelopes\tLLC misses\t") //nolint:errcheck // Flush reports it
	for i := range r.Rows {
		row := &r.Rows[i]
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%.1f\t%s\t%.1f\t%.2f\t%.2f\t%s\t\n", //nolint:errcheck // Flush reports it
			row.Workload, row.Subscriptions, row.Side, batchOf(row), short(row.CPUNs), row.CPURatio, short(row.WallNs), row.WallRatio,
			row.MatchesPerEvent, row.EnvelopesPerEvent, optional(row.LLCMisses))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	a := &r.About
	_, err := fmt.Fprintf(w, "\nNanoseconds an event, medians of passes that take turns; x plain: beside the plain pass of the same turn.\n%s.\nprocess: %s.\n%s%s, %d cores, Linux %s, %s, commit %s, %s\n",
		a.Clocks, a.Process, r.reasons(), a.CPU, a.Cores, a.Kernel, a.Go, a.Commit, a.Date)
	return err
}

// reasons says, each once, why cache misses are missing.
func (r *report) reasons() string {
	var text bytes.Buffer
	seen := map[string]bool{}
	for i := range r.Rows {
		if line := fmt.Sprintf("LLC misses n/a, %s: %s\n", r.Rows[i].Side, r.Rows[i].LLCReason); r.Rows[i].LLCReason != "" && !seen[line] {
			seen[line] = true
			text.WriteString(line)
		}
	}
	return text.String()
}

func batchOf(row *measure.Row) string {
	if row.Batch == 0 {
		return "-"
	}
	return strconv.Itoa(row.Batch)
}

func short(x float64) string { return strconv.FormatFloat(x, 'f', 0, 64) }

func exact(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func optional(x *float64) string {
	if x == nil {
		return none
	}
	return exact(*x)
}

// writeCSV writes the rows under the names that they have in JSON.
func (r *report) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	all := [][]string{{
		"workload", "subscriptions", "side", "batch", "cpu_ns", "wall_ns", "cpu_ratio", "wall_ratio", "llc_misses",
		"matches_per_event", "envelopes_per_event", "events", "passes", "pairs_checked",
	}}
	for i := range r.Rows {
		x := &r.Rows[i]
		all = append(all, []string{
			x.Workload, strconv.Itoa(x.Subscriptions), x.Side, strconv.Itoa(x.Batch), exact(x.CPUNs), exact(x.WallNs), exact(x.CPURatio),
			exact(x.WallRatio), optional(x.LLCMisses), exact(x.MatchesPerEvent), exact(x.EnvelopesPerEvent),
			strconv.Itoa(x.Events), strconv.Itoa(x.Passes), strconv.Itoa(x.PairsChecked),
		})
	}
	return c.WriteAll(all)
}

// save writes everything into a folder.
func (r *report) save(dir string) error {
	if err := os.MkdirAll(dir, folderMode); err != nil { // #nosec G301 -- for everybody to read
		return err
	}
	for _, f := range []struct {
		name  string
		write func(w io.Writer) error
	}{{"boundary.csv", r.writeCSV}, {"boundary.json", r.writeJSON}} {
		var b bytes.Buffer
		if err := f.write(&b); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), b.Bytes(), fileMode); err != nil { // #nosec G306 -- as above
			return err
		}
	}
	var errs []error
	for _, c := range r.charts() {
		for _, ext := range []string{".svg", ".png"} {
			errs = append(errs, c.chart.Save(filepath.Join(dir, "boundary-"+c.workload+ext)))
		}
	}
	return errors.Join(errs...)
}

// drawn is the chart of a workload.
type drawn struct {
	workload string
	chart    figure.Chart
}

// charts draws processor time against subscriptions, a line for each side: others on the machine disturb it least.
func (r *report) charts() []drawn {
	var all []drawn
	for i := range r.Rows {
		row := &r.Rows[i]
		if len(all) == 0 || all[len(all)-1].workload != row.Workload {
			all = append(all, drawn{row.Workload, figure.Chart{
				Title: "Workload " + row.Workload + " (" + r.About.Commit + ")",
				X:     figure.Axis{Label: "subscriptions", Log: true},
				Y:     figure.Axis{Label: "processor time of a publication, ns", Log: true},
			}})
		}
		c := &all[len(all)-1].chart
		name := row.Side
		if row.Batch > 0 {
			name = fmt.Sprintf("%s, batch %d", row.Side, row.Batch)
		}
		at := len(c.Series)
		for j := range c.Series {
			if c.Series[j].Name == name {
				at = j
			}
		}
		if at == len(c.Series) {
			c.Series = append(c.Series, figure.Series{Name: name})
		}
		s := &c.Series[at]
		s.X, s.Y = append(s.X, float64(row.Subscriptions)), append(s.Y, row.CPUNs)
	}
	return all
}
