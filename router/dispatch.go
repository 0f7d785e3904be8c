package router

import (
	"bytes"
	"errors"
	"io"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// linkChunk is the first size of the link's read buffer; one frame makes it grow up to abi.MaxFrame.
const linkChunk = 256 << 10

// dispatcher is the goroutine that reads the link. It waits for nothing but the link.
type dispatcher struct {
	r       *Router
	life    *life
	refs    [][]byte   // scratch
	touched []*session // have new work for their writers
}

// run reads until the link ends; the error is never nil.
func (d *dispatcher) run(link io.Reader) error {
	buf := make([]byte, linkChunk)
	start, end := 0, 0
	for {
		n, err := link.Read(buf[end:])
		if d.r.tap != nil && n > 0 {
			d.r.tap(TapFromEnclave, buf[end:end+n])
		}
		if n > 0 {
			d.life.noteHeard()
		}
		end += n
		used, bad := d.frames(buf[start:end])
		if bad != nil {
			return bad
		}
		if err != nil {
			return err
		}
		start += used
		switch {
		case start == end:
			start, end = 0, 0
		case end == len(buf) && start == 0: // one frame fills it
			buf = append(buf, make([]byte, len(buf))...)
		case end == len(buf):
			end = copy(buf, buf[start:end])
			start = 0
		}
	}
}

// frames handles all complete frames of b and then starts the writers that have work: the answers of a whole read go out
// together.
func (d *dispatcher) frames(b []byte) (used int, err error) {
	all := len(b)
	for {
		f, rest, err := abi.Next(b)
		switch {
		case err == nil:
			if err := d.frame(&f); err != nil {
				return 0, err
			}
		case errors.Is(err, abi.ErrShort):
			d.wakeAll()
			return all - len(b), nil
		default:
			var e *abi.Error
			if !errors.As(err, &e) || !e.Resumable() {
				return 0, errors.Join(errLinkFrame, err)
			}
			d.fault("bad_frame")
		}
		b = rest
	}
}

func (d *dispatcher) wakeAll() {
	for i, s := range d.touched {
		s.touched = false
		s.queue.wake()
		d.touched[i] = nil
	}
	d.touched = d.touched[:0]
}

func (d *dispatcher) fault(reason string) { d.r.metrics.faults.WithLabelValues(reason).Inc() }

// frame handles one frame; an error ends the link.
func (d *dispatcher) frame(f *abi.Frame) error {
	switch f.Type {
	case abi.Ready:
		d.r.enclaveReady(d.life)
	case abi.Handshake:
		d.handshake(f)
	case abi.Deliver:
		d.r.watch.delivery(f)
		d.deliver(f)
	case abi.Handled:
		d.r.watch.handled(f.Ref, int(f.Count))
		known := d.life.payloads.free(f.Ref, int(f.Count))
		d.r.metrics.handled.Add(float64(known))
		if known < int(f.Count) {
			d.fault("unknown_reference")
		}
	case abi.Refuse:
		d.refuse(f)
	case abi.Stats:
		s := f.Stats()
		d.r.metrics.stats.Store(&s)
		d.r.heard()
	case abi.Statement:
		s := bytes.Clone(f.Body)
		d.r.statement.Store(&s)
	case abi.Endorsed:
		d.r.endorsed(f)
	case abi.ListHeld:
		d.r.listHeld(d.life, f)
	case abi.Tock:
		d.life.tocks.Add(1)
	case abi.Bye:
		d.wakeAll()
		return errLinkBye
	default:
		d.fault("unexpected_type")
	}
	return nil
}

func (d *dispatcher) handshake(f *abi.Frame) {
	s := d.find(f.Conn)
	switch {
	case s == nil:
		d.gone()
		return
	case len(f.Body) == 0 || len(f.Body) > wire.MaxHandshakeFrame-wire.HeaderBytes:
		d.fault("handshake_size")
		return
	case f.Stage == abi.StageAnswer && s.advance(phaseHello, phaseAnswered):
		d.control(s, len(f.Body), func(dst []byte) []byte { return wire.AppendServerHello(dst, f.Body) })
	case f.Stage == abi.StageConfirm && (s.advance(phaseFinish, phaseConfirmed) || s.advance(phaseHello, phaseConfirmed)): // the second: resumed
		s.ticket.confirm()
		d.control(s, len(f.Body), func(dst []byte) []byte { return wire.AppendConfirm(dst, f.Body) })
	default:
		d.fault("handshake_order")
	}
}

func (d *dispatcher) control(s *session, body int, enc func([]byte) []byte) {
	v := s.queue.control(wire.DataOverhead+body, enc)
	if v == overflow {
		d.r.metrics.drops.WithLabelValues(v.reason()).Inc()
		s.stop(wire.SlowConsumer)
		return
	}
	d.account(s, v, 0)
}

// account counts what became of a blob and remembers to wake the writer.
func (d *dispatcher) account(s *session, v verdict, envelopes int) {
	if v != queued {
		d.r.metrics.drops.WithLabelValues(v.reason()).Add(float64(max(1, envelopes)))
		return
	}
	d.r.metrics.framesOut.Inc()
	d.r.metrics.deliveries.Add(float64(envelopes))
	if !s.touched {
		s.touched = true
		d.touched = append(d.touched, s)
	}
}

func (d *dispatcher) deliver(f *abi.Frame) {
	s := d.find(f.Conn)
	switch {
	case s == nil:
		d.gone()
		return
	case !s.confirmed() || len(f.Body) == 0 || wire.DataSize(len(f.Body), 0, 0) > wire.MaxFrame:
		d.fault("bad_delivery")
		return
	case f.Count == 0:
		d.control(s, len(f.Body), func(dst []byte) []byte { return wire.AppendDelivery(dst, f.Body, nil) })
		return
	}
	refs, size, ok := d.life.payloads.lookup(d.refs[:0], int(f.Count), f.RefAt)
	if ok {
		v, dropped := s.queue.deliver(f.Body, refs, size)
		d.r.metrics.drops.WithLabelValues(dropOldest.reason()).Add(float64(dropped))
		if v == dropSlow {
			s.stop(wire.SlowConsumer)
		}
		d.account(s, v, len(refs))
	} else {
		d.fault("unknown_reference")
	}
	clear(refs)
	d.refs = refs[:0]
}

// find returns the session of a connection that was opened at this enclave.
func (d *dispatcher) find(conn uint64) *session {
	if s := d.r.find(conn); s != nil && s.life == d.life {
		return s
	}
	return nil
}

// gone counts a frame for a session that has ended meanwhile, which is ordinary.
func (d *dispatcher) gone() {
	d.r.metrics.drops.WithLabelValues(dropEnded.reason()).Inc()
}

func (d *dispatcher) refuse(f *abi.Frame) {
	s := d.find(f.Conn)
	if s == nil {
		d.gone()
		return
	}
	kind := wire.Kind(f.Kind)
	if kind < wire.FirstEnclaveKind {
		d.fault("refuse_kind")
		kind = wire.Unavailable
	}
	s.mu.Lock()
	s.silenced = true
	s.mu.Unlock()
	s.stop(kind)
}
