package router

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// numbered is a blob that says its number.
func numbered(n int) []byte { return binary.BigEndian.AppendUint32([]byte("blob"), uint32(n)) }

// TestDropOldestKeepsWholeFrames: whatever is queued, of whatever size, what comes out are whole deliveries in order, every control frame, and
// the newest deliveries; each missing envelope was counted.
func TestDropOldestKeepsWholeFrames(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	for range 15 {
		l := DefaultLimits()
		l.SlowConsumer, l.QueueBytes, l.QueueItems = DropOldest, 200_000+r.IntN(2_000_000), 3000
		q := newQueue(&l, newGate(time.Second, time.Minute), &chunkPool{}, &backlog{}, nil)
		var stream []byte
		sent, envelopes, dropped, full, controls, last := 0, 0, 0, 0, 0, -1
		write := func() {
			if len(q.pending) == 0 { // take would wait
				return
			}
			work, _, _ := q.take(nil)
			for _, c := range work {
				stream = append(stream, c.b...)
				q.done(c)
			}
		}
		for n := range 400 {
			switch {
			case r.IntN(10) == 0:
				require.Equal(t, queued, q.control(wire.DataOverhead+8, func(dst []byte) []byte {
					return wire.AppendDelivery(dst, append(numbered(n), "control!"...), nil)
				}))
				controls++
			case r.IntN(200) == 0:
				write()
			}
			payloads := make([][]byte, 1+r.IntN(30))
			size := 0
			for i := range payloads {
				payloads[i] = make([]byte, []int{10, 300, 5000, 60_000}[r.IntN(1+r.IntN(4))])
				size += len(payloads[i])
			}
			v, d := q.deliver(numbered(n), payloads, size)
			sent++
			envelopes += len(payloads)
			dropped += d
			if v != queued {
				require.Equal(t, dropFull, v)
				full += len(payloads)
			} else {
				last = n
			}
			require.LessOrEqual(t, q.bytes, l.QueueBytes)
		}
		write()
		require.Zero(t, q.bytes)
		require.Zero(t, q.items)
		q.end(0)
		got, seen := received(t, stream)
		require.Equal(t, controls, seen, "seed %d: no control frame is dropped", seed)
		require.Equal(t, envelopes, got.envelopes+dropped+full, "seed %d: what is missing was counted", seed)
		require.Equal(t, last, got.last, "seed %d: the newest is there", seed)
		require.Positive(t, dropped, "seed %d", seed)
	}
}

type arrivals struct{ envelopes, last int }

// received takes a stream apart, which has to consist of whole frames in order, and counts.
func received(t *testing.T, stream []byte) (got arrivals, controls int) {
	early, order := 0, -1
	for len(stream) > 0 {
		f, rest, err := wire.Next(stream, wire.MaxFrame)
		require.NoError(t, err)
		stream = rest
		switch {
		case f.Type == wire.TypePayloads:
			early += f.Count
			continue
		case len(f.Blob) > 8:
			require.Zero(t, early, "payloads belong to the delivery behind them")
			controls++
			continue
		}
		n := int(binary.BigEndian.Uint32(f.Blob[4:]))
		require.Greater(t, n, order)
		order = n
		got.envelopes += f.Count + early
		got.last, early = n, 0
	}
	require.Zero(t, early)
	return got, controls
}

// TestDisconnectPolicy: a full queue is the end of the session, and publishers never wait.
func TestDisconnectPolicy(t *testing.T) {
	l := DefaultLimits()
	l.SlowConsumer, l.QueueBytes = Disconnect, 10_000
	g := newGate(time.Second, time.Minute)
	q := newQueue(&l, g, &chunkPool{}, &backlog{}, nil)
	for range 2 {
		v, _ := q.deliver(numbered(1), [][]byte{make([]byte, 4000)}, 4000)
		require.Equal(t, queued, v)
	}
	require.False(t, g.shut())
	v, dropped := q.deliver(numbered(1), [][]byte{make([]byte, 4000)}, 4000)
	require.Equal(t, dropSlow, v)
	require.Zero(t, dropped)
}

// TestSlowConsumerIsolated: with a subscriber that reads nothing, under each policy, the others get everything, and what stands before their
// deliveries does not depend on the slow one's queue; the slow one is treated as the policy says.
func TestSlowConsumerIsolated(t *testing.T) {
	for _, policy := range Policies() {
		t.Run(string(policy), func(t *testing.T) {
			var mu sync.Mutex
			var conns []uint64
			w := start(t, limits(func(l *Limits) {
				l.SlowConsumer, l.QueueBytes = policy, 1<<20
				l.PauseMax, l.HoldMax = 10*time.Millisecond, 50*time.Millisecond
			}), on(func(e *fakeEnclave, f *abi.Frame) bool {
				if f.Type != abi.Data {
					return false
				}
				var out []byte
				mu.Lock()
				for _, c := range conns { // everybody gets everything
					out = abi.AppendDeliver(out, c, refs(f), f.Body)
				}
				mu.Unlock()
				e.send(abi.AppendDeliver(abi.AppendHandled(out, f.Ref, f.Count), f.Conn, nil, []byte("ack")))
				return true
			}))
			join := func() *client {
				c := w.session()
				mu.Lock()
				defer mu.Unlock()
				conns = append(conns, w.e.lastConn())
				return c
			}
			publisher := w.session()
			slow, good := join(), []*client{join(), join(), join()}
			const n, size = 300, 20_000 // six times the queue of the slow one, and its window
			for i := range n {
				publisher.publish(fmt.Sprint(i), make([]byte, size))
				require.Equal(t, "ack", string(must(publisher.next()).Blob))
				for _, c := range good {
					f := must(c.next())
					require.Equal(t, fmt.Sprint(i), string(f.Blob), "at once, and in order")
					require.Equal(t, size, f.PayloadBytes())
				}
			}
			switch policy {
			case Disconnect:
				<-slow.conn.Context().Done()
				require.Equal(t, wire.SlowConsumer, slow.code())
			case DropOldest, BlockPublisher:
				require.Positive(t, w.dropped(dropOldest))
				require.Zero(t, w.dropped(dropFull))
				require.Equal(t, 5, w.sessions(), "it is still there")
			}
			require.Equal(t, policy == BlockPublisher, testutil.ToFloat64(w.r.metrics.pauses) > 0, "publishers wait under one policy only")
		})
	}
}

// TestFanoutBudget: however fast and wide one session publishes, at most Limits.UnhandledItems of its publications stand before those of
// another.
func TestFanoutBudget(t *testing.T) {
	const bound = 64
	var mu sync.Mutex
	seen := map[uint64]int{} // connection -> publications that reached the enclave
	release := make(chan struct{})
	w := start(t, limits(func(l *Limits) { l.UnhandledItems = bound }), on(func(e *fakeEnclave, f *abi.Frame) bool {
		if f.Type != abi.Data {
			return false
		}
		mu.Lock()
		seen[f.Conn] += int(f.Count)
		mu.Unlock()
		select {
		case <-release:
			return false
		default:
			return true // busy: nothing is handled
		}
	}))
	count := func(conn uint64) int {
		mu.Lock()
		defer mu.Unlock()
		return seen[conn]
	}
	flooder := w.session()
	flood := w.e.lastConn()
	for range 50 {
		flooder.publish("flood", make([][]byte, 10)...)
	}
	w.eventually("the flooder is at its bound", func() bool { return count(flood) > bound-10 })
	honest := w.session()
	conn := w.e.lastConn()
	honest.publish("b", []byte("x"))
	w.eventually("the other is served", func() bool { return count(conn) == 1 })
	require.LessOrEqual(t, count(flood), bound)
	close(release)
}
