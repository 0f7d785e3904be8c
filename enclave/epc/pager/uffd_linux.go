package pager

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/userfaultfd.h, as userfaultfd(2) and ioctl_userfaultfd(2) describe them.
const (
	uffdAPI          = 0xaa
	uffdUserModeOnly = 1 // which needs no privilege: only this program's own instructions fault

	ioctlAPI          = 0xc018aa3f
	ioctlRegister     = 0xc020aa00
	ioctlWake         = 0x8010aa02
	ioctlCopy         = 0xc028aa03
	ioctlWriteProtect = 0xc018aa06
	ioctlContinue     = 0xc020aa07

	featureFlagWP       = 1 << 0
	featureMissingShmem = 1 << 5
	featureMinorShmem   = 1 << 10
	featureWPShmem      = 1 << 12
	features            = featureFlagWP | featureMissingShmem | featureMinorShmem | featureWPShmem

	registerMissing = 1 << 0
	registerWP      = 1 << 1
	registerMinor   = 1 << 2

	writeProtectOn = 1 << 0

	eventBytes     = 32
	eventPagefault = 0x12
	faultWP        = 1 << 1
	faultMinor     = 1 << 2
)

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		if e == 0 {
			return nil
		}
		if e != unix.EINTR && e != unix.EAGAIN { // EAGAIN: the mappings are changing, try again
			return e
		}
	}
}

// openFaults makes a userfaultfd with all features that are needed.
func openFaults() (int, error) {
	fd, _, e := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|uffdUserModeOnly, 0, 0)
	if e != 0 {
		return -1, &Error{Op: "userfaultfd", Kind: KindUnsupported, Err: fmt.Errorf(
			"%w (Linux 5.11 or later allows it to everybody; a container may forbid it)", error(e))}
	}
	api := struct{ api, features, ioctls uint64 }{api: uffdAPI, features: features}
	if err := ioctl(int(fd), ioctlAPI, unsafe.Pointer(&api)); err != nil { // #nosec G103 -- as ioctl_userfaultfd(2) wants it
		_ = unix.Close(int(fd))
		return -1, &Error{Op: "userfaultfd", Kind: KindUnsupported, Err: fmt.Errorf(
			"%w: this kernel cannot write-protect shared memory and tell of minor faults (Linux 5.19 can)", err)}
	}
	return int(fd), nil
}

// Supported returns nil where paging can be simulated, and otherwise an *Error of
// KindUnsupported with the reason.
func Supported() error {
	if unix.Getpagesize() != PageBytes {
		return &Error{Op: "page size", Kind: KindUnsupported, Err: fmt.Errorf("pages of %d bytes", unix.Getpagesize())}
	}
	fd, err := openFaults()
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// pageRange is what most requests begin with.
type pageRange struct{ start, length uint64 }

func register(fd int, b []byte) error {
	arg := struct {
		pageRange
		mode, ioctls uint64
	}{pageRange: rangeOf(b), mode: registerMissing | registerWP | registerMinor}
	return ioctl(fd, ioctlRegister, unsafe.Pointer(&arg)) // #nosec G103 -- as ioctl_userfaultfd(2) wants it
}

func rangeOf(b []byte) pageRange {
	return pageRange{uint64(uintptr(unsafe.Pointer(&b[0]))), uint64(len(b))} // #nosec G103 -- an address for the kernel
}

func writeProtect(fd int, r pageRange, mode uint64) error {
	arg := struct {
		pageRange
		mode uint64
	}{r, mode}
	return ioctl(fd, ioctlWriteProtect, unsafe.Pointer(&arg)) // #nosec G103 -- as ioctl_userfaultfd(2) wants it
}

// copyPage puts a page where none is and wakes who waits for it.
func copyPage(fd int, to uint64, page []byte) error {
	arg := struct {
		dst, src, length, mode uint64
		copied                 int64
	}{dst: to, src: rangeOf(page).start, length: PageBytes}
	err := ioctl(fd, ioctlCopy, unsafe.Pointer(&arg)) // #nosec G103 -- as ioctl_userfaultfd(2) wants it
	runtime.KeepAlive(page)
	return err
}

// continuePage maps a page that is there and wakes who waits for it.
func continuePage(fd int, r pageRange) error {
	arg := struct {
		pageRange
		mode   uint64
		mapped int64
	}{pageRange: r}
	err := ioctl(fd, ioctlContinue, unsafe.Pointer(&arg)) // #nosec G103 -- as ioctl_userfaultfd(2) wants it
	if errors.Is(err, unix.EEXIST) {
		return wake(fd, r)
	}
	return err
}

func wake(fd int, r pageRange) error {
	return ioctl(fd, ioctlWake, unsafe.Pointer(&r)) // #nosec G103 -- as ioctl_userfaultfd(2) wants it
}
