//go:build !ego && !gramine

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/scbr/scbr/enclave/abi"
)

const (
	openerName = "opener"
	// openedKept bounds the descriptors that the opener holds: the latest ones,
	// well below the usual limit of 1024.
	openedKept = 512
)

// TestMemoryNeverOpenToTheSameUser: an ordinary process of the same user opens the
// memory of enclaved as often as it can from the moment it is started; nothing of
// what it got shows the process that has the keys.
func TestMemoryNeverOpenToTheSameUser(t *testing.T) {
	uids := users()
	at := newPlace(t, uids[len(uids)-1])
	watcher := filepath.Join(filepath.Dir(at.exe), openerName)
	copyFile(t, os.Args[0], watcher)
	var out bytes.Buffer
	cmd := launch(watcher, at.uid, append([]string{at.exe}, at.run...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	conn, err := at.l.Accept()
	require.NoError(t, err, "%s", &out)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	p := process{t: t, conn: conn}
	require.Equal(t, abi.Ready, p.next().Type) // it has keys now
	require.NoError(t, stdin.Close())
	require.NoError(t, cmd.Wait(), "%s", &out)
	require.Regexp(t, `^opened [0-9]+ times, usable 0, at the end permission denied, control true\n$`, out.String())
	t.Log(out.String())
}

// opener starts the program of its arguments, opens its memory again and again
// until its own input ends, and says how many of the descriptors still work.
func opener() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ended := make(chan struct{})
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		close(ended)
	}()
	path := fmt.Sprintf("/proc/%d/mem", cmd.Process.Pid)
	var kept [openedKept]*os.File
	var last error
	opened := 0
	for going := true; going; {
		select {
		case <-ended:
			going = false
		default:
		}
		var f *os.File
		if f, last = os.Open(path); last == nil {
			if old := kept[opened%openedKept]; old != nil {
				_ = old.Close()
			}
			kept[opened%openedKept] = f
			opened++
		}
	}
	usable := 0
	for _, f := range kept {
		if f != nil && shows(f) {
			usable++
		}
	}
	self, err := os.Open("/proc/self/mem")
	fmt.Printf("opened %d times, usable %d, at the end %v, control %v\n", opened, usable, errors.Unwrap(last), err == nil && shows(self))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// shows says whether memory opened as f holds this program's code, which lies at
// the same place in all its runs.
func shows(f *os.File) bool {
	b := make([]byte, 16)
	_, err := f.ReadAt(b, int64(reflect.ValueOf(opener).Pointer()))
	return err == nil && !bytes.Equal(b, make([]byte, len(b)))
}

// TestTracedStartIsRefused before any file is looked at.
func TestTracedStartIsRefused(t *testing.T) {
	for _, uid := range users() {
		at := newPlace(t, uid)
		args := append([]string{}, at.run...)
		for i, a := range args {
			if a == "--domain" || a == "--platform" {
				args[i+1] = filepath.Join(filepath.Dir(at.exe), "missing")
			}
		}
		var out bytes.Buffer
		for _, mode := range []string{"strict", "best-effort"} {
			cmd := launch(at.exe, uid, append(args, "--sandbox", mode)...)
			cmd.Stderr = &out
			require.Equal(t, exitTraced, traced(t, cmd), out.String())
		}
		require.Equal(t, 2, strings.Count(out.String(), "enclaved: sandbox: untraced: a debugger is attached\n"))

		cmd := launch(at.exe, uid, args...)
		require.Error(t, cmd.Run())
		require.Equal(t, exitConfig, cmd.ProcessState.ExitCode(), "otherwise the files would be the fault")
	}
}

// traced runs cmd with a debugger attached to all of its threads, which does
// nothing but let them go on, and returns its exit code.
func traced(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	runtime.LockOSThread() // the debugger is a thread
	defer runtime.UnlockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	require.NoError(t, cmd.Start())
	pid := cmd.Process.Pid
	for first := true; ; first = false {
		var status unix.WaitStatus
		task, err := unix.Wait4(-1, &status, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		require.NoError(t, err)
		if task == pid && (status.Exited() || status.Signaled()) {
			_ = cmd.Wait() // nothing is left but the pipes
			return status.ExitStatus()
		}
		if !status.Stopped() {
			continue
		}
		if first {
			require.NoError(t, unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL))
		}
		sig := status.StopSignal()
		if sig == unix.SIGTRAP || sig == unix.SIGSTOP {
			sig = 0 // the debugger's own
		}
		if err := unix.PtraceCont(task, int(sig)); !errors.Is(err, unix.ESRCH) { // killed meanwhile
			require.NoError(t, err)
		}
	}
}
