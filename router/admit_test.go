package router

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// onSimnet runs a test with a simulated network and clock; next tells the address of the client to come.
func onSimnet(t *testing.T, options []option, test func(t *testing.T, w *world, next func(ip string))) {
	synctest.Test(t, func(t *testing.T) {
		sim := &simnet.Simnet{Router: &simnet.PerfectRouter{}}
		settings := simnet.NodeBiDiLinkSettings{Latency: 5 * time.Millisecond}
		at := net.UDPAddr{IP: net.ParseIP("10.0.0.1"), Port: 7443}
		host := sim.NewEndpoint(&at, settings)
		require.NoError(t, sim.Start())
		t.Cleanup(func() { _ = sim.Close() })
		t.Cleanup(func() { _ = host.Close() })
		w := start(t, append(options, func(c *Config, _ *fakeEnclave) { c.PacketConn = host })...)
		ip, port := "10.0.1.1", 9000
		w.dial = func() net.PacketConn {
			port++
			one := &simnet.Simnet{Router: sim.Router}
			c := one.NewEndpoint(&net.UDPAddr{IP: net.ParseIP(ip), Port: port}, settings)
			_ = one.Start()
			t.Cleanup(func() { _ = one.Close() })
			return c
		}
		test(t, w, func(next string) { ip = next })
	})
}

func TestHandshakeDeadline(t *testing.T) {
	for name, steps := range map[string]int{"stream without a byte": 0, "half a frame": 1, "hello without finish": 2} {
		t.Run(name, func(t *testing.T) {
			onSimnet(t, nil, func(t *testing.T, w *world, _ func(string)) {
				begin := time.Now()
				c := w.mustConnect()
				hello := wire.AppendHello(nil, []byte("m1"))
				switch steps {
				case 0:
					// A stream becomes known to the peer with its first byte: nothing to send.
				case 1:
					c.send(hello[:5])
				case 2:
					c.send(hello)
					require.Equal(t, wire.TypeServerHello, c.next().Type)
				}
				<-c.conn.Context().Done()
				require.Equal(t, wire.HandshakeTimeout, c.code())
				require.InDelta(t, w.r.limits().HandshakeTimeout.Seconds(), time.Since(begin).Seconds(), 1)
				require.Equal(t, 1.0, w.refused(wire.HandshakeTimeout))
			})
		})
	}
}

// TestSlowLoris: a client that sends a byte now and then does not hold a place for longer than the deadline.
func TestSlowLoris(t *testing.T) {
	onSimnet(t, nil, func(t *testing.T, w *world, _ func(string)) {
		begin := time.Now()
		c := w.mustConnect()
		for _, b := range wire.AppendHello(nil, make([]byte, 1000)) {
			if _, err := c.stream.Write([]byte{b}); err != nil || c.conn.Context().Err() != nil {
				break
			}
			time.Sleep(time.Second) // the bubble's clock
		}
		<-c.conn.Context().Done()
		require.Equal(t, wire.HandshakeTimeout, c.code())
		require.Less(t, time.Since(begin), w.r.limits().HandshakeTimeout+3*time.Second)
		require.Zero(t, w.e.count(abi.Open))
	})
}

// TestSlowFrame: after the key exchange, a frame has to be finished in time; idle time between frames is free.
func TestSlowFrame(t *testing.T) {
	onSimnet(t, nil, func(t *testing.T, w *world, _ func(string)) {
		c := w.session()
		time.Sleep(3 * w.r.limits().FrameTimeout)
		c.publish("b", []byte("after a long silence"))
		require.Equal(t, wire.TypeDelivery, c.next().Type)
		require.Equal(t, "ack", string(must(c.next()).Blob))
		frame := wire.AppendData(nil, make([]byte, 1000), nil)
		begin := time.Now()
		for _, b := range frame {
			if _, err := c.stream.Write([]byte{b}); err != nil || c.conn.Context().Err() != nil {
				break
			}
			time.Sleep(time.Second)
		}
		require.Equal(t, wire.BadFrame, c.refusal())
		require.Less(t, time.Since(begin), w.r.limits().FrameTimeout+5*time.Second)
	})
}

func must(f wire.Frame) *wire.Frame { return &f }

// half opens a key exchange and leaves it there.
func (w *world) half() *client {
	c := w.mustConnect()
	c.send(wire.AppendHello(nil, []byte("m1")))
	require.Equal(w.t, wire.TypeServerHello, c.next().Type)
	return c
}

// refusedAtOnce connects and expects the refusal by number alone.
func (w *world) refusedAtOnce(kind wire.Kind) {
	w.t.Helper()
	opened := w.e.count(abi.Open)
	c, err := w.connect()
	if err == nil {
		<-c.conn.Context().Done()
		require.Equal(w.t, kind, c.code())
	} else {
		var app *quic.ApplicationError
		require.ErrorAs(w.t, err, &app)
		require.Equal(w.t, kind, wire.Kind(app.ErrorCode))
	}
	require.Equal(w.t, opened, w.e.count(abi.Open), "nothing reached the enclave")
}

func TestHalfOpenCap(t *testing.T) {
	o := []option{limits(func(l *Limits) { l.MaxHalfOpen = 3 })}
	onSimnet(t, o, func(t *testing.T, w *world, next func(string)) {
		a := w.half()
		next("10.0.1.2")
		w.half()
		w.half()
		next("10.0.1.3")
		w.refusedAtOnce(wire.TooManyHalfOpen)
		require.Equal(t, 1.0, w.refused(wire.TooManyHalfOpen))
		// A finished exchange makes room.
		a.send(wire.AppendFinish(nil, []byte("m3")))
		require.Equal(t, wire.TypeConfirm, a.next().Type)
		w.half()
		w.refusedAtOnce(wire.TooManyHalfOpen)
		// So does one that ran out of time.
		time.Sleep(w.r.limits().HandshakeTimeout + time.Second)
		w.session()
	})
}

func TestPerAddressLimits(t *testing.T) {
	o := []option{limits(func(l *Limits) { l.MaxHalfOpenPerAddress, l.MaxSessionsPerAddress = 2, 3 })}
	onSimnet(t, o, func(t *testing.T, w *world, next func(string)) {
		a, b := w.half(), w.half()
		w.refusedAtOnce(wire.TooManyFromAddress)
		next("10.0.1.2")
		w.session() // others are not affected
		next("10.0.1.1")
		for _, c := range []*client{a, b} {
			c.send(wire.AppendFinish(nil, []byte("m3")))
			require.Equal(t, wire.TypeConfirm, c.next().Type)
		}
		w.session()
		w.refusedAtOnce(wire.TooManyFromAddress)
		require.Equal(t, 2.0, w.refused(wire.TooManyFromAddress))
		_ = a.conn.CloseWithError(0, "")
		time.Sleep(time.Second)
		w.session()
	})
}

func TestTooManySessions(t *testing.T) {
	o := []option{limits(func(l *Limits) { l.MaxSessions = 2 })}
	onSimnet(t, o, func(_ *testing.T, w *world, _ func(string)) {
		w.session()
		w.session()
		w.refusedAtOnce(wire.TooManySessions)
	})
}

func TestPrefixOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7/32",
		"::ffff:192.0.2.7":       "192.0.2.7/32",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::/64",
		"2001:db8:1:2:ff:ff::ff": "2001:db8:1:2::/64",
		"2001:db8:1:3::1":        "2001:db8:1:3::/64",
	} {
		got := prefixOf(&net.UDPAddr{IP: net.ParseIP(addr), Port: 5})
		require.Equal(t, netip.MustParsePrefix(want), got)
	}
	require.Equal(t, netip.Prefix{}, prefixOf(&net.TCPAddr{}))
}

// TestForgedAddresses: packets with a victim's address use up half of its share at most; the victim itself passes by proving
// that it receives there.
func TestForgedAddresses(t *testing.T) {
	l := DefaultLimits()
	l.MaxHalfOpenPerAddress = 8
	a := newAdmission(func() *Limits { return &l }, newMetrics())
	victim := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	for !a.verify(victim) {
		_, err := a.enter(ctx, &quic.ClientInfo{RemoteAddr: victim})
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 4, n)
	got, err := a.enter(ctx, &quic.ClientInfo{RemoteAddr: victim, AddrVerified: true})
	require.NoError(t, err)
	require.Zero(t, ticketOf(got).refused)
	cancel()
	require.Eventually(t, func() bool { h, s := a.counts(); return h+s == 0 }, patience, time.Millisecond)
	require.Empty(t, a.byAddr)
}

// TestRefusedAreBounded: even being refused with a number has a bound.
func TestRefusedAreBounded(t *testing.T) {
	l := DefaultLimits()
	l.MaxHalfOpen = 5
	a := newAdmission(func() *Limits { return &l }, newMetrics())
	ctx, cancel := context.WithCancel(context.Background())
	for i := range 10 {
		got, err := a.enter(ctx, &quic.ClientInfo{RemoteAddr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, byte(i)), Port: 1}})
		require.NoError(t, err)
		require.Equal(t, i >= 5, ticketOf(got).refused == wire.TooManyHalfOpen)
	}
	_, err := a.enter(ctx, &quic.ClientInfo{RemoteAddr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, 77), Port: 1}})
	require.True(t, errors.Is(err, errBusy))
	cancel()
	require.Eventually(t, func() bool {
		h, s := a.counts()
		a.mu.Lock()
		defer a.mu.Unlock()
		return h+s+a.refusing == 0
	}, patience, time.Millisecond)
}

// TestWindowsAreReturned: what a connection took of the budget for receive windows is there again after its end.
func TestWindowsAreReturned(t *testing.T) {
	w := start(t)
	taken := func() uint64 {
		w.r.admission.mu.Lock()
		defer w.r.admission.mu.Unlock()
		return w.r.admission.windows
	}
	c := w.session()
	s := w.r.find(w.e.lastConn())
	require.True(t, w.r.admission.widen(s.tr.(*quicTransport).conn, 1<<20))
	require.GreaterOrEqual(t, taken(), uint64(1<<20))
	require.False(t, w.r.admission.widen(s.tr.(*quicTransport).conn, windowBudget), "over the budget")
	_ = c.conn.CloseWithError(0, "")
	w.eventually("the budget is whole again", func() bool { return taken() == 0 })
}
