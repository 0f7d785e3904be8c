package router

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

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
	tr     transport
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

// newSession makes a session that is not in the table yet.
func (r *Router) newSession(tr transport, t *ticket) *session {
	s := &session{r: r, id: r.nextConn.Add(1), tr: tr, ticket: t}
	s.queue = newQueue(r.limits(), r.gate, &r.chunks, &r.backlog, func() { s.stop(wire.SlowConsumer) })
	return s
}

// refused counts a connection or session that was ended.
func (r *Router) refused(kind wire.Kind) { r.metrics.refusals.WithLabelValues(kind.String()).Inc() }

func (s *session) serve(deadline time.Time) {
	var writer sync.WaitGroup
	writer.Go(s.write)
	// A reader that waits for the enclave does not read, and would not notice that its client is gone.
	defer s.tr.AfterDone(func() { s.stop(0) })()
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
		s.r.refused(kind)
		if !s.deaf {
			// Closing first would discard what is still on its way.
			s.tr.Linger(s.r.limits().Linger)
		}
	}
	s.tr.Close(kind)
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
	s.until = time.Now().Add(s.r.limits().Linger)
	s.queue.end(kind)
	_ = s.tr.SetReadDeadline(time.Unix(1, 0))
	_ = s.tr.SetWriteDeadline(s.until)
	// The reader must notice, wherever it waits.
	s.life.link.wake()
	s.life.payloads.wake()
}

// wakeReader lets the reader look up from its stream.
func (s *session) wakeReader() { _ = s.tr.SetReadDeadline(time.Unix(1, 0)) }

// setReadDeadline changes the deadline unless the session has ended.
func (s *session) setReadDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone.Load() {
		_ = s.tr.SetReadDeadline(t)
	}
}

// setWriteDeadline changes the deadline unless the session has ended.
func (s *session) setWriteDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone.Load() {
		_ = s.tr.SetWriteDeadline(t)
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
	s.setWriteDeadline(time.Now().Add(s.r.limits().WriteTimeout))
	n, err := s.tr.Write(c.b)
	s.r.metrics.bytesOut.Add(float64(n))
	return err
}

// writeFault is what the end of writing means.
func (s *session) writeFault(err error) wire.Kind {
	var timeout interface{ Timeout() bool }
	select {
	case <-s.tr.Done():
		return 0
	default:
	}
	if errors.As(err, &timeout) && timeout.Timeout() {
		return wire.SlowConsumer
	}
	return 0
}

// lastWord sends the refusal and ends the stream. A stream that failed is not reset, which would tell the client less than the
// end of the connection that follows.
func (s *session) lastWord(failed error, kind wire.Kind) {
	if failed == nil && kind != 0 {
		_, failed = s.tr.Write(wire.AppendRefuse(nil, kind))
	}
	if failed != nil {
		s.deaf = true
		return
	}
	_ = s.tr.CloseWrite()
}
