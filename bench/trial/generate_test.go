package trial

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGenerate: what is expected is what every filter on every event says.
func TestGenerate(t *testing.T) {
	for _, spec := range []string{"A:300", "e80a1:300"} {
		w, err := Generate(spec)
		require.NoError(t, err)
		all := &Workload{Subscriptions: w.Subscriptions, Events: w.Events}
		all.evaluate()
		require.Positive(t, all.Pairs, spec)
		require.Equal(t, all.Pairs, w.Pairs)
		require.Equal(t, all.Expected, w.Expected)
		require.Equal(t, all.first, w.first)
		require.Equal(t, all.IDs, w.IDs)
		require.Equal(t, all.ids, w.ids)
	}
	for _, spec := range []string{"", "A", "A:", "A:0", "A:-1", "A:x", "A:2000001", "nothing:10"} {
		_, err := Generate(spec)
		require.Error(t, err, spec)
	}
}
