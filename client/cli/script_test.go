package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scbr/scbr/client/clitest"
)

// endWait bounds how long a script waits for a process it told to end.
const endWait = 30 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"scbr": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			code := Run(ctx, os.Args[1:], IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
			stop()
			os.Exit(code)
		},
	})
}

// Every command against the real router and enclave.
func TestScripts(t *testing.T) {
	daemons := buildDaemons(t)
	evidence, err := filepath.Abs("../../keyx/quote/testdata/real")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("REAL", evidence)
			e.Setenv("PATH", daemons+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  clitest.Exits,
			"router": startRouter,
			"sub":    startSub,
			"ended":  endedSub,
			"stop":   stopSub,
		},
	})
}

func buildDaemons(t *testing.T) string {
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir, "github.com/scbr/scbr/router/routerd", "github.com/scbr/scbr/enclave/enclaved")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the daemons: %v\n%s", err, out)
	}
	return dir
}

// program prepares a program of the script's PATH in the script's world.
func program(ts *testscript.TestScript, name string, args ...string) *exec.Cmd {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		cmd := exec.Command(path, args...)
		cmd.Dir = ts.Getenv("WORK")
		for _, name := range []string{"PATH", "HOME", "TMPDIR", "SCBR_DIR", "SCBR_ADDR"} {
			cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
		}
		return cmd
	}
	ts.Fatalf("no %s in PATH", name)
	return nil
}

// router DIR: starts a development router and sets SCBR_DIR and SCBR_ADDR.
// router --FLAGS...: starts one with these flags, and sets SCBR_ADDR.
func startRouter(ts *testscript.TestScript, _ bool, args []string) {
	dev := !strings.HasPrefix(args[0], "-")
	if dev {
		ts.Setenv("SCBR_DIR", args[0])
		args = []string{"--dev", args[0]}
	}
	cmd := program(ts, "routerd", append(args, "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0")...)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	var log bytes.Buffer
	cmd.Stderr = &log
	ts.Check(cmd.Start())
	lines := bufio.NewScanner(out)
	addr := ""
	for addr == "" && lines.Scan() {
		for _, field := range strings.Fields(lines.Text()) {
			if a, ok := strings.CutPrefix(field, "listen="); ok {
				addr = a
			}
			if a, ok := strings.CutPrefix(field, "metrics="); ok {
				ts.Setenv("METRICS", a)
			}
		}
	}
	drained := make(chan struct{})
	go func() { io.Copy(io.Discard, out); close(drained) }()
	ts.Defer(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-drained
		cmd.Wait()
	})
	if addr == "" {
		ts.Fatalf("routerd did not become ready: %s", log.String())
	}
	ts.Setenv("SCBR_ADDR", addr)
}

// subscriber is a background scbr sub of one script.
type subscriber struct {
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan error
}

// subscribers holds those of all scripts, which run in parallel, by script and name.
type subscribers struct {
	mu sync.Mutex
	m  map[string]*subscriber
}

var background = subscribers{m: map[string]*subscriber{}} // of the test process only

func key(ts *testscript.TestScript, name string) string { return ts.Getenv("WORK") + "\x00" + name }

// sub NAME ARGS...: starts scbr sub and returns once it says that it subscribed.
func startSub(ts *testscript.TestScript, _ bool, args []string) {
	s := &subscriber{cmd: program(ts, "scbr", append([]string{"sub"}, args[1:]...)...), done: make(chan error, 1)}
	s.cmd.Stdout = &s.out
	notices, err := s.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	lines := bufio.NewScanner(notices)
	var seen []string
	for lines.Scan() && lines.Text() != "subscribed" {
		seen = append(seen, lines.Text())
	}
	if lines.Text() != "subscribed" {
		s.cmd.Wait()
		ts.Fatalf("not subscribed: %s", strings.Join(seen, "\n"))
	}
	go func() {
		io.Copy(io.Discard, notices)
		s.done <- s.cmd.Wait()
	}()
	background.mu.Lock()
	defer background.mu.Unlock()
	background.m[key(ts, args[0])] = s
	ts.Defer(func() { s.cmd.Process.Kill() })
}

// ended NAME: waits for it to end by itself, with code 0; its output becomes NAME.out.
func endedSub(ts *testscript.TestScript, _ bool, args []string) {
	background.mu.Lock()
	s := background.m[key(ts, args[0])]
	background.mu.Unlock()
	select {
	case err := <-s.done:
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), s.out.Bytes(), 0o600))
		if err != nil {
			ts.Fatalf("%s ended with %v: %s", args[0], err, s.out.String())
		}
	case <-time.After(endWait):
		s.cmd.Process.Kill()
		<-s.done
		ts.Fatalf("%s did not end: %s", args[0], s.out.String())
	}
}

// stop NAME: interrupts it, then as ended.
func stopSub(ts *testscript.TestScript, neg bool, args []string) {
	background.mu.Lock()
	s := background.m[key(ts, args[0])]
	background.mu.Unlock()
	ts.Check(s.cmd.Process.Signal(os.Interrupt))
	endedSub(ts, neg, args)
}

// Every command explains itself by example.
func TestEveryCommandHasAnExample(t *testing.T) {
	var out bytes.Buffer
	for _, line := range []string{"", "domain init", "policy init", "grant", "revoke", "proof", "domain endorser init", "domain endorse", "attest", "pub", "sub", "match"} {
		out.Reset()
		args := append(strings.Fields(line), "--help")
		if code := Run(t.Context(), args, IO{Out: &out, Err: &out}); code != ExitOK {
			t.Errorf("scbr %v: exit %d: %s", args, code, out.String())
		}
		if !strings.Contains(out.String(), "Examples:") {
			t.Errorf("scbr %v: no example\n%s", args, out.String())
		}
	}
	fmt.Fprint(io.Discard, out.String())
}
