package launch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/scbr/scbr/router"
)

// usage remembers how much processor time a process had used at the last look.
type usage struct{ ticks uint64 }

// Fields of /proc/PID/stat after the name, counted from 0 (proc(5): state is the third field, utime and stime are the 14th and 15th).
const (
	fieldState  = 0
	fieldParent = 1
	fieldUser   = 11
	fieldSys    = 12
)

var errStat = errors.New("the kernel's account of a process is shorter than it should be")

// stat reads the fields after the name, which stands in parentheses and may hold anything.
func stat(pid int) ([][]byte, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) //nolint:gosec // a number
	if err != nil {
		return nil, err
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) <= fieldSys {
		return nil, errStat
	}
	return f, nil
}

// look reads what the kernel knows. A process that is runnable, or in the middle of a page fault or other input, would go on if it
// could; one whose time has moved has gone on.
func (u *usage) look(pid int) router.Activity {
	f, err := stat(pid)
	if err != nil {
		return router.Unknown
	}
	user, err1 := strconv.ParseUint(string(f[fieldUser]), 10, 64)
	sys, err2 := strconv.ParseUint(string(f[fieldSys]), 10, 64)
	if err1 != nil || err2 != nil {
		return router.Unknown
	}
	moved := user+sys != u.ticks
	u.ticks = user + sys
	switch state := f[fieldState][0]; {
	case state == 'T' || state == 't':
		return router.Waiting
	case moved, state == 'R', state == 'D':
		return router.Working
	default:
		return router.Waiting
	}
}
