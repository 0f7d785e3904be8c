package sim

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/judge"
	"github.com/scbr/scbr/router/wire"
)

// TestZeroRTTReplay: everything that a publisher sent is captured and sent again a minute later, from its address and from another. There is
// one delivery. (With 0-RTT allowed such datagrams were taken for new data; RFC 9001, section 9.2.)
func TestZeroRTTReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1, faults{})
		w := newWorld(t, n, 0)
		sub := w.dial(w.config("subscriber", 0))
		witness := &judge.Witness{Where: w.filter("TRUE")}
		_, err := sub.Subscribe(t.Context(), witness.Where)
		require.NoError(t, err)
		var watching sync.WaitGroup
		watching.Go(func() { witness.Watch(sub) })

		var captured []simnet.Packet
		cfg := w.config("publisher", 0)
		from := cfg.PacketConn.LocalAddr().String()
		n.mu.Lock()
		n.tap = func(p simnet.Packet) {
			if p.From.String() == from {
				p.Data = slices.Clone(p.Data)
				captured = append(captured, p)
			}
		}
		n.mu.Unlock()
		pub := w.dial(cfg)
		require.NoError(t, pub.Publish(t.Context(), w.event(1), body(1)))
		require.NoError(t, pub.Close())
		n.mu.Lock()
		n.tap = nil
		n.mu.Unlock()
		require.Greater(t, len(captured), 4, "a handshake and a publication")

		time.Sleep(time.Minute)
		for _, source := range []net.Addr{captured[0].From, &net.UDPAddr{IP: net.IPv4(10, 0, 7, 7), Port: 7777}} {
			for _, p := range captured {
				p.From, p.Data = source, slices.Clone(p.Data)
				require.NoError(t, n.SendPacket(p))
				time.Sleep(latency)
			}
		}
		time.Sleep(time.Minute)
		require.NoError(t, sub.Close())
		watching.Wait()
		delivered := 0
		for _, h := range witness.Saw {
			if h.Delivery != nil {
				delivered++
			}
		}
		require.Equal(t, 1, delivered)
		require.Zero(t, sub.Stats().Duplicates, "the enclave did not see it twice either")
	})
}

// TestRouterGivesNoTicket: a client that wants to send early data gets nothing to do it with, and what it sends waits for the handshake.
func TestRouterGivesNoTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1, faults{})
		w := newWorld(t, n, 0)
		cache := &tickets{}
		conf := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{wire.ALPN}, ClientSessionCache: cache, ServerName: "router"}
		for range 2 {
			pc := w.config("early", 0).PacketConn
			tr := &quic.Transport{Conn: pc}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			conn, err := tr.DialEarly(ctx, &routerAddr, conf, &quic.Config{})
			require.NoError(t, err)
			<-conn.HandshakeComplete()
			require.False(t, conn.ConnectionState().Used0RTT)
			time.Sleep(time.Second) // tickets come after the handshake
			require.NoError(t, conn.CloseWithError(0, ""))
			require.NoError(t, tr.Close())
			cancel()
		}
		require.Zero(t, cache.put, "no ticket was given")
		require.Equal(t, 2, cache.asked, "the client did ask for one")
	})
}

// tickets is a cache that counts.
type tickets struct{ put, asked int }

func (c *tickets) Get(string) (*tls.ClientSessionState, bool) { c.asked++; return nil, false }
func (c *tickets) Put(string, *tls.ClientSessionState)        { c.put++ }
