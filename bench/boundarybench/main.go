// Command boundarybench redoes SCBR's own evaluation (Middleware 2016, figures 5 to 7): what matching costs in the clear, behind sealed
// headers, and behind the boundary of the enclave's process, against the number of subscriptions. It prints a table, or one JSON object,
// on standard output, and writes CSV, JSON and figures into a folder if one is named; progress goes to standard error.
//
// Nobody lies to it but its command line and the enclave that it starts, whose every answer is compared with a linear scan's. It
// promises no quiet machine, and shows no SGX: an ordinary process boundary is not an ecall.
//
// Exit codes: 0 every cell measured; 1 otherwise, also where answers were wrong; 2 bad usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/scbr/scbr/bench/boundarybench/measure"
	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/enclave/epc/pager"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// What is measured unless asked otherwise.
const (
	defaultSizes     = "1000,10000,100000,500000"
	defaultWorkloads = "A,e100a1"
	defaultPasses    = 7
	// quickSizes and quickPasses take less than a minute on two slow cores, builds included.
	quickSizes  = "1000,10000"
	quickPasses = 3
	maxPasses   = 1001
)

// noEPC leaves out the side that pages.
const noEPC = "none"

// Errors of the command line.
var (
	errArguments = errors.New("takes flags only: --help lists them")
	errSize      = errors.New("bad size")
	errWorkload  = errors.New("unknown workload")
	errPasses    = errors.New("bad number of passes")
)

type options struct {
	json      bool
	out, bin  string
	epc       string
	passes    int
	sizes     []int
	workloads []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("boundarybench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&o.json, "json", false, "print one JSON object on stdout instead of the table")
	fs.StringVar(&o.out, "out", "", "`FOLDER` for boundary.csv, boundary.json and a figure of each workload as SVG and PNG")
	fs.StringVar(&o.bin, "bin", "", "`FOLDER` with an enclaved built before (default: build it)")
	fs.StringVar(&o.epc, "epc", "8MiB", "size of the simulated EPC of side paged; none leaves it out")
	quick := fs.Bool("quick", false, "small sizes and few passes, within a minute: "+quickSizes)
	sizes := fs.String("sizes", defaultSizes, fmt.Sprintf("comma-separated `NUMBERS` of subscriptions, each 1 to %d", measure.MaxSubscriptions))
	names := fs.String("workloads", defaultWorkloads, "comma-separated `NAMES`")
	fs.IntVar(&o.passes, "passes", defaultPasses, "passes of each side, which take turns")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, errArguments
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if *quick && !given["sizes"] {
		*sizes = quickSizes
	}
	if *quick && !given["passes"] {
		o.passes = quickPasses
	}
	if o.epc != noEPC && !isSize(o.epc) {
		return o, fmt.Errorf("%w: --epc takes a size from 1MiB to 1024MiB, or %s", errSize, noEPC)
	}
	if o.passes < 1 || o.passes > maxPasses {
		return o, fmt.Errorf("%w: --passes takes 1 to %d", errPasses, maxPasses)
	}
	var err error
	if o.sizes, err = harness.Numbers("--sizes", *sizes, measure.MaxSubscriptions); err != nil {
		return o, fmt.Errorf("%w %w", errSize, err)
	}
	slices.Sort(o.sizes)
	var unknown string
	var ok bool
	if o.workloads, unknown, ok = harness.Names(*names, workload.Names()); !ok {
		return o, fmt.Errorf("%w %q: there are %s", errWorkload, unknown, strings.Join(workload.Names(), ", "))
	}
	return o, nil
}

// isSize reports whether a size of a simulated EPC is one that enclaved takes, in whole MiB.
func isSize(s string) bool {
	n, ok := strings.CutSuffix(s, "MiB")
	mib, err := strconv.Atoi(n)
	return ok && err == nil && mib >= 1 && mib <= 1024
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if err == nil && o.bin != "" {
		_, err = os.Stat(filepath.Join(o.bin, "enclaved"))
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "boundarybench:", err)
		return exitUsage
	}
	if err := perform(ctx, o, stdout, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "boundarybench:", err)
		return exitFailed
	}
	return exitOK
}

// perform measures every cell; what is printed and written is whole or not there.
func perform(ctx context.Context, o options, stdout, stderr io.Writer) error {
	if err := pager.Supported(); err != nil && o.epc != noEPC {
		_, _ = fmt.Fprintln(stderr, "without side paged:", err)
		o.epc = noEPC
	}
	if o.epc == noEPC {
		o.epc = ""
	}
	r := report{About: about(ctx, o.epc)}
	if o.bin == "" {
		dir, err := os.MkdirTemp("", "boundarybench")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // nothing depends on it
		_, _ = fmt.Fprintln(stderr, "building enclaved ...")
		if err := trial.Build(ctx, dir); err != nil {
			return err
		}
		o.bin = dir
	}
	for _, name := range o.workloads {
		for _, n := range o.sizes {
			rows, err := measure.Run(ctx, measure.Config{
				Workload: name, Subscriptions: n, Bin: o.bin, Passes: o.passes, EPC: o.epc,
				Progress: func(what string) { _, _ = fmt.Fprintf(stderr, "%s, %d subscriptions: %s ...\n", name, n, what) },
			})
			if err != nil {
				return err
			}
			r.Rows = append(r.Rows, rows...)
		}
	}
	write := r.writeTable
	if o.json {
		write = r.writeJSON
	}
	if err := write(stdout); err != nil || o.out == "" {
		return err
	}
	return r.save(o.out)
}
