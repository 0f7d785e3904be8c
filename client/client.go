package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/scbr/scbr/client/backoff"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
	"github.com/scbr/scbr/matcher/filter"
)

// Values of Error.Op.
const (
	opLoad        = "load"
	opRevocation  = "revocation"
	opDial        = "dial"
	opPublish     = "publish"
	opSubscribe   = "subscribe"
	opUnsubscribe = "unsubscribe"
	opReceive     = "receive"
	opClose       = "close"
)

// Client is a client of one domain at one router. It lives through sessions: when
// one ends it opens another, with a whole attested handshake, and goes on with its
// subscriptions and with what is not acknowledged (see package documentation). All
// methods may be called by any number of goroutines.
type Client struct {
	cfg   Config
	grant keyx.Grant

	outbox   *outbox   // publications and commands
	commands *commands // subscriptions
	inbox    *inbox    // deliveries and notices
	memory   *memory   // of the readers of all sessions, one after the other

	enclave knownEnclave    // the supervisor's
	backoff backoff.Backoff // the supervisor's
	faults  int             // the supervisor's: brief sessions in a row that somebody meddled with
	outage  outage

	life    context.Context // ends with the Client
	stop    context.CancelFunc
	endOnce sync.Once
	ended   chan struct{} // closed when no session will follow
	err     *Error        // why; set before ended is closed
	loop    sync.WaitGroup

	mu       sync.Mutex // guards what follows
	session  *session   // the newest
	leaving  bool       // Close has taken leave
	restarts uint64     // sessions after the first

	updating sync.Mutex                          // one UpdateRevocation at a time
	verified atomic.Pointer[keyx.RevocationList] // the newest list that we have verified; nil: none

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
	return verdict, c.current().confirmation, c.Close()
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
	list, bad := verifyList(opDial, cfg.Revocation, cfg.Domain, &grant)
	if bad != nil {
		return nil, quote.Verdict{}, bad
	}
	if err := listAge(opDial, list, &cfg.Domain, cfg.Now()); err != nil {
		return nil, quote.Verdict{}, err
	}
	h := handshake{cfg: &cfg}
	if list != nil {
		h.list = list.Number
	}
	if err := h.run(ctx); err != nil {
		return nil, h.verdict, err
	}
	c, err := newClient(&cfg, &grant)
	if err != nil {
		h.transport.Close() //nolint:errcheck,gosec // the first error is the one to tell
		return nil, h.verdict, err
	}
	if p := cfg.PreviousInstance; p != nil && *p != h.confirmation.Instance {
		c.inbox.push([]item{{notice: &RestartedError{Previous: *p, Instance: h.confirmation.Instance}}})
	}
	c.verified.Store(list)
	c.enclave.remember(&h, cfg.Now())
	first := c.begin(&h)
	c.loop.Go(func() { c.supervise(first) })
	return c, h.verdict, nil
}

// newClient makes a client without a session.
func newClient(cfg *Config, grant *keyx.Grant) (*Client, error) {
	var run [8]byte
	if _, err := io.ReadFull(cfg.Rand, run[:]); err != nil {
		return nil, &Error{Op: opDial, Kind: KindConfig, Err: err}
	}
	id := keyx.PublicationID{
		Domain: cfg.Domain.Name, Subject: grant.Subject,
		Run: binary.BigEndian.Uint64(run[:]),
	}
	c := &Client{
		cfg: *cfg, grant: *grant,
		outbox: newOutbox(id, cfg), commands: newCommands(), inbox: newInbox(cfg.InboxBytes), memory: newMemory(),
		backoff: backoff.Backoff{Min: cfg.ReconnectMin, Max: cfg.ReconnectMax, Rand: cfg.Rand},
		ended:   make(chan struct{}),
	}
	if cfg.Group != nil {
		c.outbox.group = c.groupKey
	}
	c.life, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// current is the newest session.
func (c *Client) current() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// Verdict is what the verified evidence said about the enclave of the newest
// session.
func (c *Client) Verdict() quote.Verdict { return c.current().verdict }

// Instance names the enclave instance of the newest session: it changes when the
// enclave restarts, and what the old one knew is then lost.
func (c *Client) Instance() [16]byte { return c.current().confirmation.Instance }

// Run is the random number of this client's publisher sequences.
func (c *Client) Run() uint64 { return c.outbox.id.Run }

// Publish seals one publication and returns once the enclave has acknowledged it;
// see Receipt.Wait. While there is no session it waits for one; when a session ends
// in between, the publication is sent again in the next. An enclave that is not
// heard of for twice Config.HeartbeatTimeout ends the session, so that no call
// waits for a dead one. It keeps neither event nor payload.
func (c *Client) Publish(ctx context.Context, event filter.Event, payload []byte) error {
	r, err := c.publish(ctx, event, payload)
	if err != nil {
		return err
	}
	return r.Wait(ctx)
}

func (c *Client) publish(ctx context.Context, event filter.Event, payload []byte) (Receipt, error) {
	if err := c.mayPublish(); err != nil {
		return Receipt{}, err
	}
	return c.outbox.publish(ctx, event, payload)
}

// PublishAsync seals one publication and returns as soon as the window has room
// for it. Publications are handled in the order of the calls. It keeps neither
// event nor payload.
func (c *Client) PublishAsync(ctx context.Context, event filter.Event, payload []byte) (*Receipt, error) {
	r, err := c.publish(ctx, event, payload)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// Receive returns the next delivery, or one of the notices *LostError,
// *IntegrityError, *StalledError, *DisconnectedError, *RestartedError,
// *UnsubscribedError and *ResumedError, which stand where they belong in the order
// and after which Receive goes on. Any other error is the end of the Client, told
// once everything that arrived before it was taken; after Close it wraps ErrClosed.
func (c *Client) Receive(ctx context.Context) (*Delivery, error) { return c.inbox.pop(ctx) }

// Done is closed at the end of the Client, which Receive tells the reason of.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Stats tells the counters so far, of all sessions together.
func (c *Client) Stats() Stats {
	s := c.outbox.snapshot()
	c.memory.addTo(&s)
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Reconnects = c.restarts
	return s
}

// Close sends what waits, waits up to Config.CloseTimeout for acknowledgements,
// takes leave and waits for its goroutines. It returns an error that wraps
// ErrUnacknowledged if the fate of a publication remained unknown.
func (c *Client) Close() error {
	c.closeOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.cfg.CloseTimeout)
		defer cancel()
		c.outbox.drain(ctx)
		c.mu.Lock()
		c.leaving = true
		last := c.session
		c.mu.Unlock()
		unacked := c.outbox.sayBye()
		select {
		case <-last.done: // the router has read the leave and closed
		case <-ctx.Done():
		}
		c.end(&Error{Op: opClose, Kind: KindClosed, Err: ErrClosed})
		last.end(&Error{Op: opClose, Kind: KindClosed, Err: ErrClosed})
		c.loop.Wait()
		if unacked > 0 {
			c.closeErr = &Error{Op: opClose, Kind: KindUnacknowledged, Err: ErrUnacknowledged}
		}
	})
	return c.closeErr
}

// end makes err the end of the Client, unless it has ended already.
func (c *Client) end(err *Error) {
	c.endOnce.Do(func() {
		c.err = err
		c.outbox.fail(err)
		close(c.ended)
		c.stop()
		c.inbox.close(c.sessionError(opReceive))
	})
}

// sessionError is the end of the Client as the error of op.
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
