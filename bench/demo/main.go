// Command demo runs the real system on real data: it builds routerd and enclaved from this source tree, registers
// 1,000 subscriptions through attested, encrypted sessions of 20 subscribers, publishes 10,000 stock quotes from 4 publishers,
// and compares what every subscriber opened with a linear evaluation of the same files.
//
// With --kill-enclave or --kill-router it kills that process in the middle, and what is missing must have been announced by the SDK.
//
// Exit codes: 0 every expected pair arrived (or its possible loss was announced, where something was killed) and nothing else; 1 otherwise
// or on failure; 2 bad usage or unreadable input.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/scbr/scbr/bench/dataset"
	"github.com/scbr/scbr/bench/trial"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

type options struct {
	json       bool
	subs, pubs string
	generate   string
	bin        string
	trial      trial.Config
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx))
}

// eachSubscriber is how many subscriptions a session is given at most: fewer than a grant allows, whose
// share is not quite even.
const eachSubscriber = 60_000

var errGenerated = errors.New("--generate excludes --subs and --pubs")

var errBothKilled = errors.New("--kill-enclave and --kill-router exclude each other: killing the router ends the enclave as well")

func parse() (options, error) {
	o := options{trial: trial.Config{Subscribers: 20, Publishers: 4}}
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.BoolVar(&o.json, "json", false, "print the table as one line of JSON on stdout")
	fs.StringVar(&o.subs, "subs", "", "subscriptions in SCBR's text format (default: the embedded 1,000)")
	fs.StringVar(&o.pubs, "pubs", "", "publications in SCBR's text format (default: the embedded 10,000)")
	fs.StringVar(&o.generate, "generate", "", "instead of files, generated subscriptions and events: a workload and a number of subscriptions, such as A:200000")
	fs.StringVar(&o.bin, "bin", "", "folder with routerd and enclaved built before (default: build them)")
	fs.IntVar(&o.trial.PayloadBytes, "payload-bytes", 256, "size of each payload")
	fs.IntVar(&o.trial.Rate, "rate", 0, "publications per second over all publishers; 0 = as fast as acknowledged")
	fs.BoolVar(&o.trial.NoPadding, "no-padding", false, "messages of their own length, which the host then sees")
	fs.IntVar(&o.trial.Stalled, "stalled", 0, "further sessions that subscribe to everything and read nothing; routerd's queues are made small")
	fs.StringVar(&o.trial.SlowConsumer, "slow-consumer", "", "routerd's policy for the stalled sessions (default: its own)")
	fs.StringVar(&o.trial.EPCSim, "epc-sim", "", "size of a simulated EPC that the store lies in, such as 8MiB; faults and evictions are told at the end (default: none)")
	fs.StringVar(&o.trial.EPCPolicy, "epc-policy", "", "which page leaves the simulated EPC: fifo or clock (default: routerd's)")
	fs.StringVar(&o.trial.EPCOverflow, "epc-overflow", "", "what happens to subscriptions beyond the enclave's budget: refuse or spill (default: routerd's)")
	killEnclave := fs.Bool("kill-enclave", false, "kill enclaved with SIGKILL when half of the publications are acknowledged")
	killRouter := fs.Bool("kill-router", false, "kill routerd, and enclaved with it, when half of the publications are acknowledged, and start it again")
	if err := fs.Parse(os.Args[1:]); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.bin != "" {
		if _, err := os.Stat(filepath.Join(o.bin, "routerd")); err != nil {
			return o, err
		}
	}
	switch {
	case *killEnclave && *killRouter:
		return o, errBothKilled
	case *killEnclave:
		o.trial.Assault = trial.KillEnclave()
	case *killRouter:
		o.trial.Assault = trial.KillRouter()
	}
	return o, o.trial.Validate()
}

func run(ctx context.Context) int {
	o, err := parse()
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	var w *trial.Workload
	if err == nil {
		w, err = workload(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return exitUsage
	}
	o.trial.Progress = progress(len(w.Events))
	o.trial.Subscribers = max(o.trial.Subscribers, len(w.Subscriptions)/eachSubscriber+1)
	rep, err := trial.Whole(ctx, o.bin, w, o.trial, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if rep != nil {
		write := rep.WriteTable
		if o.json {
			write = rep.WriteJSON
		}
		err = errors.Join(err, write(os.Stdout))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	return verdict(rep, err)
}

func verdict(rep *trial.Report, err error) int {
	if err != nil || !rep.OK() {
		return exitFailed
	}
	return exitOK
}

func workload(o options) (*trial.Workload, error) {
	if o.generate != "" {
		if o.subs != "" || o.pubs != "" {
			return nil, errGenerated
		}
		return trial.Generate(o.generate)
	}
	subs, subsName, err := text(o.subs, dataset.Subscriptions)
	if err != nil {
		return nil, err
	}
	pubs, pubsName, err := text(o.pubs, dataset.Publications)
	if err != nil {
		return nil, err
	}
	return trial.NewWorkload(subs, subsName, pubs, pubsName)
}

func text(file, embedded string) (content, name string, err error) {
	if file == "" {
		return embedded, "embedded sample", nil
	}
	b, err := os.ReadFile(file) // #nosec G304 -- the user names it
	return string(b), file, err
}

// barStep is how many acknowledgements pass between two looks of the progress bar.
const barStep = 256

func progress(total int) func(int) {
	bar := progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowCount(),
		progressbar.OptionSetDescription("publications acknowledged"), progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(os.Stderr) }))
	return func(n int) {
		if n%barStep == 0 || n == total {
			_ = bar.Set(n)
		}
	}
}
