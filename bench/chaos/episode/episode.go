// Package episode holds what bench/chaos does to real processes: each episode starts routerd and enclaved afresh, lets clients publish
// and subscribe through a proxy that is a bad network, does one thing to the processes in the middle, and judges every pair by what the
// SDK announced. Nothing in it is simulated but the network's faults.
//
// Every episode is bounded in time, and the seed fixes what is drawn; when things happen is up to the machine.
package episode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/scbr/scbr/bench/lossy"
	"github.com/scbr/scbr/bench/trial"
)

// limit bounds an episode: start, workload, outage of the longest kind (a router that is silent for twice the SDK's heartbeat time-out) and
// the wait for the end.
const limit = 150 * time.Second

// Episode is one way of being rude.
type Episode struct {
	Name string
	// What says what happens, for people.
	What string
	// Network is what the proxy does all the time.
	Network lossy.Faults
	// Wrap is a command line that runs routerd, such as one that sets limits; nil: none.
	Wrap []string
	// Env are additional variables of routerd, NAME=VALUE.
	Env []string
	// Errors is where routerd's log goes; nil: nowhere.
	Errors io.Writer
	// Assault happens when half of the publications are acknowledged; nil: nothing.
	Assault func(st *Stage) *trial.Assault
	// Needs says why the episode cannot run here; nil: it always can. What it prepares it puts into the stage.
	Needs func(st *Stage) error
}

// Stage is where an episode happens.
type Stage struct {
	Dir   string // of its own, empty at the beginning
	Proxy *lossy.Proxy

	wrap, env []string
	cleanup   []func()
}

// Config is common to all episodes of a run.
type Config struct {
	Bin      string // folder with routerd and enclaved
	Seed     uint64
	Workload *trial.Workload
	Rate     int // publications/s
}

// Result is what came of an episode. The keys are a contract with scripts.
type Result struct {
	Name            string `json:"episode"`
	Seed            uint64 `json:"seed"`
	Skipped         string `json:"skipped,omitempty"` // why it could not run here
	Failure         string `json:"failure,omitempty"` // what went wrong
	Expected        int    `json:"expected"`
	Delivered       int    `json:"delivered"`
	Missing         int    `json:"missing"`
	Announced       int    `json:"announced_lost"`
	Unexpected      int    `json:"unexpected"`
	EnclaveRestarts int    `json:"enclave_restarts"`
	RouterRestarts  int    `json:"router_restarts"`
	OutageMillis    int64  `json:"outage_ms"`
	Resent          uint64 `json:"resent"`
	Duplicates      uint64 `json:"duplicates_dropped"`
	// Datagrams is what the proxy did to them, both directions.
	Datagrams lossy.Stats `json:"datagrams"`
	OK        bool        `json:"ok"`
}

// Run runs one episode.
func (e *Episode) Run(ctx context.Context, cfg Config) Result {
	res := Result{Name: e.Name, Seed: cfg.Seed}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "scbr-chaos-")
	if err != nil {
		res.Failure = err.Error()
		return res
	}
	st := &Stage{Dir: dir, wrap: e.Wrap, env: e.Env}
	defer func() {
		for i := len(st.cleanup) - 1; i >= 0; i-- {
			st.cleanup[i]()
		}
		_ = os.RemoveAll(dir)
	}()
	if e.Needs != nil {
		if err := e.Needs(st); err != nil {
			res.Skipped = err.Error()
			return res
		}
	}
	rep, err := e.play(ctx, st, cfg, &res)
	if rep != nil {
		res.note(rep)
	}
	switch {
	case err != nil:
		res.Failure = err.Error()
	case !rep.OK():
		res.Failure = "a pair is missing that nobody announced, or came that nobody expected, or the fault had no effect"
	default:
		res.OK = true
	}
	return res
}

func (e *Episode) play(ctx context.Context, st *Stage, cfg Config, res *Result) (rep *trial.Report, err error) {
	out := e.Errors
	if out == nil {
		out = io.Discard
	}
	sys, err := trial.StartWith(ctx, trial.Process{Bin: cfg.Bin, Dir: filepath.Join(st.Dir, "dev"), Output: out, Wrap: st.wrap, Env: st.env})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sys.Stop()) }()
	if st.Proxy, err = lossy.Listen(sys.Addr, cfg.Seed, e.Network); err != nil {
		return nil, err
	}
	defer func() {
		res.Datagrams = st.Proxy.Stats()
		err = errors.Join(err, st.Proxy.Close())
	}()
	c := trial.Config{
		Subscribers: 10, Publishers: 3, PayloadBytes: 256, Rate: cfg.Rate,
		Assault: &trial.Assault{Name: e.Name, Do: func(context.Context, *trial.System) error { return nil }},
		Through: st.Proxy.Addr(),
	}
	if e.Assault != nil {
		c.Assault = e.Assault(st)
	}
	return trial.Run(ctx, sys, cfg.Workload, c)
}

func (r *Result) note(rep *trial.Report) {
	r.Expected, r.Delivered, r.Missing = rep.Expected, rep.Delivered, rep.Missing
	r.Announced, r.Unexpected = rep.Announced, rep.Unexpected
	r.EnclaveRestarts, r.RouterRestarts, r.OutageMillis = rep.EnclaveRestarts, rep.RouterRestarts, rep.OutageMillis
	r.Resent, r.Duplicates = rep.Resent, rep.Duplicates
}

// WriteTable writes results for people.
func WriteTable(w io.Writer, all []Result) error {
	_, err := fmt.Fprintf(w, "\n  %-16s %8s %9s %8s %9s %10s %9s %9s  %s\n",
		"episode", "expected", "delivered", "missing", "announced", "unexpected", "restarts", "outage", "verdict")
	for _, r := range all {
		verdict := "ok"
		switch {
		case r.Skipped != "":
			verdict = "skipped: " + r.Skipped
		case !r.OK:
			verdict = "FAILED: " + r.Failure
		}
		_, e := fmt.Fprintf(w, "  %-16s %8d %9d %8d %9d %10d %9d %6d ms  %s\n",
			r.Name, r.Expected, r.Delivered, r.Missing, r.Announced, r.Unexpected, r.EnclaveRestarts+r.RouterRestarts, r.OutageMillis, verdict)
		err = errors.Join(err, e)
	}
	return err
}
