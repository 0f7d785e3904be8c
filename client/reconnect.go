package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scbr/scbr/keyx"
)

const (
	// maxRefusals ends the Client when so many attempts in a row to open a session
	// were refused for what somebody is, by our own check of the enclave or by what
	// the router says of our grant. One refusal may be the work of whoever sits on
	// the path for a moment, or of an upgrade that goes on; a row of them, seconds
	// to a minute with the pauses between, is for a person to look at.
	maxRefusals = 6
	// maxFaults ends the Client when so many sessions in a row, none of them longer
	// than Config.ReconnectMax, ended because somebody meddled with them.
	maxFaults = 6
)

// errShrunk is permanent: what is sealed can neither be sent nor sealed again.
var errShrunk = errors.New("the new enclave takes smaller messages than those to be sent again")

// outage is the time without all subscriptions. It belongs to the supervisor while
// no session runs and to the reader while one does.
type outage struct {
	open     bool
	since    time.Time
	attempts int // to open a session
}

// supervise waits for the end of each session and opens the next, until the end of
// the Client.
func (c *Client) supervise(s *session) {
	for s != nil {
		<-s.done
		s.loops.Wait()
		if end := c.over(s); end != nil {
			c.end(end)
			return
		}
		c.commands.interrupt()
		c.disconnected(s)
		s = c.reconnect(s)
	}
}

// over is the end of the Client that comes with the end of a session, or nil if
// another session shall follow.
func (c *Client) over(s *session) *Error {
	c.mu.Lock()
	leaving := c.leaving
	c.mu.Unlock()
	brief := time.Since(s.began) < c.cfg.ReconnectMax
	if !brief {
		c.backoff.Reset()
	}
	switch {
	case leaving && s.err.Kind == KindTransport: // what a router does after our leave
		return &Error{Op: opClose, Kind: KindClosed, Err: ErrClosed}
	case leaving, c.cfg.NoReconnect, errors.Is(s.err, errShrunk), c.life.Err() != nil:
		return s.err
	case !brief || s.err.Claimed || s.err.Kind != KindIntegrity && s.err.Kind != KindProtocol:
		c.faults = 0
		return nil
	}
	c.faults++
	if c.faults >= maxFaults {
		return s.err
	}
	return nil
}

// disconnected tells the end of a session.
func (c *Client) disconnected(s *session) {
	if c.outage.open { // it went on since the session before
		return
	}
	c.outage = outage{open: true, since: time.Now()}
	c.inbox.push([]item{{notice: &DisconnectedError{Err: s.err, At: c.outage.since}}})
}

// reconnect tries until there is a session, or returns nil at the end of the Client.
func (c *Client) reconnect(last *session) *session {
	refusals := 0
	for {
		pause, err := c.backoff.Next()
		if err != nil {
			c.end(&Error{Op: opDial, Kind: KindConfig, Err: fmt.Errorf("no randomness: %w", err)})
			return nil
		}
		if !sleep(c.life, pause) {
			return nil
		}
		c.outage.attempts++
		if _, err := keyx.VerifyGrant(c.cfg.Grant, c.cfg.Domain, c.cfg.Now()); err != nil {
			c.end(&Error{Op: opDial, Kind: kindOf(err), Err: err}) // it ran out
			return nil
		}
		// Nobody goes back behind a list that an enclave told of, nor behind one's own.
		h := handshake{cfg: &c.cfg, list: max(c.listNumber(), c.memory.revocation)}
		c.enclave.offer(&h, c.cfg.Now())
		err = h.run(c.life)
		if err == nil {
			c.enclave.remember(&h, c.cfg.Now())
			return c.resume(last, &h)
		}
		e, ok := errors.AsType[*Error](err)
		switch {
		case c.life.Err() != nil:
			return nil
		case !ok || !refusesUs(e.Kind):
			refusals = 0
			continue
		}
		if refusals++; refusals >= maxRefusals {
			c.end(e)
			return nil
		}
	}
}

// refusesUs says whether an attempt failed for what the enclave or we are, which
// another attempt rarely changes.
func refusesUs(k Kind) bool {
	switch keyx.Kind(k) {
	case keyx.KindTooManySessions, keyx.KindIntegrity, keyx.KindReplayed, keyx.KindKeyExhausted, keyx.KindInternal, keyx.KindStale, keyx.KindNotEndorsed:
		return false // of the moment
	default:
		return keyx.Kind(k).Known()
	}
}

// sleep waits, and is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// resume goes on in a new session: it tells what may be lost, subscribes again, and
// has the outbox send again what is not acknowledged.
func (c *Client) resume(last *session, h *handshake) *session {
	c.mu.Lock()
	leaving := c.leaving
	if !leaving {
		c.restarts++
	}
	c.mu.Unlock()
	if leaving {
		h.transport.Close() //nolint:errcheck,gosec // nobody needs it any more
		return nil
	}
	switch before, now := last.confirmation.Instance, h.confirmation.Instance; {
	case before != now:
		c.inbox.push([]item{{notice: &RestartedError{Previous: before, Instance: now}}})
	case c.commands.any():
		c.inbox.push([]item{{notice: &LostError{Unknown: true}}})
	}
	return c.begin(h)
}

// resumed tells that every subscription has its answer in the new session.
func (c *Client) resumed(s *session) item {
	at := time.Now()
	after, attempts := at.Sub(c.outage.since), c.outage.attempts
	c.outage = outage{}
	return item{notice: &ResumedError{Instance: s.confirmation.Instance, At: at, After: after, Attempts: attempts}}
}
