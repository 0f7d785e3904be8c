package client

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/router/wire"
)

type way = func(context.Context) (io.ReadWriteCloser, error)

// TestDialEither: QUIC when it connects, TCP when it does not in time, and whoever comes first when both take long.
func TestDialEither(t *testing.T) {
	quicEnd, tcpEnd := &endOf{}, &endOf{}
	after := func(d time.Duration, c *endOf, err error) way {
		return func(ctx context.Context) (io.ReadWriteCloser, error) {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if err != nil {
				return nil, err
			}
			return c, nil
		}
	}
	never := after(time.Hour, nil, nil)
	broken := errors.New("no route")
	refused := &quic.ApplicationError{Remote: true, ErrorCode: quic.ApplicationErrorCode(wire.Busy)}
	for name, tc := range map[string]struct {
		quic, tcp way
		want      *endOf
		err       error
		took      time.Duration
	}{
		"QUIC connects":                {after(200*time.Millisecond, quicEnd, nil), after(0, tcpEnd, nil), quicEnd, nil, 200 * time.Millisecond},
		"UDP is black-holed":           {never, after(50*time.Millisecond, tcpEnd, nil), tcpEnd, nil, quicHeadStart + 50*time.Millisecond},
		"QUIC fails at once":           {after(0, nil, broken), after(50*time.Millisecond, tcpEnd, nil), tcpEnd, nil, 50 * time.Millisecond},
		"both are slow, QUIC is first": {after(time.Second, quicEnd, nil), after(time.Hour, tcpEnd, nil), quicEnd, nil, time.Second},
		"TCP fails, QUIC is slow":      {after(time.Second, quicEnd, nil), after(0, nil, broken), quicEnd, nil, time.Second},
		"neither":                      {after(time.Second, nil, broken), after(0, nil, io.EOF), nil, broken, time.Second},
		"nobody listens":               {never, after(0, nil, syscall.ECONNREFUSED), nil, syscall.ECONNREFUSED, quicHeadStart + nobodyPatience},
		"the router refuses QUIC":      {after(0, nil, refused), after(0, tcpEnd, nil), nil, refused, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				c, err := dialEither(t.Context(), tc.quic, tc.tcp)
				require.Equal(t, tc.took, time.Since(begin))
				if tc.want != nil {
					require.NoError(t, err)
					require.Same(t, tc.want, c)
					return
				}
				require.ErrorIs(t, err, tc.err)
			})
		})
	}
}

type endOf struct{ io.ReadWriteCloser }

// TestLateConnectionIsClosed: the slower way is not left open.
func TestLateConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c, err := dialEither(t.Context(), func(context.Context) (io.ReadWriteCloser, error) {
			time.Sleep(time.Second) // it does not listen to its context
			return ours, nil
		}, func(context.Context) (io.ReadWriteCloser, error) { return &endOf{}, nil })
		require.NoError(t, err)
		require.IsType(t, &endOf{}, c)
		_, err = theirs.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}
