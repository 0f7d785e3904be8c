// Package offline matches files of subscriptions against files of publications
// without a router, compares filters and explains what they do, for people who
// tune them: the commands match, covers and explain of scbr, and the readers of
// both file formats.
//
// The files come from the user, who may have them from anybody: every line is
// bounded, checked and refused with its file, line and reason; one bad line
// stops everything before the first result is written. Results are exactly
// those that a router's matcher gives, because it is the same one.
//
// It reads files and a CPU clock, opens no connection and needs no key.
package offline

import "fmt"

// Exit codes of the commands.
const (
	ExitFailure = 1 // the results could not be written
	ExitNo      = 1 // covers and explain: the answer, which was printed, is no
	ExitUsage   = 2 // flags, filters, events or files are wrong
)

// ExitError is an error together with the exit code it calls for.
type ExitError struct {
	Code int
	Err  error
}

// Error returns the message of the error inside.
func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap returns the error inside.
func (e *ExitError) Unwrap() error { return e.Err }

// ExitCode returns Code.
func (e *ExitError) ExitCode() int { return e.Code }

func usage(format string, args ...any) error {
	return &ExitError{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}
