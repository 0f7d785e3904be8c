//go:build !ego && !gramine

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// executeOnly makes the kernel start a program with closed memory: who may
	// not read the file shall not read it out of the process either.
	executeOnly = 0o111
	// readable is what this program makes of its own file afterwards, to measure
	// it; that does not open the memory again.
	readable = 0o555
	// sealed: nobody changes the copy, not even through a descriptor.
	sealed = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
)

// startAgain starts this program once more from a copy of its file in memory,
// with the quiet environment; in the second run it only returns. The host could
// otherwise change what the runtime does and says (GODEBUG, GOTRACEBACK) before
// this program has a word in it, and an ordinary process of the same user could
// open its memory before this program closes it.
func startAgain() error {
	empty := slices.Equal(os.Environ(), quiet())
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	if empty && strings.HasPrefix(path, "/memfd:") {
		return settle()
	}
	if image, err := copyOfSelf(); err == nil {
		_ = execSelf(fmt.Sprintf("/proc/self/fd/%d", image.Fd())) // comes back only when it fails
	}
	if empty { // such copies may be forbidden: CloseMemory has told
		return nil
	}
	return execSelf("/proc/self/exe")
}

// copyOfSelf is this program's file in memory; nobody may read it.
func copyOfSelf() (*os.File, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close() //nolint:errcheck // read only
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, err
	}
	image := os.NewFile(uintptr(fd), name)
	if _, err = io.Copy(image, self); err == nil {
		_, err = unix.FcntlInt(image.Fd(), unix.F_ADD_SEALS, sealed)
	}
	if err == nil {
		err = image.Chmod(executeOnly)
	}
	if err != nil {
		_ = image.Close()
		return nil, err
	}
	return image, nil
}

// settle gives the process its name back, which the kernel took from the
// descriptor, and the copy to itself, to be measured.
func settle() error {
	if text, err := unix.BytePtrFromString(name); err == nil && unix.Gettid() == unix.Getpid() {
		// For the eyes of an operator, so a failure is none.
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(text)), 0, 0, 0) //nolint:gosec // as prctl(2) wants it
	}
	return os.Chmod("/proc/self/exe", readable) //nolint:gosec // only this process reaches it
}
