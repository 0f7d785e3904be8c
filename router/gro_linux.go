package router

import (
	"encoding/binary"
	"net"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// groMessages is how many coalesced datagrams one recvmmsg takes: as many as quic-go asks for. 64 KiB of buffer each.
	groMessages = 8
	// groBytes is the largest datagram the kernel builds.
	groBytes = 64 << 10
	// groControl holds the control messages quic-go asks for (TOS, packet info) and the segment size.
	groControl = 192
)

// batchReader is what quic-go uses of a socket that can read many datagrams at once. ipv4.Message serves IPv6 as well: both
// names stand for the same type, and the address family is the socket's.
type batchReader interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
}

// groConn reads with generic receive offload: the kernel hands over bursts of one sender's datagrams as one, which costs one pass
// through the network stack instead of many. quic-go finds ReadBatch and gets single datagrams again. It is read by one goroutine.
type groConn struct {
	*net.UDPConn
	inner    batchReader
	messages []ipv4.Message
	at, have int // messages[at:have] are read and not handed out
	offset   int // within messages[at]
	segment  int // size of the datagrams in messages[at]
}

// accelerate turns receive offload on where the kernel has it (Linux 5.0, UDP_GRO) and otherwise returns the socket as it is.
func accelerate(c *net.UDPConn) net.PacketConn {
	raw, err := c.SyscallConn()
	if err != nil {
		return c
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) })
	if err != nil || failed != nil {
		return c
	}
	return newGROConn(c, ipv4.NewPacketConn(c))
}

func newGROConn(c *net.UDPConn, inner batchReader) *groConn {
	g := &groConn{UDPConn: c, inner: inner, messages: make([]ipv4.Message, groMessages)}
	for i := range g.messages {
		g.messages[i].Buffers = [][]byte{make([]byte, groBytes)}
		g.messages[i].OOB = make([]byte, groControl)
	}
	return g
}

// ReadBatch fills ms with single datagrams, from what was read before or else from the socket.
func (g *groConn) ReadBatch(ms []ipv4.Message, flags int) (int, error) {
	for g.at == g.have {
		n, err := g.inner.ReadBatch(g.messages, flags)
		if err != nil {
			return 0, err
		}
		g.at, g.have = 0, n
		g.open()
	}
	n := 0
	for n < len(ms) && g.at < g.have {
		g.hand(&ms[n])
		n++
	}
	return n, nil
}

// open starts with messages[at].
func (g *groConn) open() {
	g.offset = 0
	if g.at < g.have {
		m := &g.messages[g.at]
		g.segment = segmentSize(m.OOB[:m.NN], m.N)
	}
}

// hand gives out the next datagram. One that exceeds the receiver's buffer is cut, as the kernel would.
func (g *groConn) hand(dst *ipv4.Message) {
	m := &g.messages[g.at]
	end := min(g.offset+g.segment, m.N)
	dst.N = copy(dst.Buffers[0], m.Buffers[0][g.offset:end])
	dst.NN = copy(dst.OOB, m.OOB[:m.NN])
	dst.Addr = m.Addr
	g.offset = end
	if end >= m.N {
		g.at++
		g.open()
	}
}

// segmentSize is the size of the datagrams in a buffer of n bytes; without a control message it is one datagram.
func segmentSize(control []byte, n int) int {
	for len(control) > 0 {
		h, body, rest, err := unix.ParseOneSocketControlMessage(control)
		if err != nil {
			break
		}
		if h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(body) >= 4 {
			if size := int(int32(binary.NativeEndian.Uint32(body))); size > 0 {
				return size
			}
		}
		control = rest
	}
	return max(n, 1)
}
