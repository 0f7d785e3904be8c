package e2e

import (
	"bytes"
	"net"
	"sync"

	"github.com/scbr/scbr/router"
)

// capture keeps everything that the host or the network could see, by place.
type capture struct {
	mu   sync.Mutex
	seen map[string][]byte
}

func (c *capture) add(place string, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string][]byte{}
	}
	c.seen[place] = append(c.seen[place], b...)
}

// Places of the capture.
const (
	placeAbiOut     = "abi outward"
	placeAbiIn      = "abi inward"
	placeNetwork    = "network"
	placeFromClient = "router, from client"
	placeToEnclave  = "router, to enclave"
	placeFromEncl   = "router, from enclave"
	placeToClient   = "router, queues to clients"
)

func (c *capture) abiOutward(b []byte) { c.add(placeAbiOut, b) }
func (c *capture) abiInward(b []byte)  { c.add(placeAbiIn, b) }

func (c *capture) tap(p router.TapPoint, b []byte) {
	c.add(map[router.TapPoint]string{
		router.TapFromClient: placeFromClient, router.TapToEnclave: placeToEnclave,
		router.TapFromEnclave: placeFromEncl, router.TapToClient: placeToClient,
	}[p], b)
}

// find returns the places where needle was seen, and the number of bytes searched per place.
func (c *capture) find(needle []byte) (places []string, searched map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	searched = map[string]int{}
	for p, b := range c.seen {
		searched[p] = len(b)
		if bytes.Contains(b, needle) {
			places = append(places, p)
		}
	}
	return places, searched
}

// packets records every datagram of a socket. Hiding the concrete type keeps quic-go from reading around it.
func (c *capture) packets(u *net.UDPConn) net.PacketConn { return &recordedSocket{PacketConn: u, c: c} }

type recordedSocket struct {
	net.PacketConn
	c *capture
}

func (s *recordedSocket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, a, err := s.PacketConn.ReadFrom(b)
	s.c.add(placeNetwork, b[:max(n, 0)])
	return n, a, err
}

func (s *recordedSocket) WriteTo(b []byte, a net.Addr) (int, error) {
	s.c.add(placeNetwork, b)
	return s.PacketConn.WriteTo(b, a)
}

// outward records b as the abi's outward direction does and returns it.
func (c *capture) outward(b []byte) []byte {
	c.abiOutward(b)
	return b
}
