package enclave

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

func TestPublishingOutsideTheGrant(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	g := grantFor("bob")
	allowed := mustParse("symbol = 'HAL'")
	g.Publish = &allowed
	bob := w.connect(g)
	g = grantFor("carol")
	g.Publish = nil
	carol := w.connect(g)

	ok := bob.publication("1", "symbol", "HAL")
	other := bob.publication("2", "symbol", "IBM")
	stale := bob.publication("3", "symbol", "HAL")
	stale.header.Revocation = 1
	bob.counter++
	garbage := bob.publicationAt(bob.run, bob.counter, "4", []byte{0, 2, 1, 'b', 4, 1, 1, 'a', 4, 1}) // not sorted
	last := bob.publication("5", "symbol", "HAL")
	none := carol.publication("6", "symbol", "HAL")
	out := w.step(bob.publishFrame(ok, other, stale, garbage, last), carol.publishFrame(none))

	a, b, c := alice.take(out), bob.take(out), carol.take(out)
	require.Len(t, a.deliveries, 2)
	a.deliveries[0].requireOpens(t, w.domain.Name, ok)
	a.deliveries[1].requireOpens(t, w.domain.Name, last)
	require.EqualValues(t, 5, b.acks[0].Handled)
	require.Equal(t, []message.Refusal{
		{Counter: 2, Kind: keyx.KindNotAuthorized}, {Counter: 3, Kind: keyx.KindStale}, {Counter: 4, Kind: keyx.KindBadEvent},
	}, b.refusals)
	require.Equal(t, []message.Refusal{{Counter: 1, Kind: keyx.KindNotAuthorized}}, c.refusals)
}

func TestRepeatedCounterIsAcknowledgedNotDelivered(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	p1, p2 := bob.publication("1", "x", 1), bob.publication("2", "x", 1)
	first := w.step(bob.publishFrame(p1, p2))
	require.Len(t, alice.take(first).deliveries, 2)
	require.Len(t, bob.take(first).acks, 1)

	// In the same session, and by a resend in the next session of the subject.
	again := w.member("bob")
	for _, c := range []*client{bob, again} {
		r1, r2 := p1, p2
		require.NoError(t, bob.keys.Content.Derive(bob.run, 1, &r1.header.CK, &r1.header.Salt))
		require.NoError(t, bob.keys.Content.Derive(bob.run, 2, &r2.header.CK, &r2.header.Salt))
		r1.header.Explicit, r2.header.Explicit = true, true
		out := w.step(c.publishFrame(r1), c.publishFrame(r2))
		require.Empty(t, alice.take(out).deliveries)
		g := c.take(out)
		require.Len(t, g.acks, 1)
		require.EqualValues(t, 2, g.acks[0].Handled)
		require.Empty(t, g.refusals)
	}
}

func TestResendCarriesItsKeys(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	p := bob.publication("lost", "x", 1)
	require.NoError(t, bob.keys.Content.Derive(bob.run, 1, &p.header.CK, &p.header.Salt))
	p.header.Explicit = true
	w.step(abi.AppendClose(nil, bob.conn)) // before it was sent

	again := w.member("bob")
	a := alice.take(w.step(again.publishFrame(p)))
	require.Len(t, a.deliveries, 1)
	a.deliveries[0].requireOpens(t, w.domain.Name, p)
}

func TestRunsAreApart(t *testing.T) {
	w := newWorld(t)
	alice, bob, eve := w.member("alice"), w.member("bob"), w.member("eve")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	attrs := event(t, "x", 1).AppendBinary(nil)
	send := func(c *client, run, counter uint64) int {
		out := w.step(c.publishFrame(c.publicationAt(run, counter, "x", attrs)))
		g := c.take(out)
		require.Len(t, g.acks, 1)
		require.Equal(t, run, g.acks[0].Run)
		return len(alice.take(out).deliveries)
	}
	require.Equal(t, 1, send(bob, 1, 10))
	require.Equal(t, 0, send(bob, 1, 9))
	require.Equal(t, 1, send(bob, 2, 9), "another run of the subject")
	require.Equal(t, 1, send(eve, 1, 1), "the same run of another subject")
	require.Equal(t, 0, send(bob, 1, 10))
	require.Equal(t, 1, send(bob, 1, 11))
}

func TestCountersStartAtOne(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	attrs := event(t, "x", 1).AppendBinary(nil)
	out := w.step(bob.publishFrame(bob.publicationAt(1, 1, "x", attrs), bob.publicationAt(2, 0, "x", attrs)))
	require.Equal(t, keyx.KindBadMessage, bob.take(out).refused)
	require.Empty(t, alice.take(out).deliveries, "the whole message counts for nothing")
}

func TestSeveralRunsInOneStep(t *testing.T) {
	w := newWorld(t)
	bob := w.member("bob")
	attrs := event(t, "x", 1).AppendBinary(nil)
	g := bob.take(w.step(bob.publishFrame(
		bob.publicationAt(1, 1, "x", attrs), bob.publicationAt(2, 5, "x", attrs), bob.publicationAt(1, 2, "x", attrs),
	)))
	require.Len(t, g.acks, 3)
	for i, want := range [][2]uint64{{1, 1}, {2, 5}, {1, 2}} {
		require.Equal(t, want, [2]uint64{g.acks[i].Run, g.acks[i].Handled})
	}
}

func TestCountersEnd(t *testing.T) {
	w := newWorld(t)
	bob := w.member("bob")
	p := bob.publication("x", "x", 1)
	p.header.Counter = keyx.MaxCounter
	g := bob.take(w.step(bob.publishFrame(p)))
	require.Equal(t, []message.Refusal{{Counter: keyx.MaxCounter, Kind: keyx.KindKeyExhausted}}, g.refusals)
}

// TestLargeFanOutIsSplit has every blob and frame within its bounds however much
// one step has to say, and every delivery there, in order.
func TestLargeFanOutIsSplit(t *testing.T) {
	w := newWorld(t)
	alice, bob, carol := w.member("alice"), w.member("bob"), w.member("carol")
	for id := range uint32(300) {
		require.Equal(t, keyx.KindOK, alice.subscribe(id, "x >= 0"))
	}
	require.Equal(t, keyx.KindOK, carol.subscribe(1, "x >= 0"))
	var frames [][]byte
	var pubs []publication
	for range 3 {
		first := len(pubs)
		for range message.MaxHeaders {
			pubs = append(pubs, bob.publication("", "x", len(pubs)))
		}
		frames = append(frames, bob.publishFrame(pubs[first:]...))
	}
	var out, pieces []byte
	n := 0
	for _, f := range frames {
		out = append(out, f...)
	}
	require.NoError(t, w.core.StepTo(w.now, out, func(b []byte) error {
		n++
		require.Less(t, len(b), maxOutBytes+2*abi.MaxFrame)
		pieces = append(pieces, b...)
		return nil
	}))
	require.Greater(t, n, 2)
	list := decode(t, pieces)
	a, b, c := alice.take(list), bob.take(list), carol.take(list)
	for _, g := range []got{a, c} {
		require.Len(t, g.deliveries, len(pubs))
		for i, d := range g.deliveries {
			require.Equal(t, pubs[i].header.Counter, d.Counter)
			require.EqualValues(t, i, d.ref)
		}
	}
	require.Len(t, b.acks, 1)
	require.EqualValues(t, len(pubs), b.acks[0].Handled)
	w.invariants()
}

func TestManyRefusalsAreSplit(t *testing.T) {
	w := newWorld(t)
	g := grantFor("bob")
	g.Publish = nil
	bob := w.connect(g)
	var frames [][]byte
	for range 2 {
		var pubs []publication
		for range message.MaxHeaders - 1 {
			pubs = append(pubs, bob.publication("", "x", 1))
		}
		frames = append(frames, bob.publishFrame(pubs...))
	}
	r := bob.take(w.step(frames...))
	require.Len(t, r.acks, 2)
	require.Len(t, r.refusals, 2*(message.MaxHeaders-1))
	require.EqualValues(t, message.MaxHeaders, r.acks[0].Handled)
}

// TestDeterministic replays the same frames into an equal core.
func TestDeterministic(t *testing.T) {
	play := func() [][]byte {
		w := newWorld(t)
		alice, bob := w.member("alice"), w.member("bob")
		for id := range uint32(20) {
			alice.subscribe(id, "x > 3")
			bob.subscribe(id, "x > 3")
		}
		w.step(abi.AppendClose(nil, alice.conn))
		w.member("carol").subscribe(1, "x > 2")
		w.step(bob.publishFrame(bob.publication("1", "x", 9)))
		return w.sent
	}
	require.Equal(t, play(), play())
}
