// Package backoff draws the pauses of a client between attempts to reach a router. The router's own tests use it to see what a hundred thousand
// such clients do together.
package backoff

import (
	"encoding/binary"
	"io"
	"time"
)

// Backoff draws the pauses before attempts: the n-th is uniform between nothing and Min·2ⁿ, at most Max ("full jitter"), so that the
// clients of a router that comes back spread over the whole pause however many they are, and each is as likely to be early as any other.
// Not for concurrent use.
type Backoff struct {
	Min, Max time.Duration // positive
	Rand     io.Reader
	failures uint
}

// maxDoublings is where Min·2ⁿ has left every sensible Max behind.
const maxDoublings = 32

// Next draws the pause before the next attempt. It fails with the random source: a key exchange would fail for the same reason.
func (b *Backoff) Next() (time.Duration, error) {
	var random [8]byte
	if _, err := io.ReadFull(b.Rand, random[:]); err != nil {
		return 0, err
	}
	limit := b.Max
	if d := b.Min << b.failures; b.failures < maxDoublings && d > 0 && d < b.Max {
		limit = d
		b.failures++
	}
	return time.Duration(binary.BigEndian.Uint64(random[:])%uint64(limit)) + 1, nil
}

// Reset begins anew with the shortest range.
func (b *Backoff) Reset() { b.failures = 0 }
