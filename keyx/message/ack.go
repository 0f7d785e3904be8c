package message

import (
	"encoding/binary"

	"github.com/scbr/scbr/keyx"
)

// Refusal names a publication that was handled by refusing it.
type Refusal struct {
	Counter uint64
	Kind    keyx.Kind
}

// Ack tells a publisher how far the enclave has handled one of its runs.
type Ack struct {
	Control  uint64 // number of this control message: see Heartbeat.Control
	Run      uint64
	Handled  uint64 // every counter up to and including this one is handled
	CmdCount uint64 // blobs from the client that the enclave opened
	CmdChain [32]byte
	Padding  int // zero bytes behind the refusals, at most MaxPadding
}

// AppendAck appends an acknowledgement. The refused publications must have strictly increasing
// counters, none above a.Handled, with a kind other than KindOK, and be at most [MaxRefusals]:
// otherwise BadMessage, and dst unchanged.
func AppendAck(dst []byte, a *Ack, refused []Refusal) ([]byte, error) {
	if len(refused) > MaxRefusals || uint(a.Padding) > MaxPadding {
		return dst, bad("ack")
	}
	var last uint64
	for i, r := range refused {
		if r.Counter > a.Handled || r.Kind == keyx.KindOK || i > 0 && r.Counter <= last {
			return dst, bad("ack")
		}
		last = r.Counter
	}
	dst = append(dst, byte(TypeAck))
	dst = binary.BigEndian.AppendUint64(dst, a.Control)
	dst = binary.BigEndian.AppendUint64(dst, a.Run)
	dst = binary.BigEndian.AppendUint64(dst, a.Handled)
	dst = binary.BigEndian.AppendUint64(dst, a.CmdCount)
	dst = append(dst, a.CmdChain[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(refused)))
	for _, r := range refused {
		dst = binary.BigEndian.AppendUint64(dst, r.Counter)
		dst = binary.BigEndian.AppendUint16(dst, uint16(r.Kind))
	}
	return appendPadding(dst, a.Padding), nil
}

// refusalBytes is the length of a refusal: counter and kind.
const refusalBytes = 8 + 2

// AckReader is a decoded acknowledgement and iterates over its refusals.
type AckReader struct {
	Ack
	c     cursor
	count int
	left  int
	last  uint64
}

// ReadAck starts reading an acknowledgement. The length is checked here; the refusals by Next.
func ReadAck(msg []byte) (AckReader, error) {
	r := AckReader{c: open(msg, TypeAck)}
	r.Control, r.Run, r.Handled, r.CmdCount = r.c.u64(), r.c.u64(), r.c.u64(), r.c.u64()
	copy(r.CmdChain[:], r.c.take(32))
	r.count = int(r.c.u16())
	r.left = r.count
	if r.c.bad || r.count > MaxRefusals || len(r.c.b) < refusalBytes*r.count {
		return AckReader{}, bad("ack")
	}
	end := cursor{b: r.c.b[refusalBytes*r.count:]}
	r.Padding = end.padding()
	if !end.done() {
		return AckReader{}, bad("ack")
	}
	r.c.b = r.c.b[:refusalBytes*r.count]
	return r, nil
}

// Count is the number of refusals.
func (r *AckReader) Count() int { return r.count }

// Next reads the next refusal. It returns false after the last one, and BadMessage for one that is out
// of order, above Handled or without a reason.
func (r *AckReader) Next(f *Refusal) (bool, error) {
	if r.left == 0 {
		if !r.c.done() {
			return false, bad("ack")
		}
		return false, nil
	}
	f.Counter, f.Kind = r.c.u64(), keyx.Kind(r.c.u16())
	if r.c.bad || f.Counter > r.Handled || f.Kind == keyx.KindOK || r.left < r.count && f.Counter <= r.last {
		r.c.bad = true
		return false, bad("ack")
	}
	r.last = f.Counter
	r.left--
	return true, nil
}
