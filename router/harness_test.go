package router

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that must happen.
const patience = 10 * time.Second

// fakeEnclave speaks abi on the other end of the link. By default it answers key exchanges and sends every publication back to
// its sender, and acknowledges.
type fakeEnclave struct {
	conn net.Conn
	// on sees every frame first; true: the frame has been dealt with. Called by the reading goroutine.
	on func(e *fakeEnclave, f *abi.Frame) bool

	mu     sync.Mutex
	seen   []abi.Type
	opened []uint64 // conns in order
	done   chan struct{}
}

func (e *fakeEnclave) run() {
	defer close(e.done)
	defer func() { _ = e.conn.Close() }()
	e.send(abi.AppendReady(nil, [16]byte{1}, [abi.MeasurementLen]byte{2}, true))
	buf := make([]byte, 0, 4<<20)
	chunk := make([]byte, 256<<10)
	for {
		n, err := e.conn.Read(chunk)
		if err != nil {
			return
		}
		buf = append(buf, chunk[:n]...)
		rest := buf
		for {
			f, after, err := abi.Next(rest)
			if err != nil {
				break
			}
			rest = after
			if !e.frame(&f) {
				return
			}
		}
		buf = append(buf[:0], rest...)
	}
}

func (e *fakeEnclave) frame(f *abi.Frame) bool {
	e.mu.Lock()
	if f.Type != abi.Tick && len(e.seen) < 10000 {
		e.seen = append(e.seen, f.Type)
	}
	if f.Type == abi.Open {
		e.opened = append(e.opened, f.Conn)
	}
	e.mu.Unlock()
	if e.on != nil && e.on(e, f) {
		return true
	}
	switch f.Type {
	case abi.Open:
		e.send(abi.AppendHandshake(nil, f.Conn, abi.StageAnswer, []byte("message 2")))
	case abi.Finish:
		e.send(abi.AppendHandshake(nil, f.Conn, abi.StageConfirm, []byte("message 4")))
	case abi.Data:
		var out []byte
		if f.Count > 0 {
			out = abi.AppendDeliver(out, f.Conn, refs(f), f.Body)
			out = abi.AppendHandled(out, f.Ref, f.Count)
		}
		e.send(abi.AppendDeliver(out, f.Conn, nil, []byte("ack")))
	case abi.Tick:
		e.send(abi.AppendTock(nil))
	case abi.Shutdown:
		e.send(abi.AppendBye(nil))
		return false
	default:
	}
	return true
}

func (e *fakeEnclave) send(b []byte) { _, _ = e.conn.Write(b) }

func (e *fakeEnclave) count(t abi.Type) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, s := range e.seen {
		if s == t {
			n++
		}
	}
	return n
}

func (e *fakeEnclave) lastConn() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.opened[len(e.opened)-1]
}

func refs(f *abi.Frame) []uint64 {
	var out []uint64
	for i := range uint64(f.Count) {
		out = append(out, f.Ref+i)
	}
	return out
}

// world is a router with its fake enclave.
type world struct {
	t       testing.TB
	r       *Router
	e       *fakeEnclave
	life    *life // of e
	reg     *prometheus.Registry
	addr    net.Addr
	dial    func() net.PacketConn // a socket for a client; nil: a new one on loopback
	stopped chan error
	cancel  context.CancelFunc
}

type option func(c *Config, e *fakeEnclave)

func limits(f func(l *Limits)) option { return func(c *Config, _ *fakeEnclave) { f(&c.Limits) } }

func on(f func(e *fakeEnclave, f *abi.Frame) bool) option {
	return func(_ *Config, e *fakeEnclave) { e.on = f }
}

func start(t testing.TB, options ...option) *world {
	host, inside := net.Pipe()
	e := &fakeEnclave{conn: inside, done: make(chan struct{})}
	cfg := Config{ListenAddr: "127.0.0.1:0", Enclave: host, Limits: DefaultLimits(), Metrics: prometheus.NewRegistry()}
	cfg.Limits.SlowConsumer = BlockPublisher // which has the most to test; others are asked for
	cfg.Limits.Linger, cfg.Limits.DrainTimeout = 200*time.Millisecond, 200*time.Millisecond
	for _, o := range options {
		o(&cfg, e)
	}
	r, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{t: t, r: r, e: e, reg: cfg.Metrics, cancel: cancel, stopped: make(chan error, 1)}
	go e.run()
	go func() { w.stopped <- r.Serve(ctx) }()
	<-r.Ready()
	w.addr = r.Addr()
	w.life = r.life.Load()
	t.Cleanup(func() {
		cancel()
		_ = inside.Close()
		<-e.done
		<-w.stopped
	})
	return w
}

// stop ends Serve and returns its error.
func (w *world) stop() error {
	w.cancel()
	err := <-w.stopped
	w.stopped <- err
	return err
}

// client is a bare QUIC client that speaks wire.
type client struct {
	t      testing.TB
	tr     *quic.Transport
	conn   *quic.Conn
	stream *quic.Stream
	buf    []byte
}

func (w *world) connect() (*client, error) {
	var pc net.PacketConn
	if w.dial != nil {
		pc = w.dial()
	} else {
		var err error
		pc, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(w.t, err)
	}
	c := &client{t: w.t, tr: &quic.Transport{Conn: pc}}
	w.t.Cleanup(func() {
		_ = c.tr.Close()
		_ = pc.Close()
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	c.conn, err = c.tr.Dial(ctx, w.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{wire.ALPN}}, &quic.Config{
		MaxStreamReceiveWindow: 1 << 20, MaxConnectionReceiveWindow: 1 << 20, // small, so that a stalled client stalls soon
	})
	if err != nil {
		return c, err
	}
	c.stream, err = c.conn.OpenStreamSync(ctx)
	return c, err
}

func (w *world) mustConnect() *client {
	c, err := w.connect()
	require.NoError(w.t, err)
	return c
}

// session connects and does the key exchange.
func (w *world) session() *client {
	c := w.mustConnect()
	c.send(wire.AppendHello(nil, []byte("message 1")))
	require.Equal(w.t, wire.TypeServerHello, c.next().Type)
	c.send(wire.AppendFinish(nil, []byte("message 3")))
	require.Equal(w.t, wire.TypeConfirm, c.next().Type)
	return c
}

func (c *client) send(b []byte) {
	_, err := c.stream.Write(b)
	require.NoError(c.t, err)
}

func (c *client) publish(blob string, payloads ...[]byte) {
	c.send(wire.AppendData(nil, []byte(blob), payloads))
}

// read returns the next frame or the error of the stream.
func (c *client) read() (wire.Frame, error) {
	_ = c.stream.SetReadDeadline(time.Now().Add(patience))
	for {
		f, rest, err := wire.Next(c.buf, wire.MaxFrame)
		if err == nil {
			c.buf = rest
			return f, nil
		}
		if !errors.Is(err, wire.ErrShort) {
			return f, err
		}
		chunk := make([]byte, 64<<10)
		n, err := c.stream.Read(chunk)
		c.buf = append(bytes.Clone(c.buf), chunk[:n]...)
		if err != nil && n == 0 {
			return wire.Frame{}, err
		}
	}
}

func (c *client) next() wire.Frame {
	f, err := c.read()
	require.NoError(c.t, err)
	return f
}

// refusal reads to the end and returns the refusal's kind; both ways of saying it must agree.
func (c *client) refusal() wire.Kind {
	var kind wire.Kind
	for {
		f, err := c.read()
		if err != nil {
			break
		}
		if f.Type == wire.TypeRefuse {
			kind = f.Kind
		}
	}
	select {
	case <-c.conn.Context().Done():
	case <-time.After(patience):
		require.Fail(c.t, "the connection stays open")
	}
	code := c.code()
	if kind != 0 {
		require.Equal(c.t, kind, code)
	}
	return code
}

// code is the number of the application error that ended the connection.
func (c *client) code() wire.Kind {
	var app *quic.ApplicationError
	require.ErrorAs(c.t, context.Cause(c.conn.Context()), &app)
	return wire.Kind(app.ErrorCode)
}

func payloadsOf(f *wire.Frame) [][]byte {
	var all [][]byte
	for it := f.Payloads(); ; {
		p, ok := it.Next()
		if !ok {
			return all
		}
		all = append(all, bytes.Clone(p))
	}
}

// eventually waits for a condition.
func (w *world) eventually(what string, f func() bool) {
	require.Eventually(w.t, f, patience, time.Millisecond, what)
}

func (w *world) refused(k wire.Kind) float64 {
	return testutil.ToFloat64(w.r.metrics.refusals.WithLabelValues(k.String()))
}

func (w *world) dropped(v verdict) float64 {
	return testutil.ToFloat64(w.r.metrics.drops.WithLabelValues(v.reason()))
}

func (w *world) fault(reason string) float64 {
	return testutil.ToFloat64(w.r.metrics.faults.WithLabelValues(reason))
}

func (w *world) sessions() int {
	w.r.mu.RLock()
	defer w.r.mu.RUnlock()
	return len(w.r.sessions)
}

// connections are the numbers of all connections so far, in order.
func (e *fakeEnclave) connections() []uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.opened
}
