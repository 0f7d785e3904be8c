package client

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
	"github.com/scbr/scbr/router/wire"
)

var errHandshakeTimeout = errors.New("the handshake took too long: check the address, and that the router's enclave is ready")

// handshake carries the four messages of the key exchange over a new transport.
type handshake struct {
	cfg          *Config
	list         uint64 // the enclave's revocation list must not be older
	cached       []byte // a statement verified before; nil: none
	resume       *keyx.Resumption
	resumed      bool   // without a whole handshake
	statement    []byte // verified; nil if resumed
	transport    io.ReadWriteCloser
	frames       *frameReader
	evaluation   uint32 // no collateral of an older TCB evaluation is accepted
	verdict      quote.Verdict
	session      *keyx.Session
	confirmation keyx.Confirmation
}

// run connects and exchanges the messages. On an error nothing stays open.
func (h *handshake) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.HandshakeTimeout, errHandshakeTimeout)
	defer cancel()
	t, err := h.cfg.Transport(ctx, h.cfg.Addr)
	if err != nil {
		if ctx.Err() != nil {
			e := canceled(ctx, opDial)
			e.Err = fmt.Errorf("%w (%w)", e.Err, err)
			return e
		}
		return transportError(opDial, err)
	}
	h.transport, h.frames = t, newFrameReader(t)
	// Closing the transport is what wakes a blocked Read or Write.
	stop := context.AfterFunc(ctx, func() { t.Close() }) //nolint:errcheck,gosec // only to wake
	err = h.exchange()
	if !stop() {
		err = canceled(ctx, opDial)
	}
	if err != nil {
		t.Close() //nolint:errcheck,gosec // the first error is the one to tell
	}
	return err
}

func (h *handshake) exchange() error {
	policy := h.cfg.Policy
	policy.MinTCBEvaluation = max(policy.MinTCBEvaluation, h.evaluation)
	initiator, msg1, err := keyx.NewInitiator(keyx.InitiatorConfig{
		Domain: h.cfg.Domain, Router: h.cfg.Router, Policy: policy,
		Grant: h.cfg.Grant, Key: h.cfg.Key, Revocation: h.list, Cached: h.cached, Resume: h.resume, WithoutAES: withoutAES(), Rand: h.cfg.Rand,
	})
	if err != nil {
		return keyxError(err)
	}
	msg2, typ, err := h.ask(wire.AppendHello(nil, msg1), wire.TypeServerHello)
	if err != nil {
		return err
	}
	if typ == wire.TypeConfirm {
		if h.resume == nil || !keyx.Resumes(msg2) {
			return &Error{Op: opDial, Kind: KindProtocol, Err: errUnexpectedFrame}
		}
		h.resumed = true
		if h.session, h.confirmation, err = initiator.Resume(msg2); err != nil {
			return keyxError(err)
		}
		return nil
	}
	msg3, err := initiator.Respond(msg2, h.cfg.Now())
	h.verdict = initiator.Verdict()
	if err != nil {
		return keyxError(err)
	}
	h.statement = initiator.Statement()
	msg4, _, err := h.ask(wire.AppendFinish(nil, msg3), wire.TypeConfirm)
	if err != nil {
		return err
	}
	h.session, h.confirmation, err = initiator.Confirm(msg4)
	if err != nil {
		return keyxError(err)
	}
	return nil
}

// ask sends a frame and returns the message of the answer, which aliases the read
// buffer, and its type: the one wanted, or the end of the exchange.
func (h *handshake) ask(frame []byte, want wire.Type) ([]byte, wire.Type, error) {
	if _, err := h.transport.Write(frame); err != nil {
		return nil, 0, h.writeError(err)
	}
	f, err := h.frames.next(wire.MaxHandshakeFrame)
	if err != nil {
		return nil, 0, readError(opDial, err)
	}
	switch f.Type {
	case want, wire.TypeConfirm: // which ends every exchange
		return f.Msg, f.Type, nil
	case wire.TypeRefuse:
		return nil, 0, claimed(opDial, f.Kind)
	default:
		return nil, 0, &Error{Op: opDial, Kind: KindProtocol, Err: errUnexpectedFrame}
	}
}

// writeError looks for a refusal behind a failed write: a router that refuses
// stops reading.
func (h *handshake) writeError(err error) error {
	if f, rerr := h.frames.next(wire.MaxHandshakeFrame); rerr == nil && f.Type == wire.TypeRefuse {
		return claimed(opDial, f.Kind)
	}
	return transportError(opDial, err)
}

func keyxError(err error) error { return &Error{Op: opDial, Kind: kindOf(err), Err: err} }
