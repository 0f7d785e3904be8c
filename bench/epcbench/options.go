package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/scbr/scbr/bench/epcbench/measure"
	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/bench/workload"
)

// Errors of the command line.
var (
	errArguments = errors.New("takes flags only: --help lists them")
	errValue     = errors.New("bad value")
)

// What the full sweep measures unless flags say otherwise.
const (
	defaultSizes     = "10,20,40,64,93,128,186,256,400"
	defaultEPC       = "93"
	defaultWorkloads = "A,A-zipf,B,e100a1,e80a1"
	defaultLayouts   = measure.Ours + "," + measure.Contrast
	defaultAccesses  = measure.Match + "," + measure.Register
	defaultOverflows = measure.Pager + "," + measure.Spill
	defaultBatches   = "1,4096"
	quickEPC         = 8 // MiB
	realEPC          = "real"
	maxMB            = measure.MaxBytes / measure.MiB
	maxCostUs        = 1e6
	// defaultModelCost is the page swap of VAULT (about 40,000 cycles) at 3.4 GHz.
	defaultModelCost = 12
)

type options struct {
	quick, json, model, real bool
	sizes, epc               []int // MiB
	workloads, layouts       []string
	accesses, overflows      []string
	batches                  []int
	policy                   epcmodel.Policy
	modelCost, faultCost     float64 // microseconds
	budget, pass             time.Duration
	out                      string
	baseline                 baseline
}

// lists are flags before they are read.
type lists struct{ sizes, epc, workloads, layouts, accesses, overflows, batches, policy, baseline string }

func define(o *options, l *lists, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet("epcbench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&o.quick, "quick", false, fmt.Sprintf("a minute's worth: an EPC of %d MiB, stores of twice that, workloads A and e100a1; sizes and names of other flags do not count", quickEPC))
	fs.BoolVar(&o.json, "json", false, "print one JSON list on stdout: an object for each point")
	fs.BoolVar(&o.model, "model", false, "count faults by the model even where a pager works")
	fs.StringVar(&l.sizes, "sizes", defaultSizes, fmt.Sprintf("comma-separated store sizes in `MIB`, each 1 to %d", maxMB))
	fs.StringVar(&l.epc, "epc", defaultEPC, fmt.Sprintf("comma-separated EPC sizes in `MIB`, each 1 to %d; or real: this is an enclave, take memory as it comes", maxMB))
	fs.StringVar(&l.workloads, "workloads", defaultWorkloads, "comma-separated `NAMES`")
	fs.StringVar(&l.layouts, "layouts", defaultLayouts, "comma-separated `NAMES`")
	fs.StringVar(&l.accesses, "access", defaultAccesses, "comma-separated `NAMES`")
	fs.StringVar(&l.overflows, "overflow", defaultOverflows, "comma-separated `NAMES` of what happens to what does not fit")
	fs.StringVar(&l.batches, "batches", defaultBatches, fmt.Sprintf("comma-separated `NUMBERS` of events matched at a time with spill, each 1 to %d", measure.MaxBatch))
	fs.StringVar(&l.policy, "policy", epcmodel.FIFO.String(), "which page goes: `NAME` fifo or clock, and lru with --model")
	fs.Float64Var(&o.modelCost, "model-cost", defaultModelCost, "`MICROSECONDS` of a fault of the model")
	fs.Float64Var(&o.faultCost, "fault-cost", 0, "add what the slowdown would be if a fault cost these `MICROSECONDS`, as assumed_slowdown")
	fs.DurationVar(&o.budget, "budget", 0, "begin nothing more after this `TIME`, such as 30m; 0 is no end")
	fs.DurationVar(&o.pass, "pass", passTime, "`TIME` that a pass with faults takes at most, roughly; shorter is noisier")
	fs.StringVar(&o.out, "out", "", "`DIRECTORY` for rows.csv, rows.json and the figures")
	fs.StringVar(&l.baseline, "baseline", "", "with --epc real: rows.json of the same run outside an enclave, which slowdowns are relative to")
	return fs
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var l lists
	fs := define(&o, &l, stderr)
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, errArguments
	}
	if err := o.read(&l); err != nil {
		return o, err
	}
	return o, o.check(&l)
}

// read takes the lists apart.
func (o *options) read(l *lists) (err error) {
	numbers := func(to *[]int, flag, list string, most int) {
		if err == nil {
			*to, err = parseNumbers(flag, list, most)
		}
	}
	names := func(to *[]string, flag, list string, known []string) {
		if err == nil {
			*to, err = parseNames(flag, list, known)
		}
	}
	numbers(&o.sizes, "--sizes", l.sizes, maxMB)
	if o.real = l.epc == realEPC; !o.real {
		numbers(&o.epc, "--epc", l.epc, maxMB)
	}
	numbers(&o.batches, "--batches", l.batches, measure.MaxBatch)
	names(&o.workloads, "--workloads", l.workloads, workload.Names())
	names(&o.layouts, "--layouts", l.layouts, []string{measure.Ours, measure.Contrast})
	names(&o.accesses, "--access", l.accesses, []string{measure.Match, measure.Register})
	names(&o.overflows, "--overflow", l.overflows, []string{measure.Pager, measure.Spill})
	if err != nil {
		return err
	}
	if o.policy, err = epcmodel.ParsePolicy(l.policy); err != nil {
		return fmt.Errorf("%w %q: --policy takes fifo, clock or lru", errValue, l.policy)
	}
	if l.baseline != "" {
		o.baseline, err = readBaseline(l.baseline)
	}
	return err
}

// check looks for what does not go together.
func (o *options) check(l *lists) error {
	switch {
	case o.policy == epcmodel.LRU && !o.model:
		return fmt.Errorf("%w \"lru\": --policy lru needs --model: no pager can know it", errValue)
	case !(o.modelCost > 0 && o.modelCost <= maxCostUs):
		return fmt.Errorf("%w %v: --model-cost takes more than 0 and up to %v microseconds", errValue, o.modelCost, maxCostUs)
	case !(o.faultCost >= 0 && o.faultCost <= maxCostUs):
		return fmt.Errorf("%w %v: --fault-cost takes up to %v microseconds", errValue, o.faultCost, maxCostUs)
	case o.budget < 0:
		return fmt.Errorf("%w %v: --budget takes no negative time", errValue, o.budget)
	case o.pass <= 0:
		return fmt.Errorf("%w %v: --pass takes a time", errValue, o.pass)
	case o.real && (o.model || o.quick):
		return fmt.Errorf("%w \"real\": --epc real goes with neither --model nor --quick", errValue)
	case l.baseline != "" && !o.real:
		return fmt.Errorf("%w: --baseline goes with --epc real", errValue)
	}
	if o.real {
		o.epc = []int{0}
		o.overflows = []string{measure.Pager}
	}
	return nil
}

// parseNumbers sorts them.
func parseNumbers(flag, list string, most int) ([]int, error) {
	numbers, err := harness.Numbers(flag, list, most)
	if err != nil {
		return nil, fmt.Errorf("%w %w", errValue, err)
	}
	slices.Sort(numbers)
	return numbers, nil
}

func parseNames(flag, list string, known []string) ([]string, error) {
	names, unknown, ok := harness.Names(list, known)
	if !ok {
		return nil, fmt.Errorf("%w %q: %s takes %s", errValue, unknown, flag, strings.Join(known, ", "))
	}
	return names, nil
}
