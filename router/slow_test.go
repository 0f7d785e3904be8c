package router

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/router/wire"
)

// itemBytes is the size of the payloads of these tests: each is a chunk of its own.
const itemBytes = shareBytes

// slowReader is a queue whose reader takes one delivery at a time.
type slowReader struct {
	*queue
	work []chunk
}

func (r *slowReader) put() verdict {
	v, _ := r.putOver()
	return v
}

func (r *slowReader) putOver() (_ verdict, dropped int) {
	return r.deliver([]byte("b"), [][]byte{make([]byte, itemBytes)}, itemBytes)
}

// read takes the chunks up to the end of a payload.
func (r *slowReader) read() {
	for {
		if len(r.work) == 0 && len(r.pending) == 0 {
			return
		}
		if len(r.work) == 0 {
			r.work, _, _ = r.take(nil)
		}
		c := r.work[0]
		r.work = r.work[1:]
		r.done(c)
		if c.shared {
			return
		}
	}
}

// shutFor runs a publisher of 1,000 deliveries a second, which waits at the gate, for some time of the bubble's clock, and returns how long
// the gate was shut.
func shutFor(g *gate, d time.Duration, step func(ms int, publish bool)) (shut time.Duration) {
	for ms := range int(d / time.Millisecond) {
		step(ms, !g.shut())
		if g.shut() {
			shut += time.Millisecond
		}
		if ms%250 == 0 {
			g.expire(time.Now())
		}
		time.Sleep(time.Millisecond)
	}
	return shut
}

// TestSteadySlowReader: a reader at half the speed of the publishers, whose queue goes up and down around the marks, slows them
// down for its allowance and then loses what it cannot take.
func TestSteadySlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := DefaultLimits()
		l.SlowConsumer = BlockPublisher
		l.QueueBytes = 64 * itemBytes
		g := newGate(l.HoldMax, l.SlowMax)
		r := &slowReader{queue: newQueue(&l, g, &chunkPool{}, &backlog{}, nil)}
		published, dropped, closings := 0, 0, 0
		const span = 2 * time.Minute
		shut := shutFor(g, span, func(ms int, publish bool) {
			if publish {
				published++
				_, n := r.putOver()
				dropped += n
				if g.shut() {
					closings++
				}
			}
			if ms%2 == 0 {
				r.read()
			}
		})
		require.Greater(t, closings, 20, "it oscillates")
		require.Greater(t, dropped, 10000)
		require.LessOrEqual(t, shut, l.HoldMax+span/holdRefill+time.Second)
		require.Greater(t, published, 9*int(span/time.Millisecond)/10)
	})
}

// TestHoldsOfManySessions: sessions that take turns, each with an allowance that is still whole, share one of all.
func TestHoldsOfManySessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2*time.Second, time.Minute)
		const span = 5 * time.Minute
		var q *queue
		shut := shutFor(g, span, func(ms int, _ bool) {
			if ms%1000 == 0 {
				if q != nil {
					g.open(q, time.Now())
				}
				q = &queue{} // a new one every second
				g.close(q, time.Now())
			}
		})
		require.LessOrEqual(t, shut, sharedHolds*g.hold+span/sharedRefill+time.Second)
		g.open(q, time.Now())
		require.Empty(t, g.holders)
	})
}

// TestGateReopensWellBelow: the chunk that brings a queue just below the mark does not reopen the gate.
func TestGateReopensWellBelow(t *testing.T) {
	l := DefaultLimits()
	l.SlowConsumer = BlockPublisher
	l.QueueBytes = 64 * itemBytes
	g := newGate(l.HoldMax, l.SlowMax)
	r := &slowReader{queue: newQueue(&l, g, &chunkPool{}, &backlog{}, nil)}
	for !g.shut() {
		require.Equal(t, queued, r.put())
	}
	require.Greater(t, r.bytes, l.QueueBytes/2)
	for r.bytes > l.QueueBytes/4 {
		require.True(t, g.shut())
		r.read()
	}
	require.False(t, g.shut())
}

// TestTotalQueueBytes: the total is never exceeded, the longest queues drop, and a newcomer still finds room.
func TestTotalQueueBytes(t *testing.T) {
	l := DefaultLimits()
	l.SlowConsumer = BlockPublisher
	l.QueueBytes, l.TotalQueueBytes = 256*itemBytes, 1024*itemBytes
	var all backlog
	g := newGate(l.HoldMax, l.SlowMax)
	var readers []*slowReader
	for range 20 {
		readers = append(readers, &slowReader{queue: newQueue(&l, g, &chunkPool{}, &all, nil)})
	}
	for range 2 * l.TotalQueueBytes / itemBytes / len(readers) {
		for _, r := range readers {
			r.put()
			require.LessOrEqual(t, all.bytes.Load(), int64(l.TotalQueueBytes))
		}
	}
	require.Equal(t, "memory", readers[0].put().reason())
	readers = append(readers, &slowReader{queue: newQueue(&l, g, &chunkPool{}, &all, nil)})
	for range 20 {
		require.Equal(t, queued, readers[20].put(), "a newcomer")
	}
	require.Greater(t, all.bytes.Load(), int64(l.TotalQueueBytes)*9/10, "the bound is used")
	require.Equal(t, int64(len(readers)), all.queues.Load())
	for _, r := range readers {
		for r.bytes > 0 {
			r.read()
		}
	}
	require.Zero(t, all.bytes.Load())
	require.Zero(t, all.queues.Load())
	require.False(t, g.shut())
}

// TestBurstToManyQueues: publishers wait before the total makes any queue drop, however many share it.
func TestBurstToManyQueues(t *testing.T) {
	for _, n := range []int{1, 5, 20, 100} {
		l := DefaultLimits()
		l.SlowConsumer = BlockPublisher
		l.QueueBytes, l.TotalQueueBytes = 256*itemBytes, 2048*itemBytes
		g := newGate(l.HoldMax, l.SlowMax)
		var all backlog
		var readers []*slowReader
		for range n {
			readers = append(readers, &slowReader{queue: newQueue(&l, g, &chunkPool{}, &all, nil)})
		}
		for range 2 {
			for !g.shut() {
				for _, r := range readers {
					require.Equal(t, queued, r.put(), "%d queues", n)
				}
			}
			for g.shut() {
				for _, r := range readers {
					r.read()
				}
			}
		}
	}
}

// TestQueueMemory: large payloads in a queue do not each bring a large chunk along.
func TestQueueMemory(t *testing.T) {
	l := DefaultLimits()
	l.SlowConsumer = BlockPublisher
	r := &slowReader{queue: newQueue(&l, newGate(l.HoldMax, l.SlowMax), &chunkPool{}, &backlog{}, nil)}
	for range 1000 {
		require.Equal(t, queued, r.put())
	}
	memory := 0
	for _, c := range r.pending {
		memory += cap(c.b)
	}
	require.Less(t, memory, 2*r.bytes)
}

// TestTrickle: a client that accepts a little of every chunk in time, and so is never late with one, is ended when its queue has
// been long for SlowMax.
func TestTrickle(t *testing.T) {
	o := []option{on(toAll), limits(func(l *Limits) { l.QueueBytes = 4 << 20 })}
	onSimnet(t, o, func(t *testing.T, w *world, _ func(string)) {
		trickling := w.session()
		_ = trickling.stream.SetReadDeadline(time.Time{})
		var trickle sync.WaitGroup
		defer trickle.Wait()
		trickle.Go(func() {
			b := make([]byte, 256<<10)
			for {
				if _, err := io.ReadFull(trickling.stream, b); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		good := w.session()
		begin := time.Now()
		for trickling.conn.Context().Err() == nil {
			require.Less(t, time.Since(begin), 2*w.r.limits().SlowMax, "it goes on for ever")
			good.publish("b", make([]byte, 60<<10))
			require.Equal(t, wire.TypeDelivery, good.next().Type)
			time.Sleep(50 * time.Millisecond)
		}
		require.Equal(t, wire.SlowConsumer, trickling.code())
		require.Greater(t, time.Since(begin), w.r.limits().SlowMax)
	})
}
