package router

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/scbr/scbr/router/wire"
)

// admission counts half-open exchanges and sessions, in total and by address, from the first packet of a connection to its end.
type admission struct {
	limits func() *Limits
	m      *metrics

	away    atomic.Bool // there is no enclave
	leaving atomic.Bool // the router is about to end

	mu       sync.Mutex
	bucket   bucket
	halfOpen int
	sessions int
	refusing int // connections that will be told a number and nothing else
	windows  uint64
	byAddr   map[netip.Prefix]addrCount
}

type addrCount struct{ halfOpen, sessions int }

// ticket is one connection's place in the counts. It is given back when the connection ends.
type ticket struct {
	a         *admission
	addr      netip.Prefix
	refused   wire.Kind // not 0: the connection gets no place
	confirmed bool
	window    uint64
}

type ticketKey struct{}

func newAdmission(l func() *Limits, m *metrics) *admission {
	return &admission{limits: l, m: m, byAddr: map[netip.Prefix]addrCount{}}
}

// bucket holds the tokens of key exchanges that may begin.
type bucket struct {
	tokens float64
	at     time.Time // when tokens was true; zero: full
}

// take takes a token, if there is one.
func (b *bucket) take(now time.Time, perSecond, burst int) bool {
	if b.at.IsZero() {
		b.tokens = float64(burst)
	} else {
		b.tokens = min(float64(burst), b.tokens+now.Sub(b.at).Seconds()*float64(perSecond))
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// ticketOf returns the ticket that enter stored with the connection.
func ticketOf(ctx context.Context) *ticket {
	t, _ := ctx.Value(ticketKey{}).(*ticket)
	return t
}

// enter is quic.Transport.ConnContext. A connection over a limit still gets its TLS handshake, so that it can be told
// why, unless those being told are too many as well.
func (a *admission) enter(ctx context.Context, info *quic.ClientInfo) (context.Context, error) {
	t := a.admit(info.RemoteAddr)
	if t == nil {
		return nil, errBusy
	}
	context.AfterFunc(ctx, t.leave)
	return context.WithValue(ctx, ticketKey{}, t), nil
}

// admit gives a new connection its place, or a ticket that says why it gets none; nil when too many are being told that.
func (a *admission) admit(addr net.Addr) *ticket {
	t := &ticket{a: a, addr: prefixOf(addr)}
	a.mu.Lock()
	defer a.mu.Unlock()
	t.refused = a.judge(a.byAddr[t.addr])
	switch {
	case t.refused == 0:
		a.halfOpen++
		a.change(t.addr, 1, 0)
	case a.refusing >= a.limits().MaxHalfOpen:
		a.m.refusedUntold.Inc()
		return nil
	default:
		a.refusing++
	}
	return t
}

func (a *admission) judge(c addrCount) wire.Kind {
	switch {
	case a.leaving.Load():
		return wire.ShuttingDown
	case a.away.Load():
		return wire.Unavailable
	case c.halfOpen >= a.limits().MaxHalfOpenPerAddress,
		c.halfOpen+c.sessions >= a.limits().MaxSessionsPerAddress:
		return wire.TooManyFromAddress
	case a.halfOpen >= a.limits().MaxHalfOpen:
		return wire.TooManyHalfOpen
	case a.halfOpen+a.sessions >= a.limits().MaxSessions:
		return wire.TooManySessions
	case !a.bucket.take(time.Now(), a.limits().HandshakesPerSecond, a.limits().HandshakeBurst):
		return wire.Busy
	}
	return 0
}

// verify is quic.Transport.VerifySourceAddress: from a quarter of the total, or half of an address's share, a client must
// show that it receives at its address before it costs anything.
func (a *admission) verify(addr net.Addr) bool {
	p := prefixOf(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	return 4*a.halfOpen >= a.limits().MaxHalfOpen || 2*a.byAddr[p].halfOpen >= a.limits().MaxHalfOpenPerAddress
}

// confirm turns a half-open exchange into a session.
func (t *ticket) confirm() {
	t.a.mu.Lock()
	defer t.a.mu.Unlock()
	if t.confirmed || t.refused != 0 {
		return
	}
	t.confirmed = true
	t.a.halfOpen--
	t.a.sessions++
	t.a.change(t.addr, -1, 1)
}

// leave is called once, when the connection's context ends.
func (t *ticket) leave() {
	a := t.a
	a.mu.Lock()
	defer a.mu.Unlock()
	a.windows -= t.window
	switch {
	case t.refused != 0:
		a.refusing--
	case t.confirmed:
		a.sessions--
		a.change(t.addr, 0, -1)
	default:
		a.halfOpen--
		a.change(t.addr, -1, 0)
	}
	// A confirmation after the end must not count.
	t.confirmed = true
}

// widen is quic.Config.AllowConnectionWindowIncrease.
func (a *admission) widen(conn *quic.Conn, delta uint64) bool {
	t := ticketOf(conn.Context())
	if t == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.windows+delta > windowBudget {
		return false
	}
	a.windows += delta
	t.window += delta
	return true
}

func (a *admission) counts() (halfOpen, sessions int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.halfOpen, a.sessions
}

func (a *admission) change(p netip.Prefix, halfOpen, sessions int) {
	c := a.byAddr[p]
	c.halfOpen += halfOpen
	c.sessions += sessions
	if c == (addrCount{}) {
		delete(a.byAddr, p)
		return
	}
	a.byAddr[p] = c
}

// prefixOf is what limits per address count by: an IPv4 address, or the /64 that one IPv6 subscriber usually owns whole.
func prefixOf(addr net.Addr) netip.Prefix {
	var raw net.IP
	switch a := addr.(type) {
	case *net.UDPAddr:
		raw = a.IP
	case *net.TCPAddr:
		raw = a.IP
	default:
		return netip.Prefix{}
	}
	ip, _ := netip.AddrFromSlice(raw)
	ip = ip.Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
