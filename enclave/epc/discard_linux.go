//go:build !ego

package epc

import "golang.org/x/sys/unix"

const mapNoReserve = unix.MAP_NORESERVE

// discard relies on Linux: private anonymous pages read as zero afterwards.
func discard(b []byte) error { return unix.Madvise(b, unix.MADV_DONTNEED) }

// populate takes the pages of b in one call instead of a fault for each. It is only
// faster: what it does not take comes by itself.
func populate(b []byte) { _ = unix.Madvise(b, unix.MADV_POPULATE_WRITE) }
