package enclave

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
)

// refusal is all that may come back for frames that only a lying host sends:
// one Refuse for the connection, and Handled for the payloads named.
func requireOnlyRefusal(t *testing.T, out []abi.Frame, conn uint64, kind keyx.Kind) {
	t.Helper()
	require.NotEmpty(t, out)
	require.Equal(t, abi.Refuse, out[0].Type)
	require.Equal(t, conn, out[0].Conn)
	require.Equal(t, kind, keyx.Kind(out[0].Kind))
	for _, f := range out[1:] {
		require.Equal(t, abi.Handled, f.Type)
	}
}

// requireUnharmed shows that a session works as before.
func requireUnharmed(t *testing.T, c *client, ids ...uint32) {
	t.Helper()
	p := c.publication("ok", "x", 1)
	g := c.take(c.w.step(c.publishFrame(p)))
	require.Len(t, g.acks, 1)
	require.Len(t, g.deliveries, 1)
	require.Equal(t, ids, g.deliveries[0].Subscriptions)
	g.deliveries[0].requireOpens(t, c.w.domain.Name, p)
}

// blobAt is where the blob of a Data frame starts.
const blobAt = abi.HeaderLen + 18

func TestEveryBitFlipEndsTheSessionAndNothingElse(t *testing.T) {
	makers := map[string]func(c *client) []byte{
		"subscribe": func(c *client) []byte { return c.subscribeFrame(5, "symbol = 'HAL'") },
		"publish":   func(c *client) []byte { return c.publishFrame(c.publication("x", "x", 1)) },
	}
	for name, frame := range makers {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			bob := w.member("bob")
			require.Equal(t, keyx.KindOK, bob.subscribe(1, "TRUE"))
			for i := blobAt; ; i++ {
				alice := w.member("alice")
				f := frame(alice)
				if i == len(f) {
					return
				}
				f[i] ^= 1 << (i % 8)
				kind := keyx.KindIntegrity
				switch { // the counter is in the clear
				case i < blobAt+4:
					kind = keyx.KindKeyExhausted
				}
				requireOnlyRefusal(t, w.step(f), alice.conn, kind)
				require.EqualValues(t, 1, w.core.live)
				require.Equal(t, 1, w.core.store.Stats().Subscriptions)
				require.Zero(t, w.core.sums.refused)
				if i%16 == 0 {
					requireUnharmed(t, bob, 1)
				}
			}
		})
	}
}

func TestReplayedSubscription(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, bob.subscribe(1, "TRUE"))
	f := alice.subscribeFrame(1, "symbol = 'HAL'")
	require.Equal(t, keyx.KindOK, alice.take(w.step(f)).replies[0].Kind)
	require.Equal(t, keyx.KindOK, alice.unsubscribe(1))
	requireOnlyRefusal(t, w.step(f), alice.conn, keyx.KindReplayed)
	require.Equal(t, 1, w.core.store.Stats().Subscriptions)
	requireOnlyRefusal(t, w.step(f), alice.conn, keyx.KindBadMessage) // nobody is there any more
	requireUnharmed(t, bob, 1)
}

func TestGapEndsTheSession(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice")
	alice.subscribeFrame(1, "TRUE") // the host swallows it
	requireOnlyRefusal(t, w.step(alice.subscribeFrame(2, "TRUE")), alice.conn, keyx.KindIntegrity)
	require.Zero(t, w.core.store.Stats().Subscriptions)
}

// TestCapturedHeaderFedBack is the attack on the SCBR reference in which an
// error shows plaintext: whatever is done with a captured blob, the answer is a
// number.
func TestCapturedHeaderFedBack(t *testing.T) {
	const canary = "CANARY-attribute"
	frameOf := func(alice *client) []byte {
		return alice.publishFrame(alice.publication("CANARY-body", "secret", canary))
	}
	cases := map[string]struct {
		frame func(w *world, blob []byte, alice, bob *client) ([]byte, uint64)
		kind  keyx.Kind
	}{
		"to the same session": {func(_ *world, blob []byte, alice, _ *client) ([]byte, uint64) {
			return abi.AppendData(nil, alice.conn, 90, 1, blob), alice.conn
		}, keyx.KindReplayed},
		"to another session": {func(_ *world, blob []byte, _, bob *client) ([]byte, uint64) {
			return abi.AppendData(nil, bob.conn, 90, 1, blob), bob.conn
		}, keyx.KindIntegrity},
		"as a command": {func(_ *world, blob []byte, _, bob *client) ([]byte, uint64) {
			return abi.AppendData(nil, bob.conn, 0, 0, blob), bob.conn
		}, keyx.KindIntegrity},
		"to nobody": {func(w *world, blob []byte, _, _ *client) ([]byte, uint64) {
			return abi.AppendData(nil, 999, 90, 1, blob), 999
		}, keyx.KindBadMessage},
		"as message 1": {func(w *world, blob []byte, _, _ *client) ([]byte, uint64) {
			return abi.AppendOpen(nil, 999, blob), 999
		}, keyx.KindBadMessage},
		"as message 1 of a session": {func(_ *world, blob []byte, alice, _ *client) ([]byte, uint64) {
			return abi.AppendOpen(nil, alice.conn, blob), alice.conn
		}, keyx.KindReplayed},
		"as message 3": {func(w *world, blob []byte, _, _ *client) ([]byte, uint64) {
			_, conn, _ := w.handshake(grantFor("eve"))
			return abi.AppendFinish(nil, conn, blob), conn
		}, keyx.KindBadMessage},
		"as message 3 of a session": {func(_ *world, blob []byte, alice, _ *client) ([]byte, uint64) {
			return abi.AppendFinish(nil, alice.conn, blob), alice.conn
		}, keyx.KindReplayed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice, bob, carol := w.member("alice"), w.member("bob"), w.member("carol")
			require.Equal(t, keyx.KindOK, carol.subscribe(1, "TRUE"))
			f := frameOf(alice)
			require.Len(t, carol.take(w.step(f)).deliveries, 1)
			in, conn := c.frame(w, f[blobAt:], alice, bob)
			requireOnlyRefusal(t, w.step(in), conn, c.kind)
			for _, out := range w.sent {
				require.False(t, bytes.Contains(out, []byte("CANARY")))
			}
			requireUnharmed(t, carol, 1)
		})
	}
}

// TestReflected sends the enclave's own frames and blobs back.
func TestReflected(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice")
	out := w.step(alice.subscribeFrame(1, "TRUE"))
	raw := abi.AppendDeliver(nil, alice.conn, nil, out[0].Body)
	requireOnlyRefusal(t, w.step(raw), abi.NoConn, keyx.KindBadMessage)
	require.EqualValues(t, 1, w.core.live)
	requireOnlyRefusal(t, w.step(abi.AppendData(nil, alice.conn, 0, 0, out[0].Body)), alice.conn, keyx.KindReplayed)
}

// TestMalformedMessages come from a client with good keys and bad code.
func TestMalformedMessages(t *testing.T) {
	pub := func(c *client) []byte { return publishMsg(t, c.publication("1", "x", 1), c.publication("2", "x", 1)) }
	cases := map[string]struct {
		msg   func(c *client) []byte
		count int
	}{
		"empty":                       {func(*client) []byte { return nil }, 0},
		"unknown type":                {func(*client) []byte { return []byte{9} }, 0},
		"a message of the enclave":    {func(*client) []byte { return message.AppendReply(nil, message.Reply{Op: 2, ID: 1}) }, 0},
		"ping with more":              {func(*client) []byte { return append(message.AppendPing(nil), 0) }, 0},
		"subscribe cut":               {func(*client) []byte { return []byte{byte(message.TypeSubscribe), 0, 0} }, 0},
		"unsubscribe with more":       {func(*client) []byte { return append(message.AppendUnsubscribe(nil, 1, 0), 0) }, 0},
		"command with payloads":       {func(*client) []byte { return message.AppendPing(nil) }, 1},
		"more headers than payloads":  {pub, 1},
		"fewer headers than payloads": {pub, 3},
		"headers without payloads":    {pub, 0},
		"publish with more":           {func(c *client) []byte { return append(pub(c), 0) }, 2},
		"second header malformed": {func(c *client) []byte {
			m := pub(c)
			return m[:len(m)-1]
		}, 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice, bob := w.member("alice"), w.member("bob")
			require.Equal(t, keyx.KindOK, bob.subscribe(1, "TRUE"))
			requireOnlyRefusal(t, w.step(alice.data(c.msg(alice), c.count)), alice.conn, keyx.KindBadMessage)
			require.Zero(t, w.core.sums.handled)
			require.EqualValues(t, 1, w.core.live)
			requireUnharmed(t, bob, 1)
		})
	}
}

func TestUndecodableFramesAreSkipped(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice")
	bad := [][]byte{{0, 0, 0, 2, 1, 0x7f}, {0, 0, 0, 3, 1, byte(abi.Tick), 0}}
	for _, b := range bad {
		out := w.step(b, alice.subscribeFrame(uint32(len(w.sent)), "TRUE"))
		require.EqualValues(t, abi.NoConn, out[0].Conn)
		require.Equal(t, keyx.KindOK, alice.take(out).replies[0].Kind)
	}
}

func TestBrokenFramingEndsTheCore(t *testing.T) {
	for name, in := range map[string][]byte{
		"cut":       abi.AppendTick(nil)[:5],
		"version":   {0, 0, 0, 2, 9, 5},
		"too large": {0xff, 0, 0, 2, 1, 5},
	} {
		w := newWorld(t)
		_, err := w.core.Step(w.now, in)
		var e *Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, KindFraming, e.Kind, name)
		_, err = w.core.Step(w.now, nil)
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, KindClosed, e.Kind, name)
	}
}

// TestEndedSessionLosesWhatWasPending: the delivery of the same step is not
// sealed for a session that the host's next frame ends.
func TestEndedSessionLosesWhatWasPending(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	require.Equal(t, keyx.KindOK, bob.subscribe(1, "TRUE"))
	out := w.step(bob.publishFrame(bob.publication("x", "x", 1)), abi.AppendData(nil, alice.conn, 0, 0, []byte("forged")))
	a := alice.take(out)
	require.Empty(t, a.order)
	require.Equal(t, keyx.KindBadMessage, a.refused)
	require.Len(t, bob.take(out).deliveries, 1)

	// A publisher that ends in the step of its publication gets no answer; its
	// publication was handled, and the next session in its slot gets nothing.
	_, conn, msg3 := w.handshake(grantFor("carol"))
	out = w.step(bob.publishFrame(bob.publication("y", "x", 1)), abi.AppendClose(nil, bob.conn), abi.AppendFinish(nil, conn, msg3))
	require.Len(t, out, 2)
	require.Equal(t, abi.Handshake, out[0].Type)
	require.Equal(t, abi.Handled, out[1].Type)
}

func TestSessionsAreBounded(t *testing.T) {
	w := newWorld(t, withLimits(Limits{MaxSessions: 3}))
	g := grantFor("alice")
	g.Quotas.MaxSessions = 2
	first := w.connect(g)
	w.connect(g)
	refused := func(g keyx.Grant) {
		_, conn, msg3 := w.handshake(g)
		requireOnlyRefusal(t, w.step(abi.AppendFinish(nil, conn, msg3)), conn, keyx.KindTooManySessions)
	}
	refused(g)
	w.member("bob")
	refused(grantFor("carol"))
	w.step(abi.AppendClose(nil, first.conn))
	w.connect(g)
}

func TestGrantOfALaterListIsStale(t *testing.T) {
	w := newWorld(t)
	g := grantFor("alice")
	g.Revocation = 1
	_, conn, msg3 := w.handshake(g)
	requireOnlyRefusal(t, w.step(abi.AppendFinish(nil, conn, msg3)), conn, keyx.KindStale)
}

func TestHalfOpenHandshakesAreBounded(t *testing.T) {
	const limit = 4
	w := newWorld(t, withLimits(Limits{MaxHalfOpen: limit}))
	_, msg1 := w.initiate(grantFor("alice"))
	open := func() (uint64, abi.Type) {
		conn := w.newConn()
		return conn, w.step(abi.AppendOpen(nil, conn, msg1))[0].Type
	}
	var conns []uint64
	for range limit {
		conn, typ := open()
		require.Equal(t, abi.Handshake, typ)
		conns = append(conns, conn)
		w.now = w.now.Add(time.Second)
	}
	_, typ := open()
	require.Equal(t, abi.Refuse, typ)
	require.Equal(t, limit, w.core.halfOpen.Len())
	w.step(abi.AppendClose(nil, conns[1])) // closing frees one place
	_, typ = open()
	require.Equal(t, abi.Handshake, typ)

	w.now = epoch.Add(DefaultHandshakeTimeout)                              // the first one's deadline, to the instant
	requireOnlyRefusal(t, w.step()[:1], conns[0], keyx.KindTooManySessions) // statistics follow
	_, typ = open()
	require.Equal(t, abi.Handshake, typ)
	w.now = w.now.Add(time.Hour)
	w.step(abi.AppendTick(nil))
	require.Zero(t, w.core.halfOpen.Len())
	requireOnlyRefusal(t, w.step(abi.AppendFinish(nil, conns[3], []byte("late"))), conns[3], keyx.KindReplayed)
}

// TestOpensAndClosesLeaveNothing is the same bound against a host that closes
// what it opens.
func TestOpensAndClosesLeaveNothing(t *testing.T) {
	w := newWorld(t)
	_, msg1 := w.initiate(grantFor("alice"))
	for range 50 {
		conn := w.newConn()
		w.step(abi.AppendOpen(nil, conn, msg1), abi.AppendClose(nil, conn))
	}
	require.Empty(t, w.core.conns)
	require.Zero(t, w.core.halfOpen.Len())
}

func TestHandshakeOutOfOrder(t *testing.T) {
	w := newWorld(t)
	_, early, msg3 := w.handshake(grantFor("alice"))
	requireOnlyRefusal(t, w.step(abi.AppendData(nil, early, 0, 0, []byte("early"))), early, keyx.KindBadMessage)
	requireOnlyRefusal(t, w.step(abi.AppendFinish(nil, early, msg3)), early, keyx.KindReplayed)

	i, conn, msg3 := w.handshake(grantFor("alice"))
	other := w.newConn()
	requireOnlyRefusal(t, w.step(abi.AppendFinish(nil, other, msg3)), other, keyx.KindReplayed)
	_, foreign, _ := w.handshake(grantFor("bob"))
	requireOnlyRefusal(t, w.step(abi.AppendFinish(nil, foreign, msg3)), foreign, keyx.KindIntegrity)
	out := w.step(abi.AppendFinish(nil, conn, msg3))
	_, _, err := i.Confirm(out[0].Body)
	require.NoError(t, err)
	requireOnlyRefusal(t, w.step(abi.AppendFinish(nil, conn, msg3)), conn, keyx.KindReplayed)
	require.Zero(t, w.core.live)
}

func authority() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) }

// grantWithFilter is well signed by authority and has a publish filter that does not parse.
func grantWithFilter(text string) []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	head := b64([]byte(`{"alg":"EdDSA","typ":"scbr/grant/v1"}`))
	payload := b64(fmt.Appendf(nil, `{"aud":"CANARY","sub":"CANARY","cnf":{"jwk":{"kty":"OKP","crv":"Ed25519","x":%q}},"publish":%q,`+
		`"gk_required":false,"quotas":{"max_subscriptions":0,"max_runs":0,"max_sessions":0},"exp":9999999999,"serial":7,"revocation":0}`,
		b64(make([]byte, 32)), text))
	sig := b64(ed25519.Sign(authority(), []byte(head+"."+payload)))
	return fmt.Appendf(nil, `{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, payload, head, sig)
}

// Errors end the process and stand in its log: they name the part that failed and
// nothing of the data. Each case has the secret where a careless cause would quote it.
func TestErrorsSayNothing(t *testing.T) {
	const canary = "CANARY"
	attrs := event(t, canary, canary).AppendBinary(nil)
	badEvent := append(slices.Clone(attrs), canary...)
	badFilter := append(mustParse(canary+" = '"+canary+"'").AppendBinary(nil), canary...)
	_, eventErr := filter.DecodeEvent(badEvent)
	_, filterErr := filter.Decode(badFilter)
	_, twiceErr := filter.NewEvent(filter.Attribute{Name: canary, Value: filter.Int(1)}, filter.Attribute{Name: canary, Value: filter.Int(2)})
	_, grantErr := keyx.VerifyGrant(grantWithFilter(canary+" = '"+canary), keyx.Domain{Name: canary, Authorities: []keyx.AuthorityKey{keyx.Ed25519Authority(authority()).Public()}}, epoch)
	_, domainErr := keyx.ParseDomain([]byte(`{"name":"` + canary + `","` + canary + `":1}`))
	_, headerErr := message.AppendHeader(nil, &message.Header{Attrs: bytes.Repeat([]byte(canary), message.MaxAttrsBytes)})
	_, envelopeErr := message.AppendEnvelope(nil, &message.Envelope{CK: [32]byte([]byte(strings.Repeat("K", 32))), Subject: []byte(canary)})
	_, subErr := message.AppendSubscribe(nil, message.Subscribe{Filter: bytes.Repeat([]byte(canary), message.MaxFilterBytes)})
	_, publishErr := message.ReadPublish([]byte(canary))
	_, frameErr := newWorld(t).core.Step(epoch, append(abi.AppendOpen(nil, 1, []byte(canary)), canary...))
	require.ErrorContains(t, grantErr, "a filter does not parse", "the grant got that far")
	for name, err := range map[string]error{
		"frame": frameErr, "publish": broken("publish", publishErr), "header": broken("header", headerErr),
		"envelope": broken("envelope", envelopeErr), "subscribe": broken("subscribe", subErr),
		"event": broken("event", eventErr), "twice": broken("event", twiceErr), "filter": broken("insert", filterErr), "grant": broken("finish", grantErr),
		"domain": &Error{Op: "identity", Kind: KindConfig, Err: domainErr},
	} {
		require.Error(t, errors.Unwrap(err), name)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			text := fmt.Sprintf(verb, err)
			for _, secret := range []string{canary, fmt.Sprintf("%x", canary), strings.Repeat("K", 8)} {
				require.NotContains(t, text, secret, "%s as %s", name, verb)
			}
		}
	}
}
