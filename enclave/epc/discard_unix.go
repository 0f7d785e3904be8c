//go:build unix && !linux

package epc

const mapNoReserve = 0

// discard clears: elsewhere MADV_DONTNEED is only a hint.
func discard(b []byte) error {
	clear(b)
	return nil
}
