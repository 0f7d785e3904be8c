//go:build !ego

package epc

import "golang.org/x/sys/unix"

const mapNoReserve = unix.MAP_NORESERVE

// discard relies on Linux: private anonymous pages read as zero afterwards.
func discard(b []byte) error { return unix.Madvise(b, unix.MADV_DONTNEED) }
