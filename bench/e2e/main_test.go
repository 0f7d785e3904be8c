package e2e

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/trial"
)

// binEnv names the folder of what the tests of this package build; TestMain makes and removes it.
const binEnv = "SCBR_E2E_BIN"

func TestMain(m *testing.M) { os.Exit(inFolder(m)) }

func inFolder(m *testing.M) int {
	dir, err := os.MkdirTemp("", "scbr-e2e-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv(binEnv, dir); err != nil {
		panic(err)
	}
	return m.Run()
}

var build = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(os.Getenv(binEnv), "bin")
	return bin, trial.Build(context.Background(), bin)
})

// programs is the folder of routerd and enclaved, built from this tree once for all tests.
func programs(t *testing.T) string {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	return bin
}
