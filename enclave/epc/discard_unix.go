//go:build unix && !linux

package epc

const mapNoReserve = 0

// discard clears: MADV_DONTNEED is only a hint here.
func discard(b []byte) error {
	clear(b)
	return nil
}
