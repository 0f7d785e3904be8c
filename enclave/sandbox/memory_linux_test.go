//go:build !ego && !gramine

package sandbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/scbr/scbr/enclave/sandbox"
)

// enter closes the memory, goes into the sandbox in best-effort mode and reports.
func enter() int {
	closed := sandbox.CloseMemory()
	fmt.Println("closed:", closed)
	fmt.Println("traced:", errors.Is(sandbox.Untraced(), sandbox.ErrTraced))
	_, err := sandbox.Enter(sandbox.BestEffort, closed)
	fmt.Println("entered:", err)
	return 0
}

// TestBegunOpen: a program of an ordinary user that the kernel started with open
// memory has something missing, which strict mode does not forgive.
func TestBegunOpen(t *testing.T) {
	for _, uid := range users(t) {
		out := outputOf(t, uid, func(cmd *exec.Cmd) error { return cmd.Run() })
		require.Contains(t, out, "traced: false\n")
		require.Contains(t, out, "entered: <nil>\n")
		if uid == 0 {
			require.Contains(t, out, "closed: <nil>\n")
			continue
		}
		require.Contains(t, out, "closed: sandbox: closed: ")
	}
	missing := &sandbox.Error{Part: sandbox.PartClosed, Err: errors.New("why")}
	_, err := sandbox.Enter(sandbox.Strict, missing) // fails before it shuts this process in
	require.Equal(t, missing, err)
}

// TestTracedIsRefusedInEveryMode by a process that was attached before anything
// could be done about it.
func TestTracedIsRefusedInEveryMode(t *testing.T) {
	for _, uid := range users(t) {
		out := outputOf(t, uid, trace)
		require.Contains(t, out, "traced: true\n")
		require.Contains(t, out, "entered: sandbox: untraced: a debugger is attached\n")
	}
}

func outputOf(t *testing.T, uid uint32, run func(*exec.Cmd) error) string {
	t.Helper()
	exe, err := os.Open(os.Args[0])
	require.NoError(t, err)
	defer exe.Close()
	var out bytes.Buffer
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{exe}
	cmd.Env = []string{childEnv + "=enter"}
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if uid != uint32(os.Getuid()) {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
	}
	require.NoError(t, run(cmd), out.String())
	return strings.ReplaceAll(out.String(), "\r", "")
}

// trace runs cmd with a debugger attached to all of its threads, which does
// nothing but let them go on.
func trace(cmd *exec.Cmd) error {
	runtime.LockOSThread() // the debugger is a thread
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	for first := true; ; first = false {
		task, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case task == pid && (status.Exited() || status.Signaled()):
			_ = cmd.Wait() // nothing is left but the pipes
			if status.ExitStatus() != 0 {
				return fmt.Errorf("status %x", status)
			}
			return nil
		case !status.Stopped():
			continue
		}
		if first {
			err = unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL)
		}
		sig := status.StopSignal()
		if sig == unix.SIGTRAP || sig == unix.SIGSTOP {
			sig = 0 // the debugger's own
		}
		if err := errors.Join(err, unix.PtraceCont(task, int(sig))); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
}
