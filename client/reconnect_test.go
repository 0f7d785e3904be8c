package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/router/wire"
)

// lasting is a fake whose clients reconnect.
func lasting(t *testing.T, adjust ...func(*keyx.Grant)) *fake {
	f := newFake(t, adjust...)
	f.cfg.NoReconnect = false
	f.heartbeat = uint32(24 * time.Hour / time.Millisecond) // none of them has to come
	return f
}

// cut ends a session as a network does.
func (s *fakeSession) cut() { s.conn.Close() }

// notice receives one notice of a type.
func notice[T error](t *testing.T, c *Client) T {
	t.Helper()
	d, err := c.Receive(t.Context())
	require.Nil(t, d)
	e, ok := errors.AsType[T](err)
	require.True(t, ok, "%v", err)
	return e
}

func publish(t *testing.T, c *Client, body string) {
	t.Helper()
	require.NoError(t, c.Publish(t.Context(), quoteEvent(t, "HAL", 49.5), []byte(body)))
}

func receive(t *testing.T, c *Client, body string) *Delivery {
	t.Helper()
	d, err := c.Receive(t.Context())
	require.NoError(t, err)
	require.Equal(t, body, string(d.Payload))
	return d
}

// TestSessionsFollowEachOther: subscriptions and their numbers go on, and what may be lost is told in its place.
func TestSessionsFollowEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		c, s := f.dial()
		sub, err := c.Subscribe(t.Context(), where(t, "symbol = 'HAL'"))
		require.NoError(t, err)
		publish(t, c, "one")
		s.cut()
		s = <-f.sessions
		publish(t, c, "two")

		receive(t, c, "one")
		gone := notice[*DisconnectedError](t, c)
		requireKind(t, KindTransport, gone.Err)
		require.True(t, notice[*LostError](t, c).Unknown)
		back := notice[*ResumedError](t, c)
		require.Equal(t, c.Instance(), back.Instance)
		require.Equal(t, back.At.Sub(gone.At), back.After)
		require.LessOrEqual(t, back.After, DefaultReconnectMin)
		require.Equal(t, 1, back.Attempts)
		require.Equal(t, []uint32{sub.ID()}, receive(t, c, "two").Subscriptions)

		f.boot()
		before := c.Instance()
		s.cut()
		<-f.sessions
		publish(t, c, "three")
		notice[*DisconnectedError](t, c)
		restarted := notice[*RestartedError](t, c)
		require.Equal(t, before, restarted.Previous)
		require.Equal(t, c.Instance(), restarted.Instance)
		notice[*ResumedError](t, c)
		receive(t, c, "three")
		require.EqualValues(t, 2, c.Stats().Reconnects)
		require.NoError(t, c.Close())
	})
}

// TestUnacknowledgedIsSentAgain: the bytes sealed before, under the same sequence, with key and salt; and a subscriber that got it from the
// first session drops it in the second.
func TestUnacknowledgedIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		var headers []message.Header
		f.judge = func(h *message.Header) keyx.Kind {
			copied := *h
			copied.Attrs = bytes.Clone(h.Attrs)
			headers = append(headers, copied)
			return keyx.KindOK
		}
		var payloads [][]byte
		f.tamper = func(_ *message.Envelope, payload []byte) []byte {
			payloads = append(payloads, bytes.Clone(payload))
			return payload
		}
		f.silent = true
		c, s := f.dial()
		_, err := c.Subscribe(t.Context(), where(t, "TRUE"))
		require.NoError(t, err)
		first, err := c.PublishAsync(t.Context(), quoteEvent(t, "HAL", 1), []byte("a"))
		require.NoError(t, err)
		synctest.Wait() // it travels alone
		second, err := c.PublishAsync(t.Context(), quoteEvent(t, "IBM", 2), []byte("b"))
		require.NoError(t, err)
		receive(t, c, "a")
		receive(t, c, "b")

		s.do(func() { f.silent = false })
		s.cut()
		require.NoError(t, first.Wait(t.Context()))
		require.NoError(t, second.Wait(t.Context()))
		publish(t, c, "c")
		require.Len(t, headers, 5)
		for i := range 2 {
			old, again := headers[i], headers[i+2]
			require.False(t, old.Explicit)
			require.True(t, again.Explicit)
			require.Equal(t, old.Commitment, again.Commitment)
			require.Equal(t, old.Counter, again.Counter)
			require.Equal(t, old.Run, again.Run)
			require.Equal(t, old.Attrs, again.Attrs)
			require.Equal(t, payloads[i], payloads[i+2])
		}
		require.False(t, headers[4].Explicit, "what is new has a key of the new session")
		require.EqualValues(t, 3, headers[4].Counter)
		notice[*DisconnectedError](t, c)
		notice[*LostError](t, c)
		notice[*ResumedError](t, c)
		receive(t, c, "c")
		stats := c.Stats()
		require.EqualValues(t, 2, stats.Resent)
		require.EqualValues(t, 2, stats.Duplicates)
		require.EqualValues(t, 3, stats.Delivered)
		require.EqualValues(t, 3, stats.Acknowledged)
		require.NoError(t, c.Close())
	})
}

// TestPartlyAcknowledgedBatchIsSentWithoutThat: what the enclave has handled is not sent again, however it was packed.
func TestPartlyAcknowledgedBatchIsSentWithoutThat(t *testing.T) {
	f := newFake(t)
	o := newOutbox(keyx.PublicationID{Domain: "d", Subject: "s", Run: 7}, &f.cfg)
	o.maxUnacked, o.maxBytes = 10, 1<<20
	a, b := contentKeys(t), contentKeys(t)
	require.Nil(t, o.attach(&session{}, a, keyx.Limits{}))
	var sealed [][]byte
	for i := range 5 {
		_, err := o.publish(t.Context(), quoteEvent(t, "HAL", float64(i)), bytes.Repeat([]byte{byte(i)}, 10*i))
		require.NoError(t, err)
	}
	require.Len(t, o.batches, 1)
	for _, p := range o.batches[0].payloads(nil) {
		sealed = append(sealed, bytes.Clone(p))
	}
	o.handled = 2
	for range 2 { // the second time the keys stand in the headers already
		o.detach(o.session)
		require.Nil(t, o.attach(&session{}, b, keyx.Limits{}))
		require.Equal(t, sealed[o.handled:], o.batches[0].payloads(nil))
		require.NoError(t, message.FinishPublish(o.batches[0].plain, len(o.batches[0].ends)))
		r, err := message.ReadPublish(o.batches[0].plain)
		require.NoError(t, err)
		require.Equal(t, 5-int(o.handled), r.Count())
		var h message.Header
		for n := o.handled + 1; ; n++ {
			more, err := r.Next(&h)
			require.NoError(t, err)
			if !more {
				break
			}
			require.Equal(t, n, h.Counter)
			var ck [32]byte
			var salt [16]byte
			require.NoError(t, a.Derive(7, n, &ck, &salt))
			require.True(t, h.Explicit && h.CK == ck && h.Salt == salt, "the keys it was sealed under")
		}
		require.Equal(t, o.batches[0].bytes(), o.bytes)
		o.handled++
	}
	_, err := o.publish(t.Context(), quoteEvent(t, "HAL", 9), nil)
	require.NoError(t, err)
	require.Len(t, o.batches, 2, "what is new is not mixed with what is sent again")
	require.Same(t, b, o.batches[1].content)
}

func contentKeys(t *testing.T) *keyx.ContentKeys {
	f := newFake(t)
	h := handshake{cfg: new(f.cfg.withDefaults())}
	require.NoError(t, h.run(t.Context()))
	t.Cleanup(func() { h.transport.Close() })
	return h.session.Content
}

// TestNothingIsSealedBetweenSessions: publishing waits for a session, as long as the caller likes.
func TestNothingIsSealedBetweenSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		var away atomic.Bool
		f.closed = away.Load
		c, s := f.dial()
		away.Store(true)
		s.cut()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := c.PublishAsync(ctx, quoteEvent(t, "HAL", 1), nil)
		requireKind(t, KindCanceled, err)
		require.Zero(t, c.Stats().Published)
		_, err = c.Subscribe(ctx, where(t, "TRUE"))
		requireKind(t, KindCanceled, err)

		done := make(chan error)
		go func() { done <- c.Publish(t.Context(), quoteEvent(t, "HAL", 1), nil) }()
		synctest.Wait()
		away.Store(false)
		require.NoError(t, <-done)
		require.NoError(t, c.Close())
	})
}

// TestCommandsAcrossSessions: a subscription under way is made in the next session, one given up is not, and removing succeeds without one.
func TestCommandsAcrossSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		var away atomic.Bool
		f.closed = away.Load
		c, s := f.dial()
		kept, err := c.Subscribe(t.Context(), where(t, "symbol = 'HAL'"))
		require.NoError(t, err)
		removed, err := c.Subscribe(t.Context(), where(t, "symbol = 'IBM'"))
		require.NoError(t, err)
		away.Store(true)
		s.cut()
		synctest.Wait()
		require.NoError(t, removed.Unsubscribe(t.Context()))
		given, cancel := context.WithCancel(t.Context())
		go c.Subscribe(given, where(t, "symbol = 'DELL'"))
		late := make(chan *Subscription)
		go func() {
			sub, err := c.Subscribe(t.Context(), where(t, "price < 50"))
			if err != nil {
				t.Error(err)
			}
			late <- sub
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		away.Store(false)
		s = <-f.sessions
		sub := <-late
		synctest.Wait()
		s.mu.Lock()
		require.Len(t, s.subs, 2)
		require.Contains(t, s.subs, kept.ID())
		require.Contains(t, s.subs, sub.ID())
		s.mu.Unlock()
		require.Empty(t, c.commands.waiting)
		require.Empty(t, c.commands.slots)
		require.NoError(t, sub.Unsubscribe(t.Context()))
		requireKind(t, Kind(keyx.KindUnknownSubscription), removed.Unsubscribe(t.Context()))
		require.NoError(t, c.Close())
	})
}

// TestManySubscriptionsComeBackInTurn: however many there are, a bounded number is under way at once, and all come back.
func TestManySubscriptionsComeBackInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		c, s := f.dial()
		const n = 2*maxCommands + 7
		for range n {
			_, err := c.Subscribe(t.Context(), where(t, "price < 50"))
			require.NoError(t, err)
		}
		s.cut()
		s = <-f.sessions
		notice[*DisconnectedError](t, c)
		notice[*LostError](t, c)
		notice[*ResumedError](t, c)
		s.mu.Lock()
		require.Len(t, s.subs, n)
		s.mu.Unlock()
		require.NoError(t, c.Close())
	})
}

// TestRefusedAgainIsTold: an enclave may refuse what the one before had.
func TestRefusedAgainIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		c, s := f.dial()
		a, err := c.Subscribe(t.Context(), where(t, "symbol = 'HAL'"))
		require.NoError(t, err)
		b, err := c.Subscribe(t.Context(), where(t, "symbol = 'HAL'"))
		require.NoError(t, err)
		s.do(func() {
			f.denied = func(m *message.Subscribe) keyx.Kind {
				if m.ID == a.ID() {
					return keyx.KindEPCBudget
				}
				return keyx.KindOK
			}
		})
		s.cut()
		<-f.sessions
		notice[*DisconnectedError](t, c)
		notice[*LostError](t, c)
		e := notice[*UnsubscribedError](t, c)
		require.Equal(t, UnsubscribedError{ID: a.ID(), Kind: Kind(keyx.KindEPCBudget)}, *e)
		notice[*ResumedError](t, c)
		requireKind(t, Kind(keyx.KindUnknownSubscription), a.Unsubscribe(t.Context()))
		require.NoError(t, b.Unsubscribe(t.Context()))
		require.NoError(t, c.Close())
	})
}

// TestHopelessAttemptsEndTheClient: refusals in a row for what the client or the enclave is, whoever says so; a router that is away or busy
// is tried for ever.
func TestHopelessAttemptsEndTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			change   func(f *fake)
			kind     Kind
			attempts int // 0: more than any bound
		}{
			"the grant, as the router says": {func(f *fake) { f.refuseAt, f.refuseAs = wire.TypeHello, wire.Kind(keyx.KindBadGrant) }, Kind(keyx.KindBadGrant), maxRefusals},
			"another enclave, as we see":    {func(f *fake) { f.domain.Authorities = []keyx.AuthorityKey{bytes.Repeat([]byte{9}, 32)}; f.boot() }, Kind(keyx.KindConfigMismatch), maxRefusals},
			"unavailable":                   {func(f *fake) { f.refuseAt, f.refuseAs = wire.TypeHello, wire.Unavailable }, 0, 0},
			"away":                          {func(f *fake) { f.closed = func() bool { return true } }, 0, 0},
		} {
			f := lasting(t)
			var attempts atomic.Int64
			inner := f.cfg.Transport
			f.cfg.Transport = func(ctx context.Context, addr string) (io.ReadWriteCloser, error) {
				attempts.Add(1)
				return inner(ctx, addr)
			}
			c, s := f.dial()
			f.tb = t
			s.do(func() { tc.change(f) })
			s.cut()
			notice[*DisconnectedError](t, c)
			if tc.attempts == 0 {
				time.Sleep(time.Hour) // virtual
				require.Greater(t, attempts.Load(), int64(3600/10), name)
				require.NoError(t, c.Close(), name)
				continue
			}
			_, err := c.Receive(t.Context())
			requireKind(t, tc.kind, err)
			require.EqualValues(t, 1+tc.attempts, attempts.Load(), name)
			err = c.Publish(t.Context(), quoteEvent(t, "HAL", 1), nil)
			requireKind(t, tc.kind, err)
			c.Close()
		}
	})
}

// TestExpiredGrantEndsTheClient: our own clock is enough to know that no session will follow.
func TestExpiredGrantEndsTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		c, s := f.dial()
		time.Sleep(2 * time.Hour)
		s.cut()
		for {
			_, err := c.Receive(t.Context())
			if _, ok := err.(*Error); ok { //nolint:errorlint // the end is never wrapped
				requireKind(t, Kind(keyx.KindGrantExpired), err)
				break
			}
		}
		c.Close()
	})
}

// TestMeddledSessionsEndTheClient: sessions that somebody meddles with are tried again, but not for ever.
func TestMeddledSessionsEndTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		c, s := f.dial()
		for n := 1; ; n++ {
			s.sendBeat(func(h *message.Heartbeat) { h.EvChain[0] ^= 1 })
			if n == maxFaults {
				break
			}
			s = <-f.sessions
		}
		for {
			_, err := c.Receive(t.Context())
			if _, ok := err.(*Error); ok { //nolint:errorlint // as above
				requireKind(t, KindIntegrity, err)
				break
			}
		}
		c.Close()
	})
}

// TestStalledSessionIsReplaced: an enclave that is not heard of is given up for another session.
func TestStalledSessionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		f.heartbeat = 1000
		c, _ := f.dial()
		<-f.sessions // the next one
		notice[*StalledError](t, c)
		requireKind(t, KindStalled, notice[*DisconnectedError](t, c).Err)
		notice[*ResumedError](t, c)
		require.NoError(t, c.Close())
	})
}

// TestCloseBetweenSessions: Close waits no longer than it may, and nothing is left.
func TestCloseBetweenSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		f.silent = true
		var away atomic.Bool
		f.closed = away.Load
		c, s := f.dial()
		_, err := c.PublishAsync(t.Context(), quoteEvent(t, "HAL", 1), nil)
		require.NoError(t, err)
		synctest.Wait()
		away.Store(true)
		s.cut()
		begin := time.Now()
		require.ErrorIs(t, c.Close(), ErrUnacknowledged)
		require.Equal(t, DefaultCloseTimeout, time.Since(begin))
		_, err = c.Receive(t.Context())
		for errors.As(err, new(*DisconnectedError)) {
			_, err = c.Receive(t.Context())
		}
		require.ErrorIs(t, err, ErrClosed)
	})
}

// TestUntakenNoticesStayFew: a client that only publishes never takes them.
func TestUntakenNoticesStayFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t)
		f.heartbeat = 1000
		c, s := f.dial()
		first := c.Instance()
		begin := time.Now()
		for range 100 {
			f.boot()
			s.cut()
			s = <-f.sessions
			time.Sleep(DefaultHeartbeatTimeout + time.Second) // virtual: long enough for heartbeats to be missed
		}
		synctest.Wait()
		c.inbox.mu.Lock()
		require.Less(t, len(c.inbox.back), maxOutageNotices)
		c.inbox.mu.Unlock()
		gone := notice[*DisconnectedError](t, c)
		require.False(t, gone.At.Before(begin))
		require.Equal(t, first, notice[*RestartedError](t, c).Previous, "all of it is one outage")
		require.NoError(t, c.Close())
	})
}
