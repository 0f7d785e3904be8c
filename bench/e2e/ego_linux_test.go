package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

// egoBuild builds enclaved as for EGo, into dir.
func egoBuild(t *testing.T, tool, dir string) string {
	t.Helper()
	out := filepath.Join(dir, "enclaved-ego")
	text, err := exec.Command(tool, "build", "-tags", "ego", "-o", out, "github.com/scbr/scbr/enclave/enclaved").CombinedOutput()
	require.NoError(t, err, "%s", text)
	return out
}

// startUnder runs routerd --dev with a build of enclaved that a shell command runs, but
// for dev-init, which is not the enclave's.
func startUnder(t *testing.T, dir, enclaved, run string) *trial.System {
	t.Helper()
	t.Setenv("GOTRACEBACK", "none") // as enclave.json has it for what runs inside
	script := filepath.Join(dir, "enclaved.sh")
	text := fmt.Sprintf("#!/bin/sh\n[ \"$1\" != dev-init ] || exec %s \"$@\"\n%s\n", enclaved, run)
	require.NoError(t, os.WriteFile(script, []byte(text), 0o700)) //nolint:gosec // a program of this test
	sys, err := trial.Start(t.Context(), programs(t), filepath.Join(dir, "dev"), "--enclaved", script)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sys.Stop()) })
	return sys
}

// converse has a subscriber get what publishers send, each in a session of its own.
func converse(t *testing.T, sys *trial.System) {
	t.Helper()
	iss, err := trial.NewIssuer(sys)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dial := func(n uint64) *client.Client {
		cfg, err := iss.Config(fmt.Sprint("member-", n), "TRUE", "TRUE", n)
		require.NoError(t, err)
		c, err := client.Dial(ctx, cfg)
		require.NoError(t, err)
		return c
	}
	const publications = 20
	sub := dial(publications)
	where, err := filter.Parse("symbol = 'HAL' AND price < 50")
	require.NoError(t, err)
	_, err = sub.Subscribe(ctx, where)
	require.NoError(t, err)
	for n := range uint64(publications) {
		pub := dial(n)
		e, err := filter.NewEvent(filter.Attribute{Name: "symbol", Value: filter.String("HAL")}, filter.Attribute{Name: "price", Value: filter.Int(int64(n))})
		require.NoError(t, err)
		require.NoError(t, pub.Publish(ctx, e, []byte("x")))
		require.NoError(t, pub.Close())
	}
	for range publications {
		d, err := sub.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, "x", string(d.Payload))
	}
	require.NoError(t, sub.Close())
}

// lacking are the system calls that EGo has not, and no program of the enclave may
// need: other processes, pipes, signals between processes, whole batches of
// datagrams.
func lacking() []string {
	return []string{"fork", "vfork", "execve", "execveat", "pipe", "pipe2", "kill", "tkill", "rt_sigqueueinfo", "recvmmsg", "sendmmsg", "ptrace", "seccomp", "memfd_create", "userfaultfd"}
}

// TestEnclavedNeedsOnlyWhatEGoHas: enclaved as it is built for EGo, through whole
// sessions, asks the system for nothing that EGo lacks. What the Go runtime itself
// does for a thread or a preemption (tgkill to itself, clone of a thread) EGo has.
func TestEnclavedNeedsOnlyWhatEGoHas(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	dir := t.TempDir()
	enclaved, trace := egoBuild(t, "go", dir), filepath.Join(dir, "trace")
	converse(t, startUnder(t, dir, enclaved, fmt.Sprintf("exec %s -D -f -qq -o %s %s \"$@\"", strace, trace, enclaved)))

	b, err := os.ReadFile(trace)
	require.NoError(t, err)
	calls := regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\((.*)$`).FindAllStringSubmatch(string(b), -1)
	seen := map[string]int{}
	threads, started := map[string]bool{}, false
	for i, call := range calls {
		name, args := call[1], call[2]
		seen[name]++
		threads[strings.Fields(call[0])[0]] = true
		switch {
		case name == "execve" && i == 0: // strace's own
		case slices.Contains(lacking(), name):
			t.Errorf("%s", call[0])
		case name == "prctl" && !strings.Contains(args, "PR_SET_VMA"): // names memory where it can, and goes on where not
			t.Errorf("%s", call[0])
		case (name == "clone" || name == "clone3") && !strings.Contains(args, "CLONE_THREAD"):
			t.Errorf("a process: %s", call[0])
		case name == "sched_getaffinity": // the first that the Go runtime asks; before it is the loader of shared libraries
			started = true
		case name == "mmap" && started && !strings.Contains(args, "MAP_ANONYMOUS"):
			t.Errorf("a file in memory: %s", call[0])
		case name == "socket" && !strings.Contains(args, "AF_UNIX"):
			t.Errorf("a socket: %s", call[0])
		}
	}
	require.True(t, started)
	require.NotZero(t, seen["read"], "something was traced")
	require.NotZero(t, seen["connect"])
	require.NotZero(t, seen["write"])
	require.LessOrEqual(t, len(threads), 28, "EGo gives an enclave 32 threads at all")
}

// TestEnclavedImports: the program for EGo is made of nothing that starts programs,
// takes signals, listens, or shuts a process in.
func TestEnclavedImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-tags", "ego", "github.com/scbr/scbr/enclave/enclaved").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "github.com/edgelesssys/ego/enclave", "the tag is in force")
	require.Contains(t, deps, "github.com/scbr/scbr/matcher")
	for _, no := range []string{
		"os/signal", "plugin", "github.com/quic-go/quic-go", "github.com/elastic/go-seccomp-bpf", "github.com/landlock-lsm/go-landlock/landlock",
		"kernel.org/pub/linux/libs/security/libcap/psx", "github.com/prometheus/client_golang/prometheus", "github.com/spf13/cobra",
		"github.com/scbr/scbr/router", "github.com/scbr/scbr/client",
	} {
		require.NotContains(t, deps, no)
	}
	// What EGo's own package brings along for functions that are not called.
	for _, dep := range []string{"os/exec", "net/http"} {
		out, err := exec.Command("go", "list", "-deps", "github.com/scbr/scbr/enclave/daemon").Output()
		require.NoError(t, err)
		require.NotContains(t, without(strings.Fields(string(out)), "golang.org/x/", "kernel.org/"), dep, "our own part does not need it")
	}
}

func without(list []string, prefixes ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
	})
}

// TestUnderEGo runs enclaved under the EGo runtime in simulation, where it is
// installed: the sequence of BUILD-EGO.md, then sessions.
func TestUnderEGo(t *testing.T) {
	for _, tool := range []string{"ego", "ego-go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: https://docs.edgeless.systems/ego", tool)
		}
	}
	dir := t.TempDir()
	enclaved := egoBuild(t, "ego-go", dir)
	config, err := os.ReadFile("../../enclave/enclaved/enclave.json")
	require.NoError(t, err)
	text := strings.NewReplacer("/var/lib/scbr", os.TempDir(), `"enclaved"`, `"enclaved-ego"`).Replace(string(config))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "enclave.json"), []byte(text), 0o600))
	sign := exec.Command("ego", "sign", "enclave.json")
	sign.Dir = dir
	out, err := sign.CombinedOutput()
	require.NoError(t, err, "%s", out)
	converse(t, startUnder(t, dir, enclaved, fmt.Sprintf("OE_SIMULATION=1 exec ego run %s \"$@\"", enclaved)))
}
