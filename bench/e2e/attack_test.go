package e2e

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/router/wire"
)

const tick = 10 * time.Millisecond

// TestRemoveLeavesOthers: in the reference, removing alice's filter cut off bob, who has the same one.
func TestRemoveLeavesOthers(t *testing.T) {
	w := start(t)
	alice, bob := w.dial(w.config("alice", "", "TRUE")), w.dial(w.config("bob", "", "TRUE"))
	pub := w.dial(w.config("p", "TRUE", ""))
	first, second := w.subscribe(alice, "symbol = 'HAL'"), w.subscribe(alice, "symbol = 'HAL'")
	w.subscribe(bob, "symbol = 'HAL'")
	require.NoError(t, first.Unsubscribe(w.ctx()))
	require.NoError(t, pub.Publish(w.ctx(), event(t, "symbol", "HAL"), []byte("1")))
	for _, c := range []*client.Client{alice, bob} {
		d, err := c.Receive(w.ctx())
		require.NoError(t, err)
		require.Equal(t, "1", string(d.Payload))
	}
	require.NoError(t, second.Unsubscribe(w.ctx()))
	require.NoError(t, alice.Close())
	require.NoError(t, pub.Publish(w.ctx(), event(t, "symbol", "HAL"), []byte("2")))
	d, err := bob.Receive(w.ctx())
	require.NoError(t, err)
	require.Equal(t, "2", string(d.Payload))
}

// flipOn returns an abi filter that flips one bit of the n-th Data blob of a connection, at a position that is a fraction of its
// length.
func flipOn(n int, at float64) func(abi.Frame, []byte) [][]byte {
	var seen int
	return func(f abi.Frame, raw []byte) [][]byte {
		if f.Type == abi.Data {
			if seen++; seen == n {
				bad := append([]byte(nil), raw...)
				blob := len(f.Body)
				bad[len(bad)-blob+min(int(at*float64(blob)), blob-1)] ^= 0x10
				return [][]byte{bad}
			}
		}
		return [][]byte{raw}
	}
}

// TestFlippedSubscriptionRefused: the reference encrypts subscriptions without authenticating them, so that a host that knows their
// layout changes owner or bound by flipping bits. Here the session ends and no filter, changed or not, is registered.
func TestFlippedSubscriptionRefused(t *testing.T) {
	for _, at := range []float64{0, 0.2, 0.4, 0.6, 0.8, 1} {
		w := start(t, func(s *setup) { s.toEnclave = flipOn(1, at) })
		sub := w.dial(w.config("s", "", "TRUE"))
		_, err := sub.Subscribe(w.ctx(), w.filter("n >= 100"))
		requireKind(t, err, keyx.KindIntegrity, keyx.KindReplayed, keyx.KindKeyExhausted)
		pub := w.dial(w.config("p", "TRUE", ""))
		require.NoError(t, pub.Publish(w.ctx(), event(t, "n", 100), nil))
		after := w.statsWhen(func(s abi.StatsBody) bool { return s.Handled == 1 })
		require.Zero(t, after.Matched, "nobody may be matched")
		require.Zero(t, after.Subscriptions)
	}
}

// TestReplayedSubscriptionRefused: the host sends a captured subscription again, in its own session and in another one.
func TestReplayedSubscriptionRefused(t *testing.T) {
	var mu sync.Mutex
	var captured []byte // alice's subscription
	replayTo := uint64(0)
	w := start(t, func(s *setup) {
		s.toEnclave = func(f abi.Frame, raw []byte) [][]byte {
			mu.Lock()
			defer mu.Unlock()
			if f.Type != abi.Data {
				return [][]byte{raw}
			}
			if captured == nil {
				captured = append([]byte(nil), f.Body...)
				return [][]byte{raw}
			}
			replayTo = f.Conn
			return [][]byte{abi.AppendData(nil, f.Conn, 0, 0, captured)} // instead of the client's own
		}
	})
	alice := w.dial(w.config("alice", "", "TRUE"))
	w.subscribe(alice, "n >= 100")
	mallory := w.dial(w.config("mallory", "", "TRUE"))
	_, err := mallory.Subscribe(w.ctx(), w.filter("m = 1"))
	requireKind(t, err, keyx.KindIntegrity, keyx.KindReplayed)
	_, err = alice.Subscribe(w.ctx(), w.filter("m = 2"))
	requireKind(t, err, keyx.KindReplayed)
	mu.Lock()
	defer mu.Unlock()
	require.NotZero(t, replayTo)
}

// TestHeaderFedBackRevealsNothing: in the reference, a captured header sent back as a registration came back in the clear in an
// error. Here whatever is done with it is refused by a number, and nothing of it is in any answer.
func TestHeaderFedBackRevealsNothing(t *testing.T) {
	cap := &capture{}
	var captured atomic.Pointer[[]byte]
	w := start(t, func(s *setup) {
		s.capture = cap
		s.toEnclave = func(f abi.Frame, raw []byte) [][]byte {
			if f.Type == abi.Data && f.Count == 1 && captured.Load() == nil {
				captured.Store(ptr(append([]byte(nil), f.Body...)))
			}
			return [][]byte{raw}
		}
	})
	pub := w.dial(w.config("p", "TRUE", ""))
	require.NoError(t, pub.Publish(w.ctx(), event(t, canaryName, canaryText), []byte(canaryPayload)))
	header := *captured.Load()
	attempts := map[string]func(c *rawClient){
		"as a command":     func(c *rawClient) { c.write(wire.AppendData(nil, header, nil)) },
		"as a publication": func(c *rawClient) { c.write(wire.AppendData(nil, header, [][]byte{header})) },
		"sealed again":     func(c *rawClient) { c.seal(header) },
		"as a filter": func(c *rawClient) {
			m, err := message.AppendSubscribe(nil, message.Subscribe{ID: 1, Filter: header[:min(len(header), message.MaxFilterBytes)]})
			require.NoError(t, err)
			c.seal(m)
		},
	}
	for name, attempt := range attempts {
		t.Run(name, func(t *testing.T) {
			c := w.raw(w.config("mallory", "TRUE", "TRUE"))
			attempt(c)
			if name == "as a filter" {
				plain, _ := c.open(message.TypeReply)
				r, err := message.DecodeReply(plain)
				require.NoError(t, err)
				require.Equal(t, keyx.KindBadFilter, r.Kind)
				return
			}
			require.Equal(t, wire.TypeRefuse, c.untilRefused())
			require.Contains(t, []wire.Kind{wire.Kind(keyx.KindIntegrity), wire.Kind(keyx.KindReplayed), wire.Kind(keyx.KindBadMessage)}, c.kind)
		})
	}
	t.Run("as message 1", func(t *testing.T) {
		_, stream := w.rawTransport()
		c := &rawClient{w: w, stream: stream}
		c.write(wire.AppendHello(nil, header))
		require.Equal(t, wire.TypeRefuse, c.untilRefused())
		require.Equal(t, wire.Kind(keyx.KindBadMessage), c.kind)
	})
	for name, needle := range canaries() {
		places, _ := cap.find(needle)
		require.Empty(t, places, "%s leaked", name)
	}
}

// insiders sets up a publication that mallory and a victim both match, with mallory holding its content key.
func insiders(t *testing.T, hostReplaces func(mallory *rawClient, env message.Envelope, sealed []byte) []byte) (victim *client.Client, w *world) {
	t.Helper()
	var replacement atomic.Pointer[[]byte]
	w = start(t)
	mallory := w.raw(w.config("mallory", "", "TRUE"))
	f := w.filter("n = 1").AppendBinary(nil)
	m, err := message.AppendSubscribe(nil, message.Subscribe{ID: 7, Filter: f})
	require.NoError(t, err)
	mallory.seal(m)
	_, _ = mallory.open(message.TypeReply)

	held := make(chan struct{})
	cfg := w.config("victim", "", "TRUE")
	cfg.Transport = w.replacingTransport(held, &replacement)
	victim = w.dial(cfg)
	w.subscribe(victim, "n = 1")
	pub := w.dial(w.config("p", "TRUE", ""))
	require.NoError(t, pub.Publish(w.ctx(), event(t, "n", 1), []byte("honest")))

	plain, payloads := mallory.open(message.TypeDeliver)
	r, err := message.ReadDeliver(plain)
	require.NoError(t, err)
	var env message.Envelope
	ok, err := r.Next(&env)
	require.NoError(t, err)
	require.True(t, ok)
	replacement.Store(ptr(hostReplaces(mallory, env, payloads[0])))
	close(held)
	return victim, w
}

// TestInsiderCannotReseal: a matched subscriber knows the content key and gives the host another payload sealed under it for
// another subscriber. The commitment comes from the publisher, so the victim refuses it and shows nothing.
func TestInsiderCannotReseal(t *testing.T) {
	victim, w := insiders(t, func(m *rawClient, env message.Envelope, sealed []byte) []byte {
		id := keyx.PublicationID{Domain: domainName, Subject: string(env.Subject), Run: env.Run, Counter: env.Counter}
		attrs, body, err := keyx.OpenPayload(&id, &env.CK, nil, &env.Commitment, &env.AttributeHash, sealed)
		require.NoError(t, err, "mallory matched, so it reads")
		require.Equal(t, "honest", string(body))
		key := keyx.PayloadKey(&env.CK, nil, &id)
		return keyx.SealPayload(nil, &key, &[16]byte{}, attrs, []byte("forged"), 0)
	})
	_, err := victim.Receive(w.ctx())
	var integrity *client.IntegrityError
	require.ErrorAs(t, err, &integrity)
	require.EqualValues(t, 1, victim.Stats().IntegrityRefused)
}

// TestInsiderControl: with the payload left as it is, the same set-up delivers, so TestInsiderCannotReseal fails for its reason only.
func TestInsiderControl(t *testing.T) {
	victim, w := insiders(t, func(_ *rawClient, _ message.Envelope, sealed []byte) []byte { return sealed })
	d, err := victim.Receive(w.ctx())
	require.NoError(t, err)
	require.Equal(t, "honest", string(d.Payload))
}

// TestLyingAttributesRefused: a publisher whose header carries attributes that its grant allows, and whose payload shows others.
func TestLyingAttributesRefused(t *testing.T) {
	w := start(t)
	sub := w.dial(w.config("s", "", "TRUE"))
	w.subscribe(sub, "EXISTS n")
	liar := w.raw(w.config("p", "n < 10", ""))
	inHeader, inPayload := event(t, "n", 1).AppendBinary(nil), event(t, "n", 1_000_000).AppendBinary(nil)
	id := keyx.PublicationID{Domain: domainName, Subject: "p", Run: 5, Counter: 1}
	liar.publish(liar.publication(&id, inHeader, inPayload, []byte("x")))
	_, err := sub.Receive(w.ctx())
	var integrity *client.IntegrityError
	require.ErrorAs(t, err, &integrity)
	// The same publisher, honest this time, is delivered: the session goes on.
	id.Counter = 2
	liar.publish(liar.publication(&id, inHeader, inHeader, []byte("y")))
	d, err := sub.Receive(w.ctx())
	require.NoError(t, err)
	require.Equal(t, "y", string(d.Payload))
}

func requireKind(t *testing.T, err error, kinds ...keyx.Kind) {
	t.Helper()
	var e *client.Error
	require.True(t, errors.As(err, &e), "%v", err)
	for _, k := range kinds {
		if e.Kind == client.Kind(k) {
			return
		}
	}
	t.Fatalf("kind %v, want one of %v", e.Kind, kinds)
}
