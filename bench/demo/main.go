// Command demo runs the real system on real data: it builds routerd, enclaved and the SDK from this source tree, registers
// 1,000 subscriptions through attested, encrypted sessions of 20 subscribers, publishes 10,000 stock quotes from 4 publishers,
// and compares what every subscriber opened with a linear evaluation of the same files.
//
// Exit codes: 0 every expected pair arrived and nothing else; 1 otherwise or on failure; 2 bad usage or unreadable input.
package main

import (
	"context"
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
	bin        string
	trial      trial.Config
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx))
}

func parse() (options, error) {
	o := options{trial: trial.Config{Subscribers: 20, Publishers: 4}}
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.BoolVar(&o.json, "json", false, "print the table as one line of JSON on stdout")
	fs.StringVar(&o.subs, "subs", "", "subscriptions in SCBR's text format (default: the embedded 1,000)")
	fs.StringVar(&o.pubs, "pubs", "", "publications in SCBR's text format (default: the embedded 10,000)")
	fs.StringVar(&o.bin, "bin", "", "folder with routerd, enclaved and scbr built before (default: build them)")
	fs.IntVar(&o.trial.PayloadBytes, "payload-bytes", 256, "size of each payload")
	fs.IntVar(&o.trial.Rate, "rate", 0, "publications per second over all publishers; 0 = as fast as acknowledged")
	if err := fs.Parse(os.Args[1:]); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return o, o.trial.Validate()
}

func run(ctx context.Context) int {
	o, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return exitUsage
	}
	w, err := workload(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return exitUsage
	}
	rep, err := measure(ctx, o, w)
	if rep != nil {
		write := rep.WriteTable
		if o.json {
			write = rep.WriteJSON
		}
		if e := write(os.Stdout); e != nil && err == nil {
			err = e
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return exitFailed
	}
	if !rep.OK() {
		return exitFailed
	}
	return exitOK
}

func workload(o options) (*trial.Workload, error) {
	subs, err := text(o.subs, dataset.Subscriptions)
	if err != nil {
		return nil, err
	}
	pubs, err := text(o.pubs, dataset.Publications)
	if err != nil {
		return nil, err
	}
	return trial.NewWorkload(subs, o.subs, pubs, o.pubs)
}

func text(file, embedded string) (string, error) {
	if file == "" {
		return embedded, nil
	}
	b, err := os.ReadFile(file) // #nosec G304 -- the user names it
	return string(b), err
}

func measure(ctx context.Context, o options, w *trial.Workload) (rep *trial.Report, err error) {
	dir, remove, err := trial.TempDir()
	if err != nil {
		return nil, err
	}
	defer remove()
	bin := o.bin
	if bin == "" {
		fmt.Fprintln(os.Stderr, "building routerd, enclaved and scbr ...")
		bin = dir
		if err := trial.Build(ctx, bin); err != nil {
			return nil, err
		}
	}
	fmt.Fprintln(os.Stderr, "starting routerd and enclaved (simulated platform) ...")
	sys, err := trial.Start(ctx, bin, filepath.Join(dir, "dev"))
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := sys.Stop(); err == nil {
			err = e
		}
	}()
	bar := progressbar.NewOptions(len(w.Events), progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowCount(),
		progressbar.OptionSetDescription("publications acknowledged"), progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(os.Stderr) }))
	o.trial.Progress = func(n int) {
		if n%256 == 0 || n == len(w.Events) {
			_ = bar.Set(n)
		}
	}
	return trial.Run(ctx, sys, w, o.trial)
}
