//go:build unix

package epc

import "golang.org/x/sys/unix"

// reserve takes address space only: no page can be touched yet.
func reserve(n int) ([]byte, error) {
	return unix.Mmap(-1, 0, n, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
}

func grant(b []byte) error { return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE) }

// revoke drops the contents before the access, so that a later grant of the
// same pages reads zeros.
func revoke(b []byte) error {
	if err := discard(b); err != nil {
		return err
	}
	return unix.Mprotect(b, unix.PROT_NONE)
}

func release(b []byte) error { return unix.Munmap(b) }
