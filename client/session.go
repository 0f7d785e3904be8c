package client

import (
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/keyx/quote"
)

// missedBeats heartbeats of the enclave are the least that count as a stall,
// whatever Config.HeartbeatTimeout says: fewer are jitter.
const missedBeats = 3

var errStalled = errors.New("the enclave's heartbeats stay away")

// session is one confirmed session with an enclave: a transport, the keys, and the
// histories of both directions. Its two goroutines own them. Whoever finds a reason
// ends it, once; what has to outlive it belongs to the Client.
type session struct {
	client       *Client
	verdict      quote.Verdict
	confirmation keyx.Confirmation
	transport    io.ReadWriteCloser
	frames       *frameReader
	began        time.Time

	history  *history  // what we sealed, against what the enclave saw
	receiver *receiver // the reader's own state

	heartbeatTimeout time.Duration
	watchdog         watchdog

	once  sync.Once
	done  chan struct{} // closed at the end
	err   *Error        // why; set before done is closed
	loops sync.WaitGroup
}

// begin makes the session of a handshake that was confirmed, hands it what waits,
// and starts its goroutines.
func (c *Client) begin(h *handshake) *session {
	s := &session{
		client: c, verdict: h.verdict, confirmation: h.confirmation,
		transport: h.transport, frames: h.frames, began: c.cfg.Now(),
		history:          newHistory(h.session.Out.Chain()),
		heartbeatTimeout: c.cfg.HeartbeatTimeout,
		done:             make(chan struct{}),
	}
	beats := missedBeats * time.Duration(h.confirmation.Limits.HeartbeatMillis) * time.Millisecond
	s.heartbeatTimeout = max(s.heartbeatTimeout, beats)
	s.receiver = newReceiver(s, h.session.In)
	s.watchdog = s.watch()
	s.watchdog.reset(s.heartbeatTimeout)
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	c.memory.revocation = h.confirmation.Revocation
	if err := c.outbox.attach(s, h.session.Content, h.confirmation.Limits); err != nil {
		s.end(err)
		return s
	}
	if c.commands.begin(c.outbox, s) && c.outage.open {
		c.inbox.push([]item{c.resumed(s)})
	}
	sealer := h.session.Out
	s.loops.Go(s.readLoop)
	s.loops.Go(func() { s.writeLoop(sealer) })
	return s
}

// end makes err the end of the session, unless it has ended already. It waits for
// nothing.
func (s *session) end(err *Error) {
	s.once.Do(func() {
		s.err = err
		s.watchdog.stop()
		close(s.done)
		s.client.outbox.detach(s)
		s.transport.Close() //nolint:errcheck,gosec // nothing is left to be done about it
	})
}

// watchdog notices that the enclave's heartbeats stay away: when one is late it asks
// for another, which a router that was started again answers by the end of the
// connection; after one timeout it tells, after two it ends the session, for a host
// that withholds heartbeats may withhold every acknowledgement, and whoever waits
// for one would wait for ever.
type watchdog struct {
	ask, tell, end *time.Timer
	late           time.Duration
}

// watch makes the watchdog, which sleeps until its first reset.
func (s *session) watch() watchdog {
	return watchdog{
		late: s.late(),
		ask:  time.AfterFunc(math.MaxInt64, s.ask),
		tell: time.AfterFunc(math.MaxInt64, s.stalled),
		end: time.AfterFunc(math.MaxInt64, func() {
			s.end(&Error{Op: opReceive, Kind: KindStalled, Err: errStalled})
		}),
	}
}

func (w watchdog) reset(timeout time.Duration) {
	w.ask.Reset(w.late)
	w.tell.Reset(timeout)
	w.end.Reset(2 * timeout)
}

func (w watchdog) stop() {
	w.ask.Stop()
	w.tell.Stop()
	w.end.Stop()
}

// late is when a heartbeat is late: half of an interval after it was due.
func (s *session) late() time.Duration {
	if ms := s.confirmation.Limits.HeartbeatMillis; ms > 0 {
		return 3 * time.Duration(ms) * time.Millisecond / 2
	}
	return s.heartbeatTimeout / 3
}

// ask runs when a heartbeat is late.
func (s *session) ask() {
	select {
	case <-s.done:
		return
	default:
	}
	s.client.outbox.command(s, message.AppendPing(nil))
	s.watchdog.ask.Reset(s.watchdog.late)
}

// stalled runs when no heartbeat came in time.
func (s *session) stalled() {
	select {
	case <-s.done: // the timer had started when it was stopped
		return
	default:
	}
	s.client.inbox.push([]item{{notice: &StalledError{For: s.heartbeatTimeout}}})
}
