package launch

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestOnlyTheChildIsAccepted: a process of the same user that finds the socket first is hung up on, and the child still gets through.
func TestOnlyTheChildIsAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "link")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	defer func() { _ = ln.Close() }()
	require.NoError(t, ln.SetDeadline(time.Now().Add(30*time.Second)))

	stranger, err := net.Dial("unix", path) // this process, not the child
	require.NoError(t, err)
	defer func() { _ = stranger.Close() }()
	child := exec.Command(os.Args[0], "run", "--socket", path)
	child.Env = []string{fakeMode + "=silent"}
	require.NoError(t, child.Start())
	conn, err := acceptFrom(ln, child.Process.Pid)
	require.NoError(t, err)
	require.True(t, from(conn.(*net.UnixConn), child.Process.Pid))
	require.NoError(t, stranger.SetDeadline(time.Now().Add(30*time.Second)))
	_, err = stranger.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "hung up on")
	require.NoError(t, conn.Close())
	require.NoError(t, child.Wait())

	another, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer func() { _ = another.Close() }()
	require.NoError(t, ln.SetDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = acceptFrom(ln, child.Process.Pid)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "strangers do not prolong the wait")
}

// TestEnclaveBehindARuntime: a program between routerd and enclaved is let through, a stranger below another is not.
func TestEnclaveBehindARuntime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "link")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	defer func() { _ = ln.Close() }()
	require.NoError(t, ln.SetDeadline(time.Now().Add(30*time.Second)))
	runtime := exec.Command("sh", "-c", `"$0" run --socket "$1"; exit 0`, os.Args[0], path) // no exec: sh stays between
	runtime.Env = []string{fakeMode + "=silent"}
	require.NoError(t, runtime.Start())
	conn, err := acceptFrom(ln, runtime.Process.Pid)
	require.NoError(t, err)
	require.False(t, descends(os.Getpid(), runtime.Process.Pid), "we are above it")
	require.False(t, descends(1, runtime.Process.Pid))
	require.True(t, descends(runtime.Process.Pid, os.Getpid()))
	require.NoError(t, conn.Close())
	require.NoError(t, runtime.Wait())
}
