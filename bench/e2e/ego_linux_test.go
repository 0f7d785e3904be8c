package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program builds one of the project's programs.
func program(t *testing.T, dir, pkg string, flags ...string) string {
	t.Helper()
	out := filepath.Join(dir, filepath.Base(pkg)+strings.Join(flags, ""))
	cmd := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), "github.com/scbr/scbr/"+pkg)...)
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	return out
}

// routerUnder runs routerd --dev with an enclaved of the caller's and returns the
// client directory and the address.
func routerUnder(t *testing.T, routerd, enclaved, platform string) (dir, addr string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "dev")
	out, err := exec.Command(platform, "dev-init", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(routerd, "--domain", filepath.Join(dir, "domain.json"), "--platform", filepath.Join(dir, "platform"), "--router", "dev",
		"--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--enclaved", enclaved)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var log bytes.Buffer
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for addr == "" && lines.Scan() {
		for _, field := range strings.Fields(lines.Text()) {
			if a, ok := strings.CutPrefix(field, "listen="); ok {
				addr = a
			}
		}
	}
	require.NotEmpty(t, addr, "%s", &log)
	return dir, addr
}

// script writes a program that runs another.
func script(t *testing.T, dir, text string) string {
	t.Helper()
	name := filepath.Join(dir, "enclaved.sh")
	require.NoError(t, os.WriteFile(name, []byte("#!/bin/sh\n"+text+"\n"), 0o700)) //nolint:gosec // a program of this test
	return name
}

// converse has a subscriber get what a publisher sends, through the router.
func converse(t *testing.T, scbr, dir, addr string) {
	t.Helper()
	sub := exec.Command(scbr, "sub", "--dir", dir, "--addr", addr, "--where", "symbol = 'HAL' AND price < 50", "--count", "20", "--json")
	var got bytes.Buffer
	sub.Stdout = &got
	stderr, err := sub.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, sub.Start())
	ready := bufio.NewScanner(stderr)
	require.True(t, ready.Scan(), "subscribed")
	for i := range 20 {
		out, err := exec.Command(scbr, "pub", "--dir", dir, "--addr", addr, "--attr", "symbol=HAL", "--attr", fmt.Sprintf("price=%d", i), "--payload", "x").CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	done := make(chan error, 1)
	go func() { done <- sub.Wait() }()
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(patience):
		_ = sub.Process.Kill()
		t.Fatal("not delivered")
	}
	require.Equal(t, 20, bytes.Count(got.Bytes(), []byte("\n")))
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
	t.Setenv("GOTRACEBACK", "none") // as enclave.json has it
	dir := t.TempDir()
	routerd, scbr := program(t, dir, "router/routerd"), program(t, dir, "client/scbr")
	enclaved := program(t, dir, "enclave/enclaved", "-tags=ego")
	trace := filepath.Join(dir, "trace")
	state, addr := routerUnder(t, routerd, script(t, dir, fmt.Sprintf("exec %s -D -f -qq -o %s %s \"$@\"", strace, trace, enclaved)), enclaved)
	converse(t, scbr, state, addr)

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
	routerd, scbr, host := program(t, dir, "router/routerd"), program(t, dir, "client/scbr"), program(t, dir, "enclave/enclaved")
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	for _, step := range [][]string{
		{"sh", "-c", fmt.Sprintf("sed 's#/var/lib/scbr#%s#g' %s > %s/enclave.json", os.TempDir(), filepath.Join(root, "enclave/enclaved/enclave.json"), dir)},
		{"sh", "-c", fmt.Sprintf("cd %s && ego-go build -tags ego -o %s/enclaved-ego ./enclave/enclaved && mv %s/enclaved-ego %s/enclaved", root, dir, dir, dir)},
		{"sh", "-c", fmt.Sprintf("cd %s && ego sign enclave.json", dir)},
	} {
		out, err := exec.Command(step[0], step[1:]...).CombinedOutput()
		require.NoError(t, err, "%v: %s", step, out)
	}
	state, addr := routerUnder(t, routerd, script(t, dir, fmt.Sprintf("cd %s && OE_SIMULATION=1 exec ego run enclaved \"$@\"", dir)), host)
	converse(t, scbr, state, addr)
}
