//go:build !ego && !gramine

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
)

const (
	nobody = 65534
	// patience bounds every wait for a process: it only decides how soon a
	// broken one is reported.
	patience = 30 * time.Second
)

// process is a running enclaved, seen from its host.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	conn   net.Conn
	stderr *bytes.Buffer
	buf    []byte
}

// place is a directory with all that enclaved needs, which uid can reach.
type place struct {
	uid int
	exe string
	run []string // arguments
	l   *net.UnixListener
}

func newPlace(t *testing.T, uid int) *place {
	t.Helper()
	dir, err := os.MkdirTemp("", "enclaved")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o700))
	exe := filepath.Join(dir, "enclaved")
	copyFile(t, os.Args[0], exe)
	require.NoError(t, os.Chown(dir, uid, -1))

	socket := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	require.NoError(t, l.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, os.Chown(socket, uid, -1))

	dev := filepath.Join(dir, "dev")
	out, err := launch(exe, uid, "dev-init", dev).CombinedOutput()
	require.NoError(t, err, string(out))
	return &place{uid, exe, []string{
		"run", "--socket", socket, "--domain", filepath.Join(dev, "domain.json"),
		"--platform", filepath.Join(dev, "platform"), "--router", "r",
	}, l}
}

// start runs enclaved as uid.
func start(t *testing.T, uid int, env ...string) *process {
	t.Helper()
	at := newPlace(t, uid)
	p := &process{t: t, stderr: &bytes.Buffer{}}
	p.cmd = launch(at.exe, uid, at.run...)
	p.cmd.Env = env
	p.cmd.Stderr = p.stderr
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	var err error
	p.conn, err = at.l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.conn.Close() })
	require.NoError(t, p.conn.SetDeadline(time.Now().Add(patience)))
	require.Equal(t, abi.Ready, p.next().Type)
	return p
}

func launch(exe string, uid int, args ...string) *exec.Cmd {
	cmd := exec.Command(exe, args...)
	cmd.Env = []string{"SCBR_ANYTHING=1"}
	if uid != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	return cmd
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o755))
}

// next reads one frame; the statement of a key, which comes unasked, is left out.
func (p *process) next() abi.Frame {
	p.t.Helper()
	for {
		f, rest, err := abi.Next(p.buf)
		if err == nil {
			p.buf = rest
			if f.Type == abi.Statement {
				continue
			}
			return f
		}
		require.ErrorIs(p.t, err, abi.ErrShort)
		b := make([]byte, 1<<16)
		n, err := p.conn.Read(b)
		require.NoError(p.t, err)
		p.buf = append(append([]byte(nil), p.buf...), b[:n]...)
	}
}

func (p *process) send(b []byte) {
	p.t.Helper()
	_, err := p.conn.Write(b)
	require.NoError(p.t, err)
}

// exit waits for the end and returns the code.
func (p *process) exit() int {
	p.t.Helper()
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) proc(file string) string {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file))
	require.NoError(p.t, err)
	return string(b)
}

// logged are the messages of the log, without the times. The runtime may say
// something before the first, from before the environment was dropped; nothing
// but messages may follow.
func (p *process) logged() []string {
	p.t.Helper()
	var list []string
	for line := range strings.Lines(p.stderr.String()) {
		if len(list) == 0 && !strings.HasPrefix(line, "{") {
			continue
		}
		var entry map[string]any
		require.NoError(p.t, json.Unmarshal([]byte(line), &entry), line)
		delete(entry, "time")
		delete(entry, "measurement")
		list = append(list, fmt.Sprint(entry))
	}
	return list
}

func users() []int {
	if os.Getuid() != 0 {
		return []int{os.Getuid()}
	}
	return []int{0, nobody}
}

func TestRunsSandboxedUntilShutdown(t *testing.T) {
	for _, uid := range users() {
		t.Run(fmt.Sprint("uid ", uid), func(t *testing.T) {
			p := start(t, uid)
			require.Contains(t, p.proc("status"), "Seccomp:\t2\n")
			require.Contains(t, p.proc("status"), "NoNewPrivs:\t1\n")
			require.Regexp(t, `Max core file size +0 +0 `, p.proc("limits"))
			if os.Getuid() == 0 { // closed to everybody else
				require.Equal(t, "GOTRACEBACK=none\x00", p.proc("environ"))
			}

			p.send(abi.AppendOpen(nil, 5, []byte("CANARY")))
			f := p.next()
			require.Equal(t, abi.Refuse, f.Type)
			require.EqualValues(t, 5, f.Conn)
			p.send(abi.AppendShutdown(nil))
			for f = p.next(); f.Type == abi.Stats; f = p.next() {
			}
			require.Equal(t, abi.Bye, f.Type)
			require.Equal(t, exitOK, p.exit())
			log := strings.Join(p.logged(), "\n")
			require.Contains(t, log, "complete:true")
			require.Contains(t, log, "simulated:true")
			require.NotContains(t, log, "CANARY")
		})
	}
}

func TestHostHangsUp(t *testing.T) {
	p := start(t, os.Getuid())
	require.NoError(t, p.conn.Close())
	require.Equal(t, exitOK, p.exit())
}

func TestNonsenseOnTheStreamEndsIt(t *testing.T) {
	p := start(t, os.Getuid())
	p.send([]byte("CANARY CANARY CANARY"))
	_, _ = io.Copy(io.Discard, p.conn)
	require.Equal(t, exitBroken, p.exit())
	require.NotContains(t, p.stderr.String(), "CANARY")
}

// TestHostCannotRaiseVerbosity: no variable makes it say more, neither while it
// works nor when it is made to crash.
func TestHostCannotRaiseVerbosity(t *testing.T) {
	loud := []string{
		"GOTRACEBACK=crash", "GODEBUG=gctrace=1,inittrace=1,http2debug=2",
		"SCBR_DEBUG=1", "DEBUG=1", "LOG_LEVEL=debug", "QUIC_GO_LOG_LEVEL=debug",
	}
	var logs [][]string
	for _, env := range [][]string{{}, quiet(), loud} {
		p := start(t, os.Getuid(), env...)
		p.send(abi.AppendOpen(nil, 5, []byte("CANARY")))
		require.Equal(t, abi.Refuse, p.next().Type)
		p.send(abi.AppendShutdown(nil))
		require.Equal(t, exitOK, p.exit())
		logs = append(logs, p.logged())
		require.NotContains(t, p.stderr.String(), "CANARY")
	}
	require.Equal(t, logs[0], logs[1])
	require.Equal(t, logs[0], logs[2])

	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV} {
		p := start(t, os.Getuid(), loud...)
		p.send(abi.AppendOpen(nil, 5, []byte("CANARY")))
		require.Equal(t, abi.Refuse, p.next().Type)
		require.NoError(t, p.cmd.Process.Signal(sig))
		_, _ = io.Copy(io.Discard, p.conn)
		require.NotEqual(t, exitOK, p.exit(), sig)
		require.False(t, p.cmd.ProcessState.Sys().(syscall.WaitStatus).CoreDump())
		_, said, _ := strings.Cut(p.stderr.String(), "{") // from the first message on
		for _, word := range []string{"goroutine", "CANARY", "rax", "0x", ".go:"} {
			require.NotContains(t, said, word, sig)
		}
	}
}
