package router

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// toAll delivers each publication to every session.
func toAll(e *fakeEnclave, f *abi.Frame) bool {
	if f.Type != abi.Data || f.Count == 0 {
		return false
	}
	var out []byte
	for _, conn := range e.connections() {
		out = abi.AppendDeliver(out, conn, refs(f), f.Body)
	}
	e.send(abi.AppendHandled(out, f.Ref, f.Count))
	return true
}

// TestStalledClient: a client that does not read loses what exceeds its queue, counted, and is disconnected as a slow consumer;
// another one loses nothing and waits for nothing.
func TestStalledClient(t *testing.T) {
	w := start(t, on(toAll), limits(func(l *Limits) {
		l.QueueBytes, l.WriteTimeout = 1<<20, time.Second
		l.PauseMax, l.HoldMax, l.TickInterval = time.Millisecond, 10*time.Millisecond, 5*time.Millisecond
	}))
	stalled := w.session()
	good := w.session()
	payload := make([]byte, 100<<10)
	for i := 0; w.dropped(dropOldest) < 10; i++ {
		require.Less(t, i, 1000, "nothing was dropped")
		good.publish(fmt.Sprint(i), payload)
		f := good.next()
		require.Equal(t, fmt.Sprint(i), string(f.Blob))
	}
	<-stalled.conn.Context().Done()
	require.Equal(t, wire.SlowConsumer, stalled.code())
	var err error
	for err == nil {
		_, err = stalled.read()
	}
	var app *quic.ApplicationError
	require.ErrorAs(t, err, &app, "the stream says the same, not that it was reset")
	require.Equal(t, wire.SlowConsumer, wire.Kind(app.ErrorCode))
	require.Equal(t, 1.0, w.refused(wire.SlowConsumer))
	good.publish("last", payload)
	require.Equal(t, "last", string(must(good.next()).Blob))
	w.eventually("its queue is given up", func() bool { return w.r.backlog.bytes.Load() == 0 })
	w.eventually("payloads freed", func() bool { n, size := w.life.payloads.counts(); return n+size == 0 })
	require.False(t, w.r.gate.shut())
}

// TestControlReserve: acknowledgements pass while deliveries are dropped; a session whose reserve is full too is disconnected.
func TestControlReserve(t *testing.T) {
	w := start(t, on(toAll), limits(func(l *Limits) {
		l.QueueBytes, l.ControlReserve = 64<<10, 64<<10
		l.PauseMax, l.WriteTimeout = time.Millisecond, time.Minute
	}))
	c := w.session()
	conn := w.e.lastConn()
	blob := make([]byte, 1000)
	// The client reads nothing: its window (1 MiB) fills, then the queue.
	for i := 0; w.dropped(overflow) == 0; i++ {
		require.Less(t, i, 10000, "the reserve is endless")
		w.e.send(abi.AppendDeliver(nil, conn, nil, blob))
	}
	<-c.conn.Context().Done()
	require.Equal(t, wire.SlowConsumer, c.code())
}

func TestQueueBounds(t *testing.T) {
	l := DefaultLimits()
	l.SlowConsumer = BlockPublisher
	l.QueueBytes, l.QueueItems, l.ControlReserve = 10000, 5, 32<<10
	g := newGate(time.Second, time.Minute)
	var all backlog
	q := newQueue(&l, g, &chunkPool{}, &all, nil)
	p := [][]byte{make([]byte, 100), make([]byte, 100)}
	put := func(payloads [][]byte, n, dropped int) verdict {
		v, d := q.deliver([]byte("b"), payloads, n)
		require.Equal(t, dropped, d)
		return v
	}
	require.Equal(t, queued, put(p, 200, 0))
	require.Equal(t, queued, put(p, 200, 0))
	writing, _, _ := q.take(nil) // and what is being written cannot be dropped
	require.Equal(t, dropFull, put(p, 200, 0), "items")
	big := [][]byte{make([]byte, 9000)}
	require.False(t, g.shut())
	require.Equal(t, queued, put(big, 9000, 0))
	require.True(t, g.shut(), "above half")
	require.Equal(t, queued, put(big, 9000, 1), "the oldest made room")
	require.Equal(t, dropLarge, put(nil, wire.MaxDelivery+1, 0))
	enc := func(dst []byte) []byte { return wire.AppendDelivery(dst, make([]byte, 20000), nil) }
	require.Equal(t, queued, q.control(wire.DataOverhead+20000, enc))
	require.Equal(t, overflow, q.control(wire.DataOverhead+20000, enc))
	work, _, ended := q.take(nil)
	require.False(t, ended)
	work = append(writing, work...)
	var sum int
	for _, c := range work {
		sum += len(c.b)
	}
	require.Equal(t, sum, q.bytes)
	require.Equal(t, int64(sum), all.bytes.Load())
	for _, c := range work {
		q.done(c)
	}
	require.Zero(t, q.bytes)
	require.Zero(t, q.items)
	require.False(t, g.shut())
	q.end(wire.SlowConsumer)
	require.Equal(t, dropEnded, put(p, 200, 0))
	require.Equal(t, dropEnded, q.control(10, enc))
	_, last, ended := q.take(nil)
	require.True(t, ended)
	require.Equal(t, wire.SlowConsumer, last)
}

// TestCoalescing: what is queued while the writer is busy comes out as few chunks, in order and complete.
func TestCoalescing(t *testing.T) {
	l := DefaultLimits()
	l.SlowConsumer = BlockPublisher
	q := newQueue(&l, newGate(time.Second, time.Minute), &chunkPool{}, &backlog{}, nil)
	const n = 2000
	for i := range n {
		v, _ := q.deliver(fmt.Append(nil, i), [][]byte{make([]byte, 200)}, 200)
		require.Equal(t, queued, v)
	}
	work, _, _ := q.take(nil)
	require.LessOrEqual(t, len(work), 2+n*230/largeChunk+1)
	var stream []byte
	for _, c := range work {
		stream = append(stream, c.b...)
	}
	for i := range n {
		f, rest, err := wire.Next(stream, wire.MaxFrame)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(f.Blob))
		stream = rest
	}
	require.Empty(t, stream)
}

func TestGateBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2*time.Second, time.Minute)
		q := &queue{}
		waited := func() time.Duration {
			begin := time.Now()
			g.wait(nil, 200*time.Millisecond)
			return time.Since(begin)
		}
		require.Zero(t, waited())
		g.close(q, time.Now())
		require.Equal(t, 200*time.Millisecond, waited(), "a frame waits PauseMax at most")
		go func() {
			time.Sleep(50 * time.Millisecond)
			g.open(q, time.Now())
		}()
		require.Equal(t, 50*time.Millisecond, waited())
		require.Zero(t, waited())

		g.close(q, time.Now())
		time.Sleep(2*time.Second + 1)
		g.expire(time.Now())
		require.Zero(t, waited(), "a session holds the gate HoldMax at most")
		g.open(q, time.Now())
		g.close(q, time.Now())
		require.Zero(t, waited(), "and has nothing left when it comes again")
		g.open(q, time.Now())
		time.Sleep(holdRefill * time.Second)
		g.close(q, time.Now())
		require.True(t, g.shut(), "it comes back slowly")
		g.open(q, time.Now())
		g.open(q, time.Now())
		require.False(t, g.shut())
		synctest.Wait()
	})
}

// TestLinkWriter: appenders wait while the bound is exceeded, nothing is lost or reordered per appender, and batches form.
func TestLinkWriter(t *testing.T) {
	gate := make(chan struct{})
	var got bytes.Buffer
	writes := 0
	l := newLinkWriter(writerFunc(func(b []byte) (int, error) {
		<-gate
		writes++
		return got.Write(b)
	}), 1000, nil, func(int) {})
	done := make(chan error, 1)
	go func() { done <- l.run() }()
	never := func() bool { return false }
	var wg sync.WaitGroup
	const n = 200
	for a := range 4 {
		wg.Go(func() {
			for i := range n {
				if err := l.append([]byte(fmt.Sprintf("%d:%06d ", a, i)), never); err != nil {
					t.Error(err)
				}
			}
		})
	}
	close(gate)
	wg.Wait()
	require.Eventually(t, func() bool { l.mu.Lock(); defer l.mu.Unlock(); return len(l.pending) == 0 }, patience, time.Millisecond)
	l.stop(errStopped)
	require.ErrorIs(t, <-done, errStopped)
	require.Less(t, writes, 4*n)
	next := map[string]int{}
	for _, word := range bytes.Fields(got.Bytes()) {
		a, i, _ := bytes.Cut(word, []byte(":"))
		require.Equal(t, fmt.Sprintf("%06d", next[string(a)]), string(i))
		next[string(a)]++
	}
	require.Equal(t, map[string]int{"0": n, "1": n, "2": n, "3": n}, next)
	require.ErrorIs(t, l.append([]byte("x"), never), errStopped)
}

// TestLinkWriterStops: an appender that waits leaves when its session ends.
func TestLinkWriterStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLinkWriter(nil, 1, nil, func(int) {})
		require.NoError(t, l.append([]byte("full"), func() bool { return false }))
		gone := false
		result := make(chan error, 1)
		go func() { result <- l.append([]byte("x"), func() bool { return gone }) }()
		synctest.Wait()
		l.mu.Lock()
		gone = true
		l.mu.Unlock()
		l.wake()
		require.ErrorIs(t, <-result, errStopped)
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestPayloadBound: publishers wait for room and get it when the enclave has handled something.
func TestPayloadBound(t *testing.T) {
	held := make(chan [2]uint64, 100)
	w := start(t, limits(func(l *Limits) { l.PayloadBytes = 100 << 10 }), on(func(_ *fakeEnclave, f *abi.Frame) bool {
		if f.Type == abi.Data {
			held <- [2]uint64{f.Ref, uint64(f.Count)}
		}
		return f.Type == abi.Data
	}))
	c := w.session()
	const n = 10
	go func() {
		for range n {
			if _, err := c.stream.Write(wire.AppendData(nil, []byte("b"), [][]byte{make([]byte, 60<<10)})); err != nil {
				return
			}
		}
	}()
	for range n {
		r := <-held
		live, _ := w.life.payloads.counts()
		require.Equal(t, 1, live)
		w.e.send(abi.AppendHandled(nil, r[0], uint16(r[1])))
	}
	w.eventually("all freed", func() bool { live, size := w.life.payloads.counts(); return live+size == 0 })
}

// TestWaitingReaderNoticesTheEnd: a reader that waits for room leaves when its session ends.
func TestWaitingReaderNoticesTheEnd(t *testing.T) {
	w := start(t, limits(func(l *Limits) { l.PayloadBytes = 10 }), on(func(_ *fakeEnclave, f *abi.Frame) bool { return f.Type == abi.Data }))
	c := w.session()
	c.publish("b", make([]byte, 20))
	c.publish("b", make([]byte, 20))
	w.eventually("reader waits", func() bool {
		w.life.payloads.mu.Lock()
		defer w.life.payloads.mu.Unlock()
		return w.life.payloads.waiting == 1
	})
	require.NoError(t, w.stop())
	require.Equal(t, wire.ShuttingDown, c.refusal())
	require.True(t, errors.Is(w.life.link.append(nil, func() bool { return true }), errStopped))
}
