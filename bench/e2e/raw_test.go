package e2e

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/router/wire"
)

// rawClient is a client that lies as it likes: it holds its session's keys and writes its own frames.
type rawClient struct {
	w       *world
	conn    *quic.Conn
	stream  *quic.Stream
	session *keyx.Session
	buf     []byte
	kind    wire.Kind // of the refusal
}

// rawTransport opens the QUIC stream that the SDK would open.
func (w *world) rawTransport() (*quic.Conn, *quic.Stream) {
	w.t.Helper()
	conn, err := quic.DialAddr(w.ctx(), w.addr, &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{wire.ALPN}, MinVersion: tls.VersionTLS13,
	}, nil)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	stream, err := conn.OpenStreamSync(w.ctx())
	require.NoError(w.t, err)
	return conn, stream
}

func (w *world) raw(cfg client.Config) *rawClient {
	w.t.Helper()
	c := &rawClient{w: w}
	c.conn, c.stream = w.rawTransport()
	i, msg1, err := keyx.NewInitiator(keyx.InitiatorConfig{
		Domain: cfg.Domain, Router: cfg.Router, Policy: cfg.Policy, Grant: cfg.Grant, Key: cfg.Key, Rand: rand.Reader,
	})
	require.NoError(w.t, err)
	c.write(wire.AppendHello(nil, msg1))
	msg3, err := i.Respond(c.read(wire.TypeServerHello).Msg, time.Now())
	require.NoError(w.t, err)
	c.write(wire.AppendFinish(nil, msg3))
	c.session, _, err = i.Confirm(c.read(wire.TypeConfirm).Msg)
	require.NoError(w.t, err)
	return c
}

func (c *rawClient) write(b []byte) {
	c.w.t.Helper()
	_, err := c.stream.Write(b)
	require.NoError(c.w.t, err)
}

// next reads one frame of any type; ok is false at the end of the stream.
func (c *rawClient) next() (f wire.Frame, ok bool) {
	c.w.t.Helper()
	require.NoError(c.w.t, c.stream.SetReadDeadline(time.Now().Add(patience)))
	return c.frame()
}

// frame reads one frame without a deadline and without judging.
func (c *rawClient) frame() (f wire.Frame, ok bool) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.stream, head); err != nil {
		return f, false
	}
	c.buf = append(head, make([]byte, binary.BigEndian.Uint32(head))...)
	if _, err := io.ReadFull(c.stream, c.buf[4:]); err != nil {
		return f, false
	}
	f, rest, err := wire.Next(c.buf, wire.MaxFrame)
	return f, err == nil && len(rest) == 0
}

func (c *rawClient) read(want wire.Type) wire.Frame {
	c.w.t.Helper()
	f, ok := c.next()
	require.True(c.w.t, ok, "stream ended")
	require.Equal(c.w.t, want, f.Type)
	return f
}

// seal sends plaintext as one sealed blob with payloads.
func (c *rawClient) seal(plaintext []byte, payloads ...[]byte) {
	c.w.t.Helper()
	blob, err := c.session.Out.Seal(nil, plaintext)
	require.NoError(c.w.t, err)
	c.write(wire.AppendData(nil, blob, payloads))
}

// open reads data frames until one of message type want comes, and returns its plaintext and payloads.
func (c *rawClient) open(want message.Type) (plaintext []byte, payloads [][]byte) {
	c.w.t.Helper()
	for {
		f := c.read(wire.TypeDelivery)
		plain, _, err := c.session.In.Open(nil, f.Blob)
		require.NoError(c.w.t, err)
		if message.Type(plain[0]) != want {
			continue
		}
		for p := f.Payloads(); ; {
			b, ok := p.Next()
			if !ok {
				return plain, payloads
			}
			payloads = append(payloads, append([]byte(nil), b...))
		}
	}
}

// publication seals body under this session's key for counter and returns header and payload; the header claims attrs, the payload shows
// inside.
func (c *rawClient) publication(id *keyx.PublicationID, attrs, inside, body []byte) (*message.Header, []byte) {
	c.w.t.Helper()
	var ck [32]byte
	var salt [16]byte
	require.NoError(c.w.t, c.session.Content.Derive(id.Run, id.Counter, &ck, &salt))
	key := keyx.PayloadKey(&ck, nil, id)
	sealed := keyx.SealPayload(nil, &key, &salt, inside, body, 0)
	return &message.Header{Run: id.Run, Counter: id.Counter, Commitment: keyx.Commit(id, &key, sealed), Attrs: attrs}, sealed
}

func (c *rawClient) publish(h *message.Header, sealed []byte) {
	c.w.t.Helper()
	m, err := message.AppendHeader(message.BeginPublish(nil), h)
	require.NoError(c.w.t, err)
	require.NoError(c.w.t, message.FinishPublish(m, 1))
	c.seal(m, sealed)
}

// untilRefused reads until the session is refused, and returns the type of the frame that said so.
func (c *rawClient) untilRefused() wire.Type {
	c.w.t.Helper()
	for {
		f, ok := c.next()
		if !ok {
			return 0
		}
		if f.Type == wire.TypeRefuse {
			c.kind = f.Kind
			return f.Type
		}
	}
}

// replacingTransport is the stream of a client whose router replaces the payload of the first delivery, once it is told what by.
func (w *world) replacingTransport(ready <-chan struct{}, by *atomic.Pointer[[]byte]) func(context.Context, string) (io.ReadWriteCloser, error) {
	return func(context.Context, string) (io.ReadWriteCloser, error) {
		_, stream := w.rawTransport()
		r, pw := io.Pipe()
		c := &rawClient{w: w, stream: stream}
		go func() {
			for replaced := false; ; {
				f, ok := c.frame()
				if !ok {
					_ = pw.Close()
					return
				}
				out := c.buf
				if f.Type == wire.TypeDelivery && f.Count == 1 && !replaced {
					<-ready
					replaced = true
					out = wire.AppendDelivery(nil, f.Blob, [][]byte{*by.Load()})
				}
				if _, err := pw.Write(out); err != nil {
					return
				}
			}
		}()
		return &pipedStream{Reader: r, Stream: stream}, nil
	}
}

type pipedStream struct {
	io.Reader
	*quic.Stream
}

func (p *pipedStream) Read(b []byte) (int, error) { return p.Reader.Read(b) }

// Close ends both directions.
func (p *pipedStream) Close() error {
	p.CancelRead(0)
	return p.Stream.Close()
}
