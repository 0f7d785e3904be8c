package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/client"
)

// noticeTime is what routerd has to notice an enclave that is dead or does not answer.
const noticeTime = time.Second

// TestEnclaveKilledRestarts: enclaved is killed, dies of a signal that dumps core elsewhere, and is stopped, each time with canaries in its
// memory. Each time routerd notices within a second, sessions are told Unavailable, and a new one works. Nothing of the canaries is in
// anything that was printed, and no core file was written.
func TestEnclaveKilledRestarts(t *testing.T) {
	seen := &capture{}
	dir := t.TempDir()
	wrap := []string{"sh", "-c", `ulimit -c unlimited; cd "$0"; exec "$@"`, dir} // a core file may be as large as it likes
	sys, err := trial.StartWith(t.Context(), trial.Process{Bin: programs(t), Dir: filepath.Join(dir, "dev"), Output: printed{seen}, Wrap: wrap})
	require.NoError(t, err)
	stop := sync.OnceValue(sys.Stop)
	t.Cleanup(func() { _ = stop() })
	iss, err := trial.NewIssuer(sys)
	require.NoError(t, err)
	for n, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGABRT, syscall.SIGQUIT, syscall.SIGSEGV, syscall.SIGSTOP} {
		useWithCanaries(t, iss)
		cfg, err := iss.Config("witness", "", "TRUE", 9)
		require.NoError(t, err)
		cfg.NoReconnect = true
		c, err := client.Dial(t.Context(), cfg)
		require.NoError(t, err)
		begin := time.Now()
		require.NoError(t, sys.SignalEnclave(sig))
		_, err = c.Receive(t.Context())
		noticed := time.Since(begin)
		var end *client.Error
		require.ErrorAs(t, err, &end)
		require.Equal(t, client.KindUnavailable, end.Kind, "%v", sig)
		t.Logf("%v: noticed after %v", sig, noticed.Round(time.Millisecond))
		require.Less(t, noticed, noticeTime+noticeTime/2, "%v; half a second for a machine that is busy", sig)
		require.Eventually(t, func() bool {
			return gauge(t, sys, "scbr_enclave_restarts_total") == float64(n+1) && gauge(t, sys, "scbr_enclave_up") == 1
		},
			patience, tick)
	}
	useWithCanaries(t, iss)
	require.NoError(t, stop())
	for name, needle := range written() {
		places, _ := seen.find(needle)
		require.Empty(t, places, "%s leaked", name)
	}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		require.False(t, strings.HasPrefix(d.Name(), "core"), "a core file: %s", path)
		return err
	}))
}
