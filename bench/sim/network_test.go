package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"
)

const (
	latency = 10 * time.Millisecond
	// smallMTU is the least that QUIC needs (RFC 9000, section 14): larger datagrams, which probe for more, are lost.
	smallMTU = 1280
)

// faults of the network, as probabilities.
type faults struct{ loss, duplicate, reorder, corrupt float64 }

// network is a simnet router that is rude by a seed and translates the addresses of clients.
type network struct {
	simnet.PerfectRouter
	mu      sync.Mutex
	seed    uint64
	faults  faults
	flows   map[string]uint64 // client and direction -> datagrams so far
	fates   map[string][]fate // of each flow, the first ones
	dark    bool              // nothing passes
	nat     map[string]*net.UDPAddr
	back    map[string]net.Addr
	port    int
	tap     func(simnet.Packet) // sees what clients send
	counted struct{ lost, duplicated, reordered, corrupted int }
	late    sync.WaitGroup
}

func newNetwork(seed uint64, f faults) *network {
	return &network{
		seed: seed, faults: f, flows: map[string]uint64{}, fates: map[string][]fate{}, nat: map[string]*net.UDPAddr{}, back: map[string]net.Addr{}, port: 20000,
	}
}

// fate is what was drawn for a datagram.
type fate struct {
	lost, twice, late, broken bool
	at                        uint32 // which bit, of those there are
	delay                     time.Duration
}

// keptFates bounds those that are kept for comparison: all of them drawn while the network is rude.
const keptFates = 40

// draw decides about the next datagram of a flow, from the seed, the flow and the datagram's place in it alone. With mu held.
func (n *network) draw(flow string) fate {
	h := fnv.New64a()
	_, _ = h.Write([]byte(flow))
	n.flows[flow]++
	r := rand.New(rand.NewPCG(n.seed^h.Sum64(), n.flows[flow]))
	hit := func(probability float64) bool { return r.Float64() < probability }
	f := fate{
		lost: hit(n.faults.loss), twice: hit(n.faults.duplicate), late: hit(n.faults.reorder), broken: hit(n.faults.corrupt),
		at: r.Uint32(), delay: time.Duration(1 + r.Int64N(int64(5*latency))),
	}
	if len(n.fates[flow]) < keptFates {
		n.fates[flow] = append(n.fates[flow], f)
	}
	return f
}

// SendPacket implements simnet.Router.
func (n *network) SendPacket(p simnet.Packet) error {
	n.mu.Lock()
	f := n.draw(n.translate(&p))
	f.lost = f.lost || n.dark
	n.count(&f)
	n.mu.Unlock()
	if f.lost {
		return nil
	}
	if f.broken {
		p.Data = slices.Clone(p.Data)
		bit := int(f.at) % (8 * len(p.Data))
		p.Data[bit/8] ^= 1 << (bit % 8)
	}
	if f.twice {
		again := p
		again.Data = slices.Clone(p.Data)
		_ = n.PerfectRouter.SendPacket(again)
	}
	if !f.late {
		return n.PerfectRouter.SendPacket(p)
	}
	p.Data = slices.Clone(p.Data)
	n.late.Go(func() {
		time.Sleep(f.delay)
		_ = n.PerfectRouter.SendPacket(p)
	})
	return nil
}

// count counts what happens. With mu held.
func (n *network) count(f *fate) {
	for at, b := range map[*int]bool{
		&n.counted.lost: f.lost, &n.counted.duplicated: f.twice, &n.counted.reordered: f.late, &n.counted.corrupted: f.broken,
	} {
		if b {
			*at++
		}
	}
}

// translate gives a client's datagram the source that the NAT has for it, and one to a client its destination. It returns the name of the
// flow. With mu held.
func (n *network) translate(p *simnet.Packet) (flow string) {
	if from, ok := p.From.(*net.UDPAddr); ok && from.IP.Equal(routerAddr.IP) {
		if to, ok := n.back[p.To.String()]; ok {
			p.To = to
		}
		return "to " + p.To.String()
	}
	if n.tap != nil {
		n.tap(*p)
	}
	outside := n.nat[p.From.String()]
	if outside == nil {
		n.port++
		outside = &net.UDPAddr{IP: net.IPv4(10, 9, 9, 9), Port: n.port}
		n.nat[p.From.String()], n.back[outside.String()] = outside, p.From
	}
	flow = "from " + p.From.String()
	p.From = outside
	return flow
}

// rebind forgets every translation: the next datagram of each client gets another source port, and what is sent to the old one is lost.
func (n *network) rebind() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.nat)
	clear(n.back)
}

func (n *network) set(f faults, dark bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults, n.dark = f, dark
}

// endpoint makes a socket.
func (n *network) endpoint(t *testing.T, addr *net.UDPAddr, mtu int) net.PacketConn {
	link := simnet.LinkSettings{MTU: mtu}
	one := &simnet.Simnet{Router: n}
	c := one.NewEndpoint(addr, simnet.NodeBiDiLinkSettings{Latency: latency, Uplink: link, Downlink: link})
	require.NoError(t, one.Start())
	t.Cleanup(func() { _ = c.Close(); _ = one.Close() })
	return c
}
