//go:build unix && !ego && !gramine

package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/scbr/scbr/enclave/daemon"
)

// quiet is the whole environment of a running enclaved.
func quiet() []string { return []string{"GOTRACEBACK=none"} }

// execSelf puts a program file in the place of this process, with the quiet
// environment.
func execSelf(path string) error {
	return syscall.Exec(path, os.Args, quiet()) //nolint:gosec // this very program
}

// muteRuntime moves standard error to a descriptor that only this program
// writes to, and gives the runtime the null device instead: when it dies it
// prints stacks and registers, in some cases whatever GOTRACEBACK says, and the
// words in them are data. The next descriptor is left alone: routerd may have put a socket there.
func muteRuntime() (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(syscall.Stderr), unix.F_DUPFD_CLOEXEC, daemon.PagerSocket+1)
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close() //nolint:errcheck // its copy stays
	if err := unix.Dup2(int(null.Fd()), syscall.Stderr); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "stderr"), nil
}
