package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	// defaultMetrics is where routerd has its HTTP side.
	defaultMetrics = "127.0.0.1:7480"
	envMetrics     = "SCBR_METRICS"
	// maxStatusBytes bounds what is read of an answer.
	maxStatusBytes = 1 << 20
)

type statusFlags struct {
	metrics string
	json    bool
	watch   time.Duration
	timeout time.Duration
}

// routerStatus is the answer of routerd to GET /status.
type routerStatus struct {
	Version       string             `json:"version"`
	UptimeSeconds float64            `json:"uptime_seconds"`
	Ready         bool               `json:"ready"`
	Reason        string             `json:"reason,omitempty"`
	Counters      map[string]float64 `json:"counters"`
	Drops         map[string]float64 `json:"drops"`
	Refusals      map[string]float64 `json:"refusals"`
}

func statusCommand() *cobra.Command {
	var s statusFlags
	cmd := &cobra.Command{
		Use:   "status [--metrics HOST:PORT] [--watch 1s] [--json]",
		Short: "Show the live counters of a routerd",
		Long: `Shows how a routerd is, as its HTTP side (routerd --metrics) tells it. It is the
host's own word, and needs no key: nothing in it is about a client. With --watch it
is shown again and again, and what is counted is shown per second as well.

It exits with 0 when the router is ready, 1 when it is not or cannot be reached.`,
		Example: `  scbr status
  scbr status --metrics 10.0.0.5:7480 --watch 2s
  scbr status --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&s.metrics, "metrics", "", "HTTP address of routerd, host:port (default $"+envMetrics+", then "+defaultMetrics+")")
	f.BoolVar(&s.json, "json", false, "print routerd's answer as one line of JSON")
	f.DurationVar(&s.watch, "watch", 0, "show it again after each such time")
	f.DurationVar(&s.timeout, "timeout", defaultTimeout, "limit for an answer")
	return cmd
}

// notReadyError is what a router says that is there and does not serve.
type notReadyError struct{ reason string }

func (e *notReadyError) Error() string { return "scbr: the router is not ready: " + e.reason }

func (s *statusFlags) run(cmd *cobra.Command) error {
	if s.watch < 0 || s.timeout <= 0 {
		return usagef("--watch and --timeout must not be negative")
	}
	ctx := cmd.Context()
	var last *routerStatus
	for {
		now, err := s.fetch(ctx)
		if err != nil {
			return interrupted(ctx, err)
		}
		if err := s.show(cmd.OutOrStdout(), now, last); err != nil {
			return err
		}
		if s.watch == 0 {
			if !now.Ready {
				return &notReadyError{now.Reason}
			}
			return nil
		}
		last = now
		select {
		case <-time.After(s.watch):
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *statusFlags) fetch(ctx context.Context) (*routerStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	addr := cmp.Or(s.metrics, os.Getenv(envMetrics), defaultMetrics)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/status", nil) //nolint:gosec // the user's own choice
	if err != nil {
		return nil, &usageError{err: err, next: "--metrics is HOST:PORT"}
	}
	resp, err := http.DefaultClient.Do(req) //nolint:gosec // as above
	if err != nil {
		return nil, &unreachableError{err}
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		return nil, &unreachableError{fmt.Errorf("%s answers %s", addr, resp.Status)}
	}
	var status routerStatus
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxStatusBytes)).Decode(&status); err != nil {
		return nil, &unreachableError{fmt.Errorf("%s does not answer as routerd: %w", addr, err)}
	}
	return &status, nil
}

// unreachableError is a routerd that does not tell its status.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return "scbr: status: " + e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

func (s *statusFlags) show(w io.Writer, now, last *routerStatus) error {
	if s.json {
		return json.NewEncoder(w).Encode(now)
	}
	_, err := io.WriteString(w, now.table(last))
	return err
}

// table is the status for people; last, if not nil, is the one before, for rates.
func (r *routerStatus) table(last *routerStatus) string {
	var b strings.Builder
	state := "ready"
	if !r.Ready {
		state = "NOT READY: " + r.Reason
	}
	fmt.Fprintf(&b, "%s   up %v   version %s\n", state, (time.Duration(r.UptimeSeconds) * time.Second).String(), r.Version)
	for _, row := range []struct{ name, counter, unit string }{
		{"enclave restarts", "enclave_restarts", ""},
		{"enclave stalls", "enclave_stalls", ""},
		{"sessions", "router_sessions", ""},
		{"key exchanges going on", "router_half_open", ""},
		{"subscriptions", "enclave_subscriptions", ""},
		{"store", "enclave_store_bytes", "bytes"},
		{"store budget", "enclave_budget_bytes", "bytes"},
		{"publications", "router_publications", "/s"},
		{"handled by the enclave", "router_publications_handled", "/s"},
		{"deliveries", "router_deliveries", "/s"},
		{"bytes in", "router_bytes_in", "/s"},
		{"bytes out", "router_bytes_out", "/s"},
		{"waiting for clients", "router_queue_bytes", "bytes"},
		{"waiting for the enclave", "router_payload_bytes", "bytes"},
	} {
		v, ok := r.Counters[row.counter]
		if !ok {
			continue
		}
		fmt.Fprintf(&b, "  %-24s %14.0f", row.name, v)
		switch seconds := 0.0; {
		case row.unit == "bytes":
			b.WriteString(" bytes")
		case row.unit == "/s" && last != nil:
			seconds = r.UptimeSeconds - last.UptimeSeconds
			if seconds > 0 {
				fmt.Fprintf(&b, " %12.0f /s", (v-last.Counters[row.counter])/seconds)
			}
		}
		b.WriteByte('\n')
	}
	for _, group := range []struct {
		name string
		of   map[string]float64
	}{{"dropped", r.Drops}, {"refused", r.Refusals}} {
		for _, reason := range slices.Sorted(maps.Keys(group.of)) {
			fmt.Fprintf(&b, "  %-24s %14.0f\n", group.name+": "+reason, group.of[reason])
		}
	}
	return b.String()
}

// adviceOnStatus says what to do about a router that does not tell its status.
func adviceOnStatus(err error) string {
	if _, ok := errors.AsType[*unreachableError](err); ok {
		return "check that routerd runs, and that --metrics is the address in its first line of output (metrics=...)"
	}
	if _, ok := errors.AsType[*notReadyError](err); ok {
		return "routerd's log says more; while an enclave is started again clients wait and come back by themselves"
	}
	return ""
}
