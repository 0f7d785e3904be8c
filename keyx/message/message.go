// Package message is the codec of what stands inside sealed blobs: publications, subscriptions and
// their answers. It is the plaintext between a client and an enclave and never seen by the host.
//
// The peer may lie to it: a blob that authenticates proves who sent it, not that it is well formed. It
// promises that every decoder takes exactly the canonical encoding, checks each limit before it acts on
// it, refuses bytes left over and never panics; that decoding does not allocate per header or envelope;
// and that what encodes decodes to the same. It does not look into attributes and filters, which
// matcher/filter decodes, and judges no number but its range.
//
// Layouts are in docs/PROTOCOL.md. Byte slices returned by decoders alias the input.
package message

import (
	"encoding/binary"

	"github.com/scbr/scbr/keyx"
)

// Type is the first byte of a message.
type Type uint8

// Types of messages, client to enclave below 0x80.
const (
	TypePublish     Type = 0x01
	TypeSubscribe   Type = 0x02
	TypeUnsubscribe Type = 0x03
	TypePing        Type = 0x04
	TypeSettings    Type = 0x05
	TypeAck         Type = 0x81
	TypeDeliver     Type = 0x82
	TypeReply       Type = 0x83
	TypeHeartbeat   Type = 0x84
)

const (
	// MaxHeaders bounds the headers of a publish message: one payload each in a frame of 1 MiB.
	MaxHeaders = 1024
	// MaxEnvelopes bounds the envelopes of a deliver message, for the same reason.
	MaxEnvelopes = 1024
	// MaxRefusals bounds the refused publications named in one acknowledgement.
	MaxRefusals = MaxHeaders
	// MaxAttrsBytes bounds the encoded attributes of a header: a 2-byte length.
	MaxAttrsBytes = 1<<16 - 1
	// MaxMatches bounds the subscription ids in one envelope: a 2-byte count.
	MaxMatches = 1<<16 - 1
	// MaxPadding bounds each padding: a 2-byte length.
	MaxPadding = 1<<16 - 1
	// MaxFilterBytes bounds the filter in a subscribe message; it is the limit of matcher/filter.
	MaxFilterBytes = 4096
)

func bad(op string) error { return &keyx.Error{Op: op, Kind: keyx.KindBadMessage} }

// TypeOf is the type of a message: known and not empty, or BadMessage.
func TypeOf(msg []byte) (Type, error) {
	if len(msg) == 0 {
		return 0, bad("message")
	}
	switch t := Type(msg[0]); t {
	case TypePublish, TypeSubscribe, TypeUnsubscribe, TypePing, TypeSettings, TypeAck, TypeDeliver, TypeReply, TypeHeartbeat:
		return t, nil
	default:
		return 0, bad("message")
	}
}

// cursor reads an encoding front to back; a read beyond the end sets bad and gives zeros.
type cursor struct {
	b   []byte
	bad bool
}

// open starts reading a message of the given type, without its type byte.
func open(msg []byte, t Type) cursor {
	if len(msg) == 0 || Type(msg[0]) != t {
		return cursor{bad: true}
	}
	return cursor{b: msg[1:]}
}

func (c *cursor) take(n int) []byte {
	if c.bad || n > len(c.b) {
		c.bad = true
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) u8() uint8 {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// padding reads a length and as many zero bytes.
func (c *cursor) padding() int {
	b := c.take(int(c.u16()))
	if !keyx.Zeros(b) {
		c.bad = true
	}
	return len(b)
}

func (c *cursor) done() bool { return !c.bad && len(c.b) == 0 }

// setCount writes a count that was left open when the message was begun.
func setCount(msg []byte, at, count, limit int, t Type, op string) error {
	if len(msg) < at+2 || Type(msg[0]) != t || count < 1 || count > limit {
		return bad(op)
	}
	binary.BigEndian.PutUint16(msg[at:], uint16(count))
	return nil
}

// appendPadding appends a padding: its length and as many zero bytes.
func appendPadding(dst []byte, n int) []byte {
	return keyx.AppendZeros(binary.BigEndian.AppendUint16(dst, uint16(n)), n)
}
