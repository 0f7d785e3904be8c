package router

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/scbr/scbr/router/wire"
)

// transport is the connection of one client: one byte stream in each direction. It carries no trust, whatever it is.
type transport interface {
	io.ReadWriter
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	// CloseWrite ends the sending direction; what was written still arrives.
	CloseWrite() error
	// Done is closed when the connection is over, as far as that can be known without reading.
	Done() <-chan struct{}
	// AfterDone has f called when Done is closed, unless stop was called before.
	AfterDone(f func()) (stop func() bool)
	// Linger waits until the client has closed, or so long.
	Linger(d time.Duration)
	// Close ends the connection; where it can, it tells the kind (0: none).
	Close(kind wire.Kind)
}

// quicTransport is a QUIC connection and its one stream.
type quicTransport struct {
	*quic.Stream
	conn *quic.Conn
}

// CloseWrite implements transport.
func (q *quicTransport) CloseWrite() error { return q.Stream.Close() }

// Done implements transport.
func (q *quicTransport) Done() <-chan struct{} { return q.conn.Context().Done() }

// AfterDone implements transport.
func (q *quicTransport) AfterDone(f func()) (stop func() bool) {
	return context.AfterFunc(q.conn.Context(), f)
}

// Linger implements transport.
func (q *quicTransport) Linger(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-q.Done():
	case <-t.C:
	}
}

// Close implements transport. The number of this error is how a client learns why, whether or not it could still be sent the refusal.
func (q *quicTransport) Close(kind wire.Kind) { refuseQUIC(q.conn, kind) }

func refuseQUIC(conn *quic.Conn, kind wire.Kind) {
	_ = conn.CloseWithError(quic.ApplicationErrorCode(kind), "")
}

// serveQUIC serves one QUIC connection to its end.
func (r *Router) serveQUIC(ctx context.Context, conn *quic.Conn) {
	refuse := func(kind wire.Kind) {
		r.refused(kind)
		refuseQUIC(conn, kind)
	}
	t := ticketOf(conn.Context())
	if t == nil || t.refused != 0 {
		kind := wire.Unavailable
		if t != nil {
			kind = t.refused
		}
		refuse(kind)
		return
	}
	start := time.Now()
	accept, cancel := context.WithTimeout(ctx, r.limits().HandshakeTimeout)
	stream, err := conn.AcceptStream(accept)
	cancel()
	if err != nil {
		switch {
		case ctx.Err() != nil:
			refuse(r.closingKind())
		case errors.Is(err, context.DeadlineExceeded):
			refuse(wire.HandshakeTimeout)
		default:
			refuseQUIC(conn, 0)
		}
		return
	}
	s := r.newSession(&quicTransport{stream, conn}, t)
	if kind := r.add(s); kind != 0 {
		refuse(kind)
		return
	}
	s.serve(start.Add(r.limits().HandshakeTimeout))
}
