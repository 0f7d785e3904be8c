package keyx

import (
	"crypto/ed25519"
	"testing"
	"time"

	"github.com/cloudflare/circl/kem/xwing"
	"github.com/stretchr/testify/require"
)

func TestGrantsAndProofs(t *testing.T) {
	k := newKit(t)
	other := testKey("mallory")
	foreign, err := SignGrant(k.grant, Ed25519Authority(other))
	require.NoError(t, err)
	elsewhere := k.grant
	elsewhere.Domain = "elsewhere"
	for _, c := range []struct {
		name string
		kind Kind
		edit func(*InitiatorConfig)
		now  time.Time
	}{
		{"expired", KindGrantExpired, func(*InitiatorConfig) {}, k.grant.NotAfter},
		{"authority of nobody", KindBadGrant, func(c *InitiatorConfig) { c.Grant = foreign }, testNow},
		{"another domain", KindWrongDomain, func(c *InitiatorConfig) { c.Grant = k.sign(t, elsewhere) }, testNow},
		{"another key", KindBadProof, func(c *InitiatorConfig) { c.Key = other }, testNow},
		{"no grant", KindBadGrant, func(c *InitiatorConfig) { c.Grant = nil }, testNow},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := k.config()
			c.edit(&cfg)
			i, m1, err := NewInitiator(cfg)
			require.NoError(t, err)
			r, m2, err := k.identity.Accept(m1)
			require.NoError(t, err)
			m3, err := i.Respond(m2, testNow)
			require.NoError(t, err)
			_, err = r.Finish(m3, c.now)
			requireKind(t, c.kind, err)
			m4, s, err := r.Confirm(1, Limits{}, 0)
			requireKind(t, KindInternal, err)
			require.Nil(t, s)
			require.Nil(t, m4)
		})
	}
}

// A proof of possession that was good in one session is worth nothing in another, even for somebody who
// can seal under that session's keys.
func TestProofOfAnotherSession(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	hello, _ := decodeHello(x.m1)
	server, _ := decodeServerHello(x.m2)
	old := newTranscript(hello, server).finish(x.m3[1 : 1+xwing.CiphertextSize])
	proof := ed25519.Sign(k.client, proofInput(old))

	i, m1 := k.initiate(t)
	r, m2, err := k.identity.Accept(m1)
	require.NoError(t, err)
	hello, _ = decodeHello(m1)
	server, _ = decodeServerHello(m2)
	st, err := decodeStatement(server.statement)
	require.NoError(t, err)
	seal := func(sig []byte) []byte {
		ss1, ct1, err := encapsulate("test", k.rand, st.kk)
		require.NoError(t, err)
		share1, err := shareOf(ss1, labelKK)
		require.NoError(t, err)
		ss2 := make([]byte, xwing.SharedKeySize)
		i.key.DecapsulateTo(ss2, server.ct2)
		share2, err := shareOf(ss2, labelEph)
		require.NoError(t, err)
		sum := newTranscript(hello, server).finish(ct1)
		if sig == nil {
			sig = ed25519.Sign(k.client, proofInput(sum))
		}
		keys, err := schedule(suite1, sum, share1, share2)
		require.NoError(t, err)
		box, err := sealOnce(suite1, &keys.k3, append(appendLP16(nil, k.jws), sig...))
		require.NoError(t, err)
		return encodeFinish(ct1, box)
	}
	spare := r.clone(t, k, m1, m2)
	_, err = r.Finish(seal(proof), testNow)
	requireKind(t, KindBadProof, err)
	_, err = spare.Finish(seal(nil), testNow) // the harness can succeed
	require.NoError(t, err)
}
