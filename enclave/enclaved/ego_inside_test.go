//go:build ego || gramine

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestQuietFromTheStart: where the program cannot start again, it refuses an
// environment in which a dying runtime talks.
func TestQuietFromTheStart(t *testing.T) {
	for _, env := range []struct {
		traceback, debug string
		quiet            bool
	}{
		{"none", "", true},
		{"", "", false},
		{"single", "", false},
		{"crash", "", false},
		{"none", "gctrace=1", false},
	} {
		t.Setenv("GOTRACEBACK", env.traceback)
		t.Setenv("GODEBUG", env.debug)
		err := startAgain()
		if env.quiet {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, errLoud, "%v", env)
		}
	}
}
