package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/chaos/episode"
	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/client/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(inFolder{m}, map[string]func(){"chaos": func() { os.Exit(run(context.Background(), os.Args[1:])) }})
}

// binEnv names the folder of what the tests of this package build.
const binEnv = "SCBR_CHAOS_BIN"

// inFolder makes that folder and removes it.
type inFolder struct{ *testing.M }

func (m inFolder) Run() int {
	dir, err := os.MkdirTemp("", "scbr-chaos-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv(binEnv, dir); err != nil {
		panic(err)
	}
	return m.M.Run()
}

var build = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(os.Getenv(binEnv), "bin")
	if err := trial.Build(context.Background(), bin); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
})

// programs is the folder of routerd, enclaved and chaos, built from this tree once for all tests.
func programs(t *testing.T) string {
	t.Helper()
	bin, err := build()
	require.NoError(t, err)
	return bin
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits}})
}

// rude runs some episodes on real processes and returns what came of them.
func rude(t *testing.T, names ...string) []episode.Result {
	t.Helper()
	if testing.Short() {
		t.Skip("the processes are built without the race detector: nothing new to see")
	}
	bin := programs(t)
	cmd := exec.Command(bin+"/chaos", "--bin", bin, "--json", "--rate", "10000", "--only", strings.Join(names, ",")) // #nosec G204 -- just built
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	var results []episode.Result
	require.NoError(t, json.Unmarshal(out, &results))
	require.Len(t, results, len(names))
	for _, r := range results {
		if r.Skipped != "" {
			t.Logf("%s: skipped: %s", r.Name, r.Skipped)
		}
		require.True(t, r.OK || r.Skipped != "", "%+v", r)
	}
	return results
}

// TestEnclaveKilledAndStopped: kill -9 and SIGSTOP of the real enclaved under load.
func TestEnclaveKilledAndStopped(t *testing.T) {
	for _, r := range rude(t, "kill-enclave", "stop-enclave") {
		require.Positive(t, r.EnclaveRestarts)
		require.Positive(t, r.OutageMillis)
	}
}

// TestRouterKill9History: kill -9 of the real routerd under load: what was acknowledged was delivered or announced, and nothing came twice.
func TestRouterKill9History(t *testing.T) {
	r := rude(t, "kill-router")[0]
	require.Positive(t, r.RouterRestarts)
	require.Positive(t, r.Resent)
}

// TestRudeNetworkOnProcesses: a lossy proxy between real processes, and clients whose address changes.
func TestRudeNetworkOnProcesses(t *testing.T) {
	for _, r := range rude(t, "rude-network", "rebinding") {
		require.Zero(t, r.Missing, "the transport repairs it")
		require.Positive(t, r.Datagrams.Passed)
	}
}

// TestResourcesGone: no file can be made, no descriptor opened, nothing logged, when the enclave has to be started again.
func TestResourcesGone(t *testing.T) {
	rude(t, "log-full", "disk-full", "no-files")
}
