package harness

import (
	"errors"
	"fmt"
)

// ErrMismatch reports, by errors.Is, that a matcher and the linear scan disagree.
var ErrMismatch = errors.New("answers differ from the linear scan's")

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
