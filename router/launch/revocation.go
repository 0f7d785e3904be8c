package launch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/scbr/scbr/router"
)

// revocationInterval is how soon a new revocation list is noticed.
const revocationInterval = time.Second

// revocationFile is the file of the revocation list and what was last read from it.
type revocationFile struct {
	name    string
	mayCome bool // it need not be there
	told    bool // that it cannot be read
	last    []byte
}

// read returns the list if it is another one than the last time, or nil.
func (f *revocationFile) read() ([]byte, error) {
	file, err := os.Open(f.name)
	if errors.Is(err, fs.ErrNotExist) && f.mayCome {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	b, err := io.ReadAll(io.LimitReader(file, router.MaxListBytes+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > router.MaxListBytes:
		return nil, fmt.Errorf("%s is larger than a revocation list may be", f.name)
	case len(b) == 0: // being written
		return nil, nil
	case bytes.Equal(b, f.last):
		return nil, nil
	}
	f.last = b
	return b, nil
}

// watchRevocation gives the router the list there is, which must be there, and every later one until the end that it
// returns. A file that is gone or damaged later leaves the list in force.
func (d *daemon) watchRevocation(ctx context.Context) (end func(), err error) {
	if d.cfg.Revocation == "" {
		return func() {}, nil
	}
	f := &revocationFile{name: d.cfg.Revocation, mayCome: d.cfg.revocationMayCome}
	if err := d.offer(f); err != nil {
		return nil, fmt.Errorf("--revocation: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var loop sync.WaitGroup
	loop.Go(func() {
		t := time.NewTicker(revocationInterval)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			err := d.offer(f)
			if err != nil && !f.told {
				d.log.Error("revocation list: the one in force stays", "err", err)
			}
			f.told = err != nil
		}
	})
	return func() { cancel(); loop.Wait() }, nil
}

func (d *daemon) offer(f *revocationFile) error {
	list, err := f.read()
	if err != nil || list == nil {
		return err
	}
	return d.router.SetRevocationList(list)
}
