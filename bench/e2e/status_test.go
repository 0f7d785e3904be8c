package e2e

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client/cli"
)

// TestStatus: scbr status reads a real routerd, as a table and as JSON.
func TestStatus(t *testing.T) {
	sys, iss := processes(t)
	c := dialIssued(t, iss, "reader", "TRUE", "TRUE", 1)
	require.NoError(t, c.Publish(t.Context(), event(t, "n", 1), nil))
	run := func(args ...string) string {
		var out, errs bytes.Buffer
		code := cli.Run(t.Context(), append([]string{"status", "--metrics", sys.Metrics}, args...), cli.IO{Out: &out, Err: &errs})
		require.Zero(t, code, errs.String())
		return out.String()
	}
	require.Eventually(t, func() bool { return gauge(t, sys, "scbr_router_publications_handled_total") == 1 }, patience, tick)
	table := run()
	require.Regexp(t, `^ready   up \d+s   version `, table)
	require.Regexp(t, `\n  sessions +1\n`, table)
	require.Regexp(t, `\n  publications +1\n`, table)
	var status struct {
		Ready         bool
		UptimeSeconds *float64 `json:"uptime_seconds"`
		Version       string
		Counters      map[string]float64
		Drops         map[string]float64
		Refusals      map[string]float64
	}
	require.NoError(t, json.Unmarshal([]byte(run("--json")), &status))
	require.True(t, status.Ready)
	require.NotNil(t, status.UptimeSeconds)
	require.InDelta(t, 1, status.Counters["router_sessions"], 0)
	require.InDelta(t, 1, status.Counters["enclave_up"], 0)
	require.Contains(t, status.Counters, "enclave_restarts")
	require.NotNil(t, status.Drops)
	require.NotNil(t, status.Refusals)
}
