package client

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/router/wire"
)

// payloadsFrame is a frame of n payloads of size bytes each.
func payloadsFrame(t *testing.T, n, size int) *wire.Frame {
	t.Helper()
	b := wire.AppendPayloadsHead(nil, n, n*size)
	for range n {
		b = append(wire.AppendPayloadHead(b, size), make([]byte, size)...)
	}
	f, rest, err := wire.Next(b, wire.MaxFrame)
	require.NoError(t, err)
	require.Empty(t, rest)
	return &f
}

// What comes before its delivery is bounded in number: nothing of it is authentic.
func TestEarlyPayloadsAreBoundedInNumber(t *testing.T) {
	var p payloads
	for range message.MaxEnvelopes / 128 {
		require.Nil(t, p.add(payloadsFrame(t, 128, 0)))
	}
	err := p.add(payloadsFrame(t, 1, 0))
	requireKind(t, KindProtocol, err)
	require.ErrorIs(t, err, errTooMuch)
	require.Equal(t, message.MaxEnvelopes, p.count())
}

// And in bytes.
func TestEarlyPayloadsAreBoundedInBytes(t *testing.T) {
	var p payloads
	const size = 1 << 19
	full := payloadsFrame(t, 1, size)
	for range wire.MaxDelivery / size {
		require.Nil(t, p.add(full))
	}
	err := p.add(payloadsFrame(t, 1, 1))
	requireKind(t, KindProtocol, err)
	require.ErrorIs(t, err, errTooMuch)
	require.Len(t, p.early, wire.MaxDelivery)
}

// greeter answers the first frame with its own bytes and counts what is taken.
type greeter struct {
	io.Writer
	io.Closer
	answer *bytes.Reader
}

func (g *greeter) Read(b []byte) (int, error) { return g.answer.Read(b) }

// Before the session is confirmed a frame is bounded by what a handshake needs,
// not by what a session may send.
func TestHandshakeFramesAreBounded(t *testing.T) {
	for _, tc := range []struct {
		size int // of the frame after its length field
		kind Kind
	}{
		{wire.MaxHandshakeFrame, 0}, // taken, and refused for what it says
		{wire.MaxHandshakeFrame + 1, KindProtocol},
	} {
		msg := make([]byte, tc.size-2) // version and type
		frame := wire.AppendServerHello(nil, msg)
		require.EqualValues(t, tc.size, binary.BigEndian.Uint32(frame))
		g := &greeter{Writer: io.Discard, Closer: io.NopCloser(nil), answer: bytes.NewReader(frame)}
		h := handshake{cfg: &Config{}, transport: g, frames: newFrameReader(g)}
		got, _, err := h.ask([]byte("hello"), wire.TypeServerHello)
		if tc.kind == 0 {
			require.NoError(t, err)
			require.Len(t, got, len(msg))
			continue
		}
		requireKind(t, tc.kind, err)
		var e *wire.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, wire.FrameTooLarge, e.Kind)
	}
}

// TestCutBlobEndsTheSession: a host cuts a blob as short as it likes; the client ends the session, and nothing else.
func TestCutBlobEndsTheSession(t *testing.T) {
	for n := 1; n <= keyx.BlobOverhead; n++ {
		c, s := newFake(t).dial()
		s.do(func() { s.out = wire.AppendDelivery(nil, make([]byte, n), nil) })
		_, err := c.Receive(t.Context())
		requireKind(t, KindIntegrity, err)
	}
}
