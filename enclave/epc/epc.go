// Package epc gives the subscription store the memory it lives in: address space
// reserved once, of which pages are used as the store grows and never more than a
// budget at a time, because the protected memory of an enclave (the EPC) is small and
// exceeding it costs a factor, not a percentage.
//
// What does not fit can be kept outside (see Arena.KeepOutside): sealed, so that
// whoever owns the memory outside learns sizes and when a part is used, and cannot
// change, swap or bring back an old one unnoticed.
//
// It promises that the region never moves, that pages granted read as zero, and that
// the budget is never exceeded. Sizes come from the command line and the store, which
// nobody else may lie about; what lies outside comes from the host. It does not page
// anything itself: the simulated EPC below it is package pager.
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
	// maxReserve is all the address space that a store can use, and minReserve
	// leaves the smallest one room for its zones.
	maxReserve = 8 << 30
	minReserve = 256 << 20
	// sparse is how many times the budget is reserved: a zone uses a fraction of its
	// slot, and with spilling there are more zones than fit.
	sparse = 64
)

// Kind says what failed.
type Kind uint8

// The kinds of failures.
const (
	KindBadBudget Kind = 1 + iota // the budget is out of bounds
	KindBudget                    // more asked for than the budget allows; nothing changed
	KindSystem                    // the operating system refused
	KindSealed                    // what was kept outside is damaged, not the latest, or of another place
	KindOutside                   // there is no memory outside here
)

func (k Kind) String() string {
	switch k {
	case KindBadBudget:
		return "budget out of bounds"
	case KindBudget:
		return "memory budget exceeded"
	case KindSystem:
		return "operating system refused"
	case KindSealed:
		return "what was kept outside was changed there, or is not the latest"
	case KindOutside:
		return "no memory outside the enclave can be used here"
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

// Is makes what exceeds the budget the matcher's ErrBudget.
func (e *Error) Is(target error) bool { return target == matcher.ErrBudget && e.Kind == KindBudget } //nolint:errorlint // Is compares with the target itself

// Backing is where the bytes of an Arena come from: a fixed range of address space.
type Backing interface {
	// Bytes returns the range, which starts on a page and was never touched.
	Bytes() []byte
	// Discard gives up the n bytes from off on, whole pages. They read as zero.
	Discard(off, n int) error
	// Close gives up the range.
	Close() error
}

// Arena is a reserved region with a budget; it implements matcher.Memory, and
// matcher.Outside after KeepOutside. It belongs to one goroutine.
type Arena struct {
	backing Backing
	region  []byte
	budget  int64
	granted int64
	outside *outside
}

var _ matcher.Outside = (*Arena)(nil)

// New reserves address space for a store of budget bytes, of ordinary memory.
func New(budget int64) (*Arena, error) {
	if !valid(budget) {
		return nil, &Error{Op: "new", Kind: KindBadBudget}
	}
	b, err := reserve(int(Reserve(budget)))
	if err != nil {
		return nil, &Error{Op: "reserve", Kind: KindSystem, Err: err}
	}
	return NewOn(b, budget)
}

// NewOn is New on memory that is already there, best Reserve bytes of it. The Arena
// closes it.
func NewOn(b Backing, budget int64) (*Arena, error) {
	if !valid(budget) {
		return nil, &Error{Op: "new", Kind: KindBadBudget}
	}
	region := b.Bytes()
	return &Arena{backing: b, region: region, budget: min(budget, int64(len(region)))}, nil
}

func valid(budget int64) bool {
	return budget >= MinBudget && budget <= MaxBudget && int64(int(budget)) == budget
}

// Reserve returns how many bytes of address space a store with a budget should have.
func Reserve(budget int64) int64 {
	if !canDiscard {
		return budget
	}
	return max(min(max(budget*sparse, minReserve), maxReserve), budget)
}

// Region returns the whole reservation. Only what Commit made usable counts.
func (a *Arena) Region() []byte { return a.region }

// Budget returns the most bytes that Commit grants.
func (a *Arena) Budget() int64 { return a.budget }

// Committed returns the bytes granted.
func (a *Arena) Committed() int64 { return a.granted }

// Commit grants n bytes from off on, whole pages. If that exceeds the budget the
// error is of KindBudget, which is matcher.ErrBudget, and nothing changes.
func (a *Arena) Commit(off, n int) error {
	if off < 0 || n < 0 || n > len(a.region)-off || int64(n) > a.budget-a.granted {
		return &Error{Op: "commit", Kind: KindBudget}
	}
	a.granted += int64(n)
	return nil
}

// Release takes back what was granted, and forgets what it held.
func (a *Arena) Release(off, n int) {
	if err := a.backing.Discard(off, n); err != nil {
		clear(a.region[off : off+n]) // it stays in memory, but holds nothing
	}
	a.granted -= int64(n)
}

// Close gives the region back. The arena and its region are dead afterwards.
func (a *Arena) Close() error {
	backing, out := a.backing, a.outside
	*a = Arena{}
	if out != nil {
		out.close()
	}
	if backing == nil {
		return nil
	}
	if err := backing.Close(); err != nil {
		return &Error{Op: "close", Kind: KindSystem, Err: err}
	}
	return nil
}
