package router

import (
	"container/heap"
	"crypto/rand"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client/backoff"
	"github.com/scbr/scbr/router/wire"
)

const (
	// stormClients come back at once after a restart.
	stormClients = 100_000
	// exchangeTime is what a key exchange takes of the enclave, with a grant of two signatures, which does one at a time.
	exchangeTime = 650 * time.Microsecond
	// roundTrips of a key exchange.
	roundTrips = 40 * time.Millisecond
)

// stormy is a client that tries to come back.
type stormy struct {
	addr     net.Addr
	pauses   backoff.Backoff
	attempts int
	ticket   *ticket // during its key exchange
	at       time.Time
}

// queueOf is a heap of clients by the time of their next step.
type queueOf []*stormy

func (q queueOf) Len() int           { return len(q) }
func (q queueOf) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queueOf) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queueOf) Push(x any)        { *q = append(*q, x.(*stormy)) }
func (q *queueOf) Pop() any {
	old := *q
	c := old[len(old)-1]
	*q = old[:len(old)-1]
	return c
}

// TestReconnectStorm: a hundred thousand clients with the SDK's pauses, in virtual time, against the real admission. At no moment are there more
// key exchanges than the limit, all are back within twice the time that the rate needs, and none tries very often or waits very long for
// nothing.
func TestReconnectStorm(t *testing.T) {
	clients := stormClients
	if testing.Short() {
		clients /= 20
	}
	synctest.Test(t, func(t *testing.T) {
		l := DefaultLimits()
		l.MaxSessions = 2 * stormClients
		a := newAdmission(func() *Limits { return &l }, newMetrics())
		q := make(queueOf, 0, clients)
		begin := time.Now()
		for n := range clients {
			c := &stormy{
				addr:   &net.TCPAddr{IP: net.IPv4(10, byte(n>>16), byte(n>>8), byte(n))},
				pauses: backoff.Backoff{Min: 100 * time.Millisecond, Max: 10 * time.Second, Rand: rand.Reader},
			}
			c.pause(t)
			heap.Push(&q, c)
		}
		var enclaveFree time.Time
		peak, refused, most, back := 0, map[wire.Kind]int{}, 0, 0
		for len(q) > 0 {
			c := heap.Pop(&q).(*stormy)
			time.Sleep(time.Until(c.at))
			switch {
			case c.ticket != nil: // its exchange is over
				c.ticket.confirm()
				back++
				most = max(most, c.attempts)
				continue
			default:
				c.attempts++
				c.ticket = a.admit(c.addr)
			}
			if tk := c.ticket; tk != nil && tk.refused == 0 {
				if enclaveFree.Before(time.Now()) {
					enclaveFree = time.Now()
				}
				enclaveFree = enclaveFree.Add(exchangeTime)
				c.at = enclaveFree.Add(roundTrips)
			} else {
				if tk != nil {
					refused[tk.refused]++
					tk.leave()
				}
				c.ticket = nil
				c.pause(t)
			}
			halfOpen, _ := a.counts()
			peak = max(peak, halfOpen)
			heap.Push(&q, c)
		}
		took := time.Since(begin)
		ideal := time.Duration(clients/l.HandshakesPerSecond) * time.Second
		t.Logf("%d clients back after %v (the rate alone: %v), at most %d key exchanges at once, %d attempts of one, refused %v", back, took, ideal, peak, most, refused)
		require.Equal(t, clients, back)
		require.LessOrEqual(t, peak, l.MaxHalfOpen)
		require.LessOrEqual(t, took, 2*ideal+20*time.Second)
		require.Less(t, most, 100)
		_, sessions := a.counts()
		require.Equal(t, clients, sessions)
	})
}

func (c *stormy) pause(t *testing.T) {
	d, err := c.pauses.Next()
	require.NoError(t, err)
	c.at = time.Now().Add(d)
}

// halfOpenBytes bounds what the router holds for a connection that sends nothing: two goroutines' stacks, the TLS state and buffers.
const halfOpenBytes = 64 << 10

// TestTenThousandHalfOpen: ten thousand connections from as many addresses that send nothing take no more than their limit, and no session
// suffers; when their time is over others are let in.
func TestTenThousandHalfOpen(t *testing.T) {
	flood := 10_000
	if testing.Short() {
		flood /= 10
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	w := start(t, func(c *Config, _ *fakeEnclave) { c.Listener = ln },
		limits(func(l *Limits) { l.MaxHalfOpen, l.HandshakeTimeout = 256, 3*time.Second }))
	c := w.session()
	memory := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := memory()
	conns := make([]net.Conn, 0, flood)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	highest := 0
	for n := range flood {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1+byte(n>>16), byte(n>>8), byte(n))}}
		conn, err := d.Dial("tcp4", ln.Addr().String())
		if err != nil {
			t.Skipf("this system does not open so many connections: %v", err)
		}
		conns = append(conns, conn)
		halfOpen, _ := w.r.admission.counts()
		highest = max(highest, halfOpen)
		if n%1000 == 0 {
			c.publish("b", []byte("x"))
			require.Equal(t, 1, must(c.next()).PayloadBytes(), "the session is served")
			require.Equal(t, "ack", string(must(c.next()).Blob))
		}
	}
	require.LessOrEqual(t, highest, 256)
	// As many again may be waiting to be told that they are too many.
	require.LessOrEqual(t, memory(), before+2*256*halfOpenBytes+uint64(flood)*1024, "flood's own sockets aside")
	w.eventually("their time is over", func() bool { halfOpen, _ := w.r.admission.counts(); return halfOpen == 0 })
	w.session()
}
