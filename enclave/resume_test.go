package enclave

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
)

// reconnect is a client that asks to resume: the message and what it needs to read the answer.
func (w *world) asksToResume(r *keyx.Resumption, g keyx.Grant) (*keyx.Initiator, []byte) {
	w.t.Helper()
	i, m5, err := keyx.NewInitiator(w.initiatorConfig(g, r))
	require.NoError(w.t, err)
	return i, m5
}

// resume opens a session from that of c, and wants it to be resumed.
func (c *client) resume() *client {
	w := c.w
	w.t.Helper()
	i, m5 := w.asksToResume(c.keys.Resumption, grantFor(c.subject))
	number := w.newConn()
	out := w.step(abi.AppendOpen(nil, number, m5))
	require.Equal(w.t, abi.Handshake, out[0].Type, "refused: %v", keyx.Kind(out[0].Kind))
	require.EqualValues(w.t, abi.StageConfirm, out[0].Stage)
	keys, conf, err := i.Resume(out[0].Body)
	require.NoError(w.t, err)
	return &client{w: w, conn: number, keys: keys, conf: conf, subject: c.subject, run: c.run, counter: c.counter}
}

func TestResumedSession(t *testing.T) {
	w := newWorld(t)
	bob, alice := w.member("bob"), w.member("alice")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "x = 1"))
	w.step(abi.AppendClose(nil, alice.conn))
	again := alice.resume()
	require.Equal(t, alice.conf.Instance, again.conf.Instance)
	require.NotEqual(t, alice.conf.SessionID, again.conf.SessionID)
	p := bob.publication("to nobody", "x", 1)
	require.Empty(t, again.take(w.step(bob.publishFrame(p))).deliveries, "subscriptions ended with the session")
	require.Equal(t, keyx.KindOK, again.subscribe(1, "x = 1"))
	p = bob.publication("to alice", "x", 1)
	d := again.take(w.step(bob.publishFrame(p))).deliveries
	require.Len(t, d, 1)
	d[0].requireOpens(t, "test", p)

	// A publisher's run goes on over it: what was handled is not handled again.
	w.step(abi.AppendClose(nil, bob.conn))
	resumed := bob.resume()
	require.Empty(t, again.take(w.step(resumed.publishFrame(p))).deliveries)
	require.EqualValues(t, 2, w.core.sums.resumed)
	require.Equal(t, keyx.KindOK, again.resume().subscribe(7, "TRUE"), "each gives the next, also while the one before lives")
}

// TestResumptionIsUsedOnce: the host sends message 5 again, to this enclave and to the next. Then message 1 inside
// counts, whose answer the client does not take any more.
func TestResumptionIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice")
	_, m5 := w.asksToResume(alice.keys.Resumption, grantFor("alice"))
	stage := func(w *world) uint8 {
		out := w.step(abi.AppendOpen(nil, w.newConn(), m5))
		require.Equal(t, abi.Handshake, out[0].Type)
		return out[0].Stage
	}
	require.EqualValues(t, abi.StageConfirm, stage(w))
	for range 3 {
		require.EqualValues(t, abi.StageAnswer, stage(w))
	}
	require.EqualValues(t, abi.StageAnswer, stage(newWorld(t)), "another instance does not know it")

	// Somebody who only saw the id does not use it up.
	bob := w.member("bob")
	_, m5 = w.asksToResume(bob.keys.Resumption, grantFor("bob"))
	forged := append([]byte(nil), m5...)
	forged[1+16] ^= 1
	good := m5
	m5 = forged
	require.EqualValues(t, abi.StageAnswer, stage(w))
	m5 = good
	require.EqualValues(t, abi.StageConfirm, stage(w))
}

// TestResumeLooksAtTheGrantAnew: what ended or was taken back since, a quota that is used, a list that is too old.
func TestResumeLooksAtTheGrantAnew(t *testing.T) {
	limited := grantFor("alice")
	limited.NotAfter = epoch.Add(10 * time.Minute)
	limited.Quotas.MaxSessions = 1
	for name, tc := range map[string]struct {
		before func(w *world, alice *client)
		kind   keyx.Kind
	}{
		"run out":  {func(w *world, _ *client) { w.now = w.now.Add(10 * time.Minute) }, keyx.KindGrantExpired},
		"sessions": {func(*world, *client) {}, keyx.KindTooManySessions},
		"revoked": {func(w *world, a *client) {
			w.step(abi.AppendClose(nil, a.conn))
			_, one := w.list(nil, "alice")
			w.take(one)
		}, keyx.KindGrantRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice := w.connect(limited)
			tc.before(w, alice)
			_, m5 := w.asksToResume(alice.keys.Resumption, limited)
			number := w.newConn()
			for _, f := range w.step(abi.AppendOpen(nil, number, m5)) {
				if f.Conn == number {
					require.Equal(t, abi.Refuse, f.Type)
					require.Equal(t, tc.kind, keyx.Kind(f.Kind))
					return
				}
			}
			require.Fail(t, "no answer")
		})
	}
}

// TestResumablesAreBounded: in number, in age, and by the life of the instance.
func TestResumablesAreBounded(t *testing.T) {
	w := newWorld(t, withLimits(Limits{MaxResumable: 3}))
	var all []*client
	for range 5 {
		all = append(all, w.member("alice"))
	}
	require.Len(t, w.core.resumables.byID, 3)
	require.Equal(t, 3, w.core.resumables.order.Len())
	_, m5 := w.asksToResume(all[0].keys.Resumption, grantFor("alice"))
	require.EqualValues(t, abi.StageAnswer, w.step(abi.AppendOpen(nil, w.newConn(), m5))[0].Stage)
	all[4].resume()
	w.now = w.now.Add(keyx.ResumeMaxAge)
	w.step(abi.AppendTick(nil))
	require.Empty(t, w.core.resumables.byID)
	require.Zero(t, w.core.resumables.order.Len())
	w.member("bob")
	w.step(abi.AppendShutdown(nil))
	require.Empty(t, w.core.resumables.byID)
}
