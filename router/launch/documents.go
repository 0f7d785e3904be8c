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

// watchInterval is how soon a new document is noticed.
const watchInterval = time.Second

// watchedFile is the file of a signed document and what was last read from it.
type watchedFile struct {
	what    string // for people
	name    string
	max     int
	give    func([]byte) error
	mayCome bool // it need not be there
	told    bool // that it cannot be read
	last    []byte
}

// read returns the document if it is another one than the last time, or nil.
func (f *watchedFile) read() ([]byte, error) {
	file, err := os.Open(f.name)
	if errors.Is(err, fs.ErrNotExist) && f.mayCome {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	b, err := io.ReadAll(io.LimitReader(file, int64(f.max)+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > f.max:
		return nil, fmt.Errorf("%s is larger than a %s may be", f.name, f.what)
	case len(b) == 0: // being written
		return nil, nil
	case bytes.Equal(b, f.last):
		return nil, nil
	}
	f.last = b
	return b, nil
}

// documents are the files that routerd looks at.
func (d *daemon) documents() []*watchedFile {
	var list []*watchedFile
	if d.cfg.Revocation != "" {
		list = append(list, &watchedFile{
			what: "revocation list", name: d.cfg.Revocation, max: router.MaxListBytes, give: d.router.SetRevocationList, mayCome: d.cfg.revocationMayCome,
		})
	}
	if d.cfg.Collateral != "" {
		list = append(list, &watchedFile{
			what: "collateral", name: d.cfg.Collateral, max: router.MaxCollateralBytes, give: d.router.SetCollateral,
		})
	}
	if d.cfg.Endorsement != "" { // made for the enclave that is only now going to start
		list = append(list, &watchedFile{
			what: "endorsement", name: d.cfg.Endorsement, max: router.MaxEndorsementBytes, give: d.router.SetEndorsement, mayCome: true,
		})
	}
	return list
}

// watchDocuments gives the router the documents there are, which must be there unless they may come later, and every later
// one until the end that it returns. A file that is gone or damaged later leaves what is in force.
func (d *daemon) watchDocuments(ctx context.Context) (end func(), err error) {
	files := d.documents()
	for _, f := range files {
		if err := f.offer(); err != nil {
			return nil, fmt.Errorf("%s: %w", f.what, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var loop sync.WaitGroup
	loop.Go(func() {
		t := time.NewTicker(watchInterval)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			for _, f := range files {
				err := f.offer()
				if err != nil && !f.told {
					d.log.Error(f.what+": the one in force stays", "err", err)
				}
				f.told = err != nil
			}
		}
	})
	return func() { cancel(); loop.Wait() }, nil
}

func (f *watchedFile) offer() error {
	b, err := f.read()
	if err != nil || b == nil {
		return err
	}
	return f.give(b)
}
