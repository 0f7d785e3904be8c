package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/quic-go/quic-go"
)

const (
	// quicIdleTimeout ends a connection whose router is gone; the enclave's
	// heartbeats keep a live one busy.
	quicIdleTimeout = 30 * time.Second
	// quicKeepAlive keeps address translations open, and finds out that a router was
	// started again, which answers by a reset. A live session is never so quiet: the
	// enclave's heartbeats come once a second.
	quicKeepAlive = 3 * time.Second
	// quicStreamWindow lets one stream carry 1 Gbit/s over 60 ms.
	quicStreamWindow = 8 << 20
)

// quicStream is the one stream of a session together with its connection.
type quicStream struct {
	*quic.Stream
	conn *quic.Conn
}

// dialQUIC opens a connection and its one bidirectional stream. pc may be nil.
func dialQUIC(ctx context.Context, addr string, pc net.PacketConn) (io.ReadWriteCloser, error) {
	config := &quic.Config{
		MaxIdleTimeout:             quicIdleTimeout,
		KeepAlivePeriod:            quicKeepAlive,
		MaxIncomingStreams:         -1, // the router opens none
		MaxIncomingUniStreams:      -1,
		InitialStreamReceiveWindow: quicStreamWindow / 4,
		MaxStreamReceiveWindow:     quicStreamWindow,
		// 0-RTT stays off: its datagrams can be replayed.
	}
	conn, err := dialConn(ctx, addr, pc, tlsConfig(), config)
	if err != nil {
		return nil, err
	}
	stream, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, errors.Join(err, conn.CloseWithError(0, ""))
	}
	return &quicStream{Stream: stream, conn: conn}, nil
}

func dialConn(ctx context.Context, addr string, pc net.PacketConn, t *tls.Config, c *quic.Config) (*quic.Conn, error) {
	if pc == nil {
		return quic.DialAddr(ctx, addr, t, c)
	}
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	return quic.Dial(ctx, pc, udp, t, c)
}

// CloseWrite ends the sending direction; what was written still arrives.
func (s *quicStream) CloseWrite() error { return s.Stream.Close() }

// Close ends the connection at once.
func (s *quicStream) Close() error { return s.conn.CloseWithError(0, "") }

// closeWrite ends the sending direction of a transport that can.
func closeWrite(t io.ReadWriteCloser) error {
	if h, ok := t.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// transportError names the failure of a transport: the router's refusal when it
// came as the code of a closed connection (wire: no stream existed yet) or of a
// reset stream, and then its claim as much as one in a frame.
func transportError(op string, err error) *Error {
	if kind, ok := kindOnWire(remoteCode(err)); ok {
		return &Error{Op: op, Kind: kind, Claimed: true, Err: err}
	}
	return &Error{Op: op, Kind: KindTransport, Err: err}
}

// remoteCode is the peer's code in an error of quic-go, or 0.
func remoteCode(err error) uint64 {
	if st, ok := errors.AsType[*quic.StreamError](err); ok && st.Remote {
		return uint64(st.ErrorCode)
	}
	if app, ok := errors.AsType[*quic.ApplicationError](err); ok && app.Remote {
		return uint64(app.ErrorCode)
	}
	return 0
}
