package client

import (
	"errors"
	"io"
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/router/wire"
)

// refusalGrace is how long a failed write waits for the reader to come across the
// reason: a router that refuses stops reading first.
const refusalGrace = time.Second

var errRouterClosed = errors.New("the router closed the session")

// writeLoop owns the sealer and everything written. One round seals one blob for
// each batch and each command, and writes all of them at once: there is no timer,
// the batches are what gathered during the round before.
func (s *session) writeLoop(sealer *keyx.Sealer) {
	w := &writer{session: s, sealer: sealer}
	var f flush
	for s.client.outbox.take(s, &f) {
		if err := w.build(&f); err != nil {
			s.end(&Error{Op: opPublish, Kind: KindIntegrity, Err: err})
			return
		}
		if _, err := s.transport.Write(w.out); err != nil {
			w.failed(err)
			return
		}
		if f.bye {
			closeWrite(s.transport) //nolint:errcheck,gosec // Close gives up in time anyway
			return
		}
	}
}

type writer struct {
	session  *session
	sealer   *keyx.Sealer
	out      []byte // frames of this round
	blob     []byte
	payloads [][]byte
}

func (w *writer) build(f *flush) error {
	w.out = w.out[:0]
	for i, msg := range f.commands {
		if err := w.append(msg, nil); err != nil {
			return err
		}
		f.commands[i] = nil
	}
	for i, b := range f.batches {
		if err := message.FinishPublish(b.plain, len(b.ends)); err != nil {
			return err
		}
		// The newest list is named by what is sent now, be it new or sent again.
		if list := w.session.client.listNumber(); list > 0 {
			if err := message.SetRevocation(b.plain, list); err != nil {
				return err
			}
		}
		w.payloads = b.payloads(w.payloads[:0])
		if err := w.append(b.plain, w.payloads); err != nil {
			return err
		}
		// From here on an acknowledgement of it is credible, and may retire b.
		w.session.client.outbox.sealed.Store(b.flight.last())
		f.batches[i] = nil
	}
	if f.bye {
		w.out = wire.AppendBye(w.out)
	}
	return nil
}

// append seals one message and appends its frame.
func (w *writer) append(msg []byte, payloads [][]byte) error {
	blob, err := w.sealer.Seal(w.blob[:0], msg)
	if err != nil {
		return err
	}
	w.blob = blob
	_, sum := w.sealer.Chain()
	if err := w.session.history.sealed(sum); err != nil {
		return err
	}
	w.out = wire.AppendData(w.out, blob, payloads)
	return nil
}

// failed leaves it to the reader to find out why the router stopped reading, for a
// moment.
func (w *writer) failed(err error) {
	s := w.session
	t := time.NewTimer(refusalGrace)
	defer t.Stop()
	select {
	case <-s.done:
	case <-t.C:
		s.end(transportError(opPublish, err))
	}
}

// readLoop owns the opener and everything read. It never waits for a caller.
func (s *session) readLoop() {
	for {
		f, err := s.frames.next(wire.MaxFrame)
		if err != nil {
			s.end(readEnd(err))
			return
		}
		if err := s.frame(&f); err != nil {
			s.end(err)
			return
		}
	}
}

func readEnd(err error) *Error {
	if errors.Is(err, io.EOF) {
		err = errRouterClosed
	}
	return readError(opReceive, err)
}

// frame handles one frame; an error ends the session.
func (s *session) frame(f *wire.Frame) *Error {
	switch f.Type {
	case wire.TypePayloads:
		return s.receiver.payloads.add(f)
	case wire.TypeDelivery:
		return s.receiver.blob(f)
	case wire.TypeRefuse:
		return claimed(opReceive, f.Kind)
	default:
		return &Error{Op: opReceive, Kind: KindProtocol, Err: errUnexpectedFrame}
	}
}
