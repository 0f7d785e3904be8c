package keyx

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/iotest"

	"github.com/cloudflare/circl/kem/xwing"
	"github.com/stretchr/testify/require"
)

func TestHandshake(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	require.Equal(t, Confirmation{SessionID: 42, Limits: testLimits, Revocation: 9, Instance: k.identity.Instance()}, x.conf)
	require.Equal(t, k.grant.Subject, x.grant.Subject)
	require.Equal(t, k.grant.Publish.String(), x.grant.Publish.String())
	require.True(t, x.i.Verdict().Accepted)
	require.True(t, x.i.Verdict().Simulated)
	require.Equal(t, testMeasurement[:], x.i.Verdict().Measurement)

	for _, pair := range []struct {
		out *Sealer
		in  *Opener
	}{{x.clientS.Out, x.enclaveS.In}, {x.enclaveS.Out, x.clientS.In}} {
		blob, err := pair.out.Seal(nil, []byte("hello"))
		require.NoError(t, err)
		plain, skipped, err := pair.in.Open(nil, blob)
		require.NoError(t, err)
		require.Zero(t, skipped)
		require.Equal(t, "hello", string(plain))
	}
	var ck1, ck2 [32]byte
	var salt1, salt2 [16]byte
	require.NoError(t, x.clientS.Content.Derive(3, 4, &ck1, &salt1))
	require.NoError(t, x.enclaveS.Content.Derive(3, 4, &ck2, &salt2))
	require.Equal(t, ck1, ck2)
	require.Equal(t, salt1, salt2)

	y := k.run(t) // the same parties, all keys new
	require.NotEqual(t, x.beforeM4.keys, y.beforeM4.keys)
}

func TestKeysAreDistinct(t *testing.T) {
	x := newKit(t).run(t)
	k := x.beforeM4.keys
	all := map[secret32]bool{k.k4: true, k.c2e: true, k.e2c: true, k.ck: true, {}: true}
	require.Len(t, all, 5)
	require.Equal(t, secret32{}, k.k3, "k3 is forgotten once used")
}

// outcome drives one handshake with whichever message was changed and tells who refused, and how.
type outcome struct {
	stage int // 1 Accept, 2 Respond, 3 Finish, 4 Confirm; 0: a session came out
	err   error
}

func (k *kit) outcome(t *testing.T, x *run, which int, changed []byte) outcome {
	i := x.beforeM2.clone()
	switch which {
	case 1:
		r, sent, err := k.identity.Accept(changed)
		if err != nil {
			return outcome{1, err}
		}
		m3, err := i.Respond(sent, testNow)
		if err != nil {
			return outcome{2, err}
		}
		_, err = r.Finish(m3, testNow)
		return outcome{3, err}
	case 2:
		m3, err := i.Respond(changed, testNow)
		if err != nil {
			return outcome{2, err}
		}
		_, err = x.r.clone(t, k, x.m1, x.m2).Finish(m3, testNow)
		return outcome{3, err}
	case 3:
		_, err := x.r.clone(t, k, x.m1, x.m2).Finish(changed, testNow)
		return outcome{3, err}
	default:
		s, _, err := x.beforeM4.clone().Confirm(changed)
		require.Equal(t, err == nil, s != nil)
		return outcome{4, err}
	}
}

func (x *run) messages() [][]byte { return [][]byte{x.m1, x.m2, x.m3, x.m4} }

// everyByteEnv makes the byte loops visit every byte of every message instead of a sample of the long
// public keys, quotes and ciphertexts.
const everyByteEnv = "SCBR_EVERY_BYTE"

// positions are the bytes of a message to visit: both ends fully, the middle in steps.
func positions(n int) []int {
	var out []int
	for p := range n {
		if os.Getenv(everyByteEnv) != "" || p < 80 || p >= n-80 || p%13 == 0 {
			out = append(out, p)
		}
	}
	return out
}

func TestEveryByteIsAuthenticated(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	for n, msg := range x.messages() {
		for _, p := range positions(len(msg)) {
			changed := bytes.Clone(msg)
			changed[p] ^= 1 << (p % 8)
			got := k.outcome(t, x, n+1, changed)
			require.Error(t, got.err, "message %d, byte %d", n+1, p)
			require.NotZero(t, kindOf(got.err), "message %d, byte %d: %v", n+1, p, got.err)
			require.NotEqual(t, KindInternal, kindOf(got.err), "message %d, byte %d: %v", n+1, p, got.err)
		}
	}
	for n, msg := range x.messages() { // and the harness can succeed
		require.NoError(t, k.outcome(t, x, n+1, msg).err)
	}
}

func TestTruncatedAndExtended(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	for n, msg := range x.messages() {
		for p := range len(msg) {
			requireKind(t, KindBadMessage, k.outcome(t, x, n+1, msg[:p]).err)
		}
		requireKind(t, KindBadMessage, k.outcome(t, x, n+1, append(bytes.Clone(msg), 0)).err)
		requireKind(t, KindBadMessage, k.outcome(t, x, n+1, make([]byte, MaxMessage+1)).err)
	}
}

// Only "the whole statement follows" is known, and every message has one type.
func TestUnknownForms(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	const formAt = 1 + 2 + 2 + handshakeNonceLen
	for v := range 256 {
		m2 := bytes.Clone(x.m2)
		if m2[formAt] = byte(v); v != int(formFull) {
			requireKind(t, KindBadMessage, k.outcome(t, x, 2, m2).err)
		}
		for n, msg := range x.messages() {
			msg = bytes.Clone(msg)
			if msg[0] = byte(v); v != n+1 {
				requireKind(t, KindBadMessage, k.outcome(t, x, n+1, msg).err)
			}
		}
	}
}

func TestReflectedMessages(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	for n := range x.messages() {
		for m, msg := range x.messages() {
			if m != n {
				requireKind(t, KindBadMessage, k.outcome(t, x, n+1, msg).err)
			}
		}
	}
}

func TestMessage3Replayed(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	// Into a new handshake, even one begun by the very same message 1: the enclave's nonce and ct2 are new.
	r, _, err := k.identity.Accept(x.m1)
	require.NoError(t, err)
	_, err = r.Finish(x.m3, testNow)
	requireKind(t, KindIntegrity, err)
	// Into the same handshake.
	r = x.r.clone(t, k, x.m1, x.m2)
	_, err = r.Finish(x.m3, testNow)
	require.NoError(t, err)
	_, err = r.Finish(x.m3, testNow)
	requireKind(t, KindReplayed, err)
}

func TestMessage4OfAnotherSession(t *testing.T) {
	k := newKit(t)
	x, y := k.run(t), k.run(t)
	s, _, err := x.beforeM4.clone().Confirm(y.m4)
	requireKind(t, KindIntegrity, err)
	require.Nil(t, s)
}

// A host that chooses ct2 itself knows ss2. The client cannot tell at message 2; it must not get a
// session, and the enclave must not either.
func TestCiphertextOfTheHost(t *testing.T) {
	k := newKit(t)
	i, m1 := k.initiate(t)
	r, m2, err := k.identity.Accept(m1)
	require.NoError(t, err)
	s, ok := decodeServerHello(m2)
	require.True(t, ok)
	hostSecret, ct2, err := encapsulate("test", fixedRand("host"), i.hello.ephemeral)
	require.NoError(t, err)
	s.ct2 = ct2
	m3, err := i.Respond(s.encode(), testNow)
	require.NoError(t, err, "the client cannot see it yet")
	_, err = r.Finish(m3, testNow)
	requireKind(t, KindIntegrity, err)
	// The best the host can do for message 4 is a key schedule with a guess for ss1.
	t1, err := shareOf(make([]byte, xwing.SharedKeySize), labelKK)
	require.NoError(t, err)
	t2, err := shareOf(hostSecret, labelEph)
	require.NoError(t, err)
	hello, ok := decodeHello(m1)
	require.True(t, ok)
	guess, err := schedule(suite1, newTranscript(hello, s).finish(m3[1:1+xwing.CiphertextSize]), t1, t2)
	require.NoError(t, err)
	box, err := sealOnce(suite1, &guess.k4, Confirmation{SessionID: 1}.encode())
	require.NoError(t, err)
	session, _, err := i.Confirm(encodeConfirm(box))
	requireKind(t, KindIntegrity, err)
	require.Nil(t, session)
}

func TestBothSharesAreNeeded(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	hello, _ := decodeHello(x.m1)
	server, _ := decodeServerHello(x.m2)
	ct1 := x.m3[1 : 1+xwing.CiphertextSize]
	sum := newTranscript(hello, server).finish(ct1)
	right1 := make([]byte, xwing.SharedKeySize)
	k.identity.key.DecapsulateTo(right1, ct1)
	right2 := make([]byte, xwing.SharedKeySize)
	x.beforeM2.key.DecapsulateTo(right2, server.ct2)
	zero := make([]byte, xwing.SharedKeySize)
	for _, c := range []struct {
		name     string
		ss1, ss2 []byte
		opens    bool
	}{{"both", right1, right2, true}, {"only kk", right1, zero, false}, {"only ephemeral", zero, right2, false}, {"swapped", right2, right1, false}} {
		s1, err := shareOf(bytes.Clone(c.ss1), labelKK)
		require.NoError(t, err)
		s2, err := shareOf(bytes.Clone(c.ss2), labelEph)
		require.NoError(t, err)
		keys, err := schedule(suite1, sum, s1, s2)
		require.NoError(t, err)
		_, box, _ := decodeFinish(x.m3)
		_, err = openOnce(suite1, &keys.k3, box)
		require.Equal(t, c.opens, err == nil, c.name)
	}
}

func TestWrongNames(t *testing.T) {
	k := newKit(t)
	cfg := k.config()
	cfg.Router = "router-2"
	_, m1, err := NewInitiator(cfg)
	require.NoError(t, err)
	_, _, err = k.identity.Accept(m1)
	requireKind(t, KindWrongRouter, err)
	cfg = k.config()
	cfg.Domain.Name = "elsewhere"
	_, m1, err = NewInitiator(cfg)
	require.NoError(t, err)
	_, _, err = k.identity.Accept(m1)
	requireKind(t, KindWrongDomain, err)
}

func TestOrderOfCalls(t *testing.T) {
	k := newKit(t)
	i, m1 := k.initiate(t)
	s, _, err := i.Confirm([]byte{typeConfirm})
	requireKind(t, KindInternal, err)
	require.Nil(t, s)
	r, m2, err := k.identity.Accept(m1)
	require.NoError(t, err)
	_, es, err := r.Confirm(1, Limits{}, 0)
	requireKind(t, KindInternal, err)
	require.Nil(t, es)
	m3, err := i.Respond(m2, testNow)
	require.NoError(t, err)
	_, err = i.Respond(m2, testNow)
	requireKind(t, KindInternal, err)
	_, err = r.Finish(m3, testNow)
	require.NoError(t, err)
	_, _, err = r.Confirm(1, Limits{}, 0)
	require.NoError(t, err)
	_, es, err = r.Confirm(1, Limits{}, 0)
	requireKind(t, KindInternal, err)
	require.Nil(t, es)

	// A failure kills: a good message after a bad one is not taken.
	i, m1 = k.initiate(t)
	r, m2, err = k.identity.Accept(m1)
	require.NoError(t, err)
	_, err = i.Respond(m2[:10], testNow)
	requireKind(t, KindBadMessage, err)
	_, err = i.Respond(m2, testNow)
	requireKind(t, KindInternal, err)
	_, err = r.Finish(nil, testNow)
	requireKind(t, KindBadMessage, err)
	_, err = r.Finish(m3, testNow)
	requireKind(t, KindReplayed, err)
	var none *Responder
	_, err = none.Finish(m3, testNow)
	requireKind(t, KindReplayed, err)
}

// Keys are gone once used, and an emptied state opens nothing: not even a box under the key it now has.
func TestSecretsAreForgotten(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	i := x.beforeM2.clone()
	key := i.key
	_, err := i.Respond(x.m2, testNow)
	require.NoError(t, err)
	require.Equal(t, xwing.PrivateKey{}, *key)
	i = x.beforeM2.clone()
	key = i.key
	_, err = i.Respond(x.m2[:9], testNow)
	require.Error(t, err)
	require.Equal(t, xwing.PrivateKey{}, *key)

	box, err := sealOnce(suite1, &secret32{}, Confirmation{SessionID: 1}.encode())
	require.NoError(t, err)
	for _, first := range [][]byte{x.m4, nil, encodeConfirm(box)} {
		i = x.beforeM4.clone()
		held := i.keys
		_, _, _ = i.Confirm(first)
		require.Equal(t, keys{}, *held)
		s, _, err := i.Confirm(encodeConfirm(box))
		requireKind(t, KindInternal, err)
		require.Nil(t, s)
	}
	r := x.r.clone(t, k, x.m1, x.m2)
	share := r.share2
	_, err = r.Finish(x.m3, testNow)
	require.NoError(t, err)
	require.Equal(t, make(secretBytes, 64), share)
	held := r.keys
	_, _, err = r.Confirm(1, Limits{}, 0)
	require.NoError(t, err)
	require.Equal(t, keys{}, *held)
}

func TestLimitsOfStatement(t *testing.T) {
	for name, edit := range map[string]func(*statement){
		"quote":      func(s *statement) { s.quote = make([]byte, MaxQuoteBytes+1) },
		"collateral": func(s *statement) { s.collateral = make([]byte, MaxCollateralBytes+1) },
		"config":     func(s *statement) { s.config = make([]byte, maxConfigBytes+1) },
		"none":       func(*statement) {},
	} {
		s := statement{offer: supported(), kk: make([]byte, xwing.PublicKeySize)}
		edit(&s)
		_, err := decodeStatement(s.encode())
		require.Equal(t, name == "none", err == nil, name)
	}
}

func TestErasedIdentity(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	r := x.r.clone(t, k, x.m1, x.m2)
	k.identity.Erase()
	k.identity.Erase()
	_, err := r.Finish(x.m3, testNow)
	requireKind(t, KindInternal, err)
}

func TestConfigurationsRefused(t *testing.T) {
	k := newKit(t)
	for name, edit := range map[string]func(*InitiatorConfig, *IdentityConfig){
		"no router": func(a *InitiatorConfig, b *IdentityConfig) { a.Router, b.Router = "", "" },
		"no rand":   func(a *InitiatorConfig, b *IdentityConfig) { a.Rand, b.Rand = nil, nil },
		"broken rand": func(a *InitiatorConfig, b *IdentityConfig) {
			e := iotest.ErrReader(errors.New("x"))
			a.Rand, b.Rand = e, e
		},
		"no authority":  func(a *InitiatorConfig, b *IdentityConfig) { a.Domain.Authorities = nil; b.Domain = a.Domain },
		"no key, quote": func(a *InitiatorConfig, b *IdentityConfig) { a.Key, b.Quote = nil, nil },
		"long grant, failing quote": func(a *InitiatorConfig, b *IdentityConfig) {
			a.Grant = make([]byte, MaxGrantBytes+1)
			b.Quote = func([64]byte) ([]byte, []byte, error) { return nil, nil, errors.New("x") }
		},
		"long collateral, zero key": func(a *InitiatorConfig, b *IdentityConfig) {
			a.Key = ed25519.PrivateKey{}
			b.Quote = func([64]byte) ([]byte, []byte, error) { return nil, make([]byte, MaxCollateralBytes+1), nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := k.config(), k.identityConfig()
			edit(&a, &b)
			_, _, err := NewInitiator(a)
			require.Error(t, err)
			require.NotZero(t, kindOf(err))
			_, err = NewIdentity(b)
			require.Error(t, err)
			require.NotZero(t, kindOf(err))
		})
	}
	var worst statement // the longest messages fit
	worst.offer = offer{versions: make([]uint16, maxOffers), suites: make([]uint16, maxOffers)}
	worst.kk, worst.config = make([]byte, xwing.PublicKeySize), make([]byte, maxConfigBytes)
	worst.endorsed = make([]byte, MaxEndorsementBytes)
	worst.quote, worst.collateral = make([]byte, MaxQuoteBytes), make([]byte, MaxCollateralBytes)
	require.Len(t, worst.encode(), maxStatement)
	m2 := serverHello{nonce: make([]byte, 32), statement: worst.encode(), ct2: make([]byte, xwing.CiphertextSize)}
	require.LessOrEqual(t, len(m2.encode()), MaxMessage)
	require.LessOrEqual(t, len(encodeFinish(make([]byte, xwing.CiphertextSize), make([]byte, maxBox3))), MaxMessage)
}

func TestRandomnessFailsLater(t *testing.T) {
	k := newKit(t)
	i, m1 := k.initiate(t)
	k.identity.rand = iotest.ErrReader(errors.New("x"))
	_, _, err := k.identity.Accept(m1)
	requireKind(t, KindInternal, err)
	k.identity.rand = k.rand
	_, m2, err := k.identity.Accept(m1)
	require.NoError(t, err)
	i.cfg.Rand = iotest.ErrReader(errors.New("x"))
	_, err = i.Respond(m2, testNow)
	requireKind(t, KindInternal, err)
}

// TestSuites: each suite serves a whole session, its resumption and the one after; the client's machine decides which, and a
// host that would have another gets nothing.
func TestSuites(t *testing.T) {
	k := newKit(t)
	for withoutAES, suite := range map[bool]uint16{false: suite1, true: suite2} {
		cfg := k.config()
		cfg.WithoutAES = withoutAES
		i, m1, err := NewInitiator(cfg)
		require.NoError(t, err)
		r, m2, err := k.identity.Accept(m1)
		require.NoError(t, err)
		require.Equal(t, suite, binary.BigEndian.Uint16(m2[3:]))
		for _, other := range []uint16{suite1, suite2, 3, 0} {
			if other == suite {
				continue
			}
			bad := bytes.Clone(m2)
			binary.BigEndian.PutUint16(bad[3:], other)
			_, err := i.clone().Respond(bad, testNow)
			requireKind(t, KindDowngrade, err)
		}
		m3, err := i.Respond(m2, testNow)
		require.NoError(t, err)
		_, err = r.Finish(m3, testNow)
		require.NoError(t, err)
		m4, enclave, err := r.Confirm(1, testLimits, 0)
		require.NoError(t, err)
		client, _, err := i.Confirm(m4)
		require.NoError(t, err)
		b := between{client, enclave}
		b.works(t)
		require.Equal(t, suite, client.Out.suite)
		i, m5 := k.resumer(t, b, 0)
		q, _ := ParseResume(m5)
		_, err = b.enclave.Resumption.Verify(q)
		require.NoError(t, err)
		m6, enclave, err := b.enclave.Resumption.Accept(q, 2, testLimits, 0, k.rand)
		require.NoError(t, err)
		client, _, err = i.Resume(m6)
		require.NoError(t, err)
		b = between{client, enclave}
		b.works(t)
		require.Equal(t, suite, enclave.Out.suite)
		require.Equal(t, suite == suite2, fmt.Sprintf("%T", enclave.Out.aead) != fmt.Sprintf("%T", mustGCM(t)))
	}
}

func mustGCM(t *testing.T) any {
	a, err := newGCM(make([]byte, 32))
	require.NoError(t, err)
	return a
}
