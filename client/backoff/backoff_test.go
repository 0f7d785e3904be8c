package backoff

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBackoff: every pause is drawn from the whole of its range, whose bound doubles up to the maximum.
func TestBackoff(t *testing.T) {
	const draws = 2000
	for n, limit := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		var quarters [4]int
		for range draws {
			b := Backoff{Min: 100, Max: 1000, Rand: rand.Reader}
			var d time.Duration
			for range n + 1 {
				var err error
				d, err = b.Next()
				require.NoError(t, err)
			}
			require.Positive(t, d)
			require.LessOrEqual(t, d, limit)
			quarters[int(d-1)*4/int(limit)]++
		}
		for _, q := range quarters {
			require.Greater(t, q, draws/8, "attempt %d is drawn from the whole range", n)
		}
	}
	b := Backoff{Min: time.Second, Max: time.Minute, Rand: rand.Reader}
	for range 100 {
		d, err := b.Next()
		require.NoError(t, err)
		require.LessOrEqual(t, d, time.Minute, "no overflow")
	}
	b.Rand = bytes.NewReader(nil)
	_, err := b.Next()
	require.Error(t, err, "a random source that fails is no reason to hurry")
}
