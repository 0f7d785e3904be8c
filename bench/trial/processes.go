package trial

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Deadlines of the trial's own patience with its child processes.
const (
	startTimeout = 30 * time.Second // first start makes keys and hashes the binary; slow machines included
	stopTimeout  = 10 * time.Second // routerd drains and ends enclaved
	httpTimeout  = 5 * time.Second
	maxHTTPBody  = 4 << 20
	pollInterval = 50 * time.Millisecond
)

// anyPort lets routerd choose.
const anyPort = "127.0.0.1:0"

var errNoEnclave = errors.New("routerd has no enclaved running")

// ErrNoModule: the binaries are built from source.
var ErrNoModule = errors.New("no go.mod of scbr here: run inside the source tree, or name a folder of built binaries")

// Build compiles routerd and enclaved of the module that the working directory is in into dir.
func Build(ctx context.Context, dir string) error {
	const module = "github.com/scbr/scbr"
	if out, err := exec.CommandContext(ctx, "go", "list", "-m").Output(); err != nil || strings.TrimSpace(string(out)) != module {
		return errors.Join(ErrNoModule, ctx.Err())
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), // #nosec G204 -- fixed command
		module+"/router/routerd", module+"/enclave/enclaved")
	// The go command removes its work directory when it is interrupted, not when it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted while building: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// System is a running routerd with its enclaved.
type System struct {
	Addr    string // client listener, host:port
	Metrics string // http listener, host:port
	Dir     string // the development directory with domain, policy, authority key and default grant

	process  Process
	restarts int
	cmd      *exec.Cmd
	done     chan error
	log      *tail
}

// Process says how routerd is run.
type Process struct {
	Bin   string   // folder with routerd and enclaved
	Dir   string   // development directory
	Extra []string // further flags
	// Output gets everything that routerd and enclaved print on either stream; it must be safe for concurrent use. After Stop nothing more
	// comes.
	Output io.Writer
	Wrap   []string // a command that runs its arguments, such as one that sets limits first
	Env    []string // further variables, NAME=VALUE
}

// Start runs `routerd --dev` from bin with its state in dir and waits until it is ready.
func Start(ctx context.Context, bin, dir string, extra ...string) (*System, error) {
	return StartTo(ctx, io.Discard, bin, dir, extra...)
}

// StartTo is Start with the output of both processes.
func StartTo(ctx context.Context, out io.Writer, bin, dir string, extra ...string) (*System, error) {
	return StartWith(ctx, Process{Bin: bin, Dir: dir, Extra: extra, Output: out})
}

// StartWith is Start with everything that can be chosen.
func StartWith(ctx context.Context, p Process) (*System, error) {
	bin, err := filepath.Abs(p.Bin) // a relative name without a slash would be looked up in PATH
	if err != nil {
		return nil, err
	}
	p.Bin = bin
	s := &System{Dir: p.Dir, Addr: anyPort, Metrics: anyPort, process: p, log: &tail{}}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// start starts routerd at the addresses of s, which it then makes those that routerd says, and waits until it is ready.
func (s *System) start(ctx context.Context) error {
	p := &s.process
	line := slices.Concat(p.Wrap, []string{filepath.Join(p.Bin, "routerd"), "--dev", s.Dir, "--listen", s.Addr, "--metrics", s.Metrics, "--ready-json"}, p.Extra)
	cmd := exec.Command(line[0], line[1:]...) // #nosec G204 -- the binary just built
	cmd.Env = append(os.Environ(), p.Env...)
	s.cmd, s.done = cmd, make(chan error, 1)
	cmd.Stderr = io.MultiWriter(s.log, p.Output)
	cmd.SysProcAttr = dieWithParent()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	ready := make(chan error, 1)
	go s.supervise(io.TeeReader(stdout, p.Output), ready)
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		if cmd.Process != nil {
			err = errors.Join(err, s.Stop())
		}
		return fmt.Errorf("routerd did not become ready: %w\n%s", err, s.log)
	}
	return nil
}

// Restart kills routerd with SIGKILL, which takes enclaved with it, and starts it again at the same addresses and with the same state.
func (s *System) Restart(ctx context.Context) error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	if err := <-s.done; err == nil {
		return errors.New("routerd ended well instead of being killed")
	}
	s.restarts++
	return s.start(ctx)
}

// Restarts is how often Restart was called.
func (s *System) Restarts() int { return s.restarts }

// Signal sends a signal to routerd.
func (s *System) Signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }

// SignalEnclave sends a signal to enclaved.
func (s *System) SignalEnclave(sig syscall.Signal) error {
	pid, err := s.EnclavePID()
	if err != nil {
		return err
	}
	return syscall.Kill(pid, sig)
}

// EnclavePID is the number of the enclaved that runs now.
func (s *System) EnclavePID() (int, error) { return childOf(s.cmd.Process.Pid, "run") }

// PagerPID is the number of the pager of its simulated EPC.
func (s *System) PagerPID() (int, error) { return childOf(s.cmd.Process.Pid, "epc-pager") }

// childOf finds the child of a process that runs a command.
func childOf(parent int, command string) (int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		b, err := os.ReadFile(path) // #nosec G304 -- /proc
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name in parentheses may hold anything; state and parent follow the last one (proc(5)).
		after := b[bytes.LastIndexByte(b, ')')+1:]
		if f := bytes.Fields(after); len(f) > 1 && string(f[1]) == strconv.Itoa(parent) && string(f[0]) != "Z" && runs(filepath.Dir(path), command) {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, errNoEnclave
}

// runs says whether the first argument of a process, by its folder in /proc, is a command.
func runs(process, command string) bool {
	line, err := os.ReadFile(filepath.Join(process, "cmdline")) // #nosec G304 -- /proc
	words := bytes.Split(line, []byte{0})
	return err == nil && len(words) > 1 && string(words[1]) == command
}

// supervise starts routerd, hands its first line on, and waits for its end. It keeps its thread, because the kernel ends the child with
// the thread that made it.
func (s *System) supervise(stdout io.Reader, ready chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.cmd.Start(); err != nil {
		ready <- err
		return
	}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err == nil {
		err = s.parseReady(line)
	}
	ready <- err
	_, _ = io.Copy(io.Discard, lines)
	s.done <- s.cmd.Wait()
}

func (s *System) parseReady(line string) error {
	var r struct{ Listen, Metrics string }
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return fmt.Errorf("first line %q: %w", line, err)
	}
	s.Addr, s.Metrics = r.Listen, r.Metrics
	return nil
}

// Stop asks routerd to end and waits; what it logged is part of the error if it did not end well.
func (s *System) Stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.done:
		if err != nil {
			return fmt.Errorf("routerd: %w\n%s", err, s.log)
		}
		return nil
	case <-time.After(stopTimeout):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("routerd ignored SIGTERM for %v\n%s", stopTimeout, s.log)
	}
}

// Get reads a page of routerd's http listener.
func (s *System) Get(ctx context.Context, path string) ([]byte, error) {
	return s.request(ctx, http.MethodGet, path)
}

func (s *System) post(ctx context.Context, path string) error {
	_, err := s.request(ctx, http.MethodPost, path)
	return err
}

// hostView waits until the enclave is done with the recorded publication and returns what the host saw of it.
func (s *System) hostView(ctx context.Context) (v HostView, err error) {
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	for {
		page, err := s.Get(ctx, "/host-view")
		if err != nil {
			return v, err
		}
		if err := json.Unmarshal(page, &v); err != nil || v.Handled {
			return v, err
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return v, fmt.Errorf("the host never finished its view: %w", ctx.Err())
		}
	}
}

func (s *System) request(ctx context.Context, method, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.Metrics+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxHTTPBody))
}

// Gauge reads one unlabelled metric.
func (s *System) Gauge(ctx context.Context, name string) (float64, error) {
	page, err := s.Get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(page)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

// storeBytes waits until the enclave's statistics, which come every tick, show all subscriptions, and returns the size of its store, what
// it keeps outside included, in steps of abi.StoreStep.
func (s *System) storeBytes(ctx context.Context, subscriptions int) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	for {
		n, err := s.Gauge(ctx, "scbr_enclave_subscriptions")
		if err != nil {
			return 0, err
		}
		if int(n) >= subscriptions {
			inside, err := s.Gauge(ctx, "scbr_enclave_store_bytes")
			if err != nil {
				return 0, err
			}
			outside, err := s.Gauge(ctx, "scbr_enclave_outside_bytes")
			return inside + outside, err
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return 0, fmt.Errorf("the enclave reports %d of %d subscriptions: %w", int(n), subscriptions, ctx.Err())
		}
	}
}

// tail keeps the last bytes of a child's log for error messages.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > tailBytes {
		t.b = append(t.b[:0], t.b[len(t.b)-tailBytes:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}
