package enclave

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

// sender publishes single publications and says how often they reached the reader.
type sender struct {
	*world
	reader *client
}

func newSender(t *testing.T, l Limits) *sender {
	w := newWorld(t, withLimits(l))
	s := &sender{world: w, reader: w.member("reader")}
	require.Equal(t, keyx.KindOK, s.reader.subscribe(1, "TRUE"))
	return s
}

// send returns the deliveries and the kind in the acknowledgement.
func (s *sender) send(c *client, run, counter uint64) (delivered int, kind keyx.Kind) {
	s.t.Helper()
	out := s.step(c.publishFrame(c.publicationAt(run, counter, "x", event(s.t, "x", 1).AppendBinary(nil))))
	g := c.take(out)
	require.Len(s.t, g.acks, 1)
	require.Equal(s.t, run, g.acks[0].Run)
	require.Equal(s.t, counter, g.acks[0].Handled, "the watermark is that of this session")
	if len(g.refusals) > 0 {
		require.Len(s.t, g.refusals, 1)
		require.Equal(s.t, counter, g.refusals[0].Counter)
		kind = g.refusals[0].Kind
	}
	return len(s.reader.take(out).deliveries), kind
}

func (s *sender) require(c *client, run, counter uint64, delivered int, kind keyx.Kind) {
	s.t.Helper()
	n, k := s.send(c, run, counter)
	require.Equal(s.t, kind, k)
	require.Equal(s.t, delivered, n)
}

func limited(subject string, runs uint32) keyx.Grant {
	g := grantFor(subject)
	g.Quotas.MaxRuns = runs
	return g
}

func TestRunsInUseAreNeverForgotten(t *testing.T) {
	s := newSender(t, Limits{MaxRuns: 8})
	bob := s.connect(limited("bob", 3))
	for run := range uint64(3) {
		s.require(bob, run, 1, 1, keyx.KindOK)
	}
	s.require(bob, 3, 1, 0, keyx.KindTooManyRuns)
	s.require(bob, 3, 2, 0, keyx.KindTooManyRuns)
	for run := range uint64(3) {
		s.require(bob, run, 1, 0, keyx.KindOK) // known: acknowledged, not delivered
	}
	s.require(bob, 1, 2, 1, keyx.KindOK)
	require.Len(t, s.core.subjects.byName["bob"].runs, 3)

	// Room that comes while the session lives is not for the run it was refused: its
	// counters 1 and 2 would come to lie below the watermark.
	other := s.connect(limited("bob", 4))
	s.require(bob, 3, 3, 0, keyx.KindTooManyRuns)
	s.require(other, 3, 1, 1, keyx.KindOK)
}

// Two publishers of one subject do not push each other out of the memory.
func TestPublishersOfOneSubjectDoNotEvictEachOther(t *testing.T) {
	s := newSender(t, Limits{})
	g := limited("bob", 1)
	a, b := s.connect(g), s.connect(g)
	s.require(a, 1, 1, 1, keyx.KindOK)
	s.require(b, 2, 1, 0, keyx.KindTooManyRuns)
	s.require(a, 1, 1, 0, keyx.KindOK)
	s.step(abi.AppendClose(nil, a.conn))
	c := s.connect(g)
	s.require(c, 2, 1, 1, keyx.KindOK)
	s.require(c, 1, 1, 0, keyx.KindTooManyRuns)
}

// A corrupt publisher cannot have a run of its live session forgotten by flooding,
// and so cannot show two payloads under one sequence.
func TestFloodOfRunsDoesNotAllowEquivocation(t *testing.T) {
	w := newWorld(t)
	s1, s2, pub := w.member("s1"), w.member("s2"), w.member("corrupt")
	require.Equal(t, keyx.KindOK, s1.subscribe(1, "who = 1"))
	require.Equal(t, keyx.KindOK, s2.subscribe(1, "who = 2"))
	out := w.step(pub.publishFrame(pub.publicationAt(9, 1, "one", event(t, "who", 1).AppendBinary(nil))))
	require.Len(t, s1.take(out).deliveries, 1)
	pub.take(out)
	var flood []publication
	for i := range uint64(DefaultMaxRuns) {
		flood = append(flood, pub.publicationAt(1000+i, 1, "", event(t, "z", 1).AppendBinary(nil)))
	}
	g := pub.take(w.step(pub.publishFrame(flood...)))
	require.Equal(t, []message.Refusal{{Counter: 1, Kind: keyx.KindTooManyRuns}}, g.refusals, "the last one")
	again := w.member("corrupt")
	for _, c := range []*client{pub, again} {
		out = w.step(c.publishFrame(c.publicationAt(9, 1, "two", event(t, "who", 2).AppendBinary(nil))))
		require.Empty(t, s2.take(out).deliveries)
		require.Len(t, c.take(out).acks, 1)
	}
}

func TestEndedRunsAreForgottenOldestFirst(t *testing.T) {
	s := newSender(t, Limits{MaxRuns: 3, MaxSubjects: 2})
	sessions := map[uint64]*client{}
	for run := uint64(1); run <= 3; run++ {
		sessions[run] = s.member("bob")
		s.require(sessions[run], run, 1, 1, keyx.KindOK)
	}
	for _, run := range []uint64{2, 3} {
		s.step(abi.AppendClose(nil, sessions[run].conn))
	}
	again := s.member("bob")
	s.require(again, 4, 1, 1, keyx.KindOK) // in place of 2, ended first; 1 is in use
	s.require(again, 1, 1, 0, keyx.KindOK)
	s.require(again, 3, 1, 0, keyx.KindOK)
	s.require(again, 2, 1, 0, keyx.KindTooManyRuns) // 3 is in use again
	s.step(abi.AppendClose(nil, again.conn))
	last := s.member("bob")
	s.require(last, 1, 1, 0, keyx.KindOK)
	s.require(last, 2, 1, 1, keyx.KindOK) // forgotten: a new one
}

// Idle subjects beyond the bound are forgotten, the longest idle first.
func TestIdleSubjectsAreBounded(t *testing.T) {
	s := newSender(t, Limits{MaxSubjects: 2})
	for _, name := range []string{"b", "c", "d"} {
		c := s.member(name)
		s.require(c, 1, 1, 1, keyx.KindOK)
		s.step(abi.AppendClose(nil, c.conn))
	}
	s.require(s.member("b"), 1, 1, 1, keyx.KindOK)
	s.require(s.member("d"), 1, 1, 0, keyx.KindOK)
}

// A refusal is a refusal for ever: its acknowledgement may have been lost with the
// session, and a resend must not be told that all is well.
func TestResendOfARefusedPublicationIsRefusedAgain(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	g := grantFor("bob")
	allowed := mustParse("symbol = 'HAL'")
	g.Publish = &allowed
	bob := w.connect(g)
	ok, bad := bob.publication("1", "symbol", "HAL"), bob.publication("2", "symbol", "IBM")
	stale := bob.publication("3", "symbol", "HAL")
	stale.header.Revocation = 1
	last := bob.publication("4", "symbol", "HAL")
	want := []message.Refusal{{Counter: 2, Kind: keyx.KindNotAuthorized}, {Counter: 3, Kind: keyx.KindStale}}
	out := w.step(bob.publishFrame(ok, bad, stale, last))
	require.Equal(t, want, bob.take(out).refusals)
	require.Len(t, alice.take(out).deliveries, 2)
	w.step(abi.AppendClose(nil, bob.conn))

	again := w.connect(g)
	for i, p := range []publication{ok, bad, stale, last} { // one by one: the watermark keeps step
		p.header.Revocation = 0
		p.header.Explicit = true
		out := w.step(again.publishFrame(p))
		got := again.take(out)
		require.Len(t, got.acks, 1)
		require.EqualValues(t, i+1, got.acks[0].Handled)
		if i == 1 || i == 2 {
			require.Equal(t, want[i-1:i], got.refusals)
		} else {
			require.Empty(t, got.refusals)
		}
		require.Empty(t, alice.take(out).deliveries)
	}
	// All at once, twice, and backwards: each acknowledgement is one a client can read.
	out = w.step(again.publishFrame(ok, bad, stale, last), again.publishFrame(stale, bad, bad))
	got := again.take(out)
	require.Equal(t, append(want, want[1], want[0], want[0]), got.refusals)
	require.Empty(t, alice.take(out).deliveries)
}

// Of the refusals that are forgotten nothing is claimed.
func TestForgottenRefusalsAreAnsweredReplayed(t *testing.T) {
	w := newWorld(t)
	g := grantFor("bob")
	allowed := mustParse("x >= 0")
	g.Publish = &allowed
	bob := w.connect(g)
	var pubs []publication
	for i := range 2 * (maxRefusalsKept + 10) { // every other one is refused, from the second on
		pubs = append(pubs, bob.publication("", "x", -(i%2)))
	}
	require.Len(t, bob.take(w.step(bob.publishFrame(pubs...))).refusals, maxRefusalsKept+10)
	again := w.connect(g)
	kinds := map[uint64]keyx.Kind{}
	for _, r := range again.take(w.step(again.publishFrame(pubs...))).refusals {
		kinds[r.Counter] = r.Kind
	}
	const forgotten = 20 // counter of the tenth refusal
	for _, p := range pubs {
		n := p.header.Counter
		switch {
		case n <= forgotten:
			require.Equal(t, keyx.KindReplayed, kinds[n], n)
		case n%2 == 0:
			require.Equal(t, keyx.KindNotAuthorized, kinds[n], n)
		default:
			require.NotContains(t, kinds, n)
		}
	}
}

func TestRefusalsAgreeWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r refusals
		require.Equal(t, keyx.KindOK, r.outcome(1))
		var order []uint64
		kinds := map[uint64]keyx.Kind{}
		last := uint64(0)
		for range rapid.IntRange(0, 3*maxRefusalsKept).Draw(t, "n") {
			last += uint64(1 + len(order)%3)
			kinds[last] = keyx.KindBadMessage + keyx.Kind(last%20)
			order = append(order, last)
			r.add(last, kinds[last])
		}
		forgotten := uint64(0)
		if n := len(order) - maxRefusalsKept; n > 0 {
			forgotten = order[n-1]
		}
		for n := uint64(1); n <= last+1; n++ {
			want := kinds[n] // KindOK if it was not refused
			if n <= forgotten {
				want = keyx.KindReplayed
			}
			require.Equal(t, want, r.outcome(n), n)
		}
		require.LessOrEqual(t, len(r.kept), maxRefusalsKept)
	})
}
