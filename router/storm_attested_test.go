package router

import (
	"container/heap"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client/backoff"
	"github.com/scbr/scbr/enclave" //nolint:depguard // a test process is no host: the enclave's side of the storm
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"           //nolint:depguard // a test process is no host: the enclave's side of the storm
	"github.com/scbr/scbr/matcher"        //nolint:depguard // a test process is no host: the enclave's side of the storm
	"github.com/scbr/scbr/matcher/filter" //nolint:depguard // a test process is no host: the enclave's side of the storm
)

const (
	// attestedExchange is what a key exchange takes of the enclave with grants that have two signatures: above what
	// docs/PERFORMANCE.md has measured.
	attestedExchange = 700 * time.Microsecond
	// wholeHandshakes is how many clients there are to each that goes through the whole handshake.
	wholeHandshakes = 250
)

// countingPlatform counts the quotes that are asked for.
type countingPlatform struct {
	platform.Platform
	quotes int
}

func (p *countingPlatform) Quote(reportData [64]byte) ([]byte, []byte, error) {
	p.quotes++
	return p.Platform.Quote(reportData)
}

// attested is a domain with a router's enclave, which can be started again.
type attested struct {
	t         *testing.T
	machine   *sim.Platform
	counting  *countingPlatform
	authority keyx.Authority
	domain    keyx.Domain
	core      *enclave.Core
	firsts    []byte // a message 1 that many send
}

func newAttested(t *testing.T) *attested {
	files, err := sim.Create(rand.Reader, time.Now().Add(-time.Hour))
	require.NoError(t, err)
	machine, err := sim.Load(files, sim.Config{Measurement: [32]byte{1}})
	require.NoError(t, err)
	authority, err := keyx.NewAuthority(rand.Reader)
	require.NoError(t, err)
	a := &attested{
		t: t, machine: machine, counting: &countingPlatform{Platform: machine}, authority: authority,
		domain: keyx.Domain{Name: "storm", Authorities: []keyx.AuthorityKey{authority.Public()}},
	}
	_, a.firsts = a.initiator(0)
	return a
}

// boot starts the next enclave: all sessions of the last one are gone.
func (a *attested) boot(sessions int) {
	var err error
	a.core, err = enclave.New(enclave.Config{
		Domain: a.domain, Router: "r1", Platform: a.counting, Rand: rand.Reader,
		Memory: matcher.NewHeapMemory(1<<20, 1<<20), Limits: enclave.Limits{MaxSessions: sessions},
	})
	require.NoError(a.t, err)
}

// initiator is a client with a grant of its own, of two signatures.
func (a *attested) initiator(n int) (*keyx.Initiator, []byte) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(a.t, err)
	all, err := filter.Parse("TRUE")
	require.NoError(a.t, err)
	grant, err := keyx.SignGrant(keyx.Grant{
		Subject: fmt.Sprintf("client-%d", n), Key: public, Domain: a.domain.Name, Subscribe: &all, NotAfter: time.Now().Add(time.Hour).Truncate(time.Second),
	}, a.authority)
	require.NoError(a.t, err)
	i, msg1, err := keyx.NewInitiator(keyx.InitiatorConfig{
		Domain: a.domain, Router: "r1", Policy: a.machine.Policy(), Grant: grant, Key: key, Rand: rand.Reader,
	})
	require.NoError(a.t, err)
	return i, msg1
}

// step gives the core one frame and returns the part of its answer that is about the connection.
func (a *attested) step(conn uint64, in []byte) (answer abi.Frame, found bool) {
	out, err := a.core.Step(time.Now(), in)
	require.NoError(a.t, err)
	for len(out) > 0 {
		f, rest, err := abi.Next(out)
		require.NoError(a.t, err)
		if f.Conn == conn && (f.Type == abi.Handshake || f.Type == abi.Refuse) {
			answer, found = f, true
		}
		out = rest
	}
	return answer, found
}

// open sends message 1 and wants message 2.
func (a *attested) open(c *comingBack) {
	msg1 := a.firsts
	if c.whole {
		c.initiator, msg1 = a.initiator(int(c.conn))
	}
	f, found := a.step(c.conn, abi.AppendOpen(nil, c.conn, msg1))
	require.True(a.t, found)
	require.Equal(a.t, abi.Handshake, f.Type, "the enclave's own bound is never met: kind %v", keyx.Kind(f.Kind))
	if c.whole {
		var err error
		c.msg3, err = c.initiator.Respond(f.Body, time.Now()) // evidence, policy and configuration are checked here
		require.NoError(a.t, err)
	}
}

// finish ends the exchange: with a session, or for those of a message 1 with many senders by going away.
func (a *attested) finish(c *comingBack) {
	if !c.whole {
		a.step(c.conn, abi.AppendClose(nil, c.conn))
		return
	}
	f, found := a.step(c.conn, abi.AppendFinish(nil, c.conn, c.msg3))
	require.True(a.t, found)
	require.Equal(a.t, abi.Handshake, f.Type, "refused: %v", keyx.Kind(f.Kind))
	_, _, err := c.initiator.Confirm(f.Body)
	require.NoError(a.t, err)
}

// comingBack is a client that lost its session.
type comingBack struct {
	stormy
	conn      uint64
	whole     bool
	initiator *keyx.Initiator
	msg3      []byte
}

// returning is a heap of them by the time of their next step.
type returning []*comingBack

func (q returning) Len() int           { return len(q) }
func (q returning) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q returning) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *returning) Push(x any)        { *q = append(*q, x.(*comingBack)) }
func (q *returning) Pop() any {
	old := *q
	c := old[len(old)-1]
	*q = old[:len(old)-1]
	return c
}

func newReturning(t *testing.T, clients int) returning {
	q := make(returning, 0, clients)
	for n := range clients {
		c := &comingBack{conn: uint64(n) + 1, whole: n%wholeHandshakes == 0}
		c.addr = &net.TCPAddr{IP: net.IPv4(10, byte(n>>16), byte(n>>8), byte(n))}
		c.pauses = backoff.Backoff{Min: 100 * time.Millisecond, Max: 10 * time.Second, Rand: rand.Reader}
		c.pause(t)
		heap.Push(&q, c)
	}
	return q
}

// TestReconnectStormAttested: a hundred thousand clients come back to an enclave that was started again, in virtual time. Real are the router's
// admission, the SDK's pauses, and in the enclave's core the message 1 of every client, with its bound and deadline on half-open handshakes; one
// client in wholeHandshakes goes through the whole handshake, with a grant of two signatures and the evidence checked, and keeps its
// session. The others send the same message 1 and leave where they would have sent message 3. The time the enclave takes is
// attestedExchange for each, the network's is roundTrips. One quote is made for each boot and none for a session.
func TestReconnectStormAttested(t *testing.T) {
	clients := stormClients
	if testing.Short() {
		clients /= 20
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAttested(t)
		a.boot(2 * stormClients)
		before := &comingBack{conn: 1, whole: true}
		a.open(before)
		a.finish(before)
		require.Equal(t, 1, a.counting.quotes)
		a.boot(2 * stormClients) // its sessions are gone

		l := DefaultLimits()
		l.MaxSessions = 2 * stormClients
		adm := newAdmission(func() *Limits { return &l }, newMetrics())
		begin, ideal := time.Now(), time.Duration(clients/l.HandshakesPerSecond)*time.Second
		s := runStorm(t, a, adm, newReturning(t, clients))
		took := time.Since(begin)
		t.Logf("%d clients back after %v (the rate alone: %v), %d whole handshakes, at most %d at once and %d in a second, %d quotes",
			s.back, took, ideal, s.whole, s.peak, s.fastest, a.counting.quotes)
		require.Equal(t, clients, s.back)
		require.Equal(t, (clients+wholeHandshakes-1)/wholeHandshakes, s.whole)
		require.Equal(t, 2, a.counting.quotes, "one for each boot")
		require.LessOrEqual(t, s.peak, l.MaxHalfOpen)
		require.LessOrEqual(t, s.fastest, l.HandshakesPerSecond+l.HandshakeBurst)
		require.LessOrEqual(t, took, ideal*11/10+10*time.Second)
		_, sessions := adm.counts()
		require.Equal(t, clients, sessions)
	})
}

// stormResult is what came of it.
type stormResult struct{ back, whole, peak, fastest int }

func runStorm(t *testing.T, a *attested, adm *admission, q returning) (s stormResult) {
	var enclaveFree, second time.Time
	begun := 0 // key exchanges since second
	for len(q) > 0 {
		c := heap.Pop(&q).(*comingBack)
		time.Sleep(time.Until(c.at))
		if c.ticket != nil { // its exchange is over
			a.finish(c)
			c.ticket.confirm()
			s.back++
			if c.whole {
				s.whole++
			}
			continue
		}
		tk := adm.admit(c.addr)
		if tk == nil || tk.refused != 0 {
			if tk != nil {
				tk.leave()
			}
			c.pause(t)
			heap.Push(&q, c)
			continue
		}
		c.ticket = tk
		a.open(c)
		now := time.Now()
		if now.Sub(second) >= time.Second {
			second, begun = now, 0
		}
		begun++
		s.fastest = max(s.fastest, begun)
		if enclaveFree.Before(now) {
			enclaveFree = now
		}
		enclaveFree = enclaveFree.Add(attestedExchange)
		c.at = enclaveFree.Add(roundTrips)
		halfOpen, _ := adm.counts()
		s.peak = max(s.peak, halfOpen)
		heap.Push(&q, c)
	}
	return s
}
