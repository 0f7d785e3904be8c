package measure

import (
	"errors"
	"fmt"

	"github.com/scbr/scbr/keyx"
)

// Errors that callers can tell apart with errors.Is.
var (
	// ErrMismatch reports that answers differ from the linear scan's.
	ErrMismatch = errors.New("answers differ from the linear scan's")
	// ErrEnclave reports an enclave that did not do what it was asked.
	ErrEnclave = errors.New("the enclave refused")
	// ErrSize reports a number of subscriptions out of bounds.
	ErrSize = errors.New("bad number of subscriptions")
)

// Error says which cell could not be measured, and why.
type Error struct {
	Op            string // what was being done
	Workload      string
	Subscriptions int
	Err           error
}

// Error names the operation, the workload and the size.
func (e *Error) Error() string {
	return fmt.Sprintf("workload %s, %d subscriptions: %s: %v", e.Workload, e.Subscriptions, e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func refused(op string, kind keyx.Kind) error {
	return fmt.Errorf("%w: %s: %v", ErrEnclave, op, kind)
}

func unexpected(op string) error { return fmt.Errorf("%w: %s", ErrEnclave, op) }
