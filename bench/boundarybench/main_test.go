package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/client/clitest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"boundarybench": main}) }

// TestScripts runs the command as a user does, with an enclaved built once.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	require.NoError(t, trial.Build(t.Context(), bin))
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: clitest.GoSetup(bin),
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits},
	})
}
