package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/scbr/scbr/bench/judge"
	"github.com/scbr/scbr/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	subscribers  = 3
	publications = 60
	// pace is the time between two publications.
	pace = 100 * time.Millisecond
	// answerTime is what an acknowledgement may take through everything: outages, time-outs and pauses.
	answerTime = 10 * time.Minute
	// quiet is the time at the end without faults: for heartbeats to show what is missing, and for sessions to be replaced.
	quiet = 2 * time.Minute
)

// plan is what a seed gives.
type plan struct {
	seed           uint64
	faults         faults
	mtu            int // 0: no limit
	kill, rebind   int // at this publication; 0: never
	darkAt, darkOf int // from this publication on, for so many paces
}

func newPlan(seed uint64) plan {
	r := rand.New(rand.NewPCG(seed, 3))
	p := plan{seed: seed, faults: faults{
		loss: 0.3 * r.Float64(), duplicate: 0.1 * r.Float64(), reorder: 0.2 * r.Float64(), corrupt: 0.05 * r.Float64(),
	}}
	if r.IntN(3) == 0 {
		p.mtu = smallMTU
	}
	if r.IntN(2) == 0 {
		p.kill = 1 + r.IntN(publications-1)
	}
	if r.IntN(2) == 0 {
		p.rebind = 1 + r.IntN(publications-1)
	}
	if r.IntN(4) == 0 {
		p.darkAt, p.darkOf = 1+r.IntN(publications-1), 10+r.IntN(200)
	}
	return p
}

func (p plan) String() string {
	return fmt.Sprintf("seed %d: loss %.0f %%, duplicate %.0f %%, reorder %.0f %%, corrupt %.0f %%, mtu %d, kill at %d, rebind at %d, dark from %d for %d",
		p.seed, 100*p.faults.loss, 100*p.faults.duplicate, 100*p.faults.reorder, 100*p.faults.corrupt, p.mtu, p.kill, p.rebind, p.darkAt, p.darkOf)
}

// outcome is what came of a plan.
type outcome struct {
	net                  *network
	instances            int
	delivered, announced int
	reconnects           uint64
}

// run plays a plan inside a bubble.
func run(t *testing.T, p plan) (o outcome) {
	n := newNetwork(p.seed, p.faults)
	w := newWorld(t, n, p.mtu)
	var all sync.WaitGroup
	var clients []*client.Client
	var witnesses []*judge.Witness
	for i := range subscribers {
		c := w.dial(w.config(fmt.Sprint("subscriber-", i), p.mtu))
		witness := &judge.Witness{Where: w.filter(fmt.Sprintf("n >= %d", 10*i))}
		ctx, cancel := context.WithTimeout(t.Context(), answerTime)
		_, err := c.Subscribe(ctx, witness.Where)
		cancel()
		require.NoError(t, err, "%v", p)
		all.Go(func() { witness.Watch(c) })
		clients, witnesses = append(clients, c), append(witnesses, witness)
	}
	publisher := w.dial(w.config("publisher", p.mtu))
	published := publish(t, w, p, publisher)
	n.set(faults{}, false)
	time.Sleep(quiet)
	for _, c := range append(clients, publisher) {
		o.reconnects += c.Stats().Reconnects
		require.NoError(t, c.Close(), "%v", p)
	}
	all.Wait()
	require.NoError(t, judge.Judge(published, witnesses), "%v", p)
	for _, witness := range witnesses {
		for _, h := range witness.Saw {
			if h.Delivery != nil {
				o.delivered++
			} else {
				o.announced++
			}
		}
	}
	o.net, o.instances = n, w.instances()
	return o
}

// publish publishes at a pace, whatever happens, and waits for every acknowledgement.
func publish(t *testing.T, w *world, p plan, c *client.Client) []judge.Publication {
	published := make([]judge.Publication, publications)
	var waiting sync.WaitGroup
	for n := range publications {
		switch n {
		case 0: // the defaults of a plan
		case p.kill:
			w.kill()
		case p.rebind:
			w.net.rebind()
		case p.darkAt:
			w.net.set(p.faults, true)
			time.AfterFunc(time.Duration(p.darkOf)*pace, func() { w.net.set(p.faults, false) })
		}
		ctx, cancel := context.WithTimeout(t.Context(), answerTime)
		one := &published[n]
		*one = judge.Publication{Publisher: "publisher", Event: w.event(n), Body: body(n), Begun: time.Now()}
		r, err := c.PublishAsync(ctx, one.Event, one.Body)
		require.NoError(t, err, "%v", p)
		_, one.Counter = r.Sequence()
		waiting.Go(func() {
			defer cancel()
			if err := r.Wait(ctx); err != nil {
				t.Errorf("%v: publication %d: %v", p, n, err)
			}
			one.Acked = true
		})
		time.Sleep(pace)
	}
	waiting.Wait()
	return published
}

// TestLossySweep: whatever the network does, every publication is acknowledged in the end, nobody is deceived, and what is missing was
// announced.
func TestLossySweep(t *testing.T) {
	first, count := judge.Seeds(t, 100, 12)
	var sum struct{ kills, delivered, announced int }
	for i := range uint64(count) {
		synctest.Test(t, func(t *testing.T) {
			p := newPlan(first + i)
			o := run(t, p)
			if p.kill > 0 {
				require.Greater(t, o.instances, 1, "%v", p)
				sum.kills++
			}
			require.Positive(t, o.net.counted.lost+o.net.counted.duplicated+o.net.counted.reordered+o.net.counted.corrupted, "%v", p)
			sum.delivered += o.delivered
			sum.announced += o.announced
		})
	}
	t.Logf("%d worlds, %d enclaves killed, %d deliveries, %d notices", count, sum.kills, sum.delivered, sum.announced)
	require.Positive(t, sum.delivered)
}

// TestCalm is the control: without faults everything arrives, and nobody is told anything but the end.
func TestCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t, plan{seed: 1})
		require.Equal(t, publications+(publications-10)+(publications-20), o.delivered)
		require.Equal(t, subscribers, o.announced, "their ends")
		require.Zero(t, o.reconnects)
	})
}

// TestRebinding: a client whose address changes keeps its session, and loses nothing.
func TestRebinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := run(t, plan{seed: 1, rebind: publications / 2})
		require.Equal(t, publications+(publications-10)+(publications-20), o.delivered)
		require.Zero(t, o.reconnects, "the connections have moved")
	})
}

// TestSeedGivesTheSameFaults: two runs of a seed have the same plan, and the same happens to the n-th datagram of each flow.
func TestSeedGivesTheSameFaults(t *testing.T) {
	require.Equal(t, newPlan(7), newPlan(7))
	require.NotEqual(t, newPlan(7), newPlan(8))
	p := newPlan(7)
	var fates [2]map[string][]fate
	for i := range fates {
		synctest.Test(t, func(t *testing.T) { fates[i] = run(t, p).net.fates })
	}
	require.Len(t, fates[0], 2*(subscribers+1), "a flow in each direction of each client")
	compared := 0
	for flow, first := range fates[0] {
		second := fates[1][flow]
		n := min(len(first), len(second)) // how many there are depends on what the scheduler does
		require.True(t, slices.Equal(first[:n], second[:n]), flow)
		compared += n
	}
	require.Greater(t, compared, 200)
}
