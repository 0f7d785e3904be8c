package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/trial"
)

// TestPagerAndEnclaveDieTogether: whichever of the two is killed or stopped, both are
// replaced by new ones and the system works again; neither outlives the router, however
// that ends.
func TestPagerAndEnclaveDieTogether(t *testing.T) {
	bin := t.TempDir()
	require.NoError(t, trial.Build(t.Context(), bin))
	seen := &capture{}
	sys, err := trial.StartWith(t.Context(), trial.Process{
		Bin: bin, Dir: filepath.Join(t.TempDir(), "dev"), Output: printed{seen}, Extra: []string{"--epc-sim", "1MiB"},
	})
	require.NoError(t, err)
	stop := sync.OnceValue(sys.Stop)
	t.Cleanup(func() { _ = stop() })
	iss, err := trial.NewIssuer(sys)
	require.NoError(t, err)
	pids := func() [2]int {
		enclave, err := sys.EnclavePID()
		require.NoError(t, err)
		pager, err := sys.PagerPID()
		require.NoError(t, err)
		return [2]int{enclave, pager}
	}
	for n, c := range []struct {
		which int
		sig   syscall.Signal
	}{{0, syscall.SIGKILL}, {1, syscall.SIGKILL}, {1, syscall.SIGTERM}, {0, syscall.SIGSTOP}} {
		useWithCanaries(t, iss)
		require.Eventually(t, func() bool { return gauge(t, sys, "scbr_epc_faults_total") > 0 }, patience, tick)
		before := pids()
		require.NoError(t, syscall.Kill(before[c.which], c.sig))
		require.Eventually(t, func() bool {
			return gauge(t, sys, "scbr_enclave_restarts_total") == float64(n+1) && gauge(t, sys, "scbr_enclave_up") == 1
		}, patience, tick, "%+v", c)
		require.Eventually(t, func() bool { return gone(before[0]) && gone(before[1]) }, patience, tick, "%+v", c)
	}
	useWithCanaries(t, iss)

	before := pids()
	require.NoError(t, sys.Restart(t.Context())) // by SIGKILL
	require.Eventually(t, func() bool { return gone(before[0]) && gone(before[1]) }, patience, tick)
	before = pids()
	require.NoError(t, stop())
	require.True(t, gone(before[0]) && gone(before[1]))
	places, _ := seen.find([]byte("the pager of the simulated EPC is gone: this process ends"))
	require.NoError(t, err)
	require.NotEmpty(t, places)
}

// gone says that a process has ended.
func gone(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}
