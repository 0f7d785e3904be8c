//go:build !unix || ego

package epc

// canDiscard is false where memory, once taken, stays: in EGo madvise and mprotect
// succeed and do nothing, and all memory of the process is the enclave's.
const canDiscard = false

type plain []byte

func reserve(n int) (Backing, error) { return plain(make([]byte, n)), nil }

func (p plain) Bytes() []byte { return p }

func (p plain) Discard(off, n int) error {
	clear(p[off : off+n])
	return nil
}

func (p plain) Close() error { return nil }
