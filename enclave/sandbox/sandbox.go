// Package sandbox shuts a process in after it has opened everything it needs:
// no file, no new socket, no other program, no core dump, no reading of its
// memory by an ordinary process of the same user.
//
// Who may lie to it: nobody; it guards against what the process behind it may be
// talked into. It promises that Enter either has all parts in force for every
// thread or fails (in BestEffort: says what is missing). It needs no privilege,
// and being root lifts nothing. It does not promise anything against the kernel
// or against a root user outside: that takes hardware, and is why the simulated
// platform is not one to trust with real data.
package sandbox

import (
	"errors"
	"fmt"
	"strings"
)

// Mode says what happens when a part cannot be enforced.
type Mode string

const (
	// Strict makes Enter fail when any part cannot be enforced.
	Strict Mode = "strict"
	// BestEffort enforces what the system offers and reports the rest.
	BestEffort Mode = "best-effort"
)

// ParseMode reads a mode as a flag gives it.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(s); m {
	case Strict, BestEffort:
		return m, nil
	default:
		return "", &Error{Part: "mode", Err: fmt.Errorf("want %q or %q", Strict, BestEffort)}
	}
}

// ErrTraced says that a debugger is attached: it sees everything, sandbox or not.
var ErrTraced = errors.New("a debugger is attached")

// The parts of the sandbox, as they stand in reports and errors.
const (
	PartClosed   = "closed"       // nobody of the same user could open the memory from the first instruction on
	PartUntraced = "untraced"     // no debugger was attached before; required in every mode
	PartDumpable = "non-dumpable" // no ptrace, no /proc/PID/mem for the same user
	PartCore     = "no-core"      // RLIMIT_CORE 0
	PartLandlock = "landlock"     // no path at all, no TCP, no signal or abstract socket outside
	PartSeccomp  = "seccomp"      // only the system calls a running Go program needs
)

// Error names the part that could not be enforced.
type Error struct {
	Part string
	Err  error
}

// Error describes the failure.
func (e *Error) Error() string { return fmt.Sprintf("sandbox: %s: %v", e.Part, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Report says what is in force.
type Report struct {
	InForce []string // parts, landlock with its version
	Missing []error  // one *Error for each part that is not (BestEffort only)
}

// Complete says whether every part is in force.
func (r Report) Complete() bool { return len(r.Missing) == 0 && len(r.InForce) > 0 }

// String is one line for the log.
func (r Report) String() string {
	s := "in force: " + strings.Join(r.InForce, ", ")
	if len(r.InForce) == 0 {
		s = "nothing in force"
	}
	for _, err := range r.Missing {
		s += "; missing: " + err.Error()
	}
	return s
}

type part struct {
	name    string
	enforce func() (detail string, err error)
}

// Enter puts the process into the sandbox, for ever. closed is what CloseMemory
// returned at the start of the program. In Strict mode an error means that the
// process may be half shut in and must exit; ErrTraced means that in both modes.
func Enter(mode Mode, closed error) (Report, error) {
	var r Report
	first := part{PartClosed, func() (string, error) { return "", errors.Unwrap(closed) }}
	for _, p := range append([]part{first}, parts()...) {
		detail, err := p.enforce()
		if err == nil {
			r.InForce = append(r.InForce, p.name+detail)
			continue
		}
		err = &Error{Part: p.name, Err: err}
		if mode != BestEffort || errors.Is(err, ErrTraced) {
			return r, err
		}
		r.Missing = append(r.Missing, err)
	}
	return r, nil
}
