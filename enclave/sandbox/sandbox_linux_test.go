//go:build !ego && !gramine

package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/scbr/scbr/enclave/sandbox"
)

const (
	childEnv = "SANDBOX_TEST_CHILD"
	nobody   = 65534
)

// outcome is what a child saw: for each attempt, the errno (0 = it worked).
type outcome struct {
	Report   string
	Complete bool
	Errno    map[string]syscall.Errno
	Worked   map[string]string // things that must go on working: "" or what failed
	UID      int
}

func TestMain(m *testing.M) {
	switch mode := os.Getenv(childEnv); mode {
	case "":
		os.Exit(m.Run())
	case "hold-open", "hold-sandbox":
		os.Exit(hold(mode))
	case "peek-open", "peek-sandbox":
		os.Exit(peek(mode))
	case "enter":
		os.Exit(enter())
	default:
		os.Exit(child(mode))
	}
}

// child makes every attempt before (mode "open") or in the sandbox and reports.
func child(mode string) int {
	conn := os.NewFile(4, "conn")
	out := outcome{UID: os.Getuid(), Worked: map[string]string{}, Errno: map[string]syscall.Errno{}}
	busy := make(chan struct{})
	go func() { // a second thread that exists before the sandbox
		runtime.LockOSThread()
		<-busy
		out.Errno["open from an old thread"] = errno(openFile("/dev/null"))
		busy <- struct{}{}
	}()
	if mode == "sandbox" {
		r, err := sandbox.Enter(sandbox.Strict, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		out.Report, out.Complete = r.String(), r.Complete()
	}
	busy <- struct{}{}
	<-busy
	for name, try := range attempts() {
		out.Errno[name] = errno(try())
	}
	for name, try := range necessities(conn) {
		if err := try(); err != nil {
			out.Worked[name] = err.Error()
		} else {
			out.Worked[name] = ""
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return 1
	}
	return 0
}

func errno(err error) syscall.Errno {
	var e syscall.Errno
	if err == nil || errors.As(err, &e) {
		return e
	}
	return syscall.Errno(9999)
}

func openFile(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func socket(family, typ int) func() error {
	return func() error {
		fd, err := unix.Socket(family, typ, 0)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
}

func attempts() map[string]func() error {
	return map[string]func() error{
		"open a file":            func() error { return openFile("/etc/passwd") },
		"open a device":          func() error { return openFile("/dev/null") },
		"open own memory":        func() error { return openFile("/proc/self/mem") },
		"open own maps":          func() error { return openFile("/proc/self/maps") },
		"create a file":          createFile,
		"list a directory":       func() error { _, err := os.ReadDir("/"); return err },
		"tcp socket":             socket(unix.AF_INET, unix.SOCK_STREAM),
		"udp socket":             socket(unix.AF_INET, unix.SOCK_DGRAM),
		"tcp6 socket":            socket(unix.AF_INET6, unix.SOCK_STREAM),
		"unix socket":            socket(unix.AF_UNIX, unix.SOCK_STREAM),
		"netlink socket":         socket(unix.AF_NETLINK, unix.SOCK_RAW),
		"socket pair":            func() error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err },
		"execute a program":      func() error { return exec.Command("/bin/true").Run() },
		"fork":                   fork,
		"trace":                  func() error { return unix.PtraceSeize(os.Getppid()) },
		"signal the parent":      func() error { return unix.Kill(os.Getppid(), 0) },
		"executable memory":      executable,
		"make memory executable": makeExecutable,
		"raise the core limit":   func() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) },
		"become dumpable again":  func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) },
		"send a descriptor away": func() error { return unix.Sendmsg(4, []byte("x"), nil, nil, 0) },
	}
}

func createFile() error {
	f, err := os.CreateTemp("", "sandbox")
	if err != nil {
		return err
	}
	_ = f.Close()
	return os.Remove(f.Name())
}

// fork makes a process that exits at once.
func fork() error {
	pid, _, e := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if e != 0 {
		return e
	}
	if pid == 0 {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

func executable() error {
	b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err == nil {
		_ = unix.Munmap(b)
	}
	return err
}

// makeExecutable does it to one page that is mapped already.
func makeExecutable() error {
	b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil // not what is tried here
	}
	err = unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
	_ = unix.Munmap(b)
	return err
}

func necessities(conn *os.File) map[string]func() error {
	return map[string]func() error{
		"talk over the connection": func() error {
			if _, err := conn.WriteString("ping"); err != nil {
				return err
			}
			_, err := io.ReadFull(conn, make([]byte, 4))
			return err
		},
		"grow, collect, start threads": func() error {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					runtime.LockOSThread() // each ends its thread
					_ = make([]byte, 8<<20)
					runtime.GC()
				})
			}
			wg.Wait()
			return nil
		},
	}
}

// run starts this test binary as uid in mode and returns what it saw.
func run(t *testing.T, mode string, uid uint32) outcome {
	t.Helper()
	exe, err := os.Open(os.Args[0])
	require.NoError(t, err)
	defer exe.Close()
	ours, theirs := connPair(t)
	defer ours.Close()
	defer theirs.Close()

	// The binary lies in a directory that only its owner can enter, so it is
	// named by an open descriptor.
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{exe, theirs}
	cmd.Env = []string{childEnv + "=" + mode}
	cmd.Stderr = os.Stderr
	if uid != uint32(os.Getuid()) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	done := make(chan error, 1)
	go func() {
		b := make([]byte, 4)
		_, err := io.ReadFull(ours, b)
		if err == nil {
			_, err = ours.Write(b)
		}
		done <- err
	}()
	stdout, err := cmd.Output()
	require.NoError(t, err)
	require.NoError(t, <-done)
	var out outcome
	require.NoError(t, json.Unmarshal(stdout, &out))
	require.Equal(t, int(uid), out.UID)
	return out
}

// connPair is a connected pair of unix stream sockets.
func connPair(t *testing.T) (net.Conn, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fds[0]), "ours")
	defer f.Close()
	c, err := net.FileConn(f)
	require.NoError(t, err)
	return c, os.NewFile(uintptr(fds[1]), "theirs")
}

// users are the users to test as: this one and, for root, an ordinary one too.
func users(t *testing.T) []uint32 {
	if os.Getuid() != 0 {
		t.Log("not root: tested as this user only")
		return []uint32{uint32(os.Getuid())}
	}
	return []uint32{0, nobody}
}

func TestSandboxInForce(t *testing.T) {
	for _, uid := range users(t) {
		t.Run(fmt.Sprintf("uid %d", uid), func(t *testing.T) {
			out := run(t, "sandbox", uid)
			require.True(t, out.Complete, out.Report)
			for _, p := range []string{sandbox.PartDumpable, sandbox.PartCore, sandbox.PartLandlock, sandbox.PartSeccomp} {
				require.Contains(t, out.Report, p)
			}
			for name, e := range out.Errno {
				require.Contains(t, []syscall.Errno{syscall.EPERM, syscall.EACCES}, e, "%s: %v", name, e)
			}
			for name, msg := range out.Worked {
				require.Empty(t, msg, name)
			}
		})
	}
}

// TestAttemptsWorkOutside shows that the attempts are real: without the sandbox
// nearly all of them succeed.
func TestAttemptsWorkOutside(t *testing.T) {
	for _, uid := range users(t) {
		out := run(t, "open", uid)
		for name, e := range out.Errno {
			if name == "trace" || name == "signal the parent" || (uid != 0 && (name == "open own memory" || name == "open own maps")) {
				continue // decided by who the parent is
			}
			require.Zero(t, e, "uid %d: %s: %v", uid, name, e)
		}
	}
}

// hold waits, sandboxed or not, to be looked at.
func hold(mode string) int {
	if mode == "hold-sandbox" {
		if _, err := sandbox.Enter(sandbox.Strict, nil); err != nil {
			return 1
		}
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// peek starts a holder under the same user and tries to open its memory.
func peek(mode string) int {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{childEnv + "=hold-" + strings.TrimPrefix(mode, "peek-")}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		return 1
	}
	if _, err := io.ReadFull(stdout, make([]byte, len("ready"))); err != nil {
		return 1
	}
	fmt.Println(int(errno(openFile(fmt.Sprintf("/proc/%d/mem", cmd.Process.Pid)))))
	_ = stdin.Close()
	if cmd.Wait() != nil {
		return 1
	}
	return 0
}

func TestMemoryClosedToOthersOfTheSameUser(t *testing.T) {
	uids := users(t)
	uid := uids[len(uids)-1]
	for mode, want := range map[string]syscall.Errno{"peek-open": 0, "peek-sandbox": syscall.EACCES} {
		exe, err := os.Open(os.Args[0])
		require.NoError(t, err)
		defer exe.Close()
		cmd := exec.Command("/proc/self/fd/3")
		cmd.ExtraFiles = []*os.File{exe}
		cmd.Env = []string{childEnv + "=" + mode}
		cmd.Stderr = os.Stderr
		if uid != uint32(os.Getuid()) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		}
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintln(int(want)), string(out), mode)
	}
}

func TestParseMode(t *testing.T) {
	for _, m := range []sandbox.Mode{sandbox.Strict, sandbox.BestEffort} {
		got, err := sandbox.ParseMode(string(m))
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
	_, err := sandbox.ParseMode("off")
	require.Error(t, err)
}
