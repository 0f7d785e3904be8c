package measure

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

// events are all compared, and all in every pass; so many that the clusters that they meet are not all in the nearest cache.
const events = 1024

// Config names a cell.
type Config struct {
	Workload      string // one of package workload's names
	Subscriptions int    // 1..MaxSubscriptions
	Bin           string // folder with enclaved
	Passes        int    // of each side; at least 1, better odd
	EPC           string // size of the simulated EPC of side paged, such as 8MiB; empty: that side is left out
	// Progress is told what begins; nil is nobody.
	Progress func(what string)
}

// bench is a cell being measured.
type bench struct {
	Config
	events []filter.Event
	truth  truth

	arena *epc.Arena
	store *matcher.Store
	core  *party
	proc  *party
	paged *party
	peers []peer
}

// Run measures a cell: the matcher alone, then core, process and paged with each size of batch. It locks the calling goroutine to its thread.
func Run(ctx context.Context, cfg Config) (rows []Row, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b := &bench{Config: cfg}
	if cfg.Progress == nil {
		b.Progress = func(string) {}
	}
	fail := func(op string, err error) ([]Row, error) {
		return nil, &harness.Error{Op: op, Workload: cfg.Workload, Subscriptions: cfg.Subscriptions, Err: err}
	}
	if cfg.Subscriptions < 1 || cfg.Subscriptions > MaxSubscriptions || cfg.Passes < 1 {
		return fail("checking", ErrSize)
	}
	dir, err := os.MkdirTemp("", "boundary")
	if err != nil {
		return fail("making a folder", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing depends on it
	defer b.close()
	b.Progress("starting enclaves")
	if err := b.start(ctx, dir); err != nil {
		return fail("starting", err)
	}
	b.Progress("subscribing, and scanning linearly")
	if err := b.fill(); err != nil {
		return fail("subscribing", err)
	}
	sides := b.sides()
	b.Progress("comparing answers")
	for i := range sides {
		if err := sides[i].check(); err != nil {
			return fail("comparing "+sides[i].name(), err)
		}
	}
	b.Progress("measuring")
	if rows, err = b.measure(sides); err != nil {
		return fail("measuring", err)
	}
	return rows, nil
}

// start makes the store and both enclaves.
func (b *bench) start(ctx context.Context, dir string) (err error) {
	if b.events, err = workload.Events(b.Workload, events, workload.DefaultSeed); err != nil {
		return err
	}
	b.truth = make(truth, len(b.events))
	if b.arena, err = epc.New(budget); err != nil {
		return err
	}
	if b.store, err = matcher.New(b.arena, matcher.Config{Seed: workload.DefaultSeed}); err != nil {
		return err
	}
	in, cfg, err := newInside(filepath.Join(dir, "core"))
	if err != nil {
		return err
	}
	b.peers = append(b.peers, in)
	if b.core, err = newParty(in, cfg); err != nil {
		return err
	}
	if b.proc, err = b.startProcess(ctx, dir, ""); err != nil || b.EPC == "" {
		return err
	}
	paged := filepath.Join(dir, "paged")
	if err := os.Mkdir(paged, 0o700); err != nil {
		return err
	}
	b.paged, err = b.startProcess(ctx, paged, b.EPC)
	return err
}

func (b *bench) startProcess(ctx context.Context, dir, size string) (*party, error) {
	p, cfg, err := newProcess(ctx, b.Bin, dir, size)
	if err != nil {
		return nil, err
	}
	b.peers = append(b.peers, p)
	return newParty(p, cfg)
}

func (b *bench) close() {
	for _, p := range b.peers {
		if err := p.close(); err != nil {
			b.Progress(fmt.Sprint("ending: ", err))
		}
	}
	if b.arena != nil {
		_ = b.arena.Close()
	}
}

// fill inserts every filter everywhere, through the protocol where there is one, and asks the linear scan.
func (b *bench) fill() error {
	return workload.EachChunk(b.Workload, b.Subscriptions, func(first int, filters []filter.Filter) error {
		for i := range filters {
			if _, err := b.store.Insert(filters[i], uint64(first)+uint64(i)); err != nil {
				return err
			}
		}
		b.truth.scan(first, filters, b.events)
		if err := b.core.subscribe(first, filters); err != nil {
			return err
		}
		if err := b.proc.subscribe(first, filters); err != nil || b.paged == nil {
			return err
		}
		return b.paged.subscribe(first, filters)
	})
}
