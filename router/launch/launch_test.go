package launch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router"
)

// fakeMode makes the test binary an enclaved when it is set.
const fakeMode = "SCBR_TEST_ENCLAVED"

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" && len(os.Args) > 1 && os.Args[1] == "run" {
		fakeEnclaved(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

func fakeEnclaved(mode string) {
	conn, err := net.Dial("unix", os.Args[3])
	if err != nil {
		os.Exit(4)
	}
	_, _ = os.Stderr.WriteString("a line of enclaved\n")
	if mode == "silent" {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	_, _ = conn.Write(abi.AppendReady(nil, [16]byte{}, [abi.MeasurementLen]byte{}, true))
	buf := make([]byte, 1024)
	for {
		n, err := conn.Read(buf)
		if mode == "lingers" && err != nil {
			time.Sleep(time.Hour)
		}
		if err != nil {
			return
		}
		if bytes.HasSuffix(buf[:n], abi.AppendShutdown(nil)) && mode == "ok" {
			_, _ = conn.Write(abi.AppendBye(nil))
			return
		}
	}
}

// output is a buffer that the daemon and its child may write to at once.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// running is a Run that is going on.
type running struct {
	listen, metrics string
	stderr          *output
	stop            context.CancelFunc
	done            chan error
}

func start(t *testing.T, mode string) *running {
	t.Setenv(fakeMode, mode)
	t.Setenv("TMPDIR", t.TempDir())
	self, err := os.Executable()
	require.NoError(t, err)
	cfg, err := Parse([]string{
		"--domain", "f", "--platform", "p", "--router", "n", "--enclaved", self,
		"--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--ready-json",
	}, io.Discard)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	d := &running{stderr: &output{}, stop: cancel, done: make(chan error, 1)}
	r, w := io.Pipe()
	go func() {
		err := Run(ctx, cfg, Control{}, w, d.stderr)
		_ = w.Close()
		d.done <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	var ready struct{ Listen, Metrics string }
	require.NoError(t, json.Unmarshal([]byte(line), &ready))
	d.listen, d.metrics = ready.Listen, ready.Metrics
	return d
}

func (d *running) get(t *testing.T, path string) (int, string) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + d.metrics + path)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestRunServesHealthAndMetrics(t *testing.T) {
	d := start(t, "ok")
	status, _ := d.get(t, "/livez")
	require.Equal(t, http.StatusOK, status)
	status, _ = d.get(t, "/readyz")
	require.Equal(t, http.StatusOK, status)
	status, page := d.get(t, "/metrics")
	require.Equal(t, http.StatusOK, status)
	for _, name := range []string{
		"scbr_router_sessions 0", "scbr_router_half_open 0", `scbr_router_drops_total{reason="queue_full"} 0`,
		`scbr_router_refusals_total{reason="too_many_half_open"} 0`, "scbr_enclave_subscriptions 0", "scbr_enclave_handled_total 0", "scbr_enclave_stats_age_seconds ", "go_goroutines",
	} {
		require.Contains(t, page, name)
	}
	status, _ = d.get(t, "/other")
	require.Equal(t, http.StatusNotFound, status)
	d.stop()
	require.NoError(t, <-d.done)
	require.Contains(t, d.stderr.String(), "a line of enclaved\n")
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestNotReady: before the enclave has spoken, the process is alive and not ready.
func TestNotReady(t *testing.T) {
	a, err := startAdmin("127.0.0.1:0")
	require.NoError(t, err)
	defer a.stop()
	d := &running{metrics: a.listener.Addr().String()}
	status, _ := d.get(t, "/livez")
	require.Equal(t, http.StatusOK, status)
	status, page := d.get(t, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "not ready\n", page)
}

// TestSilentEnclave: an enclave that is there and says nothing is not ready, until it speaks again.
func TestSilentEnclave(t *testing.T) {
	up := router.EnclaveState{Up: true}
	require.Empty(t, unready(up, time.Second))
	require.Empty(t, unready(up, answerTimeout))
	require.Equal(t, "enclave does not answer", unready(up, answerTimeout+1))
	require.Equal(t, "circuit open: why", unready(router.EnclaveState{Circuit: true, Reason: "circuit open: why"}, 0))
}

// TestLongTMPDIR: a socket's path is short, and a directory that leaves no room for it is named.
func TestLongTMPDIR(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath))
	require.NoError(t, os.Mkdir(long, 0o700))
	t.Setenv("TMPDIR", long)
	_, err := startEnclave(t.Context(), "/nowhere", &Config{}, io.Discard)
	require.ErrorContains(t, err, "set TMPDIR to a shorter directory")
	require.ErrorContains(t, err, long)
	left, err := os.ReadDir(long)
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestListenFaultComesFirst: an address that cannot be had is found before enclaved is started.
func TestListenFaultComesFirst(t *testing.T) {
	taken, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	cfg := Config{Domain: "f", Platform: "p", Router: "n", Enclaved: "/nowhere", Listen: taken.LocalAddr().String(), Metrics: "127.0.0.1:0"}
	var failed *router.Error
	require.ErrorAs(t, Run(t.Context(), cfg, Control{}, io.Discard, io.Discard), &failed)
	require.Equal(t, "listen", failed.Op)
}

func TestEnclavedFlags(t *testing.T) {
	for _, tc := range []struct {
		budget, sandbox string
		faults          int
	}{
		{"", "", 0},
		{"93MiB", "strict", 0},
		{"1048576", "best-effort", 0},
		{"2GiB", "", 0},
		{"1q", "", 1},
		{"MiB", "zzz", 2},
		{"-1MiB", "Strict", 2},
		{"+1", "", 1},
		{"1.5MiB", "", 1},
	} {
		c := Config{Domain: "f", Platform: "p", Router: "n", Listen: ":1", Metrics: ":2", LogFormat: logText, LogLevel: logInfo, EPCBudget: tc.budget, Sandbox: tc.sandbox}
		require.Len(t, c.faults(nil), tc.faults, "%q %q", tc.budget, tc.sandbox)
	}
}

// TestLingeringEnclave: a child that does not end with its link is killed.
func TestLingeringEnclave(t *testing.T) {
	d := start(t, "lingers")
	d.stop()
	select {
	case err := <-d.done:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		require.Fail(t, "Run does not end")
	}
}

// TestStopBeforeReady: the order to stop is obeyed while the enclave starts.
func TestStopBeforeReady(t *testing.T) {
	t.Setenv(fakeMode, "silent")
	self, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cfg := Config{Domain: "f", Platform: "p", Router: "n", Enclaved: self, Listen: "127.0.0.1:0", Metrics: "127.0.0.1:0"}
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg, Control{}, io.Discard, w); _ = w.Close() }()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "a line of enclaved\n", line)
	cancel()
	_, _ = io.Copy(io.Discard, r)
	require.NoError(t, <-done)
}

func TestFindEnclaved(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := findEnclaved("")
	require.ErrorContains(t, err, "--enclaved PATH")
	path, err := findEnclaved("given")
	require.NoError(t, err)
	require.Equal(t, "given", path)
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"/var/lib/scbr-1": "/var/lib/scbr-1", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'",
	} {
		require.Equal(t, want, quote(in))
	}
}

func TestReachable(t *testing.T) {
	require.Equal(t, "127.0.0.1:5", reachable(&net.UDPAddr{Port: 5}))
	require.Equal(t, "127.0.0.1:5", reachable(&net.UDPAddr{IP: net.IPv6unspecified, Port: 5}))
	require.Equal(t, "192.0.2.1:5", reachable(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}))
}

func TestParseDefaults(t *testing.T) {
	c, err := Parse([]string{"--dev", "d"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, Config{
		Dev: "d", Domain: "d/domain.json", Platform: "d/platform", Router: DevRouter, ResetKey: "d/reset.key", Revocation: "d/revocation.json", revocationMayCome: true, Listen: defaultListen, Metrics: defaultMetrics,
		LogFormat: logText, LogLevel: logInfo,
	}, c)
	_, err = Parse(strings.Fields("--listen x --metrics y z"), io.Discard)
	var u *UsageError
	require.ErrorAs(t, err, &u)
	require.Len(t, u.Faults, 6)
}
