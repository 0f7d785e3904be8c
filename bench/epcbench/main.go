// Command epcbench measures what it costs when the subscription store is larger than the protected memory of an enclave (the EPC): it
// matches and registers on stores of many sizes in a simulated EPC, package matcher's and a pointer-per-node poset as the contrast, and
// reports how many times slower that is than with an unlimited one. Results are a table or a JSON list on standard output, and with
// --out a CSV file, a JSON file and figures; progress goes to standard error.
//
// Where the operating system has no userfaultfd, or keeps it to others, faults are counted by a model and cost what --model-cost says;
// the column "source" tells which.
//
// Nobody lies to it but its command line and the stores. It promises figures only for answers that were right on the sample that it
// checks, and neither a quiet machine nor that a fault costs here what it does on hardware: docs/EPC.md says what it cannot show.
//
// Exit codes: 0 done, also where the budget of time or a signal ended it early; 1 failed, also where answers were wrong; 2 bad usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/scbr/scbr/bench/epcbench/measure"
	"github.com/scbr/scbr/bench/ownpager"
	"github.com/scbr/scbr/enclave/epc/pager"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	if asked, err := ownpager.Serve(os.Args); asked {
		if err != nil {
			fmt.Fprintln(os.Stderr, "epcbench: pager:", err)
			os.Exit(exitFailed)
		}
		return
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintln(stderr, "epcbench:", err)
		return exitUsage
	}
	if o.out != "" { // before hours of work, not after
		if err := os.MkdirAll(o.out, dirMode); err != nil { // #nosec G301 -- results are for everybody
			_, _ = fmt.Fprintln(stderr, "epcbench:", err)
			return exitUsage
		}
	}
	rows, err := perform(o, stderr)
	if o.json {
		err = errors.Join(err, json.NewEncoder(stdout).Encode(rows))
	} else {
		err = errors.Join(err, writeTable(stdout, rows))
	}
	if o.out != "" {
		err = errors.Join(err, save(o.out, rows))
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "epcbench:", err)
		return exitFailed
	}
	return exitOK
}

// passTime is roughly what a pass with faults takes; the quick ones have a minute in all.
const (
	passTime      = time.Second
	quickPassTime = 150 * time.Millisecond
	// quickBudget leaves time for what was begun.
	quickBudget = 45 * time.Second
)

// perform measures all jobs, or those before one that fails.
func perform(o options, stderr io.Writer) ([]measure.Row, error) {
	rows := []measure.Row{}
	p := newProgress(stderr, o)
	defer p.finish()
	cfg := measure.Config{
		Policy: o.policy, Real: o.real, ModelCostUs: o.modelCost, AssumedCostUs: o.faultCost, Pass: o.pass,
		Emit:     func(r measure.Row) error { rows = append(rows, o.baseline.complete(r)); p.row(); return nil },
		Progress: p.note,
	}
	if o.quick {
		cfg.Pass = quickPassTime
		if o.budget == 0 {
			o.budget = quickBudget
		}
	}
	stop, over := context.WithCancel(context.Background())
	defer over()
	if o.budget > 0 {
		stop, over = context.WithTimeout(stop, o.budget)
		defer over()
	}
	stop, over = signal.NotifyContext(stop, os.Interrupt, syscall.SIGTERM)
	defer over()
	cfg.Expired = func() bool { return stop.Err() != nil }
	if !o.real && !o.model {
		if err := pager.Supported(); err != nil {
			p.say(fmt.Sprintf("no pager here, so faults are counted by a model: %v", err))
		} else {
			cfg.Start = startPager(o.policy)
		}
	}
	s, err := measure.Open(cfg)
	if err != nil {
		return rows, err
	}
	p.say(costs(s))
	left := 0
	for _, next := range o.plan() {
		job, ok := next(rows)
		if !ok {
			continue
		}
		p.begin(&job)
		n, err := s.Do(job)
		p.end(&job)
		if err != nil {
			return rows, err
		}
		left += n
	}
	if left > 0 {
		p.say(fmt.Sprintf("%d rows were left out: the time was over, or the model cannot see what insertions of package matcher touch", left))
	}
	return rows, nil
}
