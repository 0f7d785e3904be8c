//go:build !linux

package pager

import (
	"errors"
	"os"
	"time"
)

var errLinux = &Error{Op: "userfaultfd", Kind: KindUnsupported, Err: errors.New("it needs Linux")}

// Supported returns nil where paging can be simulated; that is on Linux.
func Supported() error { return errLinux }

// Serve is the work of a pager process, on Linux.
func Serve(*os.File, Config) error { return errLinux }

// Region is memory whose pages a pager process serves, on Linux.
type Region struct{}

// Attach makes a region, on Linux.
func Attach(*os.File, int) (*Region, error) { return nil, errLinux }

// Pair returns the ends of the socket between the two processes, on Linux.
func Pair() (enclave, pager *os.File, err error) { return nil, nil, errLinux }

// Bytes returns the region.
func (r *Region) Bytes() []byte { return nil }

// Done is closed when the pager has gone.
func (r *Region) Done() <-chan struct{} { return nil }

// EndWith has nothing to watch.
func (r *Region) EndWith(*os.File) {}

// Discard gives up pages.
func (r *Region) Discard(int, int) error { return errLinux }

// Limit changes how many pages can be resident.
func (r *Region) Limit(int) error { return errLinux }

// Counters returns what happened so far.
func (r *Region) Counters() (Counters, error) { return Counters{Busy: time.Duration(0)}, errLinux }

// Loads returns Counters.Loads.
func (r *Region) Loads() (uint64, error) { return 0, errLinux }

// Close gives the region up.
func (r *Region) Close() error { return nil }
