package measure

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

// difference says how two sets of tags differ; its causes are found by errors.Is.
func difference(event, missing, surplus int) error {
	return fmt.Errorf("%w: event %d has %d matches too few and %d too many", ErrMismatch, event, missing, surplus)
}

func wrongCovering(probe int) error {
	return fmt.Errorf("%w: whether query %d is covered", ErrMismatch, probe)
}
