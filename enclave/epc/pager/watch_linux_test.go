package pager

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asStuck makes the test binary an enclave on one P whose pager is killed after so many
// milliseconds, while it copies and collects garbage.
const asStuck = "PAGER_TEST_STUCK"

func stuck(after string) int {
	const n = 64
	var ms int
	if _, err := fmt.Sscan(after, &ms); err != nil {
		return 1
	}
	runtime.GOMAXPROCS(1)
	_ = os.Setenv(asPager, fmt.Sprintf("4 %d", CLOCK))
	r, err := startChild("/proc/self/exe", nil, n*PageBytes)
	if err != nil {
		return 1
	}
	r.EndWith(os.Stderr)
	for page := range n {
		r.Bytes()[page*PageBytes] = 7
	}
	kill := exec.Command("sh", "-c", fmt.Sprintf("sleep 0.%03d; kill -STOP %d; sleep 0.02; kill -CONT %[2]d; sleep 0.01; kill -9 %[2]d", ms, r.child.Process.Pid))
	if err := kill.Start(); err != nil {
		return 1
	}
	into := make([]byte, 8*PageBytes)
	for i := 0; ; i++ {
		copy(into, r.Bytes()[i%8*8*PageBytes:]) // which cannot be preempted
		if into[0] != 7 {
			return exitRead
		}
		if i%4 == 0 {
			go runtime.GC() // which waits for the copy
		}
	}
}

// TestLostWhileStuck: an enclave with one P whose pager is killed, stopped and continued
// before, ends with a message and a code of its own, whatever it is stuck in.
func TestLostWhileStuck(t *testing.T) {
	if err := Supported(); err != nil {
		t.Skip("no userfaultfd here: ", err)
	}
	for i := range 10 {
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", asStuck, i*7))
		cmd.Stderr = &stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		var exit *exec.ExitError
		require.True(t, errors.As(cmd.Run(), &exit))
		timer.Stop()
		require.Equal(t, ExitLost, exit.ExitCode(), stderr.String())
		require.Contains(t, stderr.String(), "is gone: this process ends")
	}
}

// TestCloseIsNoLoss: the pager of a region that was closed is not missed.
func TestCloseIsNoLoss(t *testing.T) {
	r := start(t, 4, FIFO, 16*PageBytes)
	r.EndWith(os.Stderr)
	r.Bytes()[0] = 1
	require.NoError(t, r.Close())
	time.Sleep(10 * time.Millisecond) // it would have ended us
}
