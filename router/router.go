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
	current   atomic.Pointer[Limits]
	log       *slog.Logger
	tap       func(TapPoint, []byte)
	metrics   *metrics
	admission *admission
	gate      *gate
	chunks    chunkPool
	backlog   backlog
	watch     watch
	nextConn  atomic.Uint64
	state     atomic.Pointer[EnclaveState]
	statement atomic.Pointer[[]byte] // of the newest key of the newest enclave
	draining  atomic.Bool
	drained   chan struct{}        // closed when sessions may end
	life      atomic.Pointer[life] // the enclave that serves; nil: none. Written with mu held

	ready    chan struct{} // closed when clients are accepted
	listener net.Addr      // valid when ready is closed

	mu       sync.RWMutex
	sessions map[uint64]*session
	closing  wire.Kind // not 0: no new sessions
	lists    lists
}

// New checks the configuration and prepares a router; it opens nothing.
func New(cfg Config) (*Router, error) {
	if err := cfg.normalize(); err != nil {
		return nil, &Error{Op: "config", Kind: wire.Unavailable, Err: err}
	}
	r := &Router{
		cfg: cfg, log: cfg.Logger, tap: cfg.Tap,
		metrics:  newMetrics(),
		drained:  make(chan struct{}),
		gate:     newGate(cfg.Limits.HoldMax, cfg.Limits.SlowMax),
		ready:    make(chan struct{}),
		sessions: map[uint64]*session{},
	}
	r.current.Store(&cfg.Limits)
	r.admission = newAdmission(r.limits, r.metrics)
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

// Serve runs the router until ctx ends, which gives nil, or until the socket or the only enclave fails, which gives an *Error. An enclave
// that ended or does not answer is replaced (Config.Start); while there is none, sessions are told Unavailable. Every session is told why
// it ends. All goroutines have ended when Serve returns.
func (r *Router) Serve(ctx context.Context) error {
	conn := r.cfg.PacketConn
	if conn == nil {
		var err error
		if conn, err = listenUDP(r.cfg.ListenAddr); err != nil {
			if r.cfg.Enclave != nil {
				_ = r.cfg.Enclave.Close()
			}
			return &Error{Op: "listen", Kind: wire.Unavailable, Err: err}
		}
		defer func() { _ = conn.Close() }()
	}
	k := &keeper{r: r}
	first, err := k.first(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	tr := &quic.Transport{
		Conn: conn, ConnectionIDLength: 8,
		ConnContext: r.admission.enter, VerifySourceAddress: r.admission.verify,
		StatelessResetKey: (*quic.StatelessResetKey)(r.cfg.ResetKey),
	}
	defer func() { _ = tr.Close() }()
	var ln *quic.Listener
	conf, err := tlsConfig()
	if err == nil {
		ln, err = r.listen(tr, conf)
	}
	if err != nil {
		_ = r.lose(first, endPatience)
		return &Error{Op: "listen", Kind: wire.Unavailable, Err: err}
	}
	r.listener = ln.Addr()
	close(r.ready)
	return r.run(ctx, ln, conf, k, first)
}

func (r *Router) enclaveReady(l *life) {
	l.greet.Do(func() {
		r.heard()
		close(l.greeted)
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

func (r *Router) listen(tr *quic.Transport, conf *tls.Config) (*quic.Listener, error) {
	return tr.Listen(conf, &quic.Config{
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
func (r *Router) run(ctx context.Context, ln *quic.Listener, conf *tls.Config, k *keeper, first *life) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var conns, loops sync.WaitGroup
	refused, kept := make(chan error, 2), make(chan error, 1)
	loops.Go(func() { refused <- r.accept(inner, ln, &conns) })
	if tcp := r.cfg.Listener; tcp != nil {
		loops.Go(func() { refused <- r.acceptTCP(inner, tcp, conf, &conns) })
	}
	loops.Go(func() { r.tick(inner) })
	loops.Go(func() { kept <- k.run(inner, first) })

	var result error
	kind := wire.ShuttingDown
	select {
	case <-ctx.Done():
		r.drainLogged()
	case err := <-kept: // only where there is no other enclave
		kind, result = wire.Unavailable, err
	case err := <-refused:
		if ctx.Err() == nil {
			result = &Error{Op: "accept", Kind: kind, Err: err}
		}
	}
	r.endSessions(kind)
	cancel()
	_ = ln.Close()
	if r.cfg.Listener != nil {
		_ = r.cfg.Listener.Close()
	}
	loops.Wait()
	conns.Wait()
	if l := r.life.Swap(nil); l != nil {
		r.shutdownEnclave(l)
	}
	return result
}

// drainLogged ends the intake and says how that went.
func (r *Router) drainLogged() {
	start := time.Now()
	cut := r.drain()
	r.log.Info("drained", "took", time.Since(start).Round(time.Millisecond).String(), "sessions_cut", cut)
}

// accept starts a goroutine for every connection.
func (r *Router) accept(ctx context.Context, ln *quic.Listener, conns *sync.WaitGroup) error {
	for {
		conn, err := ln.Accept(ctx)
		if err != nil {
			return err
		}
		conns.Go(func() { r.serveQUIC(ctx, conn) })
	}
}

// tick does what is due by time alone.
func (r *Router) tick(ctx context.Context) {
	t := time.NewTicker(r.limits().TickInterval)
	defer t.Stop()
	frame := abi.AppendTick(nil)
	grace := int(r.limits().PayloadGrace / r.limits().TickInterval)
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		l := r.life.Load()
		if l != nil {
			l.link.tick(frame)
		}
		for _, q := range r.gate.expire(time.Now()) {
			q.slow()
		}
		if l == nil {
			continue
		}
		if n := l.payloads.sweep(grace); n > 0 {
			r.metrics.swept.Add(float64(n))
		}
	}
}

// shutdownEnclave asks the enclave to end and waits for its Bye, a bounded time.
func (r *Router) shutdownEnclave(l *life) {
	l.link.control(abi.AppendShutdown(nil))
	timer := time.NewTimer(r.limits().StopTimeout)
	defer timer.Stop()
	select {
	case err := <-l.lost:
		if !errors.Is(err, errLinkBye) {
			r.log.Warn("enclave ended without goodbye", "err", err)
		}
	case <-timer.C:
		r.log.Warn("enclave did not say goodbye in time")
	}
	_ = l.end(r.limits().StopTimeout) // how it ended after the order to end does not matter
}

// add enters a session into the table, or says why not.
func (r *Router) add(s *session) wire.Kind {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing != 0 {
		return r.closing
	}
	if s.life = r.life.Load(); s.life == nil {
		return wire.Unavailable
	}
	r.sessions[s.id] = s
	return 0
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
