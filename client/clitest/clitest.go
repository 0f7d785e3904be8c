// Package clitest holds what the command-line scripts of several packages share. It is imported by tests only.
package clitest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// GoSetup gives scripts what the go command needs, the folder of the package under test as MODULE, binaries built before as BIN, and a
// folder for temporary files that nobody else reads.
func GoSetup(bin string) func(e *testscript.Env) error {
	return func(e *testscript.Env) error {
		module, err := os.Getwd()
		if err != nil {
			return err
		}
		for _, k := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOPATH"} {
			out, err := exec.Command("go", "env", k).Output() // #nosec G204 -- the names above
			if err != nil {
				return fmt.Errorf("go env %s: %w", k, err)
			}
			e.Setenv(k, strings.TrimSpace(string(out)))
		}
		e.Setenv("MODULE", module)
		e.Setenv("BIN", bin)
		return os.Mkdir(filepath.Join(e.WorkDir, "tmp"), 0o700)
	}
}

// Exits is the script command `exits CODE COMMAND ARGS...`: the command must end with exactly this code, and not by a panic, whose exit
// code is that of bad input.
func Exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if strings.Contains(ts.ReadFile("stderr"), "panic: ") {
		ts.Fatalf("panic, whose exit code is that of bad input")
	}
}
