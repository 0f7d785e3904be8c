package llc

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCountOrReason walks through more memory than a cache holds: there is a count of it, or a reason why there is none.
func TestCountOrReason(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	large := make([]byte, 256<<20)
	n, err := Misses(func() {
		for i := 0; i < len(large); i += 4096 {
			large[i]++
		}
	})
	if err != nil {
		require.Zero(t, n)
		require.NotEmpty(t, err.Error())
		return
	}
	require.Positive(t, n)
}
