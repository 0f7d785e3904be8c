package router

import (
	"errors"
	"os"
	"time"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

const (
	// readMin is the first read buffer of a session: half of the sessions' frames are smaller, and idle sessions keep no more.
	readMin = 4 << 10
	// readChunk is the size up to which the buffer grows with the traffic: all frames of a read are forwarded together.
	readChunk = 256 << 10
	// shrinkAfter is the number of reads in a row that used less than an eighth of the buffer before it is halved.
	shrinkAfter = 256
	// rearm is how far a frame's deadline may move before it is set again, which costs a lock of quic-go.
	rearm = time.Second
)

// reader is the reading half of a session.
type reader struct {
	s        *session
	deadline time.Time // of the key exchange

	buf   []byte
	start int // buf[start:end] is read and not yet decoded
	end   int
	small int // reads in a row that left most of the buffer unused

	partial time.Time // since when buf[start:] is the beginning of a frame; zero: it is empty
	armed   time.Time // the read deadline that is set; zero: none

	out []byte // frames for the link
}

// loop reads until the session ends and returns why: 0 for a client that left.
func (rd *reader) loop() wire.Kind {
	rd.buf = make([]byte, readMin)
	rd.s.setReadDeadline(rd.deadline)
	rd.armed = rd.deadline
	for {
		n, err := rd.s.tr.Read(rd.buf[rd.end:])
		if n > 0 {
			rd.took(n)
			kind, more := rd.frames()
			if !more {
				return kind
			}
			rd.space(n)
			rd.arm(time.Now())
		}
		if rd.s.r.Draining() {
			<-rd.s.r.drained // nothing more is read; what was read is with the enclave
			return wire.ShuttingDown
		}
		if err == nil {
			continue
		}
		if rd.s.gone.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0
		}
		if kind := rd.late(time.Now()); kind != 0 {
			return kind
		}
	}
}

func (rd *reader) took(n int) {
	r := rd.s.r
	r.metrics.bytesIn.Add(float64(n))
	if r.tap != nil {
		r.tap(TapFromClient, rd.buf[rd.end:rd.end+n])
	}
	rd.end += n
}

// late judges an expired read deadline; 0 means that it was an old one.
func (rd *reader) late(now time.Time) wire.Kind {
	if !rd.s.confirmed() {
		return wire.HandshakeTimeout
	}
	if !rd.partial.IsZero() && now.Sub(rd.partial) >= rd.s.r.limits().FrameTimeout {
		return wire.BadFrame
	}
	rd.armed = time.Time{}
	rd.arm(now)
	if rd.armed.IsZero() {
		rd.s.setReadDeadline(time.Time{})
	}
	return 0
}

// arm sets the deadline of an incomplete frame. A deadline that is no longer needed stays: late forgives it.
func (rd *reader) arm(now time.Time) {
	if rd.partial.IsZero() || !rd.s.confirmed() {
		return
	}
	due := rd.partial.Add(rd.s.r.limits().FrameTimeout)
	if due.Sub(rd.armed) < rearm && now.Before(rd.armed) {
		return
	}
	rd.armed = due
	rd.s.setReadDeadline(due)
}

// frames forwards all complete frames of the buffer, in one go where nothing makes it wait.
func (rd *reader) frames() (kind wire.Kind, more bool) {
	first, count := rd.start, 0
	defer func() { rd.s.r.metrics.framesIn.Add(float64(count)) }()
	for {
		limit := wire.MaxRequestFrame
		if rd.s.confirmed() {
			limit = wire.MaxFrame
		}
		f, rest, err := wire.Next(rd.buf[rd.start:rd.end], limit)
		if errors.Is(err, wire.ErrShort) {
			break
		}
		if err != nil {
			_ = rd.flush()
			return kindOf(err), false
		}
		count++
		rd.start = rd.end - len(rest)
		if kind, more = rd.frame(&f); !more {
			_ = rd.flush()
			return kind, false
		}
	}
	if rd.flush() != nil {
		return 0, false
	}
	switch {
	case rd.start == rd.end:
		rd.partial = time.Time{}
	case rd.start > first || rd.partial.IsZero():
		rd.partial = time.Now()
	}
	return 0, true
}

func kindOf(err error) wire.Kind {
	var e *wire.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return wire.BadFrame
}

// frame handles one frame; more is false at the end of the session.
func (rd *reader) frame(f *wire.Frame) (kind wire.Kind, more bool) {
	s := rd.s
	switch f.Type {
	case wire.TypeHello:
		if !s.advance(phaseNew, phaseHello) {
			return wire.BadFrame, false
		}
		rd.out = abi.AppendOpen(rd.out, s.id, f.Msg)
		return 0, true
	case wire.TypeFinish:
		if !s.advance(phaseAnswered, phaseFinish) {
			return wire.BadFrame, false
		}
		rd.out = abi.AppendFinish(rd.out, s.id, f.Msg)
		return 0, true
	case wire.TypeData:
		if !s.confirmed() {
			return wire.BadFrame, false
		}
		if len(f.Blob) > maxBlob {
			return wire.FrameTooLarge, false
		}
		return rd.data(f)
	case wire.TypeBye:
		return 0, false
	default:
		return wire.BadFrame, false
	}
}

// data forwards a blob; the payloads stay here under references.
func (rd *reader) data(f *wire.Frame) (kind wire.Kind, more bool) {
	s, r := rd.s, rd.s.r
	var ref uint64
	if f.Count > 0 {
		if rd.settle() != nil || rd.pause() != nil {
			return 0, false
		}
		if rd.reserve(f) != nil {
			return 0, false
		}
		ref = s.life.payloads.store(&s.owner, f)
		r.watch.publication(s.id, f, ref)
		r.metrics.publications.Add(float64(f.Count))
	}
	rd.out = abi.AppendData(rd.out, s.id, ref, uint16(f.Count), f.Blob)
	if len(rd.out) >= readChunk && rd.flush() != nil {
		return 0, false
	}
	return 0, true
}

// reserve takes room for payloads. The store may be full of what waits in out, so that is sent before it waits.
func (rd *reader) reserve(f *wire.Frame) error {
	p, o := rd.s.life.payloads, &rd.s.owner
	if p.tryReserve(o, f.Count, cost(f)) {
		return nil
	}
	if err := rd.flush(); err != nil {
		return err
	}
	return p.reserve(o, f.Count, cost(f), rd.s.gone.Load)
}

// settle holds a publication back while subscribers come back to a new enclave.
func (rd *reader) settle() error {
	d := time.Until(rd.s.life.settled)
	if d <= 0 {
		return nil
	}
	if err := rd.flush(); err != nil {
		return err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-rd.s.tr.Done():
	}
	return nil
}

// pause holds a publication back, for a bounded time, while a delivery queue is above its mark.
func (rd *reader) pause() error {
	r := rd.s.r
	if !r.gate.shut() {
		return nil
	}
	if err := rd.flush(); err != nil {
		return err
	}
	start := time.Now()
	r.gate.wait(rd.s.tr.Done(), r.limits().PauseMax)
	r.metrics.pauses.Inc()
	r.metrics.pausedSeconds.Add(time.Since(start).Seconds())
	return nil
}

// flush hands the collected frames to the link.
func (rd *reader) flush() error {
	if len(rd.out) == 0 {
		return nil
	}
	err := rd.s.life.link.append(rd.out, rd.s.gone.Load)
	rd.s.known = rd.s.known || err == nil // the first frame of all is Open
	rd.out = rd.out[:0]
	return err
}

// space makes room for the next read: by moving, growing with the traffic or for a large frame, or shrinking.
func (rd *reader) space(read int) {
	if read < len(rd.buf)/8 {
		rd.small++
	} else {
		rd.small = 0
	}
	left := rd.end - rd.start
	size := len(rd.buf)
	switch {
	case rd.end == len(rd.buf) && size < readChunk:
		size *= 2
	case rd.start == 0 && rd.end == len(rd.buf):
		size = min(2*size, wire.MaxFrame+wire.HeaderBytes) // wire.Next has bounded the frame
	case rd.small >= shrinkAfter && size > readMin && left < size/2:
		size, rd.small = size/2, 0
	}
	switch {
	case size != len(rd.buf):
		buf := make([]byte, size)
		copy(buf, rd.buf[rd.start:rd.end])
		rd.buf = buf
	case left == 0:
	case rd.end > len(rd.buf)/2 && rd.start > 0:
		copy(rd.buf, rd.buf[rd.start:rd.end])
	default:
		return
	}
	rd.start, rd.end = 0, left
}
