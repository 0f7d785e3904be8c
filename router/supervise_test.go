package router

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// process is a fake of an enclave's process and its link.
type process struct {
	net.Conn
	e        *fakeEnclave
	activity atomic.Int32
	killed   atomic.Bool
	verdict  error
}

func (p *process) Look() Activity { return Activity(p.activity.Load()) }

func (p *process) End(patience time.Duration) error {
	p.killed.Store(patience == 0)
	<-p.e.done // its link is closed
	return p.verdict
}

// die ends the process as kill -9 does.
func (p *process) die() { _ = p.e.conn.Close() }

// nursery starts processes for a router.
type nursery struct {
	mu      sync.Mutex
	born    []*process
	prepare func(n int, p *process) error // of the n-th; an error: it does not start
}

func (y *nursery) start(context.Context) (Enclave, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	host, inside := net.Pipe()
	p := &process{Conn: host, e: &fakeEnclave{conn: inside, done: make(chan struct{})}}
	p.activity.Store(int32(Waiting))
	y.born = append(y.born, p)
	if y.prepare != nil {
		if err := y.prepare(len(y.born), p); err != nil {
			return nil, errors.Join(err, host.Close(), inside.Close())
		}
	}
	go p.e.run()
	return p, nil
}

func (y *nursery) newest() *process {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.born[len(y.born)-1]
}

func (y *nursery) count() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.born)
}

// supervised is a router over a nursery, without clients; run inside a synctest bubble.
func supervised(t *testing.T, y *nursery, run func(r *Router, reg *prometheus.Registry)) {
	t.Helper()
	reg := prometheus.NewRegistry()
	r, err := New(Config{PacketConn: silence{make(chan struct{})}, Start: y.start, Metrics: reg})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx) }()
	<-r.Ready()
	run(r, reg)
	cancel()
	require.NoError(t, <-done)
}

// silence is a socket that nothing arrives at.
type silence struct{ closed chan struct{} }

func (s silence) ReadFrom([]byte) (int, net.Addr, error) {
	<-s.closed
	return 0, nil, io.ErrClosedPipe
}
func (s silence) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }
func (s silence) Close() error                              { close(s.closed); return nil }
func (s silence) LocalAddr() net.Addr                       { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7443} }
func (s silence) SetDeadline(time.Time) error               { return nil }
func (s silence) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		select {
		case <-s.closed:
		default:
			close(s.closed)
		}
	}
	return nil
}
func (s silence) SetWriteDeadline(time.Time) error { return nil }

func counter(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestEnclaveDiesIsReplaced: within a fraction of a second, and the totals go on.
func TestEnclaveDiesIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := &nursery{}
		supervised(t, y, func(r *Router, reg *prometheus.Registry) {
			y.newest().e.send(abi.AppendStats(nil, &abi.StatsBody{Handled: 5}))
			synctest.Wait()
			y.newest().die()
			synctest.Wait()
			require.False(t, r.EnclaveState().Up)
			require.Contains(t, r.EnclaveState().Reason, "restarting")
			require.Zero(t, counter(t, reg, "scbr_enclave_up"))
			time.Sleep(r.limits().RestartMin)
			synctest.Wait()
			require.Equal(t, EnclaveState{Up: true, Restarts: 1}, r.EnclaveState())
			require.InDelta(t, 1, counter(t, reg, "scbr_enclave_up"), 0)
			require.InDelta(t, 1, counter(t, reg, "scbr_enclave_restarts_total"), 0)
			y.newest().e.send(abi.AppendStats(nil, &abi.StatsBody{Handled: 2}))
			synctest.Wait()
			require.InDelta(t, 7, counter(t, reg, "scbr_enclave_handled_total"), 0, "of both")
			require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP scbr_enclave_ends_total Ends of an enclave that nobody asked for, and failed starts, by cause.
# TYPE scbr_enclave_ends_total counter
scbr_enclave_ends_total{cause="ended"} 1
scbr_enclave_ends_total{cause="framing"} 0
scbr_enclave_ends_total{cause="stalled"} 0
`), "scbr_enclave_ends_total"))
		})
	})
}

// TestCrashLoopOpensCircuit: after so many ends there is no start for a while, then one; the router stays and says why. Pauses grow before.
func TestCrashLoopOpensCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dying atomic.Bool
		y := &nursery{prepare: func(_ int, p *process) error {
			p.verdict = errors.New("exit status 7")
			if dying.Load() {
				p.die()
			}
			return nil
		}}
		supervised(t, y, func(r *Router, reg *prometheus.Registry) {
			l := r.limits()
			dying.Store(true)
			begin := time.Now()
			y.newest().die()
			for !r.EnclaveState().Circuit {
				time.Sleep(time.Millisecond)
			}
			require.Equal(t, l.CrashLimit, y.count())
			least := time.Duration(0)
			for n := range l.CrashLimit - 1 {
				least += l.RestartMin << n / 2
			}
			require.GreaterOrEqual(t, time.Since(begin), least, "pauses double")
			require.Less(t, time.Since(begin), l.CrashWindow)
			require.Contains(t, r.EnclaveState().Reason, "exit status 7")
			require.InDelta(t, 1, counter(t, reg, "scbr_enclave_circuit_open"), 0)

			time.Sleep(l.CircuitOpen - time.Second)
			require.Equal(t, l.CrashLimit, y.count(), "nothing is started meanwhile")
			time.Sleep(2 * time.Second)
			require.Equal(t, l.CrashLimit+1, y.count(), "one trial")

			dying.Store(false)
			time.Sleep(2 * l.CircuitOpen)
			require.True(t, r.EnclaveState().Up)
			require.Zero(t, counter(t, reg, "scbr_enclave_circuit_open"))
		})
	})
}

type hopeless struct{}

func (hopeless) Error() string  { return "no sandbox" }
func (hopeless) Hopeless() bool { return true }

// TestHopelessEndOpensCircuit: what another start cannot mend is not tried again at once.
func TestHopelessEndOpensCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := &nursery{prepare: func(_ int, p *process) error { p.verdict = hopeless{}; return nil }}
		supervised(t, y, func(r *Router, _ *prometheus.Registry) {
			y.newest().die()
			synctest.Wait()
			require.True(t, r.EnclaveState().Circuit)
			require.Contains(t, r.EnclaveState().Reason, "no sandbox")
			time.Sleep(r.limits().CircuitOpen / 2)
			require.Equal(t, 1, y.count())
		})
	})
}

// TestStalledEnclaveIsReplaced: silent and not even trying to run, for less than a second; silent and working, only after very long.
func TestStalledEnclaveIsReplaced(t *testing.T) {
	for name, tc := range map[string]struct {
		activity      Activity
		atMost, least func(l *Limits) time.Duration
	}{
		"stopped": {Waiting, func(*Limits) time.Duration { return time.Second }, func(l *Limits) time.Duration { return time.Duration(l.StallLooks-1) * l.WatchInterval }},
		"busy":    {Working, func(l *Limits) time.Duration { return l.HangTimeout + 2*l.WatchInterval }, func(l *Limits) time.Duration { return l.HangTimeout - l.WatchInterval }},
		"unknown": {Unknown, func(l *Limits) time.Duration { return l.HangTimeout + 2*l.WatchInterval }, func(l *Limits) time.Duration { return l.HangTimeout - l.WatchInterval }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mute atomic.Bool
				y := &nursery{prepare: func(n int, p *process) error {
					p.activity.Store(int32(tc.activity))
					p.e.on = func(_ *fakeEnclave, f *abi.Frame) bool { return n == 1 && mute.Load() && f.Type == abi.Tick }
					return nil
				}}
				supervised(t, y, func(r *Router, reg *prometheus.Registry) {
					time.Sleep(3 * r.limits().HangTimeout)
					require.Equal(t, 1, y.count(), "an enclave that answers is left alone")
					mute.Store(true)
					begin := time.Now()
					for r.EnclaveState().Up {
						time.Sleep(time.Millisecond)
					}
					require.LessOrEqual(t, time.Since(begin), tc.atMost(r.limits()))
					require.GreaterOrEqual(t, time.Since(begin), tc.least(r.limits()))
					require.True(t, y.newest().killed.Load(), "it has no time to end by itself")
					require.InDelta(t, 1, counter(t, reg, "scbr_enclave_stalls_total"), 0)
					time.Sleep(r.limits().RestartMin)
					synctest.Wait()
					require.True(t, r.EnclaveState().Up)
				})
			})
		})
	}
}

// TestRouterThatDidNotRunBlamesNobody: one look after a long time is one look.
func TestRouterThatDidNotRunBlamesNobody(t *testing.T) {
	l := DefaultLimits()
	w := watchdog{limits: &l}
	waiting := func() Activity { return Waiting }
	for range 100 {
		require.False(t, w.look(false, waiting))
		require.False(t, w.look(false, waiting))
		require.False(t, w.look(true, waiting))
	}
	require.False(t, w.look(false, waiting))
	require.False(t, w.look(false, func() Activity { return Working }), "it goes on")
	require.False(t, w.look(false, waiting))
	require.False(t, w.look(false, waiting))
	require.True(t, w.look(false, waiting))
}

// TestSessionsOfALifeEndWithIt: they are told Unavailable, so is who comes while there is none, and the next life knows nothing of the old.
func TestSessionsOfALifeEndWithIt(t *testing.T) {
	y := &nursery{}
	var refuse atomic.Bool
	y.prepare = func(int, *process) error {
		if refuse.Load() {
			return errors.New("not now")
		}
		return nil
	}
	w := startSupervised(t, y)
	c := w.session()
	c.publish("b", []byte("x"))
	refuse.Store(true)
	old := y.newest()
	old.die()
	require.Equal(t, wire.Unavailable, c.refusal())
	w.eventually("down", func() bool { return !w.r.EnclaveState().Up })
	late := w.mustConnect()
	require.Equal(t, wire.Unavailable, late.refusal())
	refuse.Store(false)
	w.eventually("up", func() bool { return w.r.EnclaveState().Up })
	require.NotSame(t, old, y.newest())
	next := w.session()
	next.publish("b", []byte("y"))
	require.Equal(t, 1, must(next.next()).PayloadBytes())
	require.Greater(t, y.newest().e.lastConn(), old.e.lastConn(), "numbers of connections are not used again")
	first := w.r.life.Load().payloads
	first.mu.Lock()
	require.GreaterOrEqual(t, first.next, uint64(pageSlots), "nor are references")
	first.mu.Unlock()
	w.eventually("the old session is gone", func() bool { return w.sessions() == 1 })
}

// TestManyRestartsLeaveNothing: goroutines come back to where they were.
func TestManyRestartsLeaveNothing(t *testing.T) {
	y := &nursery{}
	w := startSupervised(t, y, limits(func(l *Limits) { l.CrashLimit, l.RestartMin, l.RestartMax = 1000, time.Millisecond, time.Millisecond }))
	w.eventually("up", func() bool { return w.r.EnclaveState().Up })
	before := runtime.NumGoroutine()
	for n := range 100 {
		y.newest().die()
		w.eventually("up again", func() bool { return w.r.EnclaveState() == EnclaveState{Up: true, Restarts: n + 1} })
	}
	w.eventually("nothing is left", func() bool { return runtime.NumGoroutine() <= before+2 }) // one asks
}

// TestPublicationsWaitForSubscribers: after an enclave was replaced commands pass at once and publications a little later.
func TestPublicationsWaitForSubscribers(t *testing.T) {
	y := &nursery{}
	const settle = 300 * time.Millisecond
	w := startSupervised(t, y, limits(func(l *Limits) { l.Settle = settle }))
	c := w.session() // before a replacement nothing waits
	c.publish("b", []byte("x"))
	require.Equal(t, 1, must(c.next()).PayloadBytes())
	begin := time.Now()
	y.newest().die()
	w.eventually("replaced", func() bool { return w.r.EnclaveState() == EnclaveState{Up: true, Restarts: 1} })
	c = w.session()
	c.publish("command")
	require.Equal(t, "ack", string(must(c.next()).Blob))
	c.publish("b", []byte("x"))
	require.Equal(t, 1, must(c.next()).PayloadBytes())
	require.GreaterOrEqual(t, time.Since(begin), settle)
}

// startSupervised is start with enclaves that are started again.
func startSupervised(t *testing.T, y *nursery, options ...option) *world {
	t.Helper()
	cfg := Config{ListenAddr: "127.0.0.1:0", Start: y.start, Limits: DefaultLimits(), Metrics: prometheus.NewRegistry()}
	cfg.Limits.Settle = 0
	for _, o := range options {
		o(&cfg, nil)
	}
	r, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{t: t, r: r, reg: cfg.Metrics, cancel: cancel, stopped: make(chan error, 1)}
	go func() { w.stopped <- r.Serve(ctx) }()
	<-r.Ready()
	w.addr = r.Addr()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-w.stopped)
	})
	return w
}
