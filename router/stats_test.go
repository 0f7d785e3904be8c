package router

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
)

// TestEnclaveSilence: the silence of the enclave is counted from its last statistics.
func TestEnclaveSilence(t *testing.T) {
	onSimnet(t, nil, func(t *testing.T, w *world, _ func(string)) {
		require.Zero(t, w.r.EnclaveSilence())
		time.Sleep(7 * time.Second)
		require.Equal(t, 7*time.Second, w.r.EnclaveSilence())
		w.e.send(abi.AppendStats(nil, &abi.StatsBody{Handled: 3}))
		synctest.Wait()
		require.Zero(t, w.r.EnclaveSilence())
		time.Sleep(time.Second)
		c := w.session()
		c.publish("b", []byte("other frames do not count"))
		c.next()
		require.Greater(t, w.r.EnclaveSilence(), time.Second)
		n, err := testutil.GatherAndCount(w.reg, "scbr_enclave_handled_total", "scbr_enclave_matched_total", "scbr_enclave_refused_total",
			"scbr_enclave_stats_age_seconds")
		require.NoError(t, err)
		require.Equal(t, 4, n)
	})
}

func TestEnclaveSilenceBeforeReady(t *testing.T) {
	r, err := New(Config{ListenAddr: "127.0.0.1:0", Enclave: nopLink{}})
	require.NoError(t, err)
	require.Zero(t, r.EnclaveSilence())
}
