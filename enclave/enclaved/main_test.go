package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	testscript.Main(m, commands())
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GOTRACEBACK", "none") // which builds for enclaves want from outside
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": exitCode,
		},
	})
}

// exitCode is `code N command...`: the command must exit with N.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// faulty panics with something secret on its first use.
type faulty struct {
	bytes.Buffer
	used bool
}

func (f *faulty) Write(b []byte) (int, error) {
	if !f.used {
		f.used = true
		panic("CANARY " + string(b))
	}
	return f.Buffer.Write(b)
}

func TestPanicSaysNothing(t *testing.T) {
	var w faulty
	require.Equal(t, exitPanic, guarded([]string{"frobnicate"}, &w, nil))
	require.Equal(t, "enclaved: internal fault\n", w.String())
}

// TestHelpNamesEveryExitCode keeps the constants and the text together.
func TestHelpNamesEveryExitCode(t *testing.T) {
	for _, code := range []int{exitOK, exitBroken, exitUsage, exitConfig, exitDial, exitSandbox, exitDevInit, exitPanic, exitTraced} {
		require.Regexp(t, `(:|;)\s`+strconv.Itoa(code)+` [a-z]`, help)
	}
}
