package router

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/scbr/scbr/router/wire"
)

// TLS over TCP is for clients whose network lets no UDP through. Everything about it is as it is for QUIC, trust included: TLS ends here.

const (
	// tcpKeepAliveIdle, tcpKeepAliveInterval and tcpKeepAliveCount end a silent connection after about maxIdleTimeout.
	tcpKeepAliveIdle     = 10 * time.Second
	tcpKeepAliveInterval = 5 * time.Second
	tcpKeepAliveCount    = 4
	// acceptPauseMin and acceptPauseMax bound the pause after a failure to accept, such as that no file descriptor is left.
	acceptPauseMin = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// tcpTransport is a TLS connection.
type tcpTransport struct {
	*tls.Conn
	once sync.Once
	done chan struct{}
}

// Read implements transport; the end of the stream is the end of the connection.
func (t *tcpTransport) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	var timeout net.Error
	if err != nil && (!errors.As(err, &timeout) || !timeout.Timeout()) {
		t.over()
	}
	return n, err
}

func (t *tcpTransport) over() { t.once.Do(func() { close(t.done) }) }

// Done implements transport.
func (t *tcpTransport) Done() <-chan struct{} { return t.done }

// AfterDone implements transport. Only who reads learns of the end, and that is the session's reader; the writer learns of it by the next
// heartbeat.
func (t *tcpTransport) AfterDone(func()) (stop func() bool) { return func() bool { return true } }

// Linger implements transport. What a client still sends is read and thrown away: closing over it would reset the connection, and the
// client could lose the refusal.
func (t *tcpTransport) Linger(d time.Duration) {
	_ = t.SetReadDeadline(time.Now().Add(d))
	_, _ = io.Copy(io.Discard, io.LimitReader(t.Conn, wire.MaxFrame))
}

// Close implements transport. TCP has no room for the kind.
func (t *tcpTransport) Close(wire.Kind) {
	t.over()
	_ = t.Conn.Close()
}

// acceptTCP starts a goroutine for every connection. A failure that may pass is counted and waited for.
func (r *Router) acceptTCP(ctx context.Context, ln net.Listener, conf *tls.Config, conns *sync.WaitGroup) error {
	pause := acceptPauseMin
	for {
		c, err := ln.Accept()
		if err == nil {
			pause = acceptPauseMin
			conns.Go(func() { r.serveTCP(ctx, c, conf) })
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) || !passes(err) {
			return err
		}
		r.metrics.acceptFailures.Inc()
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, acceptPauseMax)
	}
}

// passes says whether a failure to accept may pass: too many open files, no memory, or a client that left meanwhile.
func passes(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// serveTCP serves one TCP connection to its end.
func (r *Router) serveTCP(ctx context.Context, c net.Conn, conf *tls.Config) {
	defer func() { _ = c.Close() }()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: tcpKeepAliveIdle, Interval: tcpKeepAliveInterval, Count: tcpKeepAliveCount,
		})
	}
	t := r.admission.admit(c.RemoteAddr())
	if t == nil {
		return // too many are being refused already
	}
	defer t.leave()
	start := time.Now()
	deadline := start.Add(r.limits().HandshakeTimeout)
	_ = c.SetDeadline(deadline)
	tr := &tcpTransport{Conn: tls.Server(c, conf), done: make(chan struct{})}
	handshake, cancel := context.WithDeadline(ctx, deadline)
	err := tr.HandshakeContext(handshake)
	cancel()
	kind := t.refused
	switch {
	case ctx.Err() != nil:
		kind = r.closingKind()
	case errors.Is(err, context.DeadlineExceeded):
		kind = wire.HandshakeTimeout
	case err == nil && tr.ConnectionState().NegotiatedProtocol != wire.ALPN:
		return
	}
	if err != nil {
		if kind != 0 {
			r.refused(kind)
		}
		return
	}
	s := r.newSession(tr, t)
	if kind == 0 {
		kind = r.add(s)
	}
	if kind != 0 {
		r.refused(kind)
		_ = tr.SetDeadline(time.Now().Add(r.limits().Linger))
		if _, err := tr.Write(wire.AppendRefuse(nil, kind)); err == nil && tr.CloseWrite() == nil {
			tr.Linger(r.limits().Linger)
		}
		tr.Close(kind)
		return
	}
	_ = c.SetDeadline(time.Time{})
	s.serve(deadline)
}
