package enclave

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher"
)

func TestPublicationReachesExactlyTheMatched(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.member("alice"), w.member("bob"), w.member("carol")
	require.Equal(t, keyx.KindOK, alice.subscribe(7, "price < 50"))
	require.Equal(t, keyx.KindOK, alice.subscribe(3, "symbol = 'HAL' AND price < 50"))
	require.Equal(t, keyx.KindOK, bob.subscribe(1, "symbol = 'IBM'"))

	hal := carol.publication("hal body", "symbol", "HAL", "price", 49)
	ibm := carol.publication("ibm body", "symbol", "IBM", "price", 80)
	none := carol.publication("nobody", "symbol", "XYZ", "price", 80)
	ref := w.lastRef
	out := w.step(carol.publishFrame(hal, ibm, none))

	a, b, c := alice.take(out), bob.take(out), carol.take(out)
	require.Len(t, a.deliveries, 1)
	require.Equal(t, []uint32{3, 7}, a.deliveries[0].Subscriptions)
	require.Equal(t, ref, a.deliveries[0].ref)
	a.deliveries[0].requireOpens(t, w.domain.Name, hal)
	require.Len(t, b.deliveries, 1)
	require.Equal(t, ref+1, b.deliveries[0].ref)
	b.deliveries[0].requireOpens(t, w.domain.Name, ibm)

	require.Empty(t, c.deliveries)
	require.Len(t, c.acks, 1)
	require.Equal(t, carol.run, c.acks[0].Run)
	require.EqualValues(t, 3, c.acks[0].Handled)
	require.Empty(t, c.refusals)
	count, chain := carol.keys.Out.Chain()
	require.Equal(t, count, c.acks[0].CmdCount)
	require.Equal(t, chain, c.acks[0].CmdChain)

	last := out[len(out)-1]
	require.Equal(t, abi.Handled, last.Type)
	require.Equal(t, ref, last.Ref)
	require.EqualValues(t, 3, last.Count)
	require.Equal(t, abi.Deliver, out[len(out)-2].Type)
	require.Equal(t, carol.conn, out[len(out)-2].Conn, "the acknowledgement comes after the deliveries")
}

func TestOneBlobPerSessionAndStep(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	out := w.step(
		bob.publishFrame(bob.publication("1", "x", 1), bob.publication("2", "x", 2)),
		alice.publishFrame(alice.publication("3", "x", 3)),
		bob.publishFrame(bob.publication("4", "x", 4)),
	)
	a, b := alice.take(out), bob.take(out)
	require.Equal(t, []message.Type{message.TypeDeliver, message.TypeAck}, a.order)
	require.Len(t, a.deliveries, 4)
	require.Equal(t, []message.Type{message.TypeAck}, b.order)
	require.EqualValues(t, 3, b.acks[0].Handled)
}

func TestRepliesComeAfterTheDeliveriesBeforeThem(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	out := w.step(
		bob.publishFrame(bob.publication("1", "x", 1)),
		alice.data(message.AppendUnsubscribe(nil, 1, 0), 0),
		bob.publishFrame(bob.publication("2", "x", 1)),
	)
	a := alice.take(out)
	require.Equal(t, []message.Type{message.TypeDeliver, message.TypeReply}, a.order)
	require.Len(t, a.deliveries, 1)
}

func TestRemovingLeavesEqualFiltersOfOthers(t *testing.T) {
	const where = "symbol = 'HAL' AND price < 50"
	for name, leave := range map[string]func(w *world, alice *client){
		"unsubscribe": func(_ *world, alice *client) { require.Equal(t, keyx.KindOK, alice.unsubscribe(1)) },
		"end":         func(w *world, alice *client) { w.step(abi.AppendClose(nil, alice.conn)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice, bob := w.member("alice"), w.member("bob")
			require.Equal(t, keyx.KindOK, alice.subscribe(1, where))
			require.Equal(t, keyx.KindOK, bob.subscribe(1, where))
			require.Equal(t, keyx.KindOK, bob.subscribe(2, where))
			require.Equal(t, keyx.KindUnknownSubscription, alice.unsubscribe(2), "bob's id is not alice's")
			leave(w, alice)
			p := bob.publication("x", "symbol", "HAL", "price", 1)
			b := bob.take(w.step(bob.publishFrame(p)))
			require.Len(t, b.deliveries, 1)
			require.Equal(t, []uint32{1, 2}, b.deliveries[0].Subscriptions)
			require.Equal(t, keyx.KindOK, bob.unsubscribe(1))
			require.Equal(t, keyx.KindUnknownSubscription, bob.unsubscribe(1))
			b = bob.take(w.step(bob.publishFrame(bob.publication("x", "symbol", "HAL", "price", 1))))
			require.Equal(t, []uint32{2}, b.deliveries[0].Subscriptions)
		})
	}
}

func TestSubscriptionRefusals(t *testing.T) {
	w := newWorld(t, withLimits(Limits{MaxSubscriptions: 3}))
	g := grantFor("alice")
	allowed := mustParse("symbol = 'HAL'")
	g.Subscribe = &allowed
	g.Quotas.MaxSubscriptions = 2
	alice := w.connect(g)
	require.EqualValues(t, 2, alice.conf.Limits.MaxSubscriptions)
	require.Equal(t, keyx.KindNotCovered, alice.subscribe(1, "TRUE"))
	require.Equal(t, keyx.KindNotCovered, alice.subscribe(1, "symbol = 'IBM'"))
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "symbol = 'HAL'"))
	require.Equal(t, keyx.KindDuplicateSubscription, alice.subscribe(1, "symbol = 'HAL'"))
	require.Equal(t, keyx.KindOK, alice.subscribe(2, "symbol = 'HAL' AND price < 3"))
	require.Equal(t, keyx.KindTooManySubscriptions, alice.subscribe(3, "symbol = 'HAL'"))
	require.Equal(t, keyx.KindOK, alice.unsubscribe(1))
	require.Equal(t, keyx.KindOK, alice.subscribe(3, "symbol = 'HAL'"))

	msg, err := message.AppendSubscribe(nil, message.Subscribe{ID: 9, Filter: []byte{0xff, 1, 2}})
	require.NoError(t, err)
	require.Equal(t, keyx.KindOK, alice.unsubscribe(3))
	r := alice.take(w.step(alice.data(msg, 0)))
	require.Equal(t, keyx.KindBadFilter, r.replies[0].Kind)

	g = grantFor("publisher")
	g.Subscribe = nil
	require.Equal(t, keyx.KindNotCovered, w.connect(g).subscribe(1, "symbol = 'HAL'"))
	bob := w.member("bob")
	for id := range uint32(3) {
		require.Equal(t, keyx.KindOK, bob.subscribe(id, "TRUE"))
	}
	require.Equal(t, keyx.KindTooManySubscriptions, bob.subscribe(3, "TRUE"), "the core's own limit")
}

func TestBudgetRefusesAndChangesNothing(t *testing.T) {
	w := newWorld(t, withArena(t, epc.MinBudget))
	alice := w.member("alice")
	kind, n := keyx.KindOK, uint32(0)
	for ; kind == keyx.KindOK && n < 40000; n++ {
		kind = alice.subscribe(n, fmt.Sprintf("id = %d AND name = '%0200d'", n, n))
	}
	require.Equal(t, keyx.KindEPCBudget, kind)
	before := w.core.store.Stats()
	require.Equal(t, keyx.KindEPCBudget, alice.subscribe(n, fmt.Sprintf("id = %d AND name = '%0200d'", n, n)))
	require.Equal(t, before.Subscriptions, w.core.store.Stats().Subscriptions)
	for _, id := range []uint32{0, n / 2, n - 2} {
		p := alice.publication("x", "id", int(id), "name", fmt.Sprintf("%0200d", id))
		g := alice.take(w.step(alice.publishFrame(p)))
		require.Len(t, g.deliveries, 1)
		require.Equal(t, []uint32{id}, g.deliveries[0].Subscriptions)
	}
	require.Equal(t, keyx.KindUnknownSubscription, alice.unsubscribe(n))
	require.Equal(t, keyx.KindOK, alice.unsubscribe(0))
}

func TestGrantRunsOut(t *testing.T) {
	w := newWorld(t)
	g := grantFor("alice")
	g.NotAfter = w.now.Add(time.Minute)
	alice, bob := w.connect(g), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	w.now = w.now.Add(time.Minute)
	p := alice.publication("late", "x", 1)
	out := w.step(bob.publishFrame(bob.publication("1", "x", 1)), alice.publishFrame(p))
	a := alice.take(out)
	require.Equal(t, keyx.KindGrantExpired, a.refused)
	require.Empty(t, a.deliveries, "no key after the grant's end, whatever else the step holds")
	require.Empty(t, a.acks)
	require.Len(t, bob.take(out).acks, 1)
	require.EqualValues(t, 1, w.core.sums.handled, "the late publication is not handled")
	require.Zero(t, w.core.store.Stats().Subscriptions)

	_, conn, msg3 := w.handshake(keyx.Grant{Subject: "late", NotAfter: w.now.Add(time.Second)})
	w.now = w.now.Add(time.Second)
	out = w.step(abi.AppendFinish(nil, conn, msg3))
	require.Equal(t, abi.Refuse, out[0].Type)
	require.EqualValues(t, keyx.KindGrantExpired, out[0].Kind)
}

func TestIdleSessionEndsWithItsGrant(t *testing.T) {
	w := newWorld(t)
	g := grantFor("alice")
	g.NotAfter = w.now.Add(time.Minute)
	alice := w.connect(g)
	w.now = w.now.Add(time.Hour)
	require.Equal(t, keyx.KindGrantExpired, alice.take(w.step(abi.AppendTick(nil))).refused)
}

// The first grant to end need not be that of the first session, nor the last.
func TestEachGrantRunsOutInItsTime(t *testing.T) {
	w := newWorld(t)
	var members []*client
	minutes := []int{3, 1, 2, 2, 5}
	for i, m := range minutes {
		g := grantFor(fmt.Sprintf("member %d", i))
		g.NotAfter = w.now.Add(time.Duration(m) * time.Minute)
		members = append(members, w.connect(g))
	}
	for passed := 1; passed <= 5; passed++ {
		w.now = epoch.Add(time.Duration(passed)*time.Minute - time.Nanosecond)
		out := w.step()
		for _, c := range members {
			require.Zero(t, c.take(out).refused)
		}
		w.now = epoch.Add(time.Duration(passed) * time.Minute)
		out = w.step()
		for i, c := range members {
			require.Equal(t, passed == minutes[i], c.take(out).refused == keyx.KindGrantExpired, "member %d", i)
		}
	}
	require.Zero(t, w.core.live)
}

// A host that sets its clock back does not bring a grant back to life.
func TestTimeNeverGoesBack(t *testing.T) {
	w := newWorld(t)
	g := grantFor("alice")
	g.NotAfter = epoch.Add(time.Minute)
	w.now = epoch.Add(2 * time.Minute)
	w.step()
	w.now = epoch
	_, conn, msg3 := w.handshake(g)
	requireOnlyRefusal(t, w.step(abi.AppendFinish(nil, conn, msg3)), conn, keyx.KindGrantExpired)
	g.NotAfter = epoch.Add(2*time.Minute + time.Second)
	w.connect(g)
}

func TestHeartbeatsOnSchedule(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	step := func(d time.Duration, frames ...[]byte) got {
		w.now = w.now.Add(d)
		return alice.take(w.step(frames...))
	}
	require.Empty(t, step(999*time.Millisecond, abi.AppendTick(nil)).beats)
	g := step(time.Millisecond, bob.publishFrame(bob.publication("1", "x", 1)))
	require.Equal(t, []message.Type{message.TypeDeliver, message.TypeHeartbeat}, g.order, "due in any step")
	require.EqualValues(t, 1, g.beats[0].Delivered)
	count, chain := alice.keys.Out.Chain()
	require.Equal(t, count, g.beats[0].CmdCount)
	require.Equal(t, chain, g.beats[0].CmdChain)
	require.Empty(t, step(500*time.Millisecond, abi.AppendTick(nil)).beats)
	require.Len(t, step(500*time.Millisecond, abi.AppendTick(nil)).beats, 1)
	require.Len(t, step(time.Hour, abi.AppendTick(nil)).beats, 1, "one, not one for each interval")
	require.Len(t, step(0, alice.data(message.AppendPing(nil), 0)).beats, 1, "a ping asks for one")
}

func TestStatsCount(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	require.Equal(t, keyx.KindDuplicateSubscription, alice.subscribe(1, "TRUE"))
	w.step(alice.publishFrame(alice.publication("1", "x", 1), alice.publication("2", "x", 1)))
	w.now = w.now.Add(time.Second)
	var s abi.StatsBody
	for _, f := range w.step(abi.AppendTick(nil)) {
		if f.Type == abi.Stats {
			s = f.Stats()
		}
	}
	require.EqualValues(t, 1, s.Subscriptions)
	require.EqualValues(t, 1, s.Sessions)
	require.EqualValues(t, 2, s.Handled)
	require.EqualValues(t, 2, s.Matched)
	require.EqualValues(t, 1, s.Refused)
}

func TestReadyAndShutdown(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice")
	f := decode(t, w.core.Ready(nil))[0]
	instance, measurement, simulated := f.Ready()
	require.Equal(t, alice.conf.Instance, instance)
	require.Equal(t, machine().Info().Measurement, measurement[:32])
	require.Zero(t, [16]byte(measurement[32:]))
	require.True(t, simulated)

	i, msg1 := w.initiate(grantFor("bob"))
	half, msg2, err := w.core.keys.now.Accept(msg1)
	require.NoError(t, err)
	msg3, err := i.Respond(msg2, w.now)
	require.NoError(t, err)
	out := w.step(abi.AppendShutdown(nil), alice.subscribeFrame(1, "TRUE"))
	require.Len(t, out, 1)
	require.Equal(t, abi.Bye, out[0].Type)
	require.True(t, w.core.Done())
	_, err = half.Finish(msg3, w.now)
	require.Error(t, err, "the private key is gone")
	_, err = w.core.Step(w.now, nil)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, KindClosed, e.Kind)
}

// The seed of the hash tables is drawn from Rand: where filters lie is the same for
// equal randomness only, so that nobody outside can aim at collisions.
func TestHashSeedIsRandom(t *testing.T) {
	layout := func(seed byte) []byte {
		mem := matcher.NewHeapMemory(1<<20, 1<<20)
		s, err := newStore(Config{Memory: mem, Rand: rng(seed)})
		require.NoError(t, err)
		for i := range 50 {
			_, err := s.Insert(mustParse(fmt.Sprintf("attribute%d = 'value %d'", i, i)), uint64(i))
			require.NoError(t, err)
		}
		return append([]byte(nil), mem.Region()...)
	}
	require.Equal(t, layout(1), layout(1))
	require.NotEqual(t, layout(1), layout(2))
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no platform": func(c *Config) { c.Platform = nil },
		"no memory":   func(c *Config) { c.Memory = nil },
		"no rand":     func(c *Config) { c.Rand = nil },
		"no router":   func(c *Config) { c.Router = "" },
		"no domain":   func(c *Config) { c.Domain = keyx.Domain{} },
		"limits":      func(c *Config) { c.Limits.MaxSubscriptions = message.MaxMatches + 1 },
		"negative":    func(c *Config) { c.Limits.MaxHalfOpen = -1 },
	} {
		cfg := Config{
			Domain: newWorld(t).domain, Router: routerName, Platform: machine(), Rand: rng(1),
			Memory: matcher.NewHeapMemory(1<<20, 1<<20),
		}
		change(&cfg)
		_, err := New(cfg)
		var e *Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, KindConfig, e.Kind, name)
	}
}
