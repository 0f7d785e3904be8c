package trial

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// Whole builds the binaries unless bin names a folder that has them, starts a system with fresh state in a private directory, runs the
// workload on it, and removes everything. say is told what goes on.
func Whole(ctx context.Context, bin string, w *Workload, cfg Config, say func(string)) (rep *Report, err error) {
	dir, err := os.MkdirTemp("", "scbr-trial-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if bin == "" {
		say("building routerd and enclaved ...")
		bin = dir
		if err := Build(ctx, bin); err != nil {
			return nil, err
		}
	}
	say("starting routerd and enclaved (simulated platform) ...")
	var extra []string
	if cfg.Stalled > 0 {
		if extra, err = stalledConfig(dir, cfg.SlowConsumer); err != nil {
			return nil, err
		}
	}
	extra = append(extra, cfg.memory()...)
	sys, err := Start(ctx, bin, filepath.Join(dir, "dev"), extra...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sys.Stop()) }()
	return Run(ctx, sys, w, cfg)
}

// memory is what routerd is told about the enclave's memory.
func (c *Config) memory() (flags []string) {
	for _, f := range []struct{ flag, value string }{{"--epc-sim", c.EPCSim}, {"--epc-policy", c.EPCPolicy}, {"--epc-overflow", c.EPCOverflow}} {
		if f.value != "" {
			flags = append(flags, f.flag, f.value)
		}
	}
	return flags
}
