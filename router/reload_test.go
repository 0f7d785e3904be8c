package router

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// TestSetLimits: new limits hold for what begins later; wrong ones change nothing; those for life stay and are named.
func TestSetLimits(t *testing.T) {
	w := start(t)
	c := w.session()
	traffic := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { // the race detector sees readers beside the writer
		for {
			select {
			case <-traffic:
				return
			default:
				c.publish("b", []byte("x"))
				c.next()
				c.next()
			}
		}
	})
	l := DefaultLimits()
	l.MaxSessions, l.HoldMax, l.SettleStart = 1, time.Hour, time.Hour
	unchanged, err := w.r.SetLimits(l)
	require.NoError(t, err)
	require.Equal(t, []string{"hold_max", "settle_start"}, unchanged)
	require.Equal(t, DefaultLimits().HoldMax, w.r.limits().HoldMax)
	w.refusedAtOnce(wire.TooManySessions)

	bad := DefaultLimits()
	bad.MaxSessions, bad.SlowConsumer = 0, "sometimes"
	_, err = w.r.SetLimits(bad)
	require.ErrorContains(t, err, "MaxSessions")
	require.Equal(t, 1, w.r.limits().MaxSessions)
	close(traffic)
	all.Wait()
}

func TestLimitKeys(t *testing.T) {
	var l Limits
	require.Contains(t, LimitKeys(), "max_half_open_per_address")
	p, ok := l.Limit("queue_bytes").(*int)
	require.True(t, ok)
	*p = 7
	require.Equal(t, 7, l.QueueBytes)
	require.IsType(t, new(time.Duration), l.Limit("frame_timeout"))
	require.IsType(t, new(Policy), l.Limit("slow_consumer"))
	require.Nil(t, l.Limit("QueueBytes"))
}

// TestDrain: what a client has sent is handled and answered, and what waits for it is written, before it is told that the router ends; what
// it sends later is not taken.
func TestDrain(t *testing.T) {
	const n = 500
	gate := make(chan struct{})
	w := start(t, limits(func(l *Limits) { l.DrainTimeout = patience }), on(func(_ *fakeEnclave, f *abi.Frame) bool {
		if f.Type == abi.Data && string(f.Body) == "0" {
			<-gate // the enclave is slow when the end comes
		}
		return false
	}))
	c := w.session()
	for i := range n {
		c.publish(fmt.Sprint(i), []byte("x"))
	}
	w.eventually("taken", func() bool { live, _ := w.life.payloads.counts(); return live == n })
	w.cancel()
	w.eventually("draining", w.r.Draining)
	w.refusedAtOnce(wire.ShuttingDown)
	c.publish("late", []byte("x"))
	close(gate)
	for i := range n {
		require.Equal(t, fmt.Sprint(i), string(must(c.next()).Blob))
		require.Equal(t, "ack", string(must(c.next()).Blob))
	}
	require.Equal(t, wire.ShuttingDown, c.refusal())
	require.NoError(t, w.stop())
	require.Equal(t, n, w.e.count(abi.Data), "the late one was not taken")
}

// TestDrainIsBounded: an enclave that never ends its work does not keep the router.
func TestDrainIsBounded(t *testing.T) {
	w := start(t, limits(func(l *Limits) { l.DrainTimeout = 50 * time.Millisecond }),
		on(func(_ *fakeEnclave, f *abi.Frame) bool { return f.Type == abi.Data }))
	c := w.session()
	c.publish("b", []byte("x"))
	w.eventually("taken", func() bool { live, _ := w.life.payloads.counts(); return live == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { _ = w.stop() }()
	require.Equal(t, wire.ShuttingDown, c.refusal())
	require.NoError(t, ctx.Err())
}
