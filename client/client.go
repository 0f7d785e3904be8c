package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
	"github.com/scbr/scbr/matcher/filter"
)

// Values of Error.Op.
const (
	opLoad        = "load"
	opDial        = "dial"
	opPublish     = "publish"
	opSubscribe   = "subscribe"
	opUnsubscribe = "unsubscribe"
	opReceive     = "receive"
	opClose       = "close"
)

// missedBeats heartbeats of the enclave are the least that count as a stall,
// whatever Config.HeartbeatTimeout says: fewer are jitter.
const missedBeats = 3

var errStalled = errors.New("the enclave's heartbeats stay away")

// Client is one confirmed session with an enclave. All methods may be called by
// any number of goroutines.
type Client struct {
	cfg          Config
	verdict      quote.Verdict
	confirmation keyx.Confirmation
	transport    io.ReadWriteCloser
	frames       *frameReader

	outbox   *outbox   // publications and commands; its sealer is the writer's
	history  *history  // what we sealed, against what the enclave saw
	commands *commands // subscriptions
	inbox    *inbox    // deliveries; filled by the reader only
	receiver *receiver // the reader's own state

	watchdog watchdog
	closing  atomic.Bool
	endOnce  sync.Once
	ended    chan struct{} // closed when the session is over
	err      *Error        // why; set before ended is closed
	loops    sync.WaitGroup

	closeOnce sync.Once
	closeErr  error
}

// Dial connects to the router, verifies the enclave behind it against cfg.Policy
// and cfg.Domain, and returns once the enclave has confirmed the session. ctx bounds
// the dialing only. The error is an *Error; if the evidence was refused it wraps a
// *quote.Refusal, which names the failing check and its remedy.
func Dial(ctx context.Context, cfg Config) (*Client, error) {
	c, _, err := dial(ctx, cfg)
	return c, err
}

// Attest does what Dial does, closes the session again, and returns what was
// found about the enclave, also when that was refused (as far as it got).
func Attest(ctx context.Context, cfg Config) (quote.Verdict, keyx.Confirmation, error) {
	c, verdict, err := dial(ctx, cfg)
	if err != nil {
		return verdict, keyx.Confirmation{}, err
	}
	return verdict, c.confirmation, c.Close()
}

func dial(ctx context.Context, cfg Config) (*Client, quote.Verdict, error) {
	if err := cfg.Validate(); err != nil {
		return nil, quote.Verdict{}, &Error{Op: opDial, Kind: KindConfig, Err: err}
	}
	cfg = cfg.withDefaults()
	grant, err := keyx.VerifyGrant(cfg.Grant, cfg.Domain, cfg.Now())
	if err != nil {
		return nil, quote.Verdict{}, &Error{Op: opDial, Kind: kindOf(err), Err: err}
	}
	h := handshake{cfg: &cfg}
	if err := h.run(ctx); err != nil {
		return nil, h.verdict, err
	}
	c, err := start(&cfg, &h, &grant)
	if err != nil {
		h.transport.Close() //nolint:errcheck,gosec // the first error is the one to tell
		return nil, h.verdict, err
	}
	return c, h.verdict, nil
}

// start makes the client of a confirmed session and its two goroutines.
func start(cfg *Config, h *handshake, grant *keyx.Grant) (*Client, error) {
	var run [8]byte
	if _, err := io.ReadFull(cfg.Rand, run[:]); err != nil {
		return nil, &Error{Op: opDial, Kind: KindConfig, Err: err}
	}
	id := keyx.PublicationID{
		Domain: cfg.Domain.Name, Subject: grant.Subject,
		Run: binary.BigEndian.Uint64(run[:]),
	}
	c := &Client{
		cfg: *cfg, verdict: h.verdict, confirmation: h.confirmation,
		transport: h.transport, frames: h.frames,
		outbox:   newOutbox(id, h.session.Content, cfg, h.confirmation.Limits),
		history:  newHistory(h.session.Out.Chain()),
		commands: newCommands(),
		inbox:    newInbox(cfg.InboxBytes),
		ended:    make(chan struct{}),
	}
	if beats := missedBeats * time.Duration(h.confirmation.Limits.HeartbeatMillis) * time.Millisecond; beats > c.cfg.HeartbeatTimeout {
		c.cfg.HeartbeatTimeout = beats
	}
	c.receiver = newReceiver(c, h.session.In, grant.RequireGK)
	if p := cfg.PreviousInstance; p != nil && *p != h.confirmation.Instance {
		c.inbox.push([]item{{notice: &RestartedError{Previous: *p, Instance: h.confirmation.Instance}}})
	}
	c.watchdog = c.watch()
	c.watchdog.reset(c.cfg.HeartbeatTimeout)
	c.loops.Go(c.readLoop)
	sealer := h.session.Out
	c.loops.Go(func() { c.writeLoop(sealer) })
	return c, nil
}

// Verdict is what the verified evidence said about the enclave.
func (c *Client) Verdict() quote.Verdict { return c.verdict }

// Instance names the enclave instance of this session: it changes when the enclave
// restarts, and what the old one knew is then lost.
func (c *Client) Instance() [16]byte { return c.confirmation.Instance }

// Run is the random number of this client's publisher sequences.
func (c *Client) Run() uint64 { return c.outbox.id.Run }

// Publish seals one publication and returns once the enclave has acknowledged it;
// see Receipt.Wait. An enclave that is not heard of for twice
// Config.HeartbeatTimeout ends the session, so that no call waits for ever. It
// keeps neither event nor payload.
func (c *Client) Publish(ctx context.Context, event filter.Event, payload []byte) error {
	r, err := c.outbox.publish(ctx, event, payload)
	if err != nil {
		return err
	}
	return r.Wait(ctx)
}

// PublishAsync seals one publication and returns as soon as the window has room
// for it. Publications are handled in the order of the calls. It keeps neither
// event nor payload.
func (c *Client) PublishAsync(ctx context.Context, event filter.Event, payload []byte) (*Receipt, error) {
	r, err := c.outbox.publish(ctx, event, payload)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// Receive returns the next delivery, or one of the notices *LostError,
// *RestartedError, *IntegrityError and *StalledError, which stand where they belong
// in the order and after which Receive goes on. Any other error is the end of the
// session, told once everything that arrived before it was taken; after Close it
// wraps ErrClosed.
func (c *Client) Receive(ctx context.Context) (*Delivery, error) { return c.inbox.pop(ctx) }

// Stats tells the counters so far.
func (c *Client) Stats() Stats {
	s := c.outbox.snapshot()
	c.receiver.addTo(&s)
	return s
}

// Close sends what waits, waits up to Config.CloseTimeout for acknowledgements,
// takes leave and waits for its goroutines. It returns an error that wraps
// ErrUnacknowledged if the fate of a publication remained unknown.
func (c *Client) Close() error {
	c.closeOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.CloseTimeout)
		defer cancel()
		c.closing.Store(true)
		c.outbox.drain(ctx)
		unacked := c.outbox.sayBye()
		select {
		case <-c.ended: // the router has read the leave and closed
		case <-ctx.Done():
		}
		c.end(&Error{Op: opClose, Kind: KindClosed, Err: ErrClosed})
		c.loops.Wait()
		if unacked > 0 {
			c.closeErr = &Error{Op: opClose, Kind: KindUnacknowledged, Err: ErrUnacknowledged}
		}
	})
	return c.closeErr
}

// end makes err the end of the session, unless it has ended already.
func (c *Client) end(err *Error) {
	c.endOnce.Do(func() {
		if err.Kind == KindTransport && c.closing.Load() {
			// What a router does after our leave.
			err = &Error{Op: opClose, Kind: KindClosed, Err: ErrClosed}
		}
		c.err = err
		c.watchdog.stop()
		c.outbox.fail(err)
		close(c.ended)
		c.inbox.close(c.sessionError(opReceive))
		c.transport.Close() //nolint:errcheck,gosec // nothing is left to be done about it
	})
}

// sessionError is the end of the session as the error of op.
func (c *Client) sessionError(op string) error { return c.err.as(op) }

// unacknowledged is the error of a publication that was under way when the session
// ended for cause.
func unacknowledged(op string, cause *Error) *Error {
	return &Error{Op: op, Kind: KindUnacknowledged, Err: fmt.Errorf("%w (%w)", ErrUnacknowledged, cause)}
}

// unanswered is the same of a command. It has the kind of the session's end: the
// subscriptions of a session end with it, so that is what the caller has to act on.
func unanswered(op string, cause *Error) *Error {
	e := cause.as(op)
	e.Err = fmt.Errorf("%w (%w)", ErrUnacknowledged, cause)
	return e
}

// watchdog notices that the enclave's heartbeats stay away: after one timeout it
// tells, after two it ends the session, for a host that withholds heartbeats may
// withhold every acknowledgement, and whoever waits for one would wait for ever.
type watchdog struct{ tell, end *time.Timer }

// watch makes the watchdog, which sleeps until its first reset.
func (c *Client) watch() watchdog {
	return watchdog{
		tell: time.AfterFunc(math.MaxInt64, c.stalled),
		end: time.AfterFunc(math.MaxInt64, func() {
			c.end(&Error{Op: opReceive, Kind: KindStalled, Err: errStalled})
		}),
	}
}

func (w watchdog) reset(timeout time.Duration) {
	w.tell.Reset(timeout)
	w.end.Reset(2 * timeout)
}

func (w watchdog) stop() {
	w.tell.Stop()
	w.end.Stop()
}

// stalled runs when no heartbeat came in time.
func (c *Client) stalled() {
	select {
	case <-c.ended: // the timer had started when it was stopped
		return
	default:
	}
	c.inbox.push([]item{{notice: &StalledError{For: c.cfg.HeartbeatTimeout}}})
}

// kindOf is the kind of an error of keyx and of what lies under it.
func kindOf(err error) Kind {
	if e, ok := errors.AsType[*keyx.Error](err); ok {
		return Kind(e.Kind)
	}
	return KindProtocol
}

func canceled(ctx context.Context, op string) *Error {
	return &Error{Op: op, Kind: KindCanceled, Err: context.Cause(ctx)}
}
