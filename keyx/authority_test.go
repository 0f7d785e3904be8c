package keyx

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/stretchr/testify/require"
)

func hybrid(t *testing.T, seed byte) Authority {
	a, err := NewAuthority(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)))
	require.NoError(t, err)
	return a
}

// hybridKit is a domain whose authority signs twice, and a grant of it.
func hybridKit(t *testing.T) (Domain, Authority, Grant, []byte) {
	a := hybrid(t, 7)
	k := newKit(t)
	d := Domain{Name: k.domain.Name, Authorities: []AuthorityKey{a.Public()}}
	require.NoError(t, d.Validate())
	jws, err := SignGrant(k.grant, a)
	require.NoError(t, err)
	return d, a, k.grant, jws
}

func TestHybridGrant(t *testing.T) {
	d, a, g, jws := hybridKit(t)
	got, err := VerifyGrant(jws, d, testNow)
	require.NoError(t, err)
	require.Equal(t, g.Subject, got.Subject)
	require.Less(t, len(jws), MaxGrantBytes/2, "room for filters")
	again, err := SignGrant(g, a)
	require.NoError(t, err)
	require.Equal(t, jws, again, "signing takes no randomness")

	// By hand, with nothing of this package: what another implementation does.
	var form struct {
		Payload    string
		Signatures []struct{ Protected, Signature string }
	}
	require.NoError(t, json.Unmarshal(jws, &form))
	require.Len(t, form.Signatures, 2)
	key := a.Public()
	for i, alg := range []string{"EdDSA", "ML-DSA-65"} {
		head, err := base64.RawURLEncoding.DecodeString(form.Signatures[i].Protected)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf(`{"alg":%q,"typ":"scbr/grant/v1"}`, alg), string(head))
		sig, err := base64.RawURLEncoding.DecodeString(form.Signatures[i].Signature)
		require.NoError(t, err)
		input := []byte(form.Signatures[i].Protected + "." + form.Payload)
		if i == 0 {
			require.True(t, ed25519.Verify(ed25519.PublicKey(key[:32]), input, sig))
			continue
		}
		var pk mldsa65.PublicKey
		require.NoError(t, pk.UnmarshalBinary(key[32:]))
		require.True(t, mldsa65.Verify(&pk, input, nil, sig))
	}
}

// TestHybridNeedsBoth: with one of the two schemes broken, or one of the two keys
// in other hands, nothing is signed.
func TestHybridNeedsBoth(t *testing.T) {
	d, a, g, jws := hybridKit(t)
	other := hybrid(t, 8)
	var form generalJWS
	require.NoError(t, json.Unmarshal(jws, &form))
	make := func(signatures ...jwsSignature) []byte {
		b, err := json.Marshal(generalJWS{form.Payload, signatures})
		require.NoError(t, err)
		return b
	}
	foreign := func(mixed Authority) []byte {
		b, err := SignGrant(g, mixed)
		require.NoError(t, err)
		return b
	}
	broken := func(i int) []byte {
		s := slices.Clone(form.Signatures)
		raw, err := base64.RawURLEncoding.DecodeString(s[i].Signature)
		require.NoError(t, err)
		raw[len(raw)/2] ^= 1
		s[i].Signature = base64.RawURLEncoding.EncodeToString(raw)
		return make(s...)
	}
	first, second := form.Signatures[0], form.Signatures[1]
	for name, b := range map[string][]byte{
		"Ed25519 alone":            make(first),
		"ML-DSA alone":             make(second),
		"other order":              make(second, first),
		"Ed25519 twice":            make(first, first),
		"a third":                  make(first, second, second),
		"Ed25519 of another":       foreign(Authority{other.classic, a.post}),
		"ML-DSA of another":        foreign(Authority{a.classic, other.post}),
		"both of another":          foreign(other),
		"only the classic key":     foreign(Ed25519Authority(a.classic)),
		"a bit of the first":       broken(0),
		"a bit of the second":      broken(1),
		"ML-DSA without a payload": []byte(strings.Replace(string(jws), form.Payload, "", 1)),
	} {
		_, err := VerifyGrant(b, d, testNow)
		requireKind(t, KindBadGrant, err)
		require.NotContains(t, err.Error(), form.Payload, name)
	}
	// A hybrid grant is not one of a domain that lists the Ed25519 key alone either: what is asked
	// for is exactly what the domain says.
	classic := Domain{Name: d.Name, Authorities: []AuthorityKey{a.Public()[:32]}}
	_, err := VerifyGrant(jws, classic, testNow)
	requireKind(t, KindBadGrant, err)
	_, err = VerifyGrant(foreign(Ed25519Authority(a.classic)), classic, testNow)
	require.NoError(t, err)
	// Two authorities cannot lend each other a signature.
	both := Domain{Name: d.Name, Authorities: []AuthorityKey{a.Public(), other.Public()}}
	require.NoError(t, both.Validate())
	_, err = VerifyGrant(foreign(Authority{a.classic, other.post}), both, testNow)
	requireKind(t, KindBadGrant, err)
	_, err = VerifyGrant(foreign(other), both, testNow)
	require.NoError(t, err)
}

func TestHybridDomain(t *testing.T) {
	d, a, _, _ := hybridKit(t)
	again, err := ParseDomain(d.JSON())
	require.NoError(t, err)
	require.Equal(t, d.Digest(), again.Digest())
	require.Equal(t, d.Authorities, again.Authorities)
	key := a.Public()
	want := sha256.Sum256([]byte("\x00\x00\x00\x11scbr/authority/v1" + "\x00\x00\x00\x20" + string(key[:32]) + "\x00\x00\x07\xa0" + string(key[32:])))
	require.Equal(t, want, key.ID())
	require.True(t, bytes.Contains(d.encode(), want[:]))
	require.LessOrEqual(t, len(d.encode()), maxConfigBytes)

	for name, change := range map[string]func(*Domain){
		"without ML-DSA": func(d *Domain) { d.Authorities = []AuthorityKey{key[:32]} },
		"another ML-DSA": func(d *Domain) {
			d.Authorities = []AuthorityKey{append(bytes.Clone(key[:32]), hybrid(t, 9).Public()[32:]...)}
		},
		"another Ed25519": func(d *Domain) {
			d.Authorities = []AuthorityKey{append(bytes.Clone(hybrid(t, 9).Public()[:32]), key[32:]...)}
		},
	} {
		c := d
		change(&c)
		require.NoError(t, c.Validate(), name)
		require.NotEqual(t, d.Digest(), c.Digest(), name)
	}
	full := Domain{Name: strings.Repeat("n", MaxNameBytes)}
	for i := range MaxDomainKeys {
		full.Authorities = append(full.Authorities, hybrid(t, byte(i)).Public())
		full.Endorsers = append(full.Endorsers, publicOf(testKey(fmt.Sprint(i))))
	}
	require.NoError(t, full.Validate())
	require.LessOrEqual(t, len(full.JSON()), MaxDomainBytes)
	require.LessOrEqual(t, len(full.encode()), maxConfigBytes)
	for name, keys := range map[string][]AuthorityKey{
		"31 bytes":                  {key[:31]},
		"one byte short":            {key[:len(key)-1]},
		"one byte more":             {append(bytes.Clone(key), 0)},
		"ML-DSA alone":              {key[32:]},
		"an Ed25519 key twice":      {key, key[:32]},
		"the same hybrid key twice": {key, key},
	} {
		require.Error(t, Domain{Name: "n", Authorities: keys}.Validate(), name)
	}
	require.Error(t, Domain{Name: "n", Authorities: []AuthorityKey{key}, Endorsers: []ed25519.PublicKey{ed25519.PublicKey(key[:32])}}.Validate())
}

func TestAuthorityFile(t *testing.T) {
	a := hybrid(t, 3)
	text, err := a.PEM()
	require.NoError(t, err)
	again, err := ParseAuthorityPEM(text)
	require.NoError(t, err)
	require.Equal(t, a.Public(), again.Public())
	single, err := MarshalPrivateKeyPEM(a.classic)
	require.NoError(t, err)
	alone, err := ParseAuthorityPEM(single)
	require.NoError(t, err)
	require.Equal(t, AuthorityKey(publicOf(a.classic)), alone.Public())
	block, second := pem.Decode(text)
	_, _ = pem.Decode(second)
	twice := append(pem.EncodeToMemory(block), pem.EncodeToMemory(block)...)
	for name, b := range map[string][]byte{
		"empty":           nil,
		"ML-DSA alone":    second,
		"Ed25519 twice":   twice,
		"other order":     append(bytes.Clone(second), single...),
		"three":           append(bytes.Clone(text), single...),
		"cut":             text[:len(text)-30],
		"behind":          append(bytes.Clone(text), "x"...),
		"long":            append(bytes.Clone(text), bytes.Repeat([]byte{' '}, maxKeyFileBytes)...),
		"another version": bytes.Replace(text, []byte("MDQCAQAw"), []byte("MDQCAQEw"), 1),
	} {
		_, err := ParseAuthorityPEM(b)
		require.Error(t, err, name)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		require.NotContains(t, fmt.Sprintf(format, a), fmt.Sprintf("%x", a.classic.Seed()), format)
	}
	require.Equal(t, "authority", fmt.Sprintf("%#v", a))
	_, err = SignGrant(newKit(t).grant, Authority{})
	requireKind(t, KindBadGrant, err)
	_, err = NewAuthority(bytes.NewReader(make([]byte, 63)))
	require.Error(t, err)
	fresh, err := NewAuthority(rand.Reader)
	require.NoError(t, err)
	require.Len(t, fresh.Public(), HybridKeyBytes)
}

// hybridVector is a grant of an authority with known seeds.
type hybridVector struct {
	Comment     string `json:"comment"`
	Ed25519Seed []byte `json:"ed25519_seed"`
	MLDSASeed   []byte `json:"mldsa65_seed"`
	KeySHA256   []byte `json:"public_key_sha256"`
	ID          []byte `json:"id"`
	File        string `json:"authority_key"`
	Grant       string `json:"grant"`
}

// TestHybridVector replays testdata/hybrid.json, which -update writes.
func TestHybridVector(t *testing.T) {
	const name = "testdata/hybrid.json"
	var v hybridVector
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &v))
	a, err := NewAuthority(bytes.NewReader(append(bytes.Clone(v.Ed25519Seed), v.MLDSASeed...)))
	require.NoError(t, err)
	key := a.Public()
	id, sum := key.ID(), sha256.Sum256(key)
	jws, err := SignGrant(newKit(t).grant, a)
	require.NoError(t, err)
	text, err := a.PEM()
	require.NoError(t, err)
	got := hybridVector{v.Comment, v.Ed25519Seed, v.MLDSASeed, sum[:], id[:], string(text), string(jws)}
	if *update {
		out, err := json.MarshalIndent(got, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, append(out, '\n'), 0o600))
	}
	require.Equal(t, v, got)
	_, err = VerifyGrant([]byte(v.Grant), Domain{Name: "example", Authorities: []AuthorityKey{key}}, testNow)
	require.NoError(t, err)
}
