package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/scbr/scbr/bench/matchbench/measure"
)

// none stands for a figure that was not measured.
const none = "-"

// columns are the heads of the table.
func columns() []string {
	return []string{
		"workload", "subs", "ns/event", "matches", "bytes/sub", "insert ns", "remove ns", "covered ns", "pages", "LLC misses",
		"calib ns", "linear ns", "bytes", "poset ns", "bytes", "x poset", "expr ns", "bytes",
	}
}

// writeTable writes the cells aligned, each figure with its target behind it.
func writeTable(w io.Writer, cells []*measure.Cell) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	writeRow(t, columns())
	goals := targets()
	for _, c := range cells {
		writeRow(t, figures(c, goals[row{c.Workload, c.Subscriptions}]))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nTimes are CPU nanoseconds of one thread, events the median of five passes. In parentheses: targets, set on a quiet Zen 5.\n%s", reasons(cells))
	return err
}

func writeRow(w io.Writer, cells []string) {
	for _, c := range cells {
		fmt.Fprint(w, c, "\t") //nolint:errcheck // Flush reports it
	}
	fmt.Fprintln(w) //nolint:errcheck // Flush reports it
}

func figures(c *measure.Cell, goal target) []string {
	b := c.Baselines
	return []string{
		c.Workload, strconv.Itoa(c.Subscriptions),
		atMost(c.NsPerEvent, goal.ns), number(c.MatchesPerEvent), atMost(c.BytesPerSubscription, goal.bytes),
		atMost(c.InsertNs, goal.insert), atMost(c.RemoveNs, goal.remove), atMost(c.CoveredNs, goal.covered),
		optional(c.PagesPerEvent), optional(c.LLCMissesPerEvent), fmt.Sprintf("%.2f", c.CalibrationNs),
		optional(b.Linear.NsPerEvent), optional(b.Linear.BytesPerSubscription),
		optional(b.Poset.NsPerEvent), optional(b.Poset.BytesPerSubscription), ratio(b.Poset.NsPerEvent, c.NsPerEvent, goal.posetRatio),
		optional(b.Expr.NsPerEvent), optional(b.Expr.BytesPerSubscription),
	}
}

// number keeps three digits, which is more than the machine does.
func number(x float64) string {
	switch {
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
}

func optional(x *float64) string {
	if x == nil {
		return none
	}
	return number(*x)
}

func atMost(x, goal float64) string {
	if goal == 0 {
		return number(x)
	}
	return number(x) + " (" + strconv.FormatFloat(goal, 'f', -1, 64) + ")"
}

// ratio is how many times slower the poset is.
func ratio(poset *float64, ns, goal float64) string {
	if poset == nil || ns == 0 {
		return none
	}
	s := number(*poset / ns)
	if goal != 0 {
		s += fmt.Sprintf(" (>= %g)", goal)
	}
	return s
}

// reasons lists, each once, why figures of baselines are missing.
func reasons(cells []*measure.Cell) string {
	var text strings.Builder
	seen := map[string]bool{}
	for _, c := range cells {
		for _, b := range []struct {
			name   string
			reason string
		}{
			{"linear", c.Baselines.Linear.Reason}, {"poset", c.Baselines.Poset.Reason}, {"expr", c.Baselines.Expr.Reason},
		} {
			if line := b.name + ": " + b.reason + "\n"; b.reason != "" && !seen[line] {
				seen[line] = true
				text.WriteString(line)
			}
		}
	}
	return text.String()
}
