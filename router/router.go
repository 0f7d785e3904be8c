package router

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// Router serves client sessions of one enclave. New makes it, Serve runs it once.
type Router struct {
	cfg       Config
	limits    Limits
	log       *slog.Logger
	tap       func(TapPoint, []byte)
	metrics   *metrics
	admission *admission
	payloads  *payloads
	gate      *gate
	chunks    chunkPool
	backlog   backlog
	link      *linkWriter
	watch     watch
	nextConn  atomic.Uint64

	greeted  chan struct{} // closed at the enclave's Ready
	greet    sync.Once
	ready    chan struct{} // closed when clients are accepted
	listener net.Addr      // valid when ready is closed

	mu       sync.RWMutex
	sessions map[uint64]*session
	closing  wire.Kind // not 0: no new sessions
}

// New checks the configuration and prepares a router; it opens nothing.
func New(cfg Config) (*Router, error) {
	if err := cfg.normalize(); err != nil {
		return nil, &Error{Op: "config", Kind: wire.Unavailable, Err: err}
	}
	r := &Router{
		cfg: cfg, limits: cfg.Limits, log: cfg.Logger, tap: cfg.Tap,
		metrics:  newMetrics(),
		payloads: newPayloads(cfg.Limits.PayloadBytes),
		gate:     newGate(cfg.Limits.HoldMax, cfg.Limits.SlowMax),
		greeted:  make(chan struct{}),
		ready:    make(chan struct{}),
		sessions: map[uint64]*session{},
	}
	r.admission = newAdmission(&r.limits, r.metrics)
	var tap func([]byte)
	if r.tap != nil {
		tap = func(b []byte) { r.tap(TapToEnclave, b) }
	}
	r.link = newLinkWriter(cfg.Enclave, cfg.Limits.LinkBytes, tap, func(n int) { r.metrics.batchBytes.Observe(float64(n)) })
	if err := r.metrics.register(cfg.Metrics, r); err != nil {
		return nil, &Error{Op: "config", Kind: wire.Unavailable, Err: err}
	}
	return r, nil
}

// Ready is closed when the enclave is ready and clients are accepted.
func (r *Router) Ready() <-chan struct{} { return r.ready }

// Addr is where the router listens; nil before Ready is closed.
func (r *Router) Addr() net.Addr {
	select {
	case <-r.ready:
		return r.listener
	default:
		return nil
	}
}

// Serve runs the router until ctx ends, which gives nil, or until the enclave or the socket fails, which gives an *Error. Every session
// is told why it ends. All goroutines have ended when Serve returns.
func (r *Router) Serve(ctx context.Context) error {
	lost := make(chan error, 2) // one message of each link goroutine
	var links sync.WaitGroup
	links.Go(func() { lost <- r.link.run() })
	links.Go(func() { lost <- (&dispatcher{r: r}).run(r.cfg.Enclave) })
	defer links.Wait()
	defer func() { _ = r.cfg.Enclave.Close() }()
	defer r.link.stop(errStopped)

	conn := r.cfg.PacketConn
	if conn == nil {
		var err error
		if conn, err = listenUDP(r.cfg.ListenAddr); err != nil {
			return &Error{Op: "listen", Kind: wire.Unavailable, Err: err}
		}
		defer func() { _ = conn.Close() }()
	}
	if err := r.awaitEnclave(ctx, lost); err != nil || ctx.Err() != nil {
		return err
	}
	tr := &quic.Transport{
		Conn: conn, ConnectionIDLength: 8,
		ConnContext: r.admission.enter, VerifySourceAddress: r.admission.verify,
	}
	defer func() { _ = tr.Close() }()
	ln, err := r.listen(tr)
	if err != nil {
		return &Error{Op: "listen", Kind: wire.Unavailable, Err: err}
	}
	r.listener = ln.Addr()
	close(r.ready)
	return r.run(ctx, ln, lost)
}

// awaitEnclave waits for the Ready frame.
func (r *Router) awaitEnclave(ctx context.Context, lost <-chan error) error {
	timer := time.NewTimer(r.limits.StartTimeout)
	defer timer.Stop()
	select {
	case <-r.greeted:
		return nil
	case <-ctx.Done():
		return nil
	case err := <-lost:
		return &Error{Op: "link", Kind: wire.Unavailable, Err: err}
	case <-timer.C:
		return &Error{Op: "start", Kind: wire.Unavailable, Err: errNotReady}
	}
}

func (r *Router) enclaveReady() {
	r.greet.Do(func() {
		r.heard()
		close(r.greeted)
	})
}

func (r *Router) heard() {
	now := time.Now()
	r.metrics.heard.Store(&now)
}

// EnclaveSilence is the time since the enclave last sent statistics, which it does about once a second, or since it became
// ready; 0 before.
func (r *Router) EnclaveSilence() time.Duration {
	if at := r.metrics.heard.Load(); at != nil {
		return time.Since(*at)
	}
	return 0
}

func (r *Router) listen(tr *quic.Transport) (*quic.Listener, error) {
	cert, err := selfSigned(time.Now())
	if err != nil {
		return nil, err
	}
	return tr.Listen(&tls.Config{
		Certificates: []tls.Certificate{cert}, NextProtos: []string{wire.ALPN}, MinVersion: tls.VersionTLS13,
		SessionTicketsDisabled: true,
	}, &quic.Config{
		HandshakeIdleTimeout: quicHandshakeTimeout, MaxIdleTimeout: maxIdleTimeout, KeepAlivePeriod: keepAlivePeriod,
		InitialStreamReceiveWindow: initialWindow, MaxStreamReceiveWindow: maxWindow,
		InitialConnectionReceiveWindow: initialWindow, MaxConnectionReceiveWindow: maxWindow,
		AllowConnectionWindowIncrease: r.admission.widen,
		MaxIncomingStreams:            1, RequireStreamCreditRelease: true, MaxIncomingUniStreams: -1,
		// Captured 0-RTT datagrams can be replayed, and a replayed Hello would cost the enclave a key exchange.
		Allow0RTT: false,
	})
}

// run accepts until the end, and then ends everything in order.
func (r *Router) run(ctx context.Context, ln *quic.Listener, lost <-chan error) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var conns, loops sync.WaitGroup
	refused := make(chan error, 1)
	loops.Go(func() { refused <- r.accept(inner, ln, &conns) })
	loops.Go(func() { r.tick(inner) })

	var result error
	kind := wire.ShuttingDown
	select {
	case <-ctx.Done():
	case err := <-lost:
		kind = wire.Unavailable
		result = &Error{Op: "link", Kind: kind, Err: err}
	case err := <-refused:
		if ctx.Err() == nil {
			result = &Error{Op: "accept", Kind: kind, Err: err}
		}
	}
	r.endSessions(kind)
	cancel()
	_ = ln.Close()
	loops.Wait()
	conns.Wait()
	if kind == wire.ShuttingDown {
		r.shutdownEnclave(lost)
	}
	return result
}

// accept starts a goroutine for every connection.
func (r *Router) accept(ctx context.Context, ln *quic.Listener, conns *sync.WaitGroup) error {
	for {
		conn, err := ln.Accept(ctx)
		if err != nil {
			return err
		}
		conns.Go(func() { r.serveConn(ctx, conn) })
	}
}

// tick does what is due by time alone.
func (r *Router) tick(ctx context.Context) {
	t := time.NewTicker(r.limits.TickInterval)
	defer t.Stop()
	frame := abi.AppendTick(nil)
	grace := int(r.limits.PayloadGrace / r.limits.TickInterval)
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		r.link.idle(frame)
		for _, q := range r.gate.expire(time.Now()) {
			q.slow()
		}
		if n := r.payloads.sweep(grace); n > 0 {
			r.metrics.swept.Add(float64(n))
		}
	}
}

// shutdownEnclave asks the enclave to end and waits for its Bye, a bounded time.
func (r *Router) shutdownEnclave(lost <-chan error) {
	r.link.control(abi.AppendShutdown(nil))
	timer := time.NewTimer(r.limits.StopTimeout)
	defer timer.Stop()
	select {
	case err := <-lost:
		if !errors.Is(err, errLinkBye) {
			r.log.Warn("enclave ended without goodbye", "err", err)
		}
	case <-timer.C:
		r.log.Warn("enclave did not say goodbye in time")
	}
}

// add enters a session into the table, or says why not.
func (r *Router) add(s *session) wire.Kind {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing == 0 {
		r.sessions[s.id] = s
	}
	return r.closing
}

func (r *Router) remove(s *session) {
	r.mu.Lock()
	delete(r.sessions, s.id)
	r.mu.Unlock()
}

func (r *Router) find(conn uint64) *session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sessions[conn]
}

// endSessions ends all sessions and keeps new ones out.
func (r *Router) endSessions(kind wire.Kind) {
	r.mu.Lock()
	r.closing = kind
	all := make([]*session, 0, len(r.sessions))
	for _, s := range r.sessions {
		all = append(all, s)
	}
	r.mu.Unlock()
	for _, s := range all {
		s.stop(kind)
	}
}

// closingKind is what a connection is told that comes too late.
func (r *Router) closingKind() wire.Kind {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return max(r.closing, wire.Unavailable)
}

// wakeReaders lets the reader of a stopped session notice, wherever it waits.
func (r *Router) wakeReaders() {
	r.link.wake()
	r.payloads.wake()
}
