package client

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/keyx/quote"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/router/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func (f *fake) dial() (*Client, *fakeSession) {
	f.tb.Helper()
	c, err := Dial(f.tb.Context(), f.cfg)
	require.NoError(f.tb, err)
	f.tb.Cleanup(func() { c.Close() })
	return c, <-f.sessions
}

func where(tb testing.TB, text string) filter.Filter {
	f, err := filter.Parse(text)
	require.NoError(tb, err)
	return f
}

func quoteEvent(tb testing.TB, symbol string, price float64) filter.Event {
	p, err := filter.Float(price)
	require.NoError(tb, err)
	e, err := filter.NewEvent(
		filter.Attribute{Name: "symbol", Value: filter.String(symbol)},
		filter.Attribute{Name: "price", Value: p})
	require.NoError(tb, err)
	return e
}

func requireKind(tb testing.TB, kind Kind, err error) {
	tb.Helper()
	e, ok := errors.AsType[*Error](err)
	require.True(tb, ok, "%v", err)
	require.Equal(tb, kind, e.Kind, "%v", err)
}

func TestPublishReachesExactlyTheMatchingSubscriptions(t *testing.T) {
	c, _ := newFake(t).dial()
	ctx := t.Context()
	cheap, err := c.Subscribe(ctx, where(t, "price < 50.5"))
	require.NoError(t, err)
	_, err = c.Subscribe(ctx, where(t, "symbol = 'IBM'"))
	require.NoError(t, err)
	hal, err := c.Subscribe(ctx, where(t, "symbol = 'HAL'"))
	require.NoError(t, err)

	event := quoteEvent(t, "HAL", 49.5)
	require.NoError(t, c.Publish(ctx, quoteEvent(t, "DELL", 60), []byte("nobody")))
	require.NoError(t, c.Publish(ctx, event, []byte("buy")))
	d, err := c.Receive(ctx)
	require.NoError(t, err)
	require.Equal(t, "alice", d.Publisher)
	require.Equal(t, c.Run(), d.Run)
	require.EqualValues(t, 2, d.Counter)
	require.Equal(t, []uint32{cheap.ID(), hal.ID()}, d.Subscriptions)
	require.Equal(t, []byte("buy"), d.Payload)
	require.Equal(t, event.AppendBinary(nil), d.Attributes.AppendBinary(nil))
	require.NoError(t, c.Close())
	_, err = c.Receive(ctx)
	require.ErrorIs(t, err, ErrClosed)
	requireKind(t, KindClosed, c.Publish(ctx, event, nil))
	s := c.Stats()
	require.EqualValues(t, 2, s.Published)
	require.EqualValues(t, 2, s.Acknowledged)
	require.EqualValues(t, 1, s.Delivered)
}

func TestManyPublishersKeepCountersInOrder(t *testing.T) {
	c, s := newFake(t).dial()
	ctx := t.Context()
	_, err := c.Subscribe(ctx, where(t, "TRUE"))
	require.NoError(t, err)
	const workers, each = 8, 500
	errs := make(chan error, workers)
	for w := range workers {
		event := quoteEvent(t, fmt.Sprint(w), float64(w))
		go func() {
			for i := range each {
				if _, err := c.PublishAsync(ctx, event, []byte{byte(i)}); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for counter := uint64(1); counter <= workers*each; counter++ {
		d, err := c.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, counter, d.Counter)
	}
	for range workers {
		require.NoError(t, <-errs)
	}
	require.NoError(t, c.Close())
	blobs, _ := s.session.In.Chain()
	require.Less(t, blobs, uint64(workers*each), "headers of one flush share a blob")
}

func TestRefusedPublicationsAreToldOneByOne(t *testing.T) {
	f := newFake(t)
	f.judge = func(h *message.Header) keyx.Kind {
		if h.Counter%3 == 0 {
			return keyx.KindNotAuthorized
		}
		return keyx.KindOK
	}
	c, _ := f.dial()
	var receipts []*Receipt
	for range 30 {
		r, err := c.PublishAsync(t.Context(), quoteEvent(t, "HAL", 1), nil)
		require.NoError(t, err)
		receipts = append(receipts, r)
	}
	for _, r := range receipts {
		_, counter := r.Sequence()
		err := r.Wait(t.Context())
		if counter%3 == 0 {
			requireKind(t, Kind(keyx.KindNotAuthorized), err)
		} else {
			require.NoError(t, err)
		}
	}
	require.EqualValues(t, 10, c.Stats().Refused)
}

func TestSubscribeRefusedAndUnsubscribe(t *testing.T) {
	hal := where(t, "symbol = 'HAL'")
	c, _ := newFake(t, func(g *keyx.Grant) { g.Subscribe = &hal }).dial()
	ctx := t.Context()
	_, err := c.Subscribe(ctx, where(t, "price < 5"))
	requireKind(t, Kind(keyx.KindNotCovered), err)
	s, err := c.Subscribe(ctx, where(t, "symbol = 'HAL' AND price < 5"))
	require.NoError(t, err)
	require.NoError(t, s.Unsubscribe(ctx))
	requireKind(t, Kind(keyx.KindUnknownSubscription), s.Unsubscribe(ctx))
	require.Empty(t, c.commands.slots)
	require.Empty(t, c.commands.live)
	require.Empty(t, c.commands.waiting)
}

func TestDialRefusals(t *testing.T) {
	_, otherKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, tc := range []struct {
		name  string
		spoil func(*testing.T, *fake)
		kind  Kind
	}{
		{"router full", func(_ *testing.T, f *fake) { f.refuseAt, f.refuseAs = wire.TypeHello, wire.TooManySessions }, KindTooManySessions},
		{"router shuts down", func(_ *testing.T, f *fake) { f.refuseAt, f.refuseAs = wire.TypeFinish, wire.ShuttingDown }, KindShuttingDown},
		{"wrong measurement", func(_ *testing.T, f *fake) { f.cfg.Policy.Measurements[0][0] ^= 1 }, Kind(keyx.KindEvidenceRefused)},
		{"foreign root", func(t *testing.T, f *fake) {
			f.cfg.Policy = newFake(t).plat.Policy()
		}, Kind(keyx.KindEvidenceRefused)},
		{"no policy", func(_ *testing.T, f *fake) { f.cfg.Policy = quote.Policy{} }, Kind(keyx.KindEvidenceRefused)},
		{"other router", func(_ *testing.T, f *fake) { f.cfg.Router = "other" }, Kind(keyx.KindWrongRouter)},
		{"other key than the grant's", func(_ *testing.T, f *fake) { f.cfg.Key = otherKey }, Kind(keyx.KindBadProof)},
		{"config of another authority", func(t *testing.T, f *fake) {
			// The honest measurement, booted by a host with its own authority.
			author, err := keyx.NewAuthority(rand.Reader)
			require.NoError(t, err)
			f.domain.Authorities = []keyx.AuthorityKey{author.Public()}
			f.author = author
			f.boot()
		}, Kind(keyx.KindConfigMismatch)},
		{"incomplete config", func(_ *testing.T, f *fake) { f.cfg.Router = "" }, KindConfig},
		{"no router", func(_ *testing.T, f *fake) {
			f.cfg.Transport = func(context.Context, string) (io.ReadWriteCloser, error) { return nil, net.ErrClosed }
		}, KindTransport},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFake(t)
			tc.spoil(t, f)
			_, err := Dial(t.Context(), f.cfg)
			requireKind(t, tc.kind, err)
			refusal, ok := errors.AsType[*quote.Refusal](err)
			require.Equal(t, tc.kind == Kind(keyx.KindEvidenceRefused) || tc.kind == Kind(keyx.KindConfigMismatch), ok)
			if ok {
				require.NotEmpty(t, refusal.Remedy)
			}
		})
	}
}

func TestExpiredGrantIsRefusedBeforeDialing(t *testing.T) {
	f := newFake(t)
	f.cfg.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	f.cfg.Transport = nil // would fail otherwise
	_, err := Dial(t.Context(), f.cfg)
	requireKind(t, Kind(keyx.KindGrantExpired), err)
}

func TestAttestTellsTheVerdictAlsoWhenRefused(t *testing.T) {
	f := newFake(t)
	v, confirmation, err := Attest(t.Context(), f.cfg)
	require.NoError(t, err)
	require.True(t, v.Accepted)
	require.Equal(t, f.id.Instance(), confirmation.Instance)
	f.cfg.Policy.Measurements[0][0] ^= 1
	v, _, err = Attest(t.Context(), f.cfg)
	require.Error(t, err)
	require.False(t, v.Accepted)
	require.Equal(t, quote.CheckMeasurement, v.Check)
	require.Equal(t, f.plat.Info().Measurement, v.Measurement)
}

func TestDialHonoursContextAndTimeout(t *testing.T) {
	for _, at := range []wire.Type{wire.TypeHello, wire.TypeFinish} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t)
			f.swallow = at
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := Dial(ctx, f.cfg)
			requireKind(t, KindCanceled, err)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			start := time.Now()
			_, err = Dial(t.Context(), f.cfg)
			requireKind(t, KindCanceled, err)
			require.ErrorIs(t, err, errHandshakeTimeout)
			require.Equal(t, DefaultHandshakeTimeout, time.Since(start))
		})
	}
}

func TestWindowBlocksAndHonoursContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.silent, f.cfg.MaxUnacked = true, 4
		c, s := f.dial()
		event := quoteEvent(t, "HAL", 1)
		var receipts []*Receipt
		for range 4 {
			r, err := c.PublishAsync(t.Context(), event, nil)
			require.NoError(t, err)
			receipts = append(receipts, r)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.PublishAsync(ctx, event, nil)
		requireKind(t, KindCanceled, err)
		requireKind(t, KindCanceled, receipts[0].Wait(ctx))

		done := make(chan error)
		go func() {
			_, err := c.PublishAsync(t.Context(), event, nil)
			done <- err
		}()
		synctest.Wait()
		require.Empty(t, done)
		s.do(func() { require.NoError(t, s.ack(c.Run(), nil)) })
		require.NoError(t, <-done)
		require.NoError(t, receipts[3].Wait(t.Context()))
		synctest.Wait()
		s.do(func() { require.NoError(t, s.ack(c.Run(), nil)) })
		require.NoError(t, c.Close())
	})
}

func TestWindowIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.silent, f.cfg.MaxUnackedBytes = true, 1<<20
		c, _ := f.dial()
		payload := make([]byte, 400<<10)
		for range 2 {
			_, err := c.PublishAsync(t.Context(), filter.Event{}, payload)
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.PublishAsync(ctx, filter.Event{}, payload)
		requireKind(t, KindCanceled, err)
		_, err = c.PublishAsync(t.Context(), filter.Event{}, make([]byte, MaxPayloadBytes+1))
		requireKind(t, KindTooLarge, err)
	})
}

func TestLargestPublicationFitsAFrame(t *testing.T) {
	c, _ := newFake(t).dial()
	_, err := c.Subscribe(t.Context(), where(t, "TRUE"))
	require.NoError(t, err)
	var attrs []filter.Attribute
	for i := range 15 {
		text := slices.Repeat([]byte{'x'}, filter.MaxStringBytes)
		attrs = append(attrs, filter.Attribute{Name: fmt.Sprintf("a%d", i), Value: filter.String(string(text))})
	}
	event, err := filter.NewEvent(attrs...)
	require.NoError(t, err)
	require.NoError(t, c.Publish(t.Context(), event, make([]byte, MaxPayloadBytes)))
	d, err := c.Receive(t.Context())
	require.NoError(t, err)
	require.Len(t, d.Payload, MaxPayloadBytes)
	require.NoError(t, c.Publish(t.Context(), event, []byte("after")))
}

func TestCloseWithPendingTellsThatTheOutcomeIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.silent = true
		c, s := f.dial()
		r, err := c.PublishAsync(t.Context(), quoteEvent(t, "HAL", 1), nil)
		require.NoError(t, err)
		start := time.Now()
		require.ErrorIs(t, c.Close(), ErrUnacknowledged)
		require.Equal(t, DefaultCloseTimeout, time.Since(start))
		requireKind(t, KindUnacknowledged, r.Wait(t.Context()))
		require.ErrorIs(t, r.Wait(t.Context()), ErrUnacknowledged)
		require.EqualValues(t, 1, s.handled, "it was sent all the same")
		require.ErrorIs(t, c.Close(), ErrUnacknowledged)
	})
}

func TestCloseGivesUpOnARouterThatIgnoresBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.ignoreBye = true
		c, _ := f.dial()
		require.NoError(t, c.Publish(t.Context(), filter.Event{}, nil))
		start := time.Now()
		require.NoError(t, c.Close())
		require.Equal(t, DefaultCloseTimeout, time.Since(start))
	})
}

func TestSessionLossFailsWhatWaits(t *testing.T) {
	f := newFake(t)
	f.silent = true
	c, s := f.dial()
	r, err := c.PublishAsync(t.Context(), quoteEvent(t, "HAL", 1), nil)
	require.NoError(t, err)
	s.conn.Write(wire.AppendRefuse(nil, wire.SlowConsumer))
	require.ErrorIs(t, r.Wait(t.Context()), ErrUnacknowledged)
	_, err = c.Receive(t.Context())
	requireKind(t, KindSlowConsumer, err)
	_, err = c.Subscribe(t.Context(), where(t, "TRUE"))
	requireKind(t, KindSlowConsumer, err)
	requireKind(t, KindSlowConsumer, c.Publish(t.Context(), filter.Event{}, nil))
	require.ErrorIs(t, c.Close(), ErrUnacknowledged)
}

func TestCanceledSubscribeIsTakenBack(t *testing.T) {
	c, s := newFake(t).dial()
	s.mu.Lock() // the enclave does not answer
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := c.Subscribe(ctx, where(t, "TRUE"))
		done <- err
	}()
	require.Eventually(t, func() bool { blobs := c.current().history.len(); return blobs == 2 }, 5*time.Second, time.Millisecond)
	cancel()
	requireKind(t, KindCanceled, <-done)
	s.mu.Unlock()
	require.NoError(t, c.Publish(t.Context(), filter.Event{}, nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Empty(t, s.subs)
}

func (h *history) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sums)
}

func TestRestartIsToldFirst(t *testing.T) {
	f := newFake(t)
	c, _ := f.dial()
	before := c.Instance()
	require.NoError(t, c.Close())
	f.cfg.PreviousInstance = &before
	same, _ := f.dial()
	require.NoError(t, same.Close())
	_, err := same.Receive(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	f.boot()
	other, _ := f.dial()
	_, err = other.Receive(t.Context())
	e, ok := errors.AsType[*RestartedError](err)
	require.True(t, ok)
	require.Equal(t, before, e.Previous)
	require.Equal(t, other.Instance(), e.Instance)
}
