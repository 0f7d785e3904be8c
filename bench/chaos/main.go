// Command chaos is rude to real processes: it kills and stops routerd and enclaved, takes their files and their disk away and puts a bad
// network between them and their clients, one episode after the other, and judges by what the SDK announced. --list shows the episodes.
//
// Exit codes: 0 every episode that could run here ended well; 1 otherwise; 2 bad usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/scbr/scbr/bench/chaos/episode"
	"github.com/scbr/scbr/bench/dataset"
	"github.com/scbr/scbr/bench/trial"
)

const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

type options struct {
	json, list bool
	bin, only  string
	seed       uint64
	rate       int
	nightly    time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func parse(args []string) (options, []episode.Episode, error) {
	var o options
	fs := flag.NewFlagSet("chaos", flag.ContinueOnError)
	fs.BoolVar(&o.json, "json", false, "print the results as one line of JSON on stdout: a list with an object for each episode")
	fs.BoolVar(&o.list, "list", false, "list the episodes and end")
	fs.StringVar(&o.bin, "bin", "", "folder with routerd and enclaved built before (default: build them)")
	fs.StringVar(&o.only, "only", "", "comma-separated `NAMES` of episodes (default: all)")
	fs.Uint64Var(&o.seed, "seed", 0, "seed of what is drawn (default: a new one)")
	fs.IntVar(&o.rate, "rate", 4000, "publications per second")
	fs.DurationVar(&o.nightly, "nightly", 0, "go on with new seeds, in random order, for so long")
	if err := fs.Parse(args); err != nil {
		return o, nil, err
	}
	all := episode.All()
	if fs.NArg() > 0 || o.rate <= 0 || o.nightly < 0 {
		return o, nil, errors.New("no arguments, a positive --rate and no negative --nightly, please: --help lists the flags")
	}
	if o.only != "" {
		names := strings.Split(o.only, ",")
		for _, n := range names {
			if !slices.ContainsFunc(all, func(e episode.Episode) bool { return e.Name == n }) {
				return o, nil, fmt.Errorf("no episode is named %q: --list shows them", n)
			}
		}
		all = slices.DeleteFunc(all, func(e episode.Episode) bool { return !slices.Contains(names, e.Name) })
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	return o, all, nil
}

func run(ctx context.Context, args []string) int {
	o, episodes, err := parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return exitUsage
	case o.list:
		for _, e := range episodes {
			fmt.Printf("%-16s %s\n", e.Name, e.What)
		}
		return exitOK
	}
	results, err := perform(ctx, o, episodes)
	if o.json {
		err = errors.Join(err, json.NewEncoder(os.Stdout).Encode(results))
	} else {
		err = errors.Join(err, episode.WriteTable(os.Stdout, results))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	if err != nil || slices.ContainsFunc(results, func(r episode.Result) bool { return !r.OK && r.Skipped == "" }) {
		return exitFailed
	}
	return exitOK
}

func perform(ctx context.Context, o options, episodes []episode.Episode) ([]episode.Result, error) {
	w, err := trial.NewWorkload(dataset.Subscriptions, "embedded sample", dataset.Publications, "embedded sample")
	if err != nil {
		return nil, err
	}
	if o.bin == "" {
		fmt.Fprintln(os.Stderr, "building routerd and enclaved ...")
		if o.bin, err = os.MkdirTemp("", "scbr-chaos-bin-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(o.bin) //nolint:errcheck // a temporary folder
		if err := trial.Build(ctx, o.bin); err != nil {
			return nil, err
		}
	}
	var results []episode.Result
	random := rand.New(rand.NewPCG(o.seed, 2)) // #nosec G404 -- what is drawn must be drawn again from the seed
	until := time.Now().Add(o.nightly)
	for round := uint64(0); round == 0 || time.Now().Before(until); round++ {
		for _, e := range episodes {
			if ctx.Err() != nil {
				return results, ctx.Err()
			}
			fmt.Fprintf(os.Stderr, "%s: %s (seed %d)\n", e.Name, e.What, o.seed+round)
			results = append(results, e.Run(ctx, episode.Config{Bin: o.bin, Seed: o.seed + round, Workload: w, Rate: o.rate}))
		}
		random.Shuffle(len(episodes), func(i, j int) { episodes[i], episodes[j] = episodes[j], episodes[i] })
	}
	return results, nil
}
