package link_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errCore = errors.New("broken")

// echo answers every frame with a Refuse of its connection, is done after a
// Shutdown, and fails on a Close.
type echo struct {
	done  bool
	steps int
}

func (e *echo) Ready(dst []byte) []byte {
	return abi.AppendReady(dst, [16]byte{1}, [abi.MeasurementLen]byte{2}, true)
}
func (e *echo) Done() bool { return e.done }

func (e *echo) StepTo(_ time.Time, in []byte, emit func([]byte) error) error {
	e.steps++
	var out []byte
	for len(in) > 0 {
		f, rest, err := abi.Next(in)
		if err != nil {
			return err
		}
		in = rest
		switch f.Type {
		case abi.Close:
			return errCore
		case abi.Shutdown:
			e.done = true
		default:
			out = abi.AppendRefuse(out, f.Conn, uint16(len(f.Body)))
		}
	}
	return emit(out)
}

// start runs a link and returns the host's end and what Run returns.
func start(t *testing.T, core link.Stepper) (net.Conn, <-chan error) {
	t.Helper()
	host, ours := net.Pipe()
	end := make(chan error, 1)
	go func() {
		err := link.Run(ours, core, func() time.Time { return time.Unix(1, 0) })
		_ = ours.Close()
		end <- err
	}()
	t.Cleanup(func() { _ = host.Close() })
	ready := make([]byte, len((&echo{}).Ready(nil)))
	_, err := io.ReadFull(host, ready)
	require.NoError(t, err)
	return host, end
}

func TestFramesInAnyPieces(t *testing.T) {
	var in, want []byte
	for i := range uint64(40) {
		in = abi.AppendOpen(in, i, make([]byte, i*30))
		want = abi.AppendRefuse(want, i, uint16(i*30))
	}
	for _, piece := range []int{1, 3, 4, 5, 1000, len(in)} {
		host, end := start(t, &echo{})
		sent := make(chan error, 1)
		go func() {
			for rest := in; len(rest) > 0; {
				n := min(piece, len(rest))
				if _, err := host.Write(rest[:n]); err != nil {
					sent <- err
					return
				}
				rest = rest[n:]
			}
			sent <- nil
		}()
		got := make([]byte, len(want))
		_, err := io.ReadFull(host, got)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoError(t, <-sent)
		require.NoError(t, host.Close())
		require.NoError(t, <-end, "the host hanging up is no error")
	}
}

func TestLargestFrame(t *testing.T) {
	host, end := start(t, &echo{})
	go func() { _, _ = host.Write(abi.AppendOpen(nil, 9, make([]byte, abi.MaxFrame-10))) }()
	got := make([]byte, len(abi.AppendRefuse(nil, 0, 0)))
	_, err := io.ReadFull(host, got)
	require.NoError(t, err)
	f, _, err := abi.Next(got)
	require.NoError(t, err)
	require.EqualValues(t, 9, f.Conn)
	require.NoError(t, host.Close())
	require.NoError(t, <-end)
}

func TestEnds(t *testing.T) {
	cases := map[string]struct {
		in   []byte
		want error
	}{
		"shutdown":           {abi.AppendShutdown(nil), nil},
		"core fails":         {abi.AppendClose(nil, 1), errCore},
		"length too large":   {[]byte{0xff, 0, 0, 0}, abi.ErrTooLarge},
		"unknown version":    {[]byte{0, 0, 0, 2, 7}, abi.ErrVersion},
		"nonsense after one": {append(abi.AppendOpen(nil, 1, nil), 0xff, 0, 0, 0), abi.ErrTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			host, end := start(t, &echo{})
			go func() { _, _ = io.Copy(io.Discard, host) }()
			_, _ = host.Write(c.in)
			require.ErrorIs(t, <-end, c.want)
		})
	}
}

func TestHostThatHangsUpBeforeReady(t *testing.T) {
	host, ours := net.Pipe()
	require.NoError(t, host.Close())
	require.NoError(t, link.Run(ours, &echo{}, time.Now))
}
