package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/router/wire"
)

// The host drops the one acknowledgement that says "refused". The watermark of the
// next one lies beyond that publication, and must not make a success of it.
func TestDroppedAcknowledgementIsNotMadeGoodByTheNextOne(t *testing.T) {
	f := newFake(t)
	f.judge = func(h *message.Header) keyx.Kind {
		if h.Counter == 1 {
			return keyx.KindStale
		}
		return keyx.KindOK
	}
	c, s := f.dial()
	s.do(func() { s.withheld = 1 })
	refused, err := c.PublishAsync(t.Context(), filter.Event{}, []byte("x"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.handled == 1
	}, 5*time.Second, time.Millisecond)
	next, err := c.PublishAsync(t.Context(), filter.Event{}, []byte("y"))
	require.NoError(t, err)
	for _, r := range []*Receipt{refused, next} {
		err := r.Wait(t.Context())
		requireKind(t, KindUnacknowledged, err)
		require.ErrorIs(t, err, ErrUnacknowledged)
	}
	require.Zero(t, c.Stats().Acknowledged)
	_, err = c.Receive(t.Context())
	requireKind(t, KindIntegrity, err)
	require.ErrorIs(t, c.Close(), ErrUnacknowledged)
}

// The host drops one answer. The next sealed message of any kind shows it, and
// whoever waits is told that the outcome is unknown.
func TestDroppedAnswerIsShownByWhateverComesNext(t *testing.T) {
	for name, next := range map[string]func(t *testing.T, c *Client, s *fakeSession){
		"heartbeat": func(_ *testing.T, _ *Client, s *fakeSession) { s.sendBeat(nil) },
		"acknowledgement": func(t *testing.T, c *Client, _ *fakeSession) {
			require.ErrorIs(t, c.Publish(t.Context(), filter.Event{}, nil), ErrUnacknowledged)
		},
		"answer": func(t *testing.T, c *Client, _ *fakeSession) {
			_, err := c.Subscribe(t.Context(), where(t, "TRUE"))
			require.ErrorIs(t, err, ErrUnacknowledged)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, s, sub := subscribed(t, newFake(t))
			s.do(func() { s.withheld = 2 })
			errs := make(chan error, 2)
			go func() {
				_, err := c.Subscribe(t.Context(), where(t, "TRUE"))
				errs <- err
			}()
			go func() { errs <- sub.Unsubscribe(t.Context()) }()
			require.Eventually(t, func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.withheld == 0
			}, 5*time.Second, time.Millisecond)
			next(t, c, s)
			for range 2 {
				err := <-errs
				require.ErrorIs(t, err, ErrUnacknowledged)
				requireKind(t, KindIntegrity, err)
			}
			var err error
			for err == nil { // the publication may have met the second subscription
				_, err = c.Receive(t.Context())
			}
			requireKind(t, KindIntegrity, err)
		})
	}
}

// A host that withholds acknowledgements and heartbeats alike keeps nobody waiting.
func TestWithheldHeartbeatsEndTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.silent = true
		c, _ := f.dial()
		start := time.Now()
		err := c.Publish(context.Background(), filter.Event{}, nil)
		requireKind(t, KindUnacknowledged, err)
		require.ErrorIs(t, err, ErrUnacknowledged)
		require.Equal(t, 2*DefaultHeartbeatTimeout, time.Since(start))
		require.Equal(t, DefaultHeartbeatTimeout, receiveError[*StalledError](t, c).For)
		_, err = c.Receive(t.Context())
		requireKind(t, KindStalled, err)
		requireKind(t, KindStalled, c.Publish(t.Context(), filter.Event{}, nil))
		require.ErrorIs(t, c.Close(), ErrUnacknowledged)
	})
}

// A refusal frame is the router's word, before and after the confirmation; a number
// that neither router nor enclave has is a fault of its own, and never one of ours.
func TestUnsealedRefusalsAreTheRoutersClaim(t *testing.T) {
	for _, tc := range []struct {
		sent wire.Kind
		kind Kind
		text string
	}{
		{wire.ShuttingDown, KindShuttingDown, "the router says: router: shutting down"},
		{99, 99, "the router says: kind 99"},
		{wire.Kind(keyx.KindGrantExpired), Kind(keyx.KindGrantExpired), "the router says: grant expired"},
		{wire.Kind(keyx.KindTooManyRuns), Kind(keyx.KindTooManyRuns), "the router says: too many runs"},
		{wire.Kind(keyx.KindBadGroup) + 1, KindProtocol, "protocol"},
		{0, KindProtocol, "protocol"}, // a malformed frame
		{wire.Kind(KindClosed), KindProtocol, "protocol"},
		{wire.Kind(KindIntegrity), KindProtocol, "protocol"},
		{wire.Kind(KindUnacknowledged), KindProtocol, "protocol"},
	} {
		requireClaim := func(t *testing.T, op string, err error) {
			t.Helper()
			requireKind(t, tc.kind, err)
			require.ErrorContains(t, err, "scbr: "+op+": "+tc.text)
			require.NotErrorIs(t, err, ErrClosed)
			e, ok := err.(*Error) //nolint:errorlint // the end of a session is never wrapped
			require.True(t, ok)
			require.Equal(t, tc.kind == Kind(tc.sent), e.Claimed)
		}
		t.Run(tc.text+" at the handshake", func(t *testing.T) {
			f := newFake(t)
			f.refuseAt, f.refuseAs = wire.TypeFinish, tc.sent
			_, err := Dial(t.Context(), f.cfg)
			requireClaim(t, opDial, err)
		})
		t.Run(tc.text+" in the session", func(t *testing.T) {
			c, s := newFake(t).dial()
			s.do(func() { s.out = wire.AppendRefuse(s.out, tc.sent) })
			_, err := c.Receive(t.Context())
			requireClaim(t, opReceive, err)
			requireClaim(t, opPublish, c.Publish(t.Context(), filter.Event{}, nil))
		})
	}
	sealed := Error{Op: opPublish, Kind: Kind(keyx.KindStale)}
	require.Equal(t, "scbr: publish: stale revocation list", sealed.Error())
}

func TestRevocationNumbersNeverGoBack(t *testing.T) {
	c, s, _ := subscribed(t, newFake(t))
	s.sendBeat(func(h *message.Heartbeat) { h.Revocation = 5 })
	s.sendBeat(func(h *message.Heartbeat) { h.Revocation = 5 })
	s.sendBeat(func(h *message.Heartbeat) { h.Revocation = 4 })
	_, err := c.Receive(t.Context())
	requireKind(t, KindIntegrity, err)
	require.ErrorIs(t, err, errRevocation)
}
