package trial

import (
	"bytes"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/dataset"
	"github.com/scbr/scbr/client"
)

// small: publication 0 matches a (twice, by two filters) and b, publication 1 matches b, publication 2 nobody.
func small(t *testing.T) *Workload {
	t.Helper()
	w, err := NewWorkload("0 a S i n = 1\n0 a S i n < 2\n0 b S i n < 3\n", "subs", "0 0 P i n 1\n0 0 P i n 2\n0 0 P i n 3\n", "pubs")
	require.NoError(t, err)
	return w
}

func TestOracle(t *testing.T) {
	w := small(t)
	require.Equal(t, 3, w.Pairs, "two filters of one id are one pair")
	require.Len(t, w.Expected[0], 2)
	require.Equal(t, []string{"a", "b"}, w.IDs)
	require.Equal(t, []int{1}, w.Expected[1])
	require.Empty(t, w.Expected[2])
}

// TestOracleOnSample: the oracle's figure for SCBR's own sample is the published one.
func TestOracleOnSample(t *testing.T) {
	w, err := NewWorkload(dataset.Subscriptions, "s1k", dataset.Publications, "p10k")
	require.NoError(t, err)
	require.Len(t, w.Subscriptions, 1000)
	require.Len(t, w.Events, 10000)
	require.Equal(t, dataset.Pairs, w.Pairs)
}

func TestWorkloadRefusesBadFiles(t *testing.T) {
	for name, files := range map[string][2]string{
		"malformed subscription": {"0 a S i n ~ 1\n", "0 0 P i n 1\n"},
		"malformed publication":  {"0 a S i n = 1\n", "0 0 P i n\n"},
		"no subscription":        {"", "0 0 P i n 1\n"},
		"no publication":         {"0 a S i n = 1\n", ""},
	} {
		_, err := NewWorkload(files[0], "subs", files[1], "pubs")
		require.Error(t, err, name)
	}
}

const testPayload = 16

func testCollector(w *Workload) *collector {
	return &collector{
		w: w, ids: map[uint32]int{1: 0, 2: 0, 3: 1}, bodies: newPayloads(testPayload), started: make([]atomic.Int64, len(w.Events)),
		epoch: time.Now(), first: -1, seen: make([]bool, w.Pairs), done: func(int, int) {}, windows: newWindows(1), assault: newAssault(nil, nil),
		hist: hdrhistogram.New(latencyMin, latencyMax, latencyDigits),
	}
}

func delivery(w *Workload, i int, subs ...uint32) *client.Delivery {
	return &client.Delivery{Subscriptions: subs, Attributes: w.Events[i], Payload: newPayloads(testPayload).make(nil, i), Received: time.Now()}
}

// TestJudge: the check behind "missing 0, unexpected 0" notices every way in which a delivery can be wrong.
func TestJudge(t *testing.T) {
	w := small(t)
	spoiled := delivery(w, 0, 1, 2, 3)
	spoiled.Payload[testPayload-1] ^= 1
	otherEvent := delivery(w, 0, 1, 2, 3)
	otherEvent.Attributes = w.Events[1]
	cases := map[string]struct {
		deliveries            []*client.Delivery
		delivered, unexpected int
	}{
		"all right":            {[]*client.Delivery{delivery(w, 0, 1, 2, 3), delivery(w, 1, 3)}, 3, 0},
		"one missing":          {[]*client.Delivery{delivery(w, 0, 1, 2, 3)}, 2, 0},
		"one id missing":       {[]*client.Delivery{delivery(w, 0, 1, 2), delivery(w, 1, 3)}, 2, 0},
		"delivered twice":      {[]*client.Delivery{delivery(w, 1, 3), delivery(w, 1, 3)}, 1, 1},
		"does not match":       {[]*client.Delivery{delivery(w, 2, 3)}, 0, 1},
		"wrong id":             {[]*client.Delivery{delivery(w, 1, 1)}, 0, 1},
		"foreign subscription": {[]*client.Delivery{delivery(w, 1, 9)}, 0, 1},
		"spoiled payload":      {[]*client.Delivery{spoiled}, 0, 1},
		"other attributes":     {[]*client.Delivery{otherEvent}, 0, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			k := testCollector(w)
			for _, d := range tc.deliveries {
				k.judge(d)
			}
			require.Equal(t, tc.delivered, k.delivered)
			require.Equal(t, tc.unexpected, k.unexpected)
		})
	}
}

func TestReportJSONIsAContract(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, (&Report{}).WriteJSON(&b))
	require.Equal(t, 1, bytes.Count(b.Bytes(), []byte("\n")), "one line")
	var m map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &m))
	for _, k := range []string{
		"subscriptions", "publications", "expected", "delivered", "missing", "unexpected", "publications_per_second", "latency_us", "bytes_per_subscription",
		"announced_lost", "rate", "enclave_restarts", "router_restarts", "outage_ms", "resent", "duplicates_dropped",
	} {
		require.Contains(t, m, k)
	}
	require.Contains(t, m["latency_us"], "p50")
	require.Contains(t, m["latency_us"], "p99")
}

func TestReportOK(t *testing.T) {
	require.True(t, (&Report{}).OK())
	require.False(t, (&Report{Missing: 1}).OK())
	require.False(t, (&Report{Unexpected: 1}).OK())
	require.False(t, (&Report{Missing: 1, Announced: 1}).OK(), "nothing was killed")
	require.True(t, (&Report{assault: KillEnclave(), EnclaveRestarts: 1, Missing: 1, Announced: 1}).OK())
	require.False(t, (&Report{assault: KillEnclave(), EnclaveRestarts: 1, Missing: 2, Announced: 1}).OK())
	require.False(t, (&Report{assault: KillEnclave(), EnclaveRestarts: 1, Unexpected: 1}).OK())
	require.False(t, (&Report{assault: KillEnclave()}).OK(), "nothing was started again")
	require.True(t, (&Report{assault: KillRouter(), RouterRestarts: 1}).OK())
	require.False(t, (&Report{assault: KillRouter(), EnclaveRestarts: 1}).OK())
}

func TestConfigListsAllFaults(t *testing.T) {
	err := Config{PayloadBytes: 1, Rate: -1}.Validate()
	require.ErrorContains(t, err, "subscriber")
	require.ErrorContains(t, err, "payload")
	require.ErrorContains(t, err, "rate")
}

func TestSteady(t *testing.T) {
	s := &steady{total: 100}
	require.Zero(t, s.perSecond())
	s.reached(10)
	s.from = s.from.Add(-time.Second)
	s.reached(90)
	require.InDelta(t, 80, s.perSecond(), 5)
}
