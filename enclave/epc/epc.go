// Package epc gives the subscription store the memory it lives in: one region,
// reserved once as address space, whose first bytes become usable as the store
// grows and never beyond a budget, because the protected memory of an enclave
// (the EPC) is small and exceeding it costs a factor, not a percentage.
//
// Who may lie to it: nobody; sizes come from the command line and the store. It
// promises that the region never moves, that usable bytes start as zero, that
// the budget is never exceeded, and that touching a byte beyond the usable ones
// stops the process (under EGo it does not: memory cannot be taken away there, and
// the whole budget is taken at once). It does not page anything: that is the work
// of a pager below it.
package epc

import (
	"fmt"

	"github.com/scbr/scbr/matcher"
)

const (
	// MinBudget is the smallest budget: the empty store with its tables.
	MinBudget = 1 << 20
	// MaxBudget is the largest budget, the EPC of the largest servers
	// (512 GiB). A number beyond it is a mistake in a flag.
	MaxBudget = 512 << 30
	// growChunk is the step in which memory is made usable: large enough that
	// inserting a million subscriptions costs a few hundred system calls.
	growChunk = 1 << 20
)

// Kind says what failed.
type Kind uint8

// The kinds of failures.
const (
	KindBadBudget Kind = 1 + iota // the budget is out of bounds
	KindBudget                    // more asked for than the budget allows; nothing changed
	KindSystem                    // the operating system refused
)

func (k Kind) String() string {
	switch k {
	case KindBadBudget:
		return "budget out of bounds"
	case KindBudget:
		return "memory budget exceeded"
	case KindSystem:
		return "operating system refused"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// Error is the error of this package.
type Error struct {
	Op   string
	Kind Kind
	Err  error // cause, for KindSystem
}

// Error describes the failure by sizes only.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("epc: %s: %v: %v", e.Op, e.Kind, e.Err)
	}
	return fmt.Sprintf("epc: %s: %v", e.Op, e.Kind)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Arena is a reserved region with a budget; it implements matcher.Memory. It
// belongs to one goroutine.
type Arena struct {
	region []byte // reserved once, never moves; len is the budget
	usable int    // bytes that may be touched, a multiple of growChunk or the whole budget
	asked  int    // bytes asked for
}

var _ matcher.Memory = (*Arena)(nil)

// New reserves address space for budget bytes and makes none of them usable.
func New(budget int64) (*Arena, error) {
	if budget < MinBudget || budget > MaxBudget || int64(int(budget)) != budget {
		return nil, &Error{Op: "new", Kind: KindBadBudget}
	}
	region, err := reserve(int(budget))
	if err != nil {
		return nil, &Error{Op: "reserve", Kind: KindSystem, Err: err}
	}
	return &Arena{region: region}, nil
}

// Region returns the whole reservation: its length is the budget. Only the
// bytes that Commit made usable may be touched.
func (a *Arena) Region() []byte { return a.region }

// Budget returns the most bytes that Commit grants.
func (a *Arena) Budget() int64 { return int64(len(a.region)) }

// Committed returns the bytes last granted.
func (a *Arena) Committed() int64 { return int64(a.asked) }

// Commit makes exactly the first n bytes count as used: those beyond the
// previous number read as zero, those beyond n are given back and forgotten. If
// n exceeds the budget the error is of KindBudget and nothing changes.
func (a *Arena) Commit(n int) error {
	if n < 0 || n > len(a.region) {
		return &Error{Op: "commit", Kind: KindBudget}
	}
	want := min((n+growChunk-1)/growChunk*growChunk, len(a.region))
	if want > a.usable {
		if err := grant(a.region[:want]); err != nil {
			return &Error{Op: "commit", Kind: KindSystem, Err: err}
		}
	}
	if want < a.usable {
		if err := revoke(a.region[want:a.usable]); err != nil {
			return &Error{Op: "commit", Kind: KindSystem, Err: err}
		}
	}
	a.usable = want
	if n < a.asked {
		clear(a.region[n:min(a.asked, want)])
	}
	a.asked = n
	return nil
}

// Close gives the region back. The arena and its region are dead afterwards.
func (a *Arena) Close() error {
	region := a.region
	*a = Arena{}
	if region == nil {
		return nil
	}
	if err := release(region); err != nil {
		return &Error{Op: "close", Kind: KindSystem, Err: err}
	}
	return nil
}
