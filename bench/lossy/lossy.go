// Package lossy is a UDP proxy that treats datagrams as a bad network does: it loses, duplicates, delays, reorders and corrupts them, and
// gives a client another source port in the middle, as a NAT does that forgot it. It stands between real processes.
//
// It trusts nobody and nobody trusts it: what passes is ciphertext of QUIC. It promises bounds: so many flows, so many datagrams delayed at
// once, and none of its goroutines after Close. Its decisions are drawn from a seed, but the order in which two flows draw is the
// machine's: a seed makes a run similar, not equal. For equal runs there is the simulated world of bench/sim.
package lossy

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxFlows bounds the clients of a proxy; further ones are not served.
	maxFlows = 4096
	// maxDelayed bounds the datagrams on their way; further ones are lost, as in a router's full queue.
	maxDelayed = 1 << 16
	// maxDatagram is the largest UDP payload.
	maxDatagram = 65535
	// socketBytes is asked for as receive buffer, so that what is lost is lost by decision.
	socketBytes = 4 << 20
)

// Faults are what happens to a datagram, each with its probability, in each direction.
type Faults struct {
	Loss, Duplicate, Corrupt, Reorder float64
	// Delay holds every datagram back; a reordered one by as much again, and at least by a millisecond.
	Delay time.Duration
}

// Stats count datagrams.
type Stats struct{ Passed, Lost, Duplicated, Corrupted, Reordered uint64 }

// Proxy is one listening proxy.
type Proxy struct {
	target *net.UDPAddr
	front  *net.UDPConn
	all    sync.WaitGroup

	mu      sync.Mutex
	random  *rand.Rand
	faults  Faults
	stats   Stats
	flows   map[netip.AddrPort]*flow
	delayed int
	closed  bool
}

// flow is one client and the socket that the target sees as it.
type flow struct {
	client netip.AddrPort
	back   *net.UDPConn
}

// Listen starts a proxy for target on a free port of the loopback.
func Listen(target string, seed uint64, f Faults) (*Proxy, error) {
	addr, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		return nil, err
	}
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = front.SetReadBuffer(socketBytes) // as much as the system gives
	p := &Proxy{target: addr, front: front, random: rand.New(rand.NewPCG(seed, 1)), faults: f, flows: map[netip.AddrPort]*flow{}}
	p.all.Go(p.forward)
	return p, nil
}

// Addr is where clients dial.
func (p *Proxy) Addr() string { return p.front.LocalAddr().String() }

// Set changes the faults.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// Stats tells the counts so far.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Rebind gives every client a new source port.
func (p *Proxy) Rebind() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, f := range p.flows {
		old := f.back
		if err := p.connect(f); err != nil {
			errs = append(errs, err)
			continue
		}
		_ = old.Close() // ends its reader
	}
	return errors.Join(errs...)
}

// Close ends the proxy and waits for its goroutines; what is still on its way is lost.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	err := p.front.Close()
	for _, f := range p.flows {
		_ = f.back.Close()
	}
	p.mu.Unlock()
	p.all.Wait()
	return err
}

// connect opens the socket of a flow and its reader. With mu held.
func (p *Proxy) connect(f *flow) error {
	back, err := net.DialUDP("udp", nil, p.target)
	if err != nil {
		return err
	}
	_ = back.SetReadBuffer(socketBytes)
	f.back = back
	p.all.Go(func() { p.backward(f.client, back) })
	return nil
}

// forward carries datagrams of clients to the target.
func (p *Proxy) forward() {
	buf := make([]byte, maxDatagram)
	for {
		n, client, err := p.front.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if f := p.flow(client); f != nil {
			p.pass(buf[:n], func(b []byte) {
				p.mu.Lock()
				back := f.back
				p.mu.Unlock()
				_, _ = back.Write(b) // a target that is away loses it
			})
		}
	}
}

// backward carries datagrams of the target to one client. A target that is away shows as errors of a connected socket (ICMP), which end
// nothing.
func (p *Proxy) backward(client netip.AddrPort, back *net.UDPConn) {
	buf := make([]byte, maxDatagram)
	for {
		n, err := back.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue
		}
		p.pass(buf[:n], func(b []byte) { _, _ = p.front.WriteToUDPAddrPort(b, client) })
	}
}

func (p *Proxy) flow(client netip.AddrPort) *flow {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.flows[client]
	if f != nil || p.closed || len(p.flows) >= maxFlows {
		return f
	}
	f = &flow{client: client}
	if p.connect(f) != nil {
		return nil
	}
	p.flows[client] = f
	return f
}

// fate is what was drawn for a datagram.
type fate struct {
	copies  int
	corrupt int // place of the flipped bit; -1: none
	delay   time.Duration
}

// draw decides about a datagram of n bytes.
func (p *Proxy) draw(n int) fate {
	p.mu.Lock()
	defer p.mu.Unlock()
	hit := func(probability float64) bool { return probability > 0 && p.random.Float64() < probability }
	if hit(p.faults.Loss) || p.delayed >= maxDelayed || p.closed {
		p.stats.Lost++
		return fate{}
	}
	f := fate{copies: 1, corrupt: -1, delay: p.faults.Delay}
	p.stats.Passed++
	if hit(p.faults.Duplicate) {
		f.copies = 2
		p.stats.Duplicated++
	}
	if n > 0 && hit(p.faults.Corrupt) {
		f.corrupt = p.random.IntN(8 * n)
		p.stats.Corrupted++
	}
	if hit(p.faults.Reorder) {
		f.delay += max(f.delay, time.Millisecond) + time.Duration(p.random.Int64N(int64(time.Millisecond)))
		p.stats.Reordered++
	}
	return f
}

// pass sends a datagram as its fate is; b is the caller's again when it returns.
func (p *Proxy) pass(b []byte, send func([]byte)) {
	f := p.draw(len(b))
	if f.copies == 0 {
		return
	}
	if f.corrupt >= 0 || f.delay > 0 {
		b = append([]byte(nil), b...)
	}
	if f.corrupt >= 0 {
		b[f.corrupt/8] ^= 1 << (f.corrupt % 8)
	}
	out := func() {
		for range f.copies {
			send(b)
		}
	}
	if f.delay == 0 {
		out()
		return
	}
	p.later(f.delay, out)
}

// later runs out after d, unless the proxy is closed by then.
func (p *Proxy) later(d time.Duration, out func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.delayed++
	p.all.Add(1)
	time.AfterFunc(d, func() {
		defer p.all.Done()
		p.mu.Lock()
		p.delayed--
		closed := p.closed
		p.mu.Unlock()
		if !closed {
			out()
		}
	})
}
