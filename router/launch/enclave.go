package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/scbr/scbr/router"
)

const (
	// connectTimeout bounds the time enclaved takes to dial the link: it makes keys and hashes its own binary first.
	connectTimeout = 30 * time.Second
	// maxSocketPath is what fits into sun_path (unix(7): 108 bytes on Linux, 104 on BSD and macOS) with the zero at its end.
	maxSocketPath = 103
)

// findEnclaved looks for the binary: as configured, beside routerd, in PATH.
func findEnclaved(configured string) (string, error) {
	if configured != "" {
		return configured, nil
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "enclaved")
		if info, err := os.Stat(beside); err == nil && !info.IsDir() {
			return beside, nil
		}
	}
	path, err := exec.LookPath("enclaved")
	if err != nil {
		return "", fmt.Errorf("enclaved is neither beside routerd nor in PATH (--enclaved PATH says where): %w", err)
	}
	return path, nil
}

// devInit lets enclaved make the development directory.
func devInit(ctx context.Context, enclaved, dir string, stderr io.Writer) error {
	cmd := exec.CommandContext(ctx, enclaved, "dev-init", dir) // #nosec G204 -- the operator's choice of binary
	cmd.Stdout, cmd.Stderr = stderr, stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("enclaved dev-init: %w", err)
	}
	return nil
}

// enclave is a running enclaved and its end of the link. It is the router's Enclave.
type enclave struct {
	net.Conn // the link
	cmd      *exec.Cmd
	exited   chan struct{} // closed when err is valid
	err      error
	usage    usage
	pager    *pager // of a simulated EPC; nil: there is none
}

// Exit codes of enclaved that another start cannot change: configuration, sandbox, debugger (see its --help). Its code 2 is not among them: a
// Go runtime that dies has the same.
var hopelessCodes = []int{3, 5, 8}

// ended says how enclaved ended.
type ended struct{ err error }

// Error describes it.
func (e *ended) Error() string {
	if e.err == nil {
		return "enclaved ended by itself: exit status 0"
	}
	return "enclaved ended: " + e.err.Error()
}

// Unwrap returns the error of the process.
func (e *ended) Unwrap() error { return e.err }

// Hopeless says that another start would end alike.
func (e *ended) Hopeless() bool {
	var exit *exec.ExitError
	return errors.As(e.err, &exit) && slices.Contains(hopelessCodes, exit.ExitCode())
}

// startEnclave starts enclaved and waits for its connection.
func startEnclave(ctx context.Context, binary string, c *Config, stderr io.Writer) (*enclave, error) {
	dir, err := os.MkdirTemp("", "scbr-link-") // mode 0700
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	socket := filepath.Join(dir, "link")
	if len(socket) > maxSocketPath {
		return nil, fmt.Errorf("the socket of the link would be %s: %d bytes, %d above what a unix socket can have; set TMPDIR to a shorter directory",
			socket, len(socket), len(socket)-maxSocketPath)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = ln.Close() }()

	args := []string{"run", "--socket", socket, "--domain", c.Domain, "--platform", c.Platform, "--router", c.Router}
	if c.EPCBudget != "" {
		args = append(args, "--epc-budget", c.EPCBudget)
	}
	if c.EPCOverflow != "" {
		args = append(args, "--epc-overflow", c.EPCOverflow)
	}
	if c.KeyEpoch != "" {
		args = append(args, "--key-epoch", c.KeyEpoch)
	}
	if c.Sandbox != "" {
		args = append(args, "--sandbox", c.Sandbox)
	}
	e := &enclave{exited: make(chan struct{})}
	if c.EPCSim != "" {
		paging := []string{"--epc-sim", c.EPCSim}
		if c.EPCPolicy != "" {
			paging = append(paging, "--epc-policy", c.EPCPolicy)
		}
		args = append(args, paging...)
		if e.pager, err = startPager(binary, paging, stderr); err != nil {
			return nil, fmt.Errorf("pager: %w", err)
		}
	}
	e.cmd = command(binary, args, stderr)
	if err := e.start(); err != nil {
		e.pager.end()
		return nil, fmt.Errorf("enclaved: %w", err)
	}
	if e.Conn, err = e.accept(ctx, ln); err != nil {
		_ = e.cmd.Process.Kill()
		<-e.exited
		return nil, err
	}
	return e, nil
}

// start starts the child on a thread of its own, which lives until the child has ended: the kernel takes the end of the
// thread that made a child for the end of the parent.
func (e *enclave) start() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		e.pager.attach(e.cmd)
		err := e.cmd.Start()
		e.pager.attached()
		started <- err
		if err != nil {
			return
		}
		endWatch := e.pager.watch(e.cmd.Process)
		e.err = e.cmd.Wait()
		endWatch()
		e.pager.end()
		close(e.exited)
	}()
	return <-started
}

// accept waits until enclaved connects, ends, or takes too long.
func (e *enclave) accept(ctx context.Context, ln *net.UnixListener) (net.Conn, error) {
	if err := ln.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-e.exited:
		case <-ctx.Done():
		case <-done:
			return
		}
		_ = ln.SetDeadline(time.Unix(1, 0))
	}()
	conn, err := acceptFrom(ln, e.cmd.Process.Pid)
	if err == nil {
		return conn, nil
	}
	select {
	case <-e.exited:
		return nil, e.verdict()
	default:
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("enclaved did not connect: %w", err)
}

// acceptFrom waits for the connection of process pid, which keeps its number when it starts itself again. The directory of the socket
// keeps other users out; other processes of this user are hung up on.
func acceptFrom(ln *net.UnixListener, pid int) (net.Conn, error) {
	for {
		conn, err := ln.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if from(conn, pid) {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// verdict says how enclaved ended; valid when exited is closed.
func (e *enclave) verdict() error { return &ended{e.err} }

// Look implements router.Enclave.
func (e *enclave) Look() router.Activity { return e.usage.look(e.cmd.Process.Pid) }

// End implements router.Enclave.
func (e *enclave) End(patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-e.exited:
		return e.verdict()
	case <-timer.C:
	}
	_ = e.cmd.Process.Kill()
	<-e.exited
	return errKilled
}

var errKilled = errors.New("enclaved was killed because it did not end by itself")
