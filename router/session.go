package router

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// phase is how far the key exchange of a session has come.
type phase uint32

const (
	phaseNew       phase = iota
	phaseHello           // message 1 went to the enclave
	phaseAnswered        // message 2 came back
	phaseFinish          // message 3 went to the enclave
	phaseConfirmed       // message 4 came back: data may flow
)

// session is one client's stream. Its reader goroutine owns it: it starts the writer, waits for it and closes everything.
type session struct {
	r      *Router
	life   *life  // of the enclave that it talks to
	id     uint64 // conn number on the link, never reused
	conn   *quic.Conn
	stream *quic.Stream
	ticket *ticket
	queue  *queue
	owner  owner

	phase   atomic.Uint32
	gone    atomic.Bool // set once, by stop
	touched bool        // dispatcher only: has new work for its writer
	known   bool        // reader only: the enclave was sent its Open
	deaf    bool        // writer only, read after its end: the stream takes nothing more

	mu       sync.Mutex // guards the deadlines against stop
	endKind  wire.Kind
	until    time.Time // ended: when the writer gives up
	silenced bool      // ended by the enclave: it needs no Close
}

// advance moves the session one step; false means that the step was not due.
func (s *session) advance(from, to phase) bool {
	return s.phase.CompareAndSwap(uint32(from), uint32(to))
}

func (s *session) confirmed() bool { return phase(s.phase.Load()) == phaseConfirmed }

// serveConn serves one QUIC connection to its end.
func (r *Router) serveConn(ctx context.Context, conn *quic.Conn) {
	t := ticketOf(conn.Context())
	if t == nil || t.refused != 0 {
		kind := wire.Unavailable
		if t != nil {
			kind = t.refused
		}
		r.refuseConn(conn, kind)
		return
	}
	start := time.Now()
	accept, cancel := context.WithTimeout(ctx, r.limits.HandshakeTimeout)
	stream, err := conn.AcceptStream(accept)
	cancel()
	if err != nil {
		switch {
		case ctx.Err() != nil:
			r.refuseConn(conn, r.closingKind())
		case errors.Is(err, context.DeadlineExceeded):
			r.refuseConn(conn, wire.HandshakeTimeout)
		default:
			_ = conn.CloseWithError(0, "")
		}
		return
	}
	s := &session{r: r, id: r.nextConn.Add(1), conn: conn, stream: stream, ticket: t}
	s.queue = newQueue(&r.limits, r.gate, &r.chunks, &r.backlog, func() { s.stop(wire.SlowConsumer) })
	if kind := r.add(s); kind != 0 {
		r.refuseConn(conn, kind)
		return
	}
	s.serve(start.Add(r.limits.HandshakeTimeout))
}

// refuseConn ends a connection that has no session.
func (r *Router) refuseConn(conn *quic.Conn, kind wire.Kind) {
	r.metrics.refusals.WithLabelValues(kind.String()).Inc()
	_ = conn.CloseWithError(quic.ApplicationErrorCode(kind), "")
}

func (s *session) serve(deadline time.Time) {
	var writer sync.WaitGroup
	writer.Go(s.write)
	// A reader that waits for the enclave does not read, and would not notice that its client is gone.
	defer context.AfterFunc(s.conn.Context(), func() { s.stop(0) })()
	rd := reader{s: s, deadline: deadline}
	s.stop(rd.loop())
	// Everything below is bounded: the writer gives up when its last deadline has passed.
	writer.Wait()
	s.r.remove(s)
	s.closeLink()
	s.life.payloads.end(&s.owner)
	s.mu.Lock()
	kind := s.endKind
	s.mu.Unlock()
	if kind != 0 {
		s.r.metrics.refusals.WithLabelValues(kind.String()).Inc()
		if !s.deaf {
			s.linger()
		}
	}
	// The number of this error is how a client learns why, whether or not it could still be sent the refusal.
	_ = s.conn.CloseWithError(quic.ApplicationErrorCode(kind), "")
}

// linger gives the client time to read the refusal and to close: closing first would discard what is still on its way.
func (s *session) linger() {
	t := time.NewTimer(s.r.limits.Linger)
	defer t.Stop()
	select {
	case <-s.conn.Context().Done():
	case <-t.C:
	}
}

// stop ends the session: the writer sends what is pending and the refusal (0: none), the reader returns. It never waits, and only the first
// call counts.
func (s *session) stop(kind wire.Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone.Swap(true) {
		return
	}
	s.endKind = kind
	s.until = time.Now().Add(s.r.limits.Linger)
	s.queue.end(kind)
	_ = s.stream.SetReadDeadline(time.Unix(1, 0))
	_ = s.stream.SetWriteDeadline(s.until)
	// The reader must notice, wherever it waits.
	s.life.link.wake()
	s.life.payloads.wake()
}

// setReadDeadline changes the deadline unless the session has ended.
func (s *session) setReadDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone.Load() {
		_ = s.stream.SetReadDeadline(t)
	}
}

// setWriteDeadline changes the deadline unless the session has ended.
func (s *session) setWriteDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone.Load() {
		_ = s.stream.SetWriteDeadline(t)
	}
}

// closeLink tells the enclave that the client is gone, if the enclave knows of it.
func (s *session) closeLink() {
	s.mu.Lock()
	silenced := s.silenced
	s.mu.Unlock()
	if silenced || !s.known {
		return
	}
	s.life.link.control(abi.AppendClose(nil, s.id))
}

// write is the session's writer goroutine.
func (s *session) write() {
	var spare []chunk
	var failed error
	for {
		work, last, ended := s.queue.take(spare)
		if ended {
			s.lastWord(failed, last)
			return
		}
		for i := range work {
			if failed == nil {
				failed = s.writeChunk(&work[i])
			}
			s.queue.done(work[i])
		}
		clear(work)
		spare = work
		if failed != nil {
			s.stop(s.writeFault(failed))
		}
	}
}

func (s *session) writeChunk(c *chunk) error {
	if s.r.tap != nil {
		s.r.tap(TapToClient, c.b)
	}
	s.setWriteDeadline(time.Now().Add(s.r.limits.WriteTimeout))
	n, err := s.stream.Write(c.b)
	s.r.metrics.bytesOut.Add(float64(n))
	return err
}

// writeFault is what the end of writing means.
func (s *session) writeFault(err error) wire.Kind {
	var timeout interface{ Timeout() bool }
	if s.conn.Context().Err() == nil && errors.As(err, &timeout) && timeout.Timeout() {
		return wire.SlowConsumer
	}
	return 0
}

// lastWord sends the refusal and ends the stream. A stream that failed is not reset, which would tell the client less than the
// end of the connection that follows.
func (s *session) lastWord(failed error, kind wire.Kind) {
	if failed == nil && kind != 0 {
		_, failed = s.stream.Write(wire.AppendRefuse(nil, kind))
	}
	if failed != nil {
		s.deaf = true
		return
	}
	_ = s.stream.Close()
}
