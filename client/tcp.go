package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"syscall"
	"time"

	"github.com/scbr/scbr/router/wire"
)

// Network is the way to the router.
type Network string

// The networks. TLS over TCP is for places that let no UDP through; it is trusted as
// little as QUIC.
const (
	// NetworkAuto tries QUIC, and TLS over TCP beside it when QUIC has not connected
	// after a moment; the first that connects is taken.
	NetworkAuto Network = "auto"
	NetworkQUIC Network = "quic"
	NetworkTCP  Network = "tcp"
)

// Networks are all of them.
func Networks() []Network { return []Network{NetworkAuto, NetworkQUIC, NetworkTCP} }

const (
	// quicHeadStart is what QUIC has before TCP is tried beside it: more than a round
	// trip around the world.
	quicHeadStart = 300 * time.Millisecond
	// nobodyPatience is what QUIC has left when TCP was refused at the same address,
	// which is what a machine does where no router listens.
	nobodyPatience = 3 * time.Second
	// tcpKeepAlive and the system's count of probes find out that a router is gone.
	tcpKeepAlive = 5 * time.Second
)

// dialTCP opens a TLS connection.
func dialTCP(ctx context.Context, addr string) (io.ReadWriteCloser, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{KeepAlive: tcpKeepAlive}, Config: tlsConfig()}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// tlsConfig is that of both transports. TLS ends at a host nobody trusts, so its
// certificate would prove nothing: trust comes from the attested key exchange that
// runs inside.
func tlsConfig() *tls.Config {
	return &tls.Config{
		NextProtos: []string{wire.ALPN}, MinVersion: tls.VersionTLS13,
		InsecureSkipVerify: true, //nolint:gosec // see above
	}
}

// dialed is the outcome of one attempt.
type dialed struct {
	conn io.ReadWriteCloser
	err  error
}

// dialEither gives QUIC a head start and then tries TCP beside it. What a router
// says by refusing QUIC is an answer, and no reason to try TCP.
func dialEither(ctx context.Context, viaQUIC, viaTCP func(context.Context) (io.ReadWriteCloser, error)) (io.ReadWriteCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	attempt := func(dial func(context.Context) (io.ReadWriteCloser, error)) chan dialed {
		done := make(chan dialed, 1)
		go func() {
			c, err := dial(ctx)
			done <- dialed{c, err}
		}()
		return done
	}
	first := attempt(viaQUIC)
	start := time.NewTimer(quicHeadStart)
	defer start.Stop()
	var quicErr error
	select {
	case d := <-first:
		if _, refused := kindOnWire(remoteCode(d.err)); d.err == nil || refused {
			return d.conn, d.err
		}
		quicErr, first = d.err, nil
	case <-start.C:
	}
	second := attempt(viaTCP)
	var tcpErr error
	nobody := time.NewTimer(math.MaxInt64)
	defer nobody.Stop()
	for first != nil || second != nil {
		select {
		case <-nobody.C:
			cancel()
			<-first
			return nil, &eitherError{errSilent, tcpErr}
		case d := <-first:
			if d.err == nil {
				go discard(cancel, second)
				return d.conn, nil
			}
			quicErr, first = d.err, nil
		case d := <-second:
			if d.err == nil {
				go discard(cancel, first)
				return d.conn, nil
			}
			tcpErr, second = d.err, nil
			if errors.Is(tcpErr, syscall.ECONNREFUSED) {
				nobody.Reset(nobodyPatience)
			}
		}
	}
	return nil, &eitherError{quicErr, tcpErr}
}

// errSilent stands for a QUIC attempt that was given up.
var errSilent = fmt.Errorf("no answer, and none in the %v after TCP was refused", nobodyPatience)

// discard closes what the slower attempt may still bring.
func discard(cancel context.CancelFunc, late chan dialed) {
	if late == nil {
		return
	}
	cancel()
	if d := <-late; d.conn != nil {
		d.conn.Close() //nolint:errcheck,gosec // nobody wants it
	}
}

// eitherError says why neither way led to the router. QUIC's reason is the one to
// act on: refusals of the router are found in it.
type eitherError struct{ quic, tcp error }

// Error has both reasons.
func (e *eitherError) Error() string {
	return "QUIC: " + e.quic.Error() + "; TCP: " + e.tcp.Error()
}

// Unwrap returns both.
func (e *eitherError) Unwrap() []error { return []error{e.quic, e.tcp} }

// dialer is the transport of a Config that has none of its own.
func (c *Config) dialer() func(ctx context.Context, addr string) (io.ReadWriteCloser, error) {
	pc, network := c.PacketConn, c.Network
	viaQUIC := func(ctx context.Context, addr string) (io.ReadWriteCloser, error) { return dialQUIC(ctx, addr, pc) }
	switch {
	case pc != nil || network == NetworkQUIC:
		return viaQUIC
	case network == NetworkTCP:
		return dialTCP
	}
	return func(ctx context.Context, addr string) (io.ReadWriteCloser, error) {
		return dialEither(ctx,
			func(ctx context.Context) (io.ReadWriteCloser, error) { return viaQUIC(ctx, addr) },
			func(ctx context.Context) (io.ReadWriteCloser, error) { return dialTCP(ctx, addr) })
	}
}
