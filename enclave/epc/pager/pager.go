// Package pager simulates the paging of an EPC on Linux: a region of memory of which
// at most so many pages are resident. A page that is touched and is not resident
// faults, and a process of its own brings it: it takes another page away, sealed, and
// opens the one that is wanted. A fault handler within the process that faults would
// deadlock when the Go runtime stops all threads, one of which waits for it.
//
// It stands for what the processor and the operating system do together on SGX (EWB,
// ELDU), not for their security: the pager sees the pages of the enclave, which a real
// operating system does not. What it keeps of pages that are not resident is sealed:
// whoever changes that memory, or puts an older page or another one in the place of
// the latest, ends the pager, and with it the enclave.
//
// Who may lie to it: nobody on the socket between the two, which no other process has.
// It promises that never more than the limit is resident; that a page is what was
// written to it last, or the process ends; and that an enclave without its pager never
// reads zeros where there was something: it stops at the next page that is missing, or
// ends at once (Region.EndWith).
package pager

import (
	"fmt"
	"time"
)

const (
	// PageBytes is the size of a page of an EPC, and of the memory here.
	PageBytes = 4096
	// MaxBytes bounds a region: as much as a store can use (8 GiB).
	MaxBytes = 8 << 30
	// ExitLost is the exit code of a process that ended because its pager was gone.
	ExitLost = 10
)

// Policy says which page goes when another one has to be resident.
type Policy uint8

// The policies.
const (
	FIFO  Policy = iota // the one that came first
	CLOCK               // the one that came first and was not touched since the hand passed it last
)

// ParsePolicy reads fifo or clock.
func ParsePolicy(s string) (Policy, error) {
	for _, p := range []Policy{FIFO, CLOCK} {
		if s == p.String() {
			return p, nil
		}
	}
	return 0, &Error{Op: "policy", Kind: KindConfig}
}

// String returns fifo or clock.
func (p Policy) String() string {
	if p == CLOCK {
		return "clock"
	}
	return "fifo"
}

// Config is what a pager process is told.
type Config struct {
	Pages  int // that can be resident; 0: all
	Policy Policy
}

// Counters are what happened since the region was made.
type Counters struct {
	Faults    uint64        // touches of pages that were not resident
	Loads     uint64        // of which had been taken away before
	Evictions uint64        // pages taken away
	Minor     uint64        // touches that told CLOCK that a page is in use
	Busy      time.Duration // spent on all of it by the pager
}

// Kind says what failed.
type Kind uint8

// The kinds of failures.
const (
	KindUnsupported Kind = 1 + iota // userfaultfd, or what is needed of it, is missing here
	KindSystem                      // the operating system refused
	KindConfig                      // a value is out of bounds
	KindGone                        // the other process has ended
	KindSealed                      // a page that was taken away was changed, or is not the latest
	KindProtocol                    // the other process does not speak this protocol
)

func (k Kind) String() string {
	switch k {
	case KindUnsupported:
		return "paging cannot be simulated here"
	case KindSystem:
		return "operating system refused"
	case KindConfig:
		return "value out of bounds"
	case KindGone:
		return "the other process has ended"
	case KindSealed:
		return "a page that was taken away was changed, or is not the latest"
	case KindProtocol:
		return "unknown message"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// Error is the error of this package.
type Error struct {
	Op   string
	Kind Kind
	Err  error // cause, for KindSystem and KindUnsupported
}

// Error describes the failure; no contents of pages are in it.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("pager: %s: %v: %v", e.Op, e.Kind, e.Err)
	}
	return fmt.Sprintf("pager: %s: %v", e.Op, e.Kind)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func system(op string, err error) error { return &Error{Op: op, Kind: KindSystem, Err: err} }
