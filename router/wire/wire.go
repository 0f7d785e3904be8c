// Package wire is the framing between a client and the untrusted router, spoken on one bidirectional QUIC stream per session.
//
// A frame is: u32 length of the rest | u8 version | u8 type | body. All integers are big endian. The client opens the stream
// and speaks first; everything that must be kept from the router is sealed inside the opaque messages and blobs carried here.
//
// Either peer, and anybody between them, may lie in every byte. The package promises that [Next] refuses whatever is not the one canonical encoding
// of a frame, checks every length against its limit before it is used, allocates nothing and never panics. It promises no
// secrecy, integrity or order: those belong to the sealed blobs (package keyx).
//
// Refusals are numbered ([Kind]): 1..99 belong to the router, 100 and above are passed through from the enclave. The router
// announces one by a Refuse frame followed by the end of the stream, and uses the same number as QUIC application error code when it
// closes the connection. Where no stream exists yet (limits hit at admission), or the stream takes nothing more, only the QUIC code
// is sent: a client must be ready for both. The router resets no stream.
package wire

const (
	// ALPN is the TLS application protocol of this framing.
	ALPN = "scbr/1"
	// Version is the only version byte this package accepts.
	Version = 1

	// MaxFrame bounds the length field of any frame: large enough for a flush of MaxPayloads small publications, small
	// enough that one connection cannot hold much memory with an incomplete frame.
	MaxFrame = 1 << 20
	// MaxHandshakeFrame bounds a router's frame before the session is confirmed: message 2 carries the statement with
	// quote (12 KiB) and collateral (40 KiB).
	MaxHandshakeFrame = 64 << 10
	// MaxRequestFrame bounds a client's frame before the session is confirmed: message 3 carries a grant
	// (keyx.MaxGrantBytes 16 KiB) and an X-Wing ciphertext (1,120 B).
	MaxRequestFrame = 32 << 10
	// MaxPayloads bounds the payloads that belong to one blob; it equals the headers or envelopes of one sealed message.
	MaxPayloads = 1024
	// MaxDelivery bounds the payload bytes that belong to one delivery blob over all its frames (see TypePayloads).
	// The router drops a larger delivery, so a client may refuse one.
	MaxDelivery = 64 << 20

	// HeaderBytes precede every body: length, version, type.
	HeaderBytes = 4 + 1 + 1
	// DataOverhead is what a data frame adds to its blob and its payloads: header, blob length, payload count.
	DataOverhead = HeaderBytes + 4 + 2
	// PayloadOverhead is what each payload adds to a frame: its length.
	PayloadOverhead = 4

	lengthBytes = 4 // the length field itself, which does not count itself
)

// Type says what a frame carries. Below 0x80: client to router; from 0x80: router to client.
type Type uint8

const (
	// TypeHello carries message 1 of the key exchange; the first frame of a stream.
	TypeHello Type = 0x01
	// TypeFinish carries message 3 of the key exchange.
	TypeFinish Type = 0x02
	// TypeData carries one sealed blob to the enclave and the sealed payloads of its publications, in their order.
	TypeData Type = 0x03
	// TypeBye ends the session; nothing follows.
	TypeBye Type = 0x04
	// TypeServerHello carries message 2 of the key exchange.
	TypeServerHello Type = 0x81
	// TypeConfirm carries message 4; from here on data frames are allowed.
	TypeConfirm Type = 0x82
	// TypeDelivery carries one sealed blob from the enclave and the sealed payloads of its envelopes, in their order
	// (after those of preceding TypePayloads frames).
	TypeDelivery Type = 0x83
	// TypeRefuse carries a Kind; nothing follows.
	TypeRefuse Type = 0x84
	// TypePayloads carries leading payloads of the next TypeDelivery, sent when all of them do not fit into one frame:
	// the payloads of a delivery are those of the TypePayloads frames directly before it, then its own.
	TypePayloads Type = 0x85
)

// Frame is one decoded frame. Its slices alias the decoded buffer.
type Frame struct {
	Type Type
	// Kind of a TypeRefuse frame, never 0.
	Kind Kind
	// Msg of TypeHello, TypeFinish, TypeServerHello and TypeConfirm: an opaque message of the key exchange, never empty.
	Msg []byte
	// Blob of TypeData and TypeDelivery, never empty.
	Blob []byte
	// Count of payloads in TypeData, TypeDelivery and TypePayloads.
	Count int

	payloads []byte
}

// Payloads iterates over the payloads of the frame. It cannot fail: Next has checked them.
func (f *Frame) Payloads() Payloads { return Payloads{rest: f.payloads} }

// PayloadBytes is the sum of the lengths of all payloads.
func (f *Frame) PayloadBytes() int { return len(f.payloads) - PayloadOverhead*f.Count }

// Payloads is an iterator over checked payloads; the zero value is at its end.
type Payloads struct{ rest []byte }

// Next returns the next payload, which may be empty, or false at the end.
func (p *Payloads) Next() ([]byte, bool) {
	payload, rest, ok := cut(p.rest)
	if !ok {
		return nil, false
	}
	p.rest = rest
	return payload, true
}
