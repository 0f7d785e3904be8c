package keyx

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/matcher/filter"
)

func halEvent(t testing.TB, price int64) []byte {
	e, err := filter.NewEvent(
		filter.Attribute{Name: "symbol", Value: filter.String("HAL")}, filter.Attribute{Name: "price", Value: filter.Int(price)})
	require.NoError(t, err)
	return e.AppendBinary(nil)
}

func TestSignedPublication(t *testing.T) {
	for name, k := range map[string]*kit{"one signature": newKit(t), "two": newHybridKit(t)} {
		t.Run(name, func(t *testing.T) {
			id := PublicationID{Domain: "example", Subject: "alice", Run: 7, Counter: 1}
			attrs, body := halEvent(t, 49), []byte("buy")
			s := SignPublication(&id, attrs, body, k.jws, k.client)
			g, err := s.Verify(&id, attrs, body, k.domain)
			require.NoError(t, err)
			require.Equal(t, "alice", g.Subject)

			ck, salt := [32]byte{1}, [16]byte{2}
			for _, padding := range []int{0, 1, 100} {
				sealed := SealSignedPayload(nil, &ck, &salt, attrs, body, &s, padding)
				require.Len(t, sealed, PayloadOverhead+len(attrs)+len(body)+s.Len()+padding)
				c, h := Commit(&id, &ck, sealed), AttributeHash(&salt, attrs)
				o, err := OpenSignedPayload(&id, &ck, nil, &c, &h, sealed)
				require.NoError(t, err)
				require.Equal(t, Opened{attrs, body, &s}, o)
			}
			proof := Proof{id, attrs, body, s}
			back, err := ParseProof(proof.JSON())
			require.NoError(t, err)
			require.Equal(t, &proof, back)
			_, err = back.VerifyProof(k.domain)
			require.NoError(t, err)
		})
	}
}

func TestSignatureRefused(t *testing.T) {
	k := newKit(t)
	id := PublicationID{Domain: "example", Subject: "alice", Run: 7, Counter: 1, GKEpoch: 3}
	attrs, body := halEvent(t, 49), []byte("buy")
	for name, tc := range map[string]struct {
		edit func(p *Proof, d *Domain)
		kind Kind
	}{
		"body":              {func(p *Proof, _ *Domain) { p.Body = []byte("sell") }, KindBadProof},
		"attributes":        {func(p *Proof, _ *Domain) { p.Attributes = halEvent(t, 48) }, KindBadProof},
		"run":               {func(p *Proof, _ *Domain) { p.ID.Run++ }, KindBadProof},
		"counter":           {func(p *Proof, _ *Domain) { p.ID.Counter++ }, KindBadProof},
		"epoch":             {func(p *Proof, _ *Domain) { p.ID.GKEpoch++ }, KindBadProof},
		"subject":           {func(p *Proof, _ *Domain) { p.ID.Subject = "bob" }, KindBadProof},
		"signature":         {func(p *Proof, _ *Domain) { p.Signature[0] ^= 1 }, KindBadProof},
		"domain":            {func(p *Proof, _ *Domain) { p.ID.Domain = "other" }, KindWrongDomain},
		"another authority": {func(_ *Proof, d *Domain) { d.Authorities = []AuthorityKey{authorityOf(testKey("x"))} }, KindBadGrant},
		"grant of another key": {func(p *Proof, _ *Domain) {
			g := k.grant
			g.Key = publicOf(testKey("mallory"))
			p.Grant = k.sign(t, g)
		}, KindBadProof},
		"grant of mallory": {func(p *Proof, _ *Domain) {
			g := k.grant
			g.Key, g.Subject = publicOf(testKey("mallory")), "mallory"
			p.Grant = k.sign(t, g)
			p.PublicationSignature = SignPublication(&id, attrs, body, p.Grant, testKey("mallory"))
		}, KindBadProof},
		"another grant of the same key": {func(p *Proof, _ *Domain) {
			g := k.grant
			g.Serial++
			p.Grant = k.sign(t, g)
		}, KindBadProof},
		"outside the grant": {func(p *Proof, _ *Domain) {
			p.Attributes = halEvent(t, 51)
			p.PublicationSignature = SignPublication(&id, p.Attributes, body, k.jws, k.client)
		}, KindNotAuthorized},
		"no attributes": {func(p *Proof, _ *Domain) {
			p.Attributes = []byte("?")
			p.PublicationSignature = SignPublication(&id, p.Attributes, body, k.jws, k.client)
		}, KindNotAuthorized},
		"a proof of possession": {func(p *Proof, _ *Domain) {
			copy(p.Signature[:], k.proofOver([64]byte{1}))
		}, KindBadProof},
	} {
		t.Run(name, func(t *testing.T) {
			p := Proof{id, attrs, body, SignPublication(&id, attrs, body, k.jws, k.client)}
			d := k.domain
			_, err := p.VerifyProof(d)
			require.NoError(t, err)
			tc.edit(&p, &d)
			_, err = p.VerifyProof(d)
			requireKind(t, tc.kind, err)
		})
	}
}

// proofOver is what a client signs in message 3.
func (k *kit) proofOver(transcript [64]byte) []byte {
	key := k.client
	return ed25519.Sign(key, proofInput(transcript))
}

// A signature has one encoding, and what looks like one and is none is refused.
func TestSignatureEncoding(t *testing.T) {
	s := PublicationSignature{Grant: []byte("grant"), Signature: [64]byte{5}}
	b := s.append(nil)
	for n := 1; n < len(b); n++ {
		_, _, ok := cutSignature(b[:n])
		require.False(t, ok, "%d", n)
	}
	got, padding, ok := cutSignature(append(bytes.Clone(b), 0, 0))
	require.True(t, ok)
	require.Equal(t, &s, got)
	require.Equal(t, []byte{0, 0}, padding)
	empty := PublicationSignature{}
	_, _, ok = cutSignature(empty.append(nil))
	require.False(t, ok)
	long := PublicationSignature{Grant: make([]byte, MaxGrantBytes+1)}
	_, _, ok = cutSignature(long.append(nil))
	require.False(t, ok)

	id := PublicationID{Domain: "example", Subject: "alice", Run: 7, Counter: 1}
	ck, salt := [32]byte{1}, [16]byte{2}
	attrs := halEvent(t, 1)
	for name, trailer := range map[string][]byte{"mark 2": {2}, "cut": {1, 0, 9}, "padding": append(bytes.Clone(b), 1)} {
		sealed := SealPayload(nil, &ck, &salt, attrs, nil, len(trailer))
		plain, err := openRaw(&ck, sealed)
		require.NoError(t, err)
		copy(plain[len(plain)-len(trailer):], trailer)
		sealed = sealRaw(t, &ck, plain)
		c, h := Commit(&id, &ck, sealed), AttributeHash(&salt, attrs)
		_, err = OpenSignedPayload(&id, &ck, nil, &c, &h, sealed)
		requireKind(t, KindBadMessage, err)
		require.NotEmpty(t, name)
	}
}

func TestProofRefused(t *testing.T) {
	k := newKit(t)
	id := PublicationID{Domain: "example", Subject: "alice", Run: 7, Counter: 1}
	p := Proof{id, halEvent(t, 1), []byte("x"), SignPublication(&id, halEvent(t, 1), []byte("x"), k.jws, k.client)}
	good := string(p.JSON())
	for _, edit := range [][2]string{
		{`"run":"0000000000000007"`, `"run":"7"`},
		{`"counter":"1"`, `"counter":1`},
		{`"counter":"1"`, `"counter":"01"`},
		{`"gk_epoch":"0",`, ``},
		{`"domain":"example"`, `"domain":""`},
		{`"publisher":"alice",`, ``},
		{`"payload":"eA=="`, `"payload":"eA"`},
		{`"payload":"eA=="`, `"payload":null`},
		{`"payload":"eA=="`, `"payload":"eA==","more":1`},
		{`"signature":"`, `"signature":"AAAA`},
		{`{`, `[`},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		require.NotEqual(t, good, bad)
		_, err := ParseProof([]byte(bad))
		requireKind(t, KindBadMessage, err)
	}
	_, err := ParseProof(make([]byte, MaxProofBytes+1))
	requireKind(t, KindBadMessage, err)
}

// A grant that ran out since proves what was signed under it.
func TestProofOutlivesItsGrant(t *testing.T) {
	k := newKit(t)
	g := k.grant
	g.NotAfter = time.Unix(1, 0)
	id := PublicationID{Domain: "example", Subject: "alice", Run: 7, Counter: 1}
	old := k.sign(t, g)
	s := SignPublication(&id, halEvent(t, 1), nil, old, k.client)
	got, err := s.Verify(&id, halEvent(t, 1), nil, k.domain)
	require.NoError(t, err)
	require.Equal(t, g.NotAfter.UTC(), got.NotAfter)
}

func FuzzProof(f *testing.F) {
	k := newKit(f)
	id := PublicationID{Domain: "example", Subject: "alice", Run: 7, Counter: 1}
	p := Proof{id, halEvent(f, 1), []byte("x"), SignPublication(&id, halEvent(f, 1), []byte("x"), k.jws, k.client)}
	f.Add(p.JSON())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseProof(b)
		if err != nil {
			return
		}
		back, err := ParseProof(p.JSON())
		require.NoError(t, err)
		require.Equal(t, p, back)
		if _, err := p.VerifyProof(k.domain); err == nil {
			var form map[string]string
			require.NoError(t, json.Unmarshal(b, &form))
			require.Equal(t, base64.StdEncoding.EncodeToString([]byte("x")), form["payload"], "nothing else was ever signed")
		}
	})
}

func openRaw(key *[32]byte, sealed []byte) ([]byte, error) {
	aead, err := newPayloadAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, make([]byte, aead.NonceSize()), sealed, nil)
}

func sealRaw(t *testing.T, key *[32]byte, plain []byte) []byte {
	aead, err := newPayloadAEAD(key)
	require.NoError(t, err)
	return aead.Seal(nil, make([]byte, aead.NonceSize()), plain, nil)
}
