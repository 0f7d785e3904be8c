package keyx

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBuckets: every length up to two MiB fits its bucket, which is a bucket of itself, and the padding is bounded.
func TestBuckets(t *testing.T) {
	last, distinct := 0, 0
	for n := range 2 << 20 {
		b := Bucket(n)
		if b < n || b < last || Bucket(b) != b {
			t.Fatalf("bucket of %d is %d after %d", n, b, last)
		}
		if b != last {
			distinct++
			require.LessOrEqual(t, 2*b, max(3*last, 2*LeastBucket), "at most one and a half times the one before")
		}
		if p := Padding(n); p != b-n || p >= 1<<15 || n > LeastBucket && 2*p >= n {
			t.Fatalf("padding of %d is %d", n, p)
		}
		last = b
	}
	require.Less(t, distinct, 90, "few lengths can be told apart")
	require.Equal(t, []int{64, 64, 96, 128, 192, 65536, 98304}, []int{Bucket(0), Bucket(64), Bucket(65), Bucket(97), Bucket(129), Bucket(65535), Bucket(65537)})
}

func TestAppendZeros(t *testing.T) {
	dirty := bytes.Repeat([]byte{0xff}, 64)
	require.Equal(t, append([]byte{1}, make([]byte, 40)...), AppendZeros(append(dirty[:0], 1), 40))
	require.True(t, Zeros(make([]byte, 9)) && Zeros(nil))
	require.False(t, Zeros([]byte{0, 0, 1}))
}
