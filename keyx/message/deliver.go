package message

import (
	"encoding/binary"

	"github.com/scbr/scbr/keyx"
)

// deliverHead is type, list number, first delivery number and count.
const deliverHead = 1 + 8 + 8 + 2

// EnvelopeBytes is the length of an envelope beyond subject (1 to 255 B), ids (4 B each) and padding.
const EnvelopeBytes = 32 + 1 + 3*8 + 32 + 32 + 2 + 2

// Envelope hands one publication to one subscriber.
type Envelope struct {
	CK            [32]byte
	Subject       []byte // the publisher, from the grant of its session
	Run, Counter  uint64
	GKEpoch       uint64
	Commitment    [32]byte // copied from the header
	AttributeHash [32]byte // computed by the enclave
	Subscriptions []uint32 // ids of the subscriber that matched, strictly increasing, at least one
	Padding       int      // zero bytes behind them, at most MaxPadding
}

// BeginDeliver appends the start of a deliver message with the count left open. first is the delivery
// number of its first envelope: numbers count the envelopes of a session from 0 without gaps.
func BeginDeliver(dst []byte, revocation, first uint64) []byte {
	dst = append(dst, byte(TypeDeliver))
	dst = binary.BigEndian.AppendUint64(dst, revocation)
	dst = binary.BigEndian.AppendUint64(dst, first)
	return append(dst, 0, 0)
}

// FinishDeliver sets the count of a message begun with BeginDeliver; msg starts at its type byte.
func FinishDeliver(msg []byte, count int) error {
	return setCount(msg, deliverHead-2, count, MaxEnvelopes, TypeDeliver, "deliver")
}

// AppendEnvelope appends one envelope. A subject or a list of ids that the decoder would refuse is
// BadMessage, and dst unchanged.
func AppendEnvelope(dst []byte, e *Envelope) ([]byte, error) {
	if len(e.Subject) == 0 || len(e.Subject) > keyx.MaxNameBytes || len(e.Subscriptions) == 0 || len(e.Subscriptions) > MaxMatches || uint(e.Padding) > MaxPadding {
		return dst, bad("envelope")
	}
	for i, id := range e.Subscriptions {
		if i > 0 && id <= e.Subscriptions[i-1] {
			return dst, bad("envelope")
		}
	}
	dst = append(dst, e.CK[:]...)
	dst = append(dst, byte(len(e.Subject)))
	dst = append(dst, e.Subject...)
	dst = binary.BigEndian.AppendUint64(dst, e.Run)
	dst = binary.BigEndian.AppendUint64(dst, e.Counter)
	dst = binary.BigEndian.AppendUint64(dst, e.GKEpoch)
	dst = append(dst, e.Commitment[:]...)
	dst = append(dst, e.AttributeHash[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(e.Subscriptions)))
	for _, id := range e.Subscriptions {
		dst = binary.BigEndian.AppendUint32(dst, id)
	}
	return appendPadding(dst, e.Padding), nil
}

// DeliverReader iterates over the envelopes of a deliver message.
type DeliverReader struct {
	Revocation uint64 // list number of the enclave
	First      uint64 // delivery number of the first envelope
	c          cursor
	count      int
	left       int
}

// ReadDeliver starts reading a deliver message.
func ReadDeliver(msg []byte) (DeliverReader, error) {
	r := DeliverReader{c: open(msg, TypeDeliver)}
	r.Revocation, r.First = r.c.u64(), r.c.u64()
	r.count = int(r.c.u16())
	r.left = r.count
	if r.c.bad || r.count == 0 || r.count > MaxEnvelopes || r.First+uint64(r.count) < r.First {
		return DeliverReader{}, bad("deliver")
	}
	return r, nil
}

// Count is the number of envelopes the message says it has.
func (r *DeliverReader) Count() int { return r.count }

// Next reads the next envelope into e, reusing the memory of e.Subscriptions. It returns false after
// the last one, and BadMessage where the message is malformed or has bytes left over.
func (r *DeliverReader) Next(e *Envelope) (bool, error) {
	if r.left == 0 {
		if !r.c.done() {
			return false, bad("deliver")
		}
		return false, nil
	}
	c := &r.c
	copy(e.CK[:], c.take(32))
	e.Subject = c.take(int(c.u8()))
	e.Run, e.Counter, e.GKEpoch = c.u64(), c.u64(), c.u64()
	copy(e.Commitment[:], c.take(32))
	copy(e.AttributeHash[:], c.take(32))
	n := int(c.u16())
	ids := c.take(4 * n)
	if n == 0 || len(e.Subject) == 0 {
		c.bad = true
	}
	e.Subscriptions = e.Subscriptions[:0]
	for ; len(ids) > 0 && !c.bad; ids = ids[4:] {
		id := binary.BigEndian.Uint32(ids)
		if k := len(e.Subscriptions); k > 0 && id <= e.Subscriptions[k-1] {
			c.bad = true
		}
		e.Subscriptions = append(e.Subscriptions, id)
	}
	e.Padding = c.padding()
	if c.bad {
		return false, bad("envelope")
	}
	r.left--
	return true, nil
}
