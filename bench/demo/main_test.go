package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/client/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"demo": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		os.Exit(run(ctx))
	}})
}

func TestVerdict(t *testing.T) {
	require.Equal(t, exitOK, verdict(&trial.Report{Expected: 1, Delivered: 1}, nil))
	require.Equal(t, exitFailed, verdict(&trial.Report{Missing: 1}, nil))
	require.Equal(t, exitFailed, verdict(&trial.Report{Unexpected: 1}, nil))
	require.Equal(t, exitFailed, verdict(nil, errors.New("x")))
	require.Equal(t, exitFailed, verdict(&trial.Report{}, errors.New("x")))
}

// TestScripts runs the demo as a user does; the binaries are built from this tree.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	require.NoError(t, trial.Build(t.Context(), bin))
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: clitest.GoSetup(bin),
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits, "gone": gone, "waitfor": waitFor},
	})
}

// waitfor PATTERN: a file of that name appears.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(tick) {
		if found, err := filepath.Glob(args[0]); err == nil && len(found) > 0 {
			return
		}
	}
	ts.Fatalf("%s did not appear", args[0])
}

// gone: no process that was started from this script's directory is left, and nothing of the trial's in its temporary folder.
func gone(ts *testscript.TestScript, _ bool, _ []string) {
	left, err := filepath.Glob(filepath.Join(ts.Getenv("TMPDIR"), "*"))
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("left behind: %v", left)
	}
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	ts.Check(err)
	for _, p := range procs {
		line, err := os.ReadFile(p) // #nosec G304 -- /proc
		if err == nil && strings.Contains(string(line), ts.Getenv("WORK")) && !strings.Contains(p, strconv.Itoa(os.Getpid())) {
			ts.Fatalf("still running: %q", line)
		}
	}
}

// TestKilledDemoLeavesNoDaemon: routerd ends when the demo is killed, and takes enclaved with it.
func TestKilledDemoLeavesNoDaemon(t *testing.T) {
	if testing.Short() {
		t.Skip("the demo is built without the race detector: nothing new to see")
	}
	bin := t.TempDir()
	require.NoError(t, trial.Build(t.Context(), bin))
	build := exec.Command("go", "build", "-o", bin, ".")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	tmp := t.TempDir()
	cmd := exec.Command(filepath.Join(bin, "demo"), "--bin", bin, "--rate", "100")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { return len(daemons(bin)) == 2 }, patience, tick, "routerd and enclaved run")
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	require.Eventually(t, func() bool { return len(daemons(bin)) == 0 }, patience, tick, "and end")
}
