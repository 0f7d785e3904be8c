//go:build !ego && !gramine

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	errOpen   = errors.New("the program began with memory that any process of this user could open")
	errNoProc = errors.New("/proc does not tell")
)

// CloseMemory forbids to trace this process, to open its memory and to dump it,
// from now on. What was opened before stays open: the result is an *Error when an
// ordinary process of the same user may have done so, because the kernel started
// the program with open memory; see Enter. (A process of root is open to root
// only, and nothing can be done about that.)
func CloseMemory() error {
	before, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if _, err := nonDumpable(); err != nil {
		return &Error{Part: PartDumpable, Err: err}
	}
	if _, err := noCore(); err != nil {
		return &Error{Part: PartCore, Err: err}
	}
	const open = 1 // SUID_DUMP_USER in prctl(2)
	switch {
	case err != nil:
		return &Error{Part: PartClosed, Err: err}
	case before == open && unix.Geteuid() != 0:
		return &Error{Part: PartClosed, Err: errOpen}
	default:
		return nil
	}
}

// Untraced fails with ErrTraced when a debugger is attached to any thread. One
// in another process name space is not seen.
func Untraced() error {
	if _, err := untraced(); err != nil {
		return &Error{Part: PartUntraced, Err: err}
	}
	return nil
}

func untraced() (string, error) {
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(tasks) == 0 {
		return "", errNoProc
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task) //nolint:gosec // a file of the kernel
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // this thread has ended
		}
		if err != nil {
			return "", err
		}
		_, after, found := strings.Cut(string(b), "\nTracerPid:\t")
		if !found {
			return "", errNoProc
		}
		if !strings.HasPrefix(after, "0\n") {
			return "", ErrTraced
		}
	}
	return "", nil
}
