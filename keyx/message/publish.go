package message

import "encoding/binary"

// flagExplicit says that content key and salt stand in the header: a resend.
const flagExplicit = 1

// HeaderBytes is the length of a header beyond its attributes and padding, without and with content key and salt.
const (
	HeaderBytes         = 1 + 4*8 + 32 + 2 + 2
	ExplicitHeaderBytes = HeaderBytes + 32 + 16
)

// Header announces one publication to the enclave.
type Header struct {
	Run, Counter uint64 // publisher sequence
	GKEpoch      uint64 // 0: no group key
	Revocation   uint64 // newest list number the publisher has verified; concerns this publication only
	Commitment   [32]byte
	Explicit     bool     // CK and Salt stand here; otherwise both derive them from the session
	CK           [32]byte // zero unless Explicit
	Salt         [16]byte // zero unless Explicit
	Attrs        []byte   // canonical attributes
	Padding      int      // zero bytes behind them, at most MaxPadding
}

// BeginPublish appends the start of a publish message with the count left open.
func BeginPublish(dst []byte) []byte { return append(dst, byte(TypePublish), 0, 0) }

// FinishPublish sets the count of a message begun with BeginPublish; msg starts at its type byte.
func FinishPublish(msg []byte, count int) error {
	return setCount(msg, 1, count, MaxHeaders, TypePublish, "publish")
}

// AppendHeader appends one header. Attributes over [MaxAttrsBytes] are BadMessage, and dst unchanged.
func AppendHeader(dst []byte, h *Header) ([]byte, error) {
	if len(h.Attrs) > MaxAttrsBytes || uint(h.Padding) > MaxPadding {
		return dst, bad("header")
	}
	var flags byte
	if h.Explicit {
		flags = flagExplicit
	}
	dst = append(dst, flags)
	dst = binary.BigEndian.AppendUint64(dst, h.Run)
	dst = binary.BigEndian.AppendUint64(dst, h.Counter)
	dst = binary.BigEndian.AppendUint64(dst, h.GKEpoch)
	dst = binary.BigEndian.AppendUint64(dst, h.Revocation)
	dst = append(dst, h.Commitment[:]...)
	if h.Explicit {
		dst = append(dst, h.CK[:]...)
		dst = append(dst, h.Salt[:]...)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(h.Attrs)))
	return appendPadding(append(dst, h.Attrs...), h.Padding), nil
}

// PublishReader iterates over the headers of a publish message.
type PublishReader struct {
	c     cursor
	count int
	left  int
}

// ReadPublish starts reading a publish message.
func ReadPublish(msg []byte) (PublishReader, error) {
	r := PublishReader{c: open(msg, TypePublish)}
	r.count = int(r.c.u16())
	r.left = r.count
	if r.c.bad || r.count == 0 || r.count > MaxHeaders {
		return PublishReader{}, bad("publish")
	}
	return r, nil
}

// Count is the number of headers the message says it has.
func (r *PublishReader) Count() int { return r.count }

// Next reads the next header into h. It returns false after the last one, and BadMessage where the
// message is malformed or has bytes left over; the message as a whole is then to be refused.
func (r *PublishReader) Next(h *Header) (bool, error) {
	if r.left == 0 {
		if !r.c.done() {
			return false, bad("publish")
		}
		return false, nil
	}
	c := &r.c
	flags := c.u8()
	h.Run, h.Counter, h.GKEpoch, h.Revocation = c.u64(), c.u64(), c.u64(), c.u64()
	copy(h.Commitment[:], c.take(32))
	h.Explicit = flags == flagExplicit
	h.CK, h.Salt = [32]byte{}, [16]byte{}
	if h.Explicit {
		copy(h.CK[:], c.take(32))
		copy(h.Salt[:], c.take(16))
	}
	h.Attrs = c.take(int(c.u16()))
	h.Padding = c.padding()
	if c.bad || flags > flagExplicit {
		c.bad = true
		return false, bad("header")
	}
	r.left--
	return true, nil
}

// SetRevocation writes a revocation-list number into every header of a finished publish message, in place.
// A malformed message is BadMessage; it may then have been changed in part.
func SetRevocation(msg []byte, number uint64) error {
	r, err := ReadPublish(msg)
	if err != nil {
		return err
	}
	var h Header
	for {
		at := len(msg) - len(r.c.b) // of the next header
		more, err := r.Next(&h)
		if err != nil || !more {
			return err
		}
		binary.BigEndian.PutUint64(msg[at+revocationAt:], number)
	}
}

// revocationAt is where the revocation-list number stands in a header: after flags, run, counter and epoch.
const revocationAt = 1 + 8 + 8 + 8
