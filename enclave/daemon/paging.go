package daemon

import (
	"errors"
	"fmt"
	"os"

	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/enclave/epc/pager"
	"github.com/scbr/scbr/enclave/sandbox"
)

const (
	// PagerSocket is the descriptor at which routerd leaves each end of the socket
	// between enclaved and its pager.
	PagerSocket = 3
	// DefaultPolicy is which page leaves a simulated EPC.
	DefaultPolicy = "fifo"
)

var errOnHardware = errors.New("--epc-sim is for the simulated platform: hardware has an EPC of its own")

// Paging is a simulated EPC.
type Paging struct {
	EPC    string // its size, such as "93MiB"; empty: there is none
	Policy string // which page leaves; empty: the default
}

// Validate lists everything that is wrong.
func (p Paging) Validate() error {
	if p.EPC == "" && p.Policy == "" {
		return nil
	}
	_, err := p.config()
	return err
}

// config is what the pager is told.
func (p Paging) config() (cfg pager.Config, err error) {
	var errs []error
	size, err := ParseSize(p.EPC)
	if err != nil {
		errs = append(errs, fmt.Errorf("--epc-sim: %w", err))
	}
	cfg.Pages = int(size / pager.PageBytes)
	if p.Policy == "" {
		p.Policy = DefaultPolicy
	}
	if cfg.Policy, err = pager.ParsePolicy(p.Policy); err != nil {
		errs = append(errs, fmt.Errorf("--epc-policy: want fifo or clock: %w", err))
	}
	return cfg, errors.Join(errs...)
}

// store makes the memory of the subscription store. With a simulated EPC the process
// ends when its pager does.
func (c Config) store(budget int64, simulated bool) (*epc.Arena, func() (faults, evictions uint64), error) {
	if c.Paging.EPC == "" {
		arena, err := epc.New(budget)
		return arena, nil, err
	}
	if inside || !simulated {
		return nil, nil, errOnHardware
	}
	if err := pager.Supported(); err != nil {
		return nil, nil, err
	}
	region, err := pager.Attach(os.NewFile(PagerSocket, "pager"), int(epc.Reserve(budget)))
	if err != nil {
		return nil, nil, err
	}
	region.EndWith(c.Last)
	arena, err := epc.NewOn(region, budget)
	return arena, func() (faults, evictions uint64) {
		counted, err := region.Counters()
		if err != nil { // the process is about to end
			return 0, 0
		}
		return counted.Faults, counted.Evictions
	}, err
}

// ServePager is what `enclaved epc-pager` does: it serves the pages of the enclave at the
// other end of PagerSocket until that hangs up. What it holds is the enclave's, so
// nobody may look into it either.
func ServePager(p Paging) error {
	cfg, err := p.config()
	if err != nil {
		return &Error{StageConfig, err}
	}
	if err := sandbox.Untraced(); err != nil {
		return shut(err)
	}
	err = pager.Serve(os.NewFile(PagerSocket, "enclave"), cfg)
	var e *pager.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e) && e.Kind == pager.KindSealed:
		return &Error{StageSealed, err}
	default:
		return &Error{StagePager, err}
	}
}

// prepared words why nothing could be prepared: a pager that is gone may be there the
// next time, a wrong configuration is not.
func prepared(err error) error {
	var e *pager.Error
	if errors.As(err, &e) && e.Kind == pager.KindGone {
		return &Error{StagePager, err}
	}
	return &Error{StageConfig, err}
}
