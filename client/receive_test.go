package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/router/wire"
)

// subscribed is a client that receives what it publishes.
func subscribed(tb testing.TB, f *fake) (*Client, *fakeSession, *Subscription) {
	c, s := f.dial()
	sub, err := c.Subscribe(tb.Context(), where(tb, "TRUE"))
	require.NoError(tb, err)
	return c, s, sub
}

func receivePayload(t *testing.T, c *Client, want string) {
	t.Helper()
	d, err := c.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, string(d.Payload))
}

func receiveError[E error](t *testing.T, c *Client) E {
	t.Helper()
	_, err := c.Receive(t.Context())
	e, ok := errors.AsType[E](err)
	require.True(t, ok, "%v", err)
	return e
}

// Whatever happens to one delivery, it is refused, told, and the next one arrives.
func TestMeddledDeliveriesAreRefusedAndOthersGoOn(t *testing.T) {
	flip := func(_ *message.Envelope, p []byte) []byte {
		q := bytes.Clone(p)
		q[len(q)/2] ^= 1
		return q
	}
	// An insider who knows the content key reseals another payload.
	reseal := func(e *message.Envelope, p []byte) []byte {
		return keyx.SealPayload(nil, &e.CK, &[16]byte{}, new(filter.Event).AppendBinary(nil), []byte("forged"), 0)
	}
	for _, tc := range []struct {
		name, reason string
		tamper       func(*message.Envelope, []byte) []byte
	}{
		{"bit flip", reasonPayload, flip},
		{"resealed by an insider", reasonPayload, reseal},
		{"truncated", reasonPayload, func(_ *message.Envelope, p []byte) []byte { return p[:10] }},
		{"empty", reasonPayload, func(_ *message.Envelope, p []byte) []byte { return nil }},
		{"attributes other than those matched", reasonPayload, func(e *message.Envelope, p []byte) []byte {
			e.AttributeHash[0] ^= 1
			return p
		}},
		{"other publisher", reasonPayload, func(e *message.Envelope, p []byte) []byte {
			e.Subject = []byte("bob")
			return p
		}},
		{"foreign subscription", reasonForeign, func(e *message.Envelope, p []byte) []byte {
			e.Subscriptions = append(e.Subscriptions, 99)
			return p
		}},
		{"group key nobody has", reasonGroup, func(e *message.Envelope, p []byte) []byte {
			e.GKEpoch = 3
			return p
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFake(t)
			f.tamper = func(e *message.Envelope, p []byte) []byte {
				if e.Counter == 2 {
					return tc.tamper(e, p)
				}
				return p
			}
			c, _, _ := subscribed(t, f)
			event := quoteEvent(t, "HAL", 1)
			for _, text := range []string{"one", "two", "three"} {
				require.NoError(t, c.Publish(t.Context(), event, []byte(text)))
			}
			receivePayload(t, c, "one")
			require.Equal(t, tc.reason, receiveError[*IntegrityError](t, c).Reason)
			receivePayload(t, c, "three")
			require.EqualValues(t, 1, c.Stats().IntegrityRefused)
		})
	}
}

func TestSwappedPayloadsAreBothRefused(t *testing.T) {
	f := newFake(t)
	f.silent = true
	var sealed [][]byte
	f.tamper = func(_ *message.Envelope, p []byte) []byte {
		sealed = append(sealed, bytes.Clone(p))
		return p
	}
	c, s, sub := subscribed(t, f)
	for _, text := range []string{"one", "two"} {
		_, err := c.PublishAsync(t.Context(), filter.Event{}, []byte(text))
		require.NoError(t, err)
		receivePayload(t, c, text)
	}
	// The same two publications of another run, their payloads swapped.
	s.do(func() {
		msg := message.BeginDeliver(nil, 0, s.delivered)
		for counter := uint64(1); counter <= 2; counter++ {
			h := message.Header{Run: c.Run(), Counter: counter, Attrs: new(filter.Event).AppendBinary(nil)}
			e, err := s.envelope(&h)
			require.NoError(t, err)
			e.Run, e.Subscriptions = 1, []uint32{sub.ID()}
			msg, err = message.AppendEnvelope(msg, e)
			require.NoError(t, err)
		}
		require.NoError(t, message.FinishDeliver(msg, 2))
		s.delivered += 2
		s.seal(msg, [][]byte{sealed[1], sealed[0]})
	})
	require.Equal(t, reasonPayload, receiveError[*IntegrityError](t, c).Reason)
	require.Equal(t, reasonPayload, receiveError[*IntegrityError](t, c).Reason)
}

// A publisher whose sealed attributes differ from those its header was matched on.
func TestLyingPublisherIsRefused(t *testing.T) {
	f := newFake(t)
	c, s, sub := subscribed(t, f)
	lie, shown := quoteEvent(t, "HAL", 1), quoteEvent(t, "IBM", 1)
	deliver := func(inside filter.Event, counter uint64) {
		s.do(func() {
			id := keyx.PublicationID{Domain: f.domain.Name, Subject: "alice", Run: 5, Counter: counter}
			e := message.Envelope{Subject: []byte("alice"), Run: 5, Counter: counter, Subscriptions: []uint32{sub.ID()}}
			var salt [16]byte
			require.NoError(t, s.session.Content.Derive(5, counter, &e.CK, &salt))
			payload := keyx.SealPayload(nil, &e.CK, &salt, inside.AppendBinary(nil), []byte("x"), 0)
			e.Commitment = keyx.Commit(&id, &e.CK, payload)
			e.AttributeHash = keyx.AttributeHash(&salt, shown.AppendBinary(nil))
			msg, err := message.AppendEnvelope(message.BeginDeliver(nil, 0, s.delivered), &e)
			require.NoError(t, err)
			require.NoError(t, message.FinishDeliver(msg, 1))
			s.delivered++
			s.seal(msg, [][]byte{payload})
		})
	}
	deliver(lie, 1)
	require.Equal(t, reasonPayload, receiveError[*IntegrityError](t, c).Reason)
	deliver(shown, 2)
	receivePayload(t, c, "x")
}

func TestRequiredGroupKeyRefusesEpochZero(t *testing.T) {
	c, _, _ := subscribed(t, newFake(t, func(g *keyx.Grant) { g.RequireGK = true }))
	require.NoError(t, c.Publish(t.Context(), filter.Event{}, nil))
	require.Equal(t, reasonNoGroup, receiveError[*IntegrityError](t, c).Reason)
}

func TestPayloadCountsThatDoNotFit(t *testing.T) {
	c, s, sub := subscribed(t, newFake(t))
	send := func(payloads ...[]byte) {
		s.do(func() {
			e := message.Envelope{Subject: []byte("alice"), Run: 5, Counter: s.delivered + 1, Subscriptions: []uint32{sub.ID()}}
			msg, err := message.AppendEnvelope(message.BeginDeliver(nil, 0, s.delivered), &e)
			require.NoError(t, err)
			require.NoError(t, message.FinishDeliver(msg, 1))
			s.delivered++
			s.seal(msg, payloads)
		})
	}
	send()
	require.Equal(t, reasonMissing, receiveError[*IntegrityError](t, c).Reason)
	send([]byte("a"), []byte("b"))
	require.Equal(t, reasonPayload, receiveError[*IntegrityError](t, c).Reason)
	require.Equal(t, reasonSurplus, receiveError[*IntegrityError](t, c).Reason)
	require.NoError(t, c.Publish(t.Context(), filter.Event{}, []byte("on")))
	receivePayload(t, c, "on")
}

func TestEarlyPayloadFramesBelongToTheNextDelivery(t *testing.T) {
	c, s, _ := subscribed(t, newFake(t))
	s.do(func() { s.conn = &splitter{s.conn} })
	texts := []string{"one", "two", "three", "four"}
	s.mu.Lock() // so that all of them gather in one blob or two
	for _, text := range texts {
		_, err := c.PublishAsync(t.Context(), filter.Event{}, []byte(text))
		require.NoError(t, err)
	}
	s.mu.Unlock()
	for _, text := range texts {
		receivePayload(t, c, text)
	}
}

// splitter is a router that sends all payloads but the last of each delivery in
// frames before it.
type splitter struct{ io.ReadWriteCloser }

func (s *splitter) Write(b []byte) (int, error) {
	var out []byte
	for rest := b; len(rest) > 0; {
		f, after, err := wire.Next(rest, wire.MaxFrame)
		if err != nil {
			return 0, err
		}
		rest = after
		var last [][]byte
		all := f.Payloads()
		for p, ok := all.Next(); ok; p, ok = all.Next() {
			for _, early := range last {
				out = append(wire.AppendPayloadHead(wire.AppendPayloadsHead(out, 1, len(early)), len(early)), early...)
			}
			last = [][]byte{p}
		}
		out = wire.AppendDelivery(out, f.Blob, last)
	}
	if _, err := s.ReadWriteCloser.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

func TestLossIsCountedWhereItHappened(t *testing.T) {
	c, s, _ := subscribed(t, newFake(t))
	publish := func(text string) { require.NoError(t, c.Publish(t.Context(), filter.Event{}, []byte(text))) }
	publish("one")
	s.do(func() { s.withheld = 1 }) // the host drops one delivery blob
	publish("two")
	publish("three")
	receivePayload(t, c, "one")
	require.Equal(t, LostError{N: 1}, *receiveError[*LostError](t, c))
	receivePayload(t, c, "three")
	require.EqualValues(t, 1, c.Stats().Lost)
}

func TestCutTailIsSeenByTheHeartbeat(t *testing.T) {
	c, s, _ := subscribed(t, newFake(t))
	s.sendBeat(nil)
	for range 3 {
		s.do(func() { s.withheld = 1 })
		require.NoError(t, c.Publish(t.Context(), filter.Event{}, nil))
	}
	s.sendBeat(nil)
	require.EqualValues(t, 3, receiveError[*LostError](t, c).N)
	require.NoError(t, c.Publish(t.Context(), filter.Event{}, []byte("on")))
	receivePayload(t, c, "on")
}

func TestMissingHeartbeatsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s, _ := subscribed(t, newFake(t))
		for range 10 {
			time.Sleep(time.Second)
			s.sendBeat(nil)
		}
		start := time.Now()
		require.Equal(t, DefaultHeartbeatTimeout, receiveError[*StalledError](t, c).For)
		require.Equal(t, DefaultHeartbeatTimeout, time.Since(start))
		ctx, cancel := context.WithTimeout(t.Context(), DefaultHeartbeatTimeout-time.Second)
		defer cancel()
		_, err := c.Receive(ctx)
		requireKind(t, KindCanceled, err) // told once
		s.sendBeat(nil)
		require.Equal(t, DefaultHeartbeatTimeout, receiveError[*StalledError](t, c).For)
		s.sendBeat(nil) // in time: the session goes on
		require.NoError(t, c.Publish(t.Context(), filter.Event{}, []byte("still here")))
		receivePayload(t, c, "still here")
	})
}

func TestRareHeartbeatsWidenTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.heartbeat = 10_000
		c, _ := f.dial()
		require.Equal(t, 30*time.Second, receiveError[*StalledError](t, c).For)
	})
}

// Every disagreement about sealed history ends the session.
func TestForksEndTheSession(t *testing.T) {
	for name, meddle := range map[string]func(*message.Heartbeat){
		"other commands":   func(h *message.Heartbeat) { h.CmdChain[0] ^= 1 },
		"future commands":  func(h *message.Heartbeat) { h.CmdCount++ },
		"forgotten ones":   func(h *message.Heartbeat) { h.CmdCount-- },
		"other blobs":      func(h *message.Heartbeat) { h.EvChain[0] ^= 1 },
		"other blob count": func(h *message.Heartbeat) { h.EvCount-- },
		"fewer deliveries": func(h *message.Heartbeat) { h.Delivered-- },
		"more answers":     func(h *message.Heartbeat) { h.Control++ },
		"fewer answers":    func(h *message.Heartbeat) { h.Control-- },
	} {
		t.Run(name, func(t *testing.T) {
			c, s, _ := subscribed(t, newFake(t))
			require.NoError(t, c.Publish(t.Context(), filter.Event{}, []byte("one")))
			s.sendBeat(nil)
			s.sendBeat(meddle)
			receivePayload(t, c, "one")
			_, err := c.Receive(t.Context())
			requireKind(t, KindIntegrity, err)
			requireKind(t, KindIntegrity, c.Publish(t.Context(), filter.Event{}, nil))
		})
	}
}

func TestBadAcknowledgementsEndTheSession(t *testing.T) {
	for name, meddle := range map[string]func(*message.Ack) []message.Refusal{
		"other run":     func(a *message.Ack) []message.Refusal { a.Run++; return nil },
		"future":        func(a *message.Ack) []message.Refusal { a.Handled++; return nil },
		"backwards":     func(a *message.Ack) []message.Refusal { a.Handled--; return nil },
		"one missing":   func(a *message.Ack) []message.Refusal { a.Control++; return nil },
		"number again":  func(a *message.Ack) []message.Refusal { a.Control--; return nil },
		"other history": func(a *message.Ack) []message.Refusal { a.CmdChain[0] ^= 1; return nil },
		"refused after acknowledging": func(a *message.Ack) []message.Refusal {
			return []message.Refusal{{Counter: a.Handled, Kind: keyx.KindNotAuthorized}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := newFake(t).dial()
			require.NoError(t, c.Publish(t.Context(), filter.Event{}, nil))
			s.do(func() {
				a := message.Ack{Control: s.control(), Run: c.Run(), Handled: 1}
				a.CmdCount, a.CmdChain = s.session.In.Chain()
				refused := meddle(&a)
				msg, err := message.AppendAck(nil, &a, refused)
				require.NoError(t, err)
				s.seal(msg, nil)
			})
			_, err := c.Receive(t.Context())
			requireKind(t, KindIntegrity, err)
		})
	}
}

func TestForgedAndReplayedBlobsEndTheSession(t *testing.T) {
	for name, meddle := range map[string]func(s *fakeSession){
		"forged": func(s *fakeSession) { s.out = wire.AppendDelivery(s.out, make([]byte, 100), nil) },
		"replayed": func(s *fakeSession) {
			s.seal(message.AppendHeartbeat(nil, s.beat()), nil)
			s.out = append(s.out, s.out...)
		},
		"delivery numbers used before": func(s *fakeSession) {
			for range 2 {
				msg, err := message.AppendEnvelope(message.BeginDeliver(nil, 0, 0),
					&message.Envelope{Subject: []byte("a"), Counter: 1, Subscriptions: []uint32{1}})
				require.NoError(s.f.tb, err)
				require.NoError(s.f.tb, message.FinishDeliver(msg, 1))
				s.seal(msg, [][]byte{{1}})
			}
		},
		"payloads on a control blob": func(s *fakeSession) {
			s.seal(message.AppendHeartbeat(nil, s.beat()), [][]byte{{1}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, s := newFake(t).dial()
			s.do(func() { meddle(s) })
			_, err := c.Receive(t.Context())
			if _, first := errors.AsType[*IntegrityError](err); first {
				_, err = c.Receive(t.Context())
			}
			requireKind(t, KindIntegrity, err)
		})
	}
	t.Run("frame of the other direction", func(t *testing.T) {
		c, s := newFake(t).dial()
		s.do(func() { s.out = wire.AppendBye(nil) })
		_, err := c.Receive(t.Context())
		requireKind(t, KindProtocol, err)
	})
}

func TestDuplicatesAreDroppedAndCounted(t *testing.T) {
	f := newFake(t)
	const counter = 1
	var sealed []byte
	f.tamper = func(e *message.Envelope, p []byte) []byte {
		if e.Counter == counter {
			sealed = bytes.Clone(p)
		}
		return p
	}
	c, s, sub := subscribed(t, f)
	require.NoError(t, c.Publish(t.Context(), filter.Event{}, []byte("once")))
	receivePayload(t, c, "once")
	again := func() {
		s.do(func() {
			id := keyx.PublicationID{Domain: f.domain.Name, Subject: "alice", Run: c.Run(), Counter: counter}
			e := message.Envelope{Subject: []byte("alice"), Run: c.Run(), Counter: counter, Subscriptions: []uint32{sub.ID()}}
			var salt [16]byte
			require.NoError(t, s.session.Content.Derive(c.Run(), counter, &e.CK, &salt))
			e.Commitment = keyx.Commit(&id, &e.CK, sealed)
			e.AttributeHash = keyx.AttributeHash(&salt, new(filter.Event).AppendBinary(nil))
			msg, err := message.AppendEnvelope(message.BeginDeliver(nil, 0, s.delivered), &e)
			require.NoError(t, err)
			require.NoError(t, message.FinishDeliver(msg, 1))
			s.delivered++
			s.seal(msg, [][]byte{sealed})
		})
	}
	again()
	again()
	require.NoError(t, c.Publish(t.Context(), filter.Event{}, []byte("next")))
	receivePayload(t, c, "next")
	require.EqualValues(t, 2, c.Stats().Duplicates)
}

func TestFullInboxDropsAndTells(t *testing.T) {
	f := newFake(t)
	f.cfg.NoPadding = true
	f.cfg.InboxBytes = 4 * (deliveryOverhead + 1000)
	c, _, _ := subscribed(t, f)
	const sent = 100
	for range sent {
		require.NoError(t, c.Publish(t.Context(), filter.Event{}, make([]byte, 900)))
	}
	got := 0
	for ; ; got++ {
		_, err := c.Receive(t.Context())
		if err != nil {
			lost, ok := errors.AsType[*LostError](err)
			require.True(t, ok)
			require.True(t, lost.Overflow)
			require.EqualValues(t, sent-got, lost.N)
			break
		}
	}
	require.Equal(t, 4, got)
	require.NoError(t, c.Publish(t.Context(), filter.Event{}, []byte("room again")))
	receivePayload(t, c, "room again")
	require.Zero(t, c.inbox.bytes.Load())
}

func TestDeliveriesForARemovedSubscriptionAreSilent(t *testing.T) {
	f := newFake(t)
	c, s, sub := subscribed(t, f)
	other, err := c.Subscribe(t.Context(), where(t, "symbol = 'HAL'"))
	require.NoError(t, err)
	// The enclave still has it: as if the removal crossed with the delivery.
	s.mu.Lock()
	kept := s.subs[sub.ID()]
	s.mu.Unlock()
	require.NoError(t, sub.Unsubscribe(t.Context()))
	s.do(func() { s.subs[sub.ID()] = kept })
	require.NoError(t, c.Publish(t.Context(), filter.Event{}, []byte("late")))
	require.NoError(t, c.Publish(t.Context(), quoteEvent(t, "HAL", 1), []byte("both")))
	d, err := c.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, "both", string(d.Payload))
	require.Equal(t, []uint32{other.ID()}, d.Subscriptions)
}

func TestReceiveHonoursContext(t *testing.T) {
	c, _ := newFake(t).dial()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := c.Receive(ctx); done <- err }()
	cancel()
	requireKind(t, KindCanceled, <-done)
}

func TestManyReceiversShareTheInbox(t *testing.T) {
	c, _, _ := subscribed(t, newFake(t))
	const receivers, sent = 4, 400
	got := make(chan uint64, sent)
	for range receivers {
		go func() {
			for {
				d, err := c.Receive(context.Background())
				if err != nil {
					return
				}
				got <- d.Counter
			}
		}()
	}
	for range sent {
		_, err := c.PublishAsync(t.Context(), filter.Event{}, nil)
		require.NoError(t, err)
	}
	seen := map[uint64]bool{}
	for range sent {
		seen[<-got] = true
	}
	require.Len(t, seen, sent)
}
