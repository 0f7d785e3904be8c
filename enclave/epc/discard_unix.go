//go:build unix && (!linux || ego)

package epc

const mapNoReserve = 0

// discard clears: elsewhere MADV_DONTNEED is only a hint, and in EGo it succeeds and
// does nothing, as mprotect does.
func discard(b []byte) error {
	clear(b)
	return nil
}
