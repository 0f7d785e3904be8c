package offline_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client/clitest"
	"github.com/scbr/scbr/client/offline"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"scbr": program})
}

// program is the command below a root, with its exit code.
func program() {
	root := &cobra.Command{Use: "scbr", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(offline.Commands()...)
	err := root.Execute()
	if err == nil {
		return
	}
	if !offline.IsNo(err) {
		fmt.Fprintln(os.Stderr, "scbr:", err)
	}
	var exit *offline.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.Code)
	}
	os.Exit(99) // an error that names no exit code
}

func TestScripts(t *testing.T) {
	data, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits},
		Setup: func(e *testscript.Env) error {
			e.Setenv("DATA", data+"/../../bench/dataset")
			return nil
		},
	})
}
