package router

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/router/wire"
)

// burst is one coalesced read.
type burst struct {
	data    []byte
	segment int // 0: no control message
	addr    net.Addr
}

type fakeBatch struct{ bursts []burst }

var errNoMore = errors.New("no more")

func (f *fakeBatch) ReadBatch(ms []ipv4.Message, _ int) (int, error) {
	if len(f.bursts) == 0 {
		return 0, errNoMore
	}
	n := 0
	for n < len(ms) && len(f.bursts) > 0 {
		b := f.bursts[0]
		f.bursts = f.bursts[1:]
		ms[n].N = copy(ms[n].Buffers[0], b.data)
		ms[n].NN = copy(ms[n].OOB, control(b.segment))
		ms[n].Addr = b.addr
		n++
	}
	return n, nil
}

// control is a TOS control message, and the segment size after it.
func control(segment int) []byte {
	one := func(level, kind int32, body []byte) []byte {
		b := make([]byte, unix.CmsgSpace(len(body)))
		binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(len(body))))
		binary.NativeEndian.PutUint32(b[8:], uint32(level))
		binary.NativeEndian.PutUint32(b[12:], uint32(kind))
		copy(b[unix.CmsgLen(0):], body)
		return b
	}
	b := one(unix.IPPROTO_IP, unix.IP_TOS, []byte{2})
	if segment != 0 {
		b = append(b, one(unix.IPPROTO_UDP, unix.UDP_GRO, binary.NativeEndian.AppendUint32(nil, uint32(int32(segment))))...)
	}
	return b
}

// TestGROSplits: the datagrams that were coalesced come out again one by one, in order, with their sender and control messages.
func TestGROSplits(t *testing.T) {
	type datagram struct {
		data string
		addr net.Addr
	}
	rapid.Check(t, func(t *rapid.T) {
		var f fakeBatch
		var want []datagram
		for i := range rapid.IntRange(1, 20).Draw(t, "bursts") {
			size := rapid.IntRange(1, 1400).Draw(t, "segment")
			count := rapid.IntRange(1, min(64, groBytes/size)).Draw(t, "count")
			tail := rapid.IntRange(1, size).Draw(t, "tail")
			data := make([]byte, size*(count-1)+tail)
			for j := range data {
				data[j] = byte(i + j/size)
			}
			b := burst{data: data, segment: size, addr: &net.UDPAddr{IP: net.IPv4(192, 0, 2, byte(i)), Port: i}}
			if count == 1 && rapid.Bool().Draw(t, "bare") {
				b.segment = rapid.SampledFrom([]int{0, -1}).Draw(t, "odd")
			}
			f.bursts = append(f.bursts, b)
			for d := range slices.Chunk(data, size) {
				want = append(want, datagram{string(d), b.addr})
			}
		}
		g := newGROConn(nil, &f)
		ms := make([]ipv4.Message, rapid.IntRange(1, 8).Draw(t, "batch"))
		var got []datagram
		for {
			for i := range ms {
				ms[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 1452)}, OOB: make([]byte, 128)}
			}
			n, err := g.ReadBatch(ms, 0)
			if err != nil {
				require.ErrorIs(t, err, errNoMore)
				break
			}
			require.Positive(t, n)
			for _, m := range ms[:n] {
				got = append(got, datagram{string(m.Buffers[0][:m.N]), m.Addr})
				h, body, _, err := unix.ParseOneSocketControlMessage(m.OOB[:m.NN])
				require.NoError(t, err)
				require.Equal(t, int32(unix.IP_TOS), h.Type)
				require.Equal(t, []byte{2}, body)
			}
		}
		require.True(t, slices.Equal(want, got))
	})
}

// TestGROSessions: sessions work over the real thing, IPv4 and IPv6.
func TestGROSessions(t *testing.T) {
	for name, addr := range map[string]string{"IPv4": "127.0.0.1:0", "IPv6": "[::1]:0", "both": ":0"} {
		t.Run(name, func(t *testing.T) {
			conn, err := listenUDP(addr)
			if err != nil {
				t.Skip("no such address here:", err)
			}
			if _, ok := conn.(*groConn); !ok {
				t.Skip("this kernel has no UDP_GRO")
			}
			_ = conn.Close()
			w := start(t, func(c *Config, _ *fakeEnclave) { c.ListenAddr = addr })
			port := w.addr.(*net.UDPAddr).Port
			ip := net.IPv4(127, 0, 0, 1)
			if name == "IPv6" {
				ip = net.IPv6loopback
			}
			w.addr = &net.UDPAddr{IP: ip, Port: port}
			w.dial = func() net.PacketConn {
				c, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
				require.NoError(t, err)
				return c
			}
			c := w.session()
			payload := bytes.Repeat([]byte("0123456789abcdef"), 50000)
			for range 5 {
				c.publish("b", payload)
				f := c.next()
				require.Equal(t, wire.TypeDelivery, f.Type)
				require.True(t, bytes.Equal(payload, payloadsOf(&f)[0]))
				c.next()
			}
		})
	}
}
