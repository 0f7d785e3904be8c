//go:build !linux

package llc

// Misses has no portable source.
func Misses(func()) (float64, error) { return 0, ErrNone }
