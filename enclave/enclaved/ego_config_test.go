package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEnclaveConfig: what EGo signs is what is written down about it: no debugger,
// nothing of the environment from the host, no file that the host could write to.
func TestEnclaveConfig(t *testing.T) {
	text, err := os.ReadFile("enclave.json")
	require.NoError(t, err)
	var c struct {
		Exe             string
		Debug           bool
		ExecutableHeap  bool
		HeapSize        int
		ProductID       int
		SecurityVersion int
		Mounts          []struct {
			Type     string
			Target   string
			ReadOnly bool
		}
		Env []struct {
			Name, Value string
			FromHost    bool
		}
		Files []json.RawMessage
	}
	require.NoError(t, json.Unmarshal(text, &c))
	require.Equal(t, name, c.Exe)
	require.False(t, c.Debug)
	require.False(t, c.ExecutableHeap)
	require.GreaterOrEqual(t, c.HeapSize, 512, "EGo's own need, and the default budget twice")
	require.Positive(t, c.ProductID)
	require.Positive(t, c.SecurityVersion)
	require.Empty(t, c.Files)
	for _, m := range c.Mounts {
		require.True(t, m.ReadOnly && m.Target != "/", m.Target)
	}
	require.Len(t, c.Env, 1)
	require.Equal(t, "GOTRACEBACK=none", c.Env[0].Name+"="+c.Env[0].Value)
	require.False(t, c.Env[0].FromHost)
}
