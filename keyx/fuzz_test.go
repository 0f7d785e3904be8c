package keyx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzHello(f *testing.F) {
	k := newKit(f)
	_, m1 := k.initiate(f)
	f.Add(m1)
	f.Add(m1[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := decodeHello(b); ok {
			require.Equal(t, b, m.encode())
		}
		_, m2, err := k.identity.Accept(b)
		require.Equal(t, err != nil, m2 == nil)
	})
}

func FuzzServerHello(f *testing.F) {
	k := newKit(f)
	x := k.run(f)
	f.Add(x.m2)
	f.Add(x.m2[:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := decodeServerHello(b); ok {
			require.Equal(t, b, m.encode())
		}
		m3, err := x.beforeM2.clone().Respond(b, testNow)
		require.Equal(t, err != nil, m3 == nil)
	})
}

func FuzzFinish(f *testing.F) {
	k := newKit(f)
	x := k.run(f)
	f.Add(x.m3)
	f.Fuzz(func(t *testing.T, b []byte) {
		if ct1, box, ok := decodeFinish(b); ok {
			require.Equal(t, b, encodeFinish(ct1, box))
		}
		r := &Responder{id: k.identity, suite: suite1, transcript: newTranscript(&hello{}, &serverHello{}), share2: make(secretBytes, 64)}
		_, err := r.Finish(b, testNow)
		require.Error(t, err, "this responder is of another handshake")
	})
}

func FuzzConfirm(f *testing.F) {
	x := newKit(f).run(f)
	f.Add(x.m4)
	f.Fuzz(func(t *testing.T, b []byte) {
		if box, ok := decodeConfirm(b); ok {
			require.Equal(t, b, encodeConfirm(box))
		}
		s, _, err := x.beforeM4.clone().Confirm(b)
		require.Equal(t, string(b) == string(x.m4), err == nil)
		require.Equal(t, err == nil, s != nil)
	})
}

func FuzzConfirmation(f *testing.F) {
	f.Add(Confirmation{SessionID: 1, Limits: testLimits, Revocation: 2}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, ok := decodeConfirmation(b); ok {
			require.Equal(t, b, c.encode())
		}
	})
}

func FuzzStatement(f *testing.F) {
	k := newKit(f)
	f.Add(k.identity.Statement())
	f.Add((&statement{offer: supported(), kk: make([]byte, 1216)}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeStatement(b)
		if err != nil {
			requireKind(t, KindBadMessage, err)
			return
		}
		require.Equal(t, b, s.encode())
	})
}

func FuzzGrant(f *testing.F) {
	k := newKit(f)
	f.Add(k.jws)
	f.Add([]byte(rawGrant(k.authority, goodHeader, k.goodPayload(f))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := VerifyGrant(b, k.domain, testNow); err == nil { // white space around members is all that may differ
			require.Equal(t, "alice", g.Subject)
		}
	})
}

func FuzzGrantClaims(f *testing.F) {
	k := newKit(f)
	f.Add([]byte(k.goodPayload(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := parseGrant(b)
		if err != nil {
			return
		}
		again, err := g.payload()
		require.NoError(t, err)
		h, err := parseGrant(again)
		require.NoError(t, err, "%s", again)
		once, err := h.payload()
		require.NoError(t, err)
		require.Equal(t, string(again), string(once))
	})
}

func FuzzDomain(f *testing.F) {
	f.Add(testDomain().JSON())
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := ParseDomain(b)
		if err != nil {
			requireKind(t, KindBadMessage, err)
			return
		}
		again, err := ParseDomain(d.JSON())
		require.NoError(t, err)
		require.Equal(t, d, again)
		require.LessOrEqual(t, len(d.encode()), maxConfigBytes)
	})
}

func FuzzPrivateKeyPEM(f *testing.F) {
	b, err := MarshalPrivateKeyPEM(testKey("a"))
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = ParsePrivateKeyPEM(b) })
}

func FuzzOpenBlob(f *testing.F) {
	s, _ := testPair(f, 1, dirClientToEnclave, 5)
	f.Add(sealed(f, s, "seed"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, o := testPair(t, 2, dirClientToEnclave, 5)
		_, _, err := o.Open(nil, b)
		require.Error(t, err, "sealed under another key")
		require.Zero(t, o.next)
	})
}

func FuzzOpenPayload(f *testing.F) {
	p := publish(nil)
	f.Add(p.sealed, false)
	f.Add([]byte("plain"), false)
	f.Fuzz(func(t *testing.T, b []byte, asPlain bool) {
		p := publish(nil)
		p.sealed = b
		if asPlain { // inside the AEAD, as a corrupt publisher may have it
			aead, err := newPayloadAEAD(&p.ck)
			require.NoError(t, err)
			p.sealed = aead.Seal(nil, make([]byte, nonceLen), b, nil)
		}
		p.commit = Commit(&p.id, &p.ck, p.sealed)
		attrs, _, err := p.open()
		require.Equal(t, err != nil, attrs == nil)
		switch {
		case err != nil:
		case asPlain:
			require.Equal(t, p.hash, AttributeHash((*[16]byte)(b[:16]), attrs))
		default:
			require.Equal(t, publish(nil).sealed, b)
		}
	})
}
