package measure

import (
	"errors"
	"fmt"
)

// Errors that callers can tell apart with errors.Is.
var (
	// ErrJob reports a job that is out of bounds.
	ErrJob = errors.New("bad job")
	// ErrUnsteady reports faults where there can be none: something else takes
	// pages away.
	ErrUnsteady = errors.New("faults without a limit")
)

// Error says what could not be measured, and why.
type Error struct {
	Op  string
	Job Job
	Err error
}

// Error names the operation and the job.
func (e *Error) Error() string {
	return fmt.Sprintf("epcbench: %s, workload %s, %s: %s: %v", e.Job.Layout, e.Job.Workload, e.Job.Overflow, e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
