package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/client/clitest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"boundarybench": main}) }

func goEnv(t *testing.T, key string) string {
	t.Helper()
	out, err := exec.Command("go", "env", key).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// TestScripts runs the command as a user does, with an enclaved built once.
func TestScripts(t *testing.T) {
	module, err := os.Getwd()
	require.NoError(t, err)
	bin := t.TempDir()
	require.NoError(t, trial.Build(t.Context(), bin))
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			for _, k := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOPATH"} {
				e.Setenv(k, goEnv(t, k))
			}
			e.Setenv("MODULE", module)
			e.Setenv("BIN", bin)
			return os.Mkdir(filepath.Join(e.WorkDir, "tmp"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits},
	})
}
