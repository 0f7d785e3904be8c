package hostile

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/router/wire"
)

// tick is the host's clock towards the core.
const tick = 250 * time.Millisecond

// heartbeatBlob is the length of a sealed heartbeat: the host can tell it by that.
var heartbeatBlob = len(message.AppendHeartbeat(nil, &message.Heartbeat{})) + 8 + 16

// packet is a sealed blob on its way, with its payloads.
type packet struct {
	conn     uint64
	blob     []byte
	payloads [][]byte
}

func (p *packet) clone() packet {
	c := packet{conn: p.conn, blob: slices.Clone(p.blob)}
	for _, b := range p.payloads {
		c.payloads = append(c.payloads, slices.Clone(b))
	}
	return c
}

func (p *packet) heartbeat() bool { return len(p.payloads) == 0 && len(p.blob) == heartbeatBlob }

// link is a client's connection.
type link struct {
	conn uint64
	end  net.Conn
	gone bool
}

// host carries what clients and core say to each other, and lets its attack change that. One mutex is held for every step, so that there is
// one order of events.
type host struct {
	t    *testing.T
	core *enclave.Core
	now  func() time.Time

	mu      sync.Mutex
	attacks []*attack
	links   map[uint64]*link
	next    uint64
	nextRef uint64
	held    map[uint64][]byte // payloads by reference
	inward  []packet          // everything that clients sent
	outward []packet          // everything that the core sealed
	refused map[uint64]int    // connections that the core refused: a detection by the enclave
	stats   abi.StatsBody

	readers sync.WaitGroup
	stop    chan struct{}
}

func newHost(t *testing.T, core *enclave.Core, attacks []*attack) *host {
	h := &host{
		t: t, core: core, attacks: attacks, now: time.Now, links: map[uint64]*link{}, held: map[uint64][]byte{},
		refused: map[uint64]int{}, stop: make(chan struct{}),
	}
	h.readers.Go(h.ticking)
	return h
}

func (h *host) ticking() {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-clock.C:
			h.mu.Lock()
			h.step(abi.AppendTick(nil))
			h.mu.Unlock()
		}
	}
}

// connect gives a client its connection.
func (h *host) connect() (io.ReadWriteCloser, error) {
	theirs, ours := net.Pipe()
	h.mu.Lock()
	h.next++
	l := &link{conn: h.next, end: ours}
	h.links[l.conn] = l
	h.mu.Unlock()
	h.readers.Go(func() { h.read(l) })
	return theirs, nil
}

// read takes the frames of a client.
func (h *host) read(l *link) {
	defer func() { _ = l.end.Close() }()
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := l.end.Read(chunk)
		if err != nil {
			h.mu.Lock()
			h.leave(l)
			h.mu.Unlock()
			return
		}
		buf = append(buf, chunk[:n]...)
		for {
			f, rest, err := wire.Next(buf, wire.MaxFrame)
			if err != nil {
				break
			}
			h.mu.Lock()
			h.frame(l, &f)
			h.mu.Unlock()
			buf = slices.Clone(rest)
		}
	}
}

// leave forgets a connection. With mu held.
func (h *host) leave(l *link) {
	if !l.gone {
		l.gone = true
		h.step(abi.AppendClose(nil, l.conn))
	}
}

// frame handles one frame of a client. With mu held.
func (h *host) frame(l *link, f *wire.Frame) {
	switch f.Type {
	case wire.TypeHello:
		h.step(abi.AppendOpen(nil, l.conn, f.Msg))
	case wire.TypeFinish:
		h.step(abi.AppendFinish(nil, l.conn, f.Msg))
	case wire.TypeData:
		p := packet{conn: l.conn, blob: f.Blob}
		all := f.Payloads()
		for b, ok := all.Next(); ok; b, ok = all.Next() {
			p.payloads = append(p.payloads, b)
		}
		p = p.clone()
		h.inward = append(h.inward, p)
		for _, q := range h.changed(p.clone(), (*attack).inwards) {
			h.data(q, len(q.payloads))
		}
	case wire.TypeBye:
		h.leave(l)
		_ = l.end.Close()
	default:
		require.Fail(h.t, "a client sends what only a router does")
	}
}

// changed is what the attacks make of a packet, one after the other. With mu held.
func (h *host) changed(p packet, by func(*attack, *host, packet) []packet) []packet {
	packets := []packet{p}
	for _, a := range h.attacks {
		var next []packet
		for _, q := range packets {
			next = append(next, by(a, h, q)...)
		}
		packets = next
	}
	return packets
}

// data hands a packet to the core, and says that it has so many payloads. With mu held.
func (h *host) data(p packet, count int) {
	ref := h.nextRef
	for _, b := range p.payloads {
		h.held[h.nextRef] = b
		h.nextRef++
	}
	h.nextRef = max(h.nextRef, ref+uint64(count))
	h.step(abi.AppendData(nil, p.conn, ref, uint16(count), p.blob))
}

// step lets the core run and carries what it says. With mu held.
func (h *host) step(in []byte) {
	if h.core.Done() {
		return
	}
	now := h.now()
	for _, a := range h.attacks {
		now = a.clock(now)
	}
	out, err := h.core.Step(now, in)
	require.NoError(h.t, err, "the core must survive whatever the host does")
	for rest := out; len(rest) > 0; {
		var f abi.Frame
		f, rest, err = abi.Next(rest)
		require.NoError(h.t, err)
		h.answer(&f)
	}
}

// answer carries one frame of the core. With mu held.
func (h *host) answer(f *abi.Frame) {
	l := h.links[f.Conn]
	switch f.Type {
	case abi.Handshake:
		if f.Stage == abi.StageAnswer {
			h.write(l, wire.AppendServerHello(nil, f.Body))
		} else {
			h.write(l, wire.AppendConfirm(nil, f.Body))
		}
	case abi.Deliver:
		p := packet{conn: f.Conn, blob: f.Body}
		for i := range int(f.Count) {
			p.payloads = append(p.payloads, h.held[f.RefAt(i)])
		}
		p = p.clone()
		h.outward = append(h.outward, p)
		for _, q := range h.changed(p.clone(), (*attack).outwards) {
			h.write(h.links[q.conn], wire.AppendDelivery(nil, q.blob, q.payloads))
		}
	case abi.Refuse:
		h.refused[f.Conn]++
		if l != nil && !l.gone {
			h.write(l, wire.AppendRefuse(nil, wire.Kind(f.Kind)))
			l.gone = true
		}
	case abi.Stats:
		h.stats = f.Stats()
	default:
	}
}

// write sends to a client, which may have gone. A client always reads, so it is not waited for.
func (h *host) write(l *link, b []byte) {
	if l != nil {
		_, _ = l.end.Write(b)
	}
}

// close ends the host when the clients have gone.
func (h *host) close() {
	close(h.stop)
	h.mu.Lock()
	for _, l := range h.links {
		_ = l.end.Close()
	}
	h.mu.Unlock()
	h.readers.Wait()
}
