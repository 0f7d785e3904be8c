package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"demo": func() { os.Exit(run(context.Background())) }})
}

// TestScripts runs the demo as a user does; the binaries are built from this tree.
func TestScripts(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			// The demo builds from the module; hand through what the go command needs.
			for _, k := range []string{"GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOPATH"} {
				e.Setenv(k, goEnv(t, k))
			}
			e.Setenv("MODULE", root)
			return nil
		},
	})
}
