// Command matchbench measures package matcher on the workloads of package workload, beside a linear scan, the containment poset of SCBR
// and compiled programs of an expression language, and checks its answers against the linear scan's. It prints one table, or one JSON
// list with an object for each workload and size, on standard output; progress goes to standard error.
//
// Nobody lies to it but its command line and the matcher. It promises figures only for answers that were right on the sample that it
// checks, and no quiet machine.
//
// Exit codes: 0 every cell measured; 1 otherwise, also where answers were wrong; 2 bad usage.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/bench/matchbench/measure"
	"github.com/scbr/scbr/bench/workload"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// defaultSizes are those of the published targets.
const defaultSizes = "1000,10000,100000,1000000"

// Errors of the command line.
var (
	errArguments = errors.New("takes flags only: --help lists them")
	errSize      = errors.New("bad size")
	errWorkload  = errors.New("unknown workload")
)

type options struct {
	json      bool
	sizes     []int
	workloads []string
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("matchbench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&o.json, "json", false, "print the figures as one JSON list on stdout: an object for each workload and size")
	sizes := fs.String("sizes", defaultSizes, fmt.Sprintf("comma-separated `NUMBERS` of subscriptions, each 1 to %d", measure.MaxSubscriptions))
	names := fs.String("workloads", strings.Join(workload.Names(), ","), "comma-separated `NAMES`")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, errArguments
	}
	var err error
	if o.sizes, err = harness.Numbers("--sizes", *sizes, measure.MaxSubscriptions); err != nil {
		return o, fmt.Errorf("%w %w", errSize, err)
	}
	var unknown string
	var ok bool
	if o.workloads, unknown, ok = harness.Names(*names, workload.Names()); !ok {
		return o, fmt.Errorf("%w %q: there are %s", errWorkload, unknown, strings.Join(workload.Names(), ", "))
	}
	return o, nil
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "matchbench:", err)
		return exitUsage
	}
	cells, err := perform(o, stderr)
	if o.json {
		err = errors.Join(err, json.NewEncoder(stdout).Encode(cells))
	} else {
		err = errors.Join(err, writeTable(stdout, cells))
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "matchbench:", err)
		return exitFailed
	}
	return exitOK
}

// perform measures every cell, or those before the first that fails.
func perform(o options, stderr io.Writer) ([]*measure.Cell, error) {
	cells := []*measure.Cell{}
	for _, name := range o.workloads {
		for _, n := range o.sizes {
			cell, err := measure.Run(measure.Config{
				Workload: name, Subscriptions: n,
				Progress: func(what string) { _, _ = fmt.Fprintf(stderr, "%s, %d subscriptions: %s ...\n", name, n, what) },
			})
			if err != nil {
				return cells, err
			}
			cells = append(cells, cell)
		}
	}
	return cells, nil
}
