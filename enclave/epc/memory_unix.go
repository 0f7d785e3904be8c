//go:build unix && !ego

package epc

import "golang.org/x/sys/unix"

// canDiscard says that pages can be given back one by one, so that address space
// costs nothing.
const canDiscard = true

// plain is ordinary memory of the process.
type plain []byte

// reserve takes address space only: a page costs memory once it is touched.
func reserve(n int) (Backing, error) {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	return plain(b), err
}

func (p plain) Bytes() []byte            { return p }
func (p plain) Discard(off, n int) error { return discard(p[off : off+n]) }
func (p plain) Close() error             { return unix.Munmap(p) }
