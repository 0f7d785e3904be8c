package client

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/router/wire"
)

// listen serves the fake over QUIC on the loopback until the test ends. A kind
// other than 0 closes connections with that code, as a router does at admission.
func (f *fake) listen(kind wire.Kind) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(f.tb, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	require.NoError(f.tb, err)
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: private}},
		NextProtos:   []string{wire.ALPN},
		MinVersion:   tls.VersionTLS13,
	}, &quic.Config{MaxIdleTimeout: 5 * time.Second})
	require.NoError(f.tb, err)
	f.cfg.Addr, f.cfg.Transport = l.Addr().String(), nil
	f.tb.Cleanup(func() { l.Close() })
	f.serving.Go(func() {
		for {
			conn, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			f.serving.Go(func() { f.serveConn(conn, kind) })
		}
	})
}

func (f *fake) serveConn(conn *quic.Conn, kind wire.Kind) {
	if kind != 0 {
		conn.CloseWithError(quic.ApplicationErrorCode(kind), "")
		return
	}
	stream, err := conn.AcceptStream(context.Background())
	if err != nil {
		return
	}
	f.serve(stream)
	io.Copy(io.Discard, stream) // until the client has gone
	conn.CloseWithError(0, "")
}

func TestSessionOverQUIC(t *testing.T) {
	f := newFake(t)
	f.listen(0)
	c, _, _ := subscribed(t, f)
	for i := range 2000 {
		_, err := c.PublishAsync(t.Context(), quoteEvent(t, "HAL", float64(i)), make([]byte, 300))
		require.NoError(t, err)
	}
	for i := range 2000 {
		d, err := c.Receive(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, i+1, d.Counter)
	}
	start := time.Now()
	require.NoError(t, c.Close())
	require.Less(t, time.Since(start), DefaultCloseTimeout, "the router's end is noticed")
}

func TestOwnPacketConn(t *testing.T) {
	f := newFake(t)
	f.listen(0)
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	f.cfg.PacketConn = pc
	c, _ := f.dial()
	require.NoError(t, c.Publish(t.Context(), quoteEvent(t, "HAL", 1), nil))
	require.NoError(t, c.Close())
	require.NoError(t, pc.Close(), "it stays the caller's")
}

func TestRefusalAtAdmissionIsNamed(t *testing.T) {
	f := newFake(t)
	f.listen(wire.TooManyFromAddress)
	_, err := Dial(t.Context(), f.cfg)
	requireKind(t, KindTooManyFromAddress, err)
}

func BenchmarkPublishAsync(b *testing.B) {
	for _, over := range []string{"pipe", "quic"} {
		b.Run(over, func(b *testing.B) {
			f := newFake(b)
			if over == "quic" {
				f.listen(0)
			}
			c, s := f.dial()
			event, payload := quoteEvent(b, "HAL", 1), make([]byte, 256)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.PublishAsync(b.Context(), event, payload); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, c.Close())
			blobs, _ := s.session.In.Chain()
			b.ReportMetric(float64(c.Stats().Published)/float64(blobs), "headers/blob")
		})
	}
}

// The whole way to oneself: seal, open, match, envelope, check, open.
func BenchmarkPublishReceive(b *testing.B) {
	f := newFake(b)
	f.listen(0)
	c, _, _ := subscribed(b, f)
	event, payload := quoteEvent(b, "HAL", 1), make([]byte, 256)
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := c.Receive(context.Background()); err != nil {
				done <- err
				return
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.PublishAsync(b.Context(), event, payload); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, c.Close())
	require.ErrorIs(b, <-done, ErrClosed)
	if s := c.Stats(); s.Delivered != s.Published {
		b.Fatalf("delivered %d of %d", s.Delivered, s.Published)
	}
}

func BenchmarkPublish(b *testing.B) {
	f := newFake(b)
	f.listen(0)
	c, _ := f.dial()
	event := quoteEvent(b, "HAL", 1)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Publish(b.Context(), event, make([]byte, 256)); err != nil {
			b.Fatal(err)
		}
	}
}
