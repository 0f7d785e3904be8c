package keyx

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// rawGrant signs header and payload as they are, whatever they are.
func rawGrant(key ed25519.PrivateKey, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	sig := string(ed25519.Sign(key, []byte(input)))
	return fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, b64(payload), b64(header), b64(sig))
}

const goodHeader = `{"alg":"EdDSA","typ":"scbr/grant/v1"}`

func (k *kit) goodPayload(t testing.TB) string {
	var form generalJWS
	require.NoError(t, json.Unmarshal(k.jws, &form))
	b, err := base64.RawURLEncoding.DecodeString(form.Payload)
	require.NoError(t, err)
	return string(b)
}

func TestGrantRoundTrip(t *testing.T) {
	k := newKit(t)
	for name, edit := range map[string]func(*Grant){
		"both":      func(*Grant) {},
		"publish":   func(g *Grant) { g.Subscribe = nil },
		"subscribe": func(g *Grant) { g.Publish = nil },
		"neither":   func(g *Grant) { g.Publish, g.Subscribe = nil, nil },
		"quotas": func(g *Grant) {
			g.Quotas = Quotas{1, 2, 3, 4, 5}
			g.RequireGK = true
			g.Serial, g.Revocation = MaxGrantNumber, 5
		},
		"signs": func(g *Grant) { g.Subject = "<ålice> & bob"; g.Publish = mustFilter(t, "s = '<&>  ''ø'") },
	} {
		t.Run(name, func(t *testing.T) {
			g := k.grant
			edit(&g)
			got, err := VerifyGrant(k.sign(t, g), k.domain, testNow)
			require.NoError(t, err)
			for _, p := range []*Grant{&g, &got} { // compare filters as text
				if p.Publish != nil {
					require.NotEmpty(t, p.Publish.String())
				}
			}
			require.Equal(t, g.Publish == nil, got.Publish == nil)
			require.Equal(t, g.Subscribe == nil, got.Subscribe == nil)
			if g.Publish != nil {
				require.Equal(t, g.Publish.String(), got.Publish.String())
			}
			got.Publish, got.Subscribe = g.Publish, g.Subscribe
			require.Equal(t, g, got)
		})
	}
}

func TestGrantIsAJWS(t *testing.T) {
	k := newKit(t)
	parsed, err := jose.ParseSignedJSON(string(k.jws), []jose.SignatureAlgorithm{jose.EdDSA})
	require.NoError(t, err)
	_, err = parsed.Verify(publicOf(k.authority))
	require.NoError(t, err)
	require.Equal(t, rawGrant(k.authority, goodHeader, k.goodPayload(t)), string(k.jws), "go-jose and the text agree on every byte")
}

func TestGrantTimeAndAuthority(t *testing.T) {
	k := newKit(t)
	_, err := VerifyGrant(k.jws, k.domain, k.grant.NotAfter.Add(-time.Second))
	require.NoError(t, err)
	_, err = VerifyGrant(k.jws, k.domain, k.grant.NotAfter)
	requireKind(t, KindGrantExpired, err)
	d := k.domain
	d.Authorities = []AuthorityKey{authorityOf(testKey("x")), authorityOf(k.authority)}
	_, err = VerifyGrant(k.jws, d, testNow)
	require.NoError(t, err, "any authority will do")
	d.Authorities = d.Authorities[:1]
	_, err = VerifyGrant(k.jws, d, testNow)
	requireKind(t, KindBadGrant, err)
	d.Endorsers = []ed25519.PublicKey{publicOf(k.authority)}
	_, err = VerifyGrant(k.jws, d, testNow)
	requireKind(t, KindBadGrant, err)
	d = k.domain
	d.Name = "elsewhere"
	_, err = VerifyGrant(k.jws, d, testNow)
	requireKind(t, KindWrongDomain, err)
}

func TestGrantFormRefused(t *testing.T) {
	k := newKit(t)
	good := string(k.jws)
	payload := k.goodPayload(t)
	var form generalJWS
	require.NoError(t, json.Unmarshal(k.jws, &form))
	p, h, s := form.Payload, form.Signatures[0].Protected, form.Signatures[0].Signature
	entry := fmt.Sprintf(`{"protected":%q,"signature":%q}`, h, s)
	jws := func(payload string, entries ...string) string {
		return fmt.Sprintf(`{"payload":%q,"signatures":[%s]}`, payload, strings.Join(entries, ","))
	}
	require.Equal(t, good, jws(p, entry))
	header := func(h string) string { return rawGrant(k.authority, h, payload) }
	none := strings.Replace(good, h, b64(`{"alg":"none","typ":"scbr/grant/v1"}`), 1)
	for name, text := range map[string]string{
		"empty":                  "",
		"null":                   "null",
		"array":                  "[]",
		"not JSON":               good[:len(good)-1],
		"trailing":               good + "{}",
		"trailing byte":          good + "x",
		"oversize":               good + strings.Repeat(" ", MaxGrantBytes),
		"invalid UTF-8":          strings.Replace(good, "payload", "payl\xffad", 1),
		"compact":                h + "." + p + "." + s,
		"flattened":              fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, p, h, s),
		"no signature":           jws(p),
		"two signatures":         jws(p, entry, entry),
		"null signature":         jws(p, "null"),
		"member twice":           strings.Replace(good, `{"payload"`, `{"payload":"e30","payload"`, 1),
		"member in another case": strings.Replace(good, `"payload"`, `"Payload"`, 1),
		"unknown member":         strings.Replace(good, `{"payload"`, `{"x":1,"payload"`, 1),
		"unprotected header":     jws(p, strings.Replace(entry, "{", `{"header":{"alg":"EdDSA"},`, 1)),
		"padding":                jws(p+"=", entry),
		"line break":             jws(p[:8]+`\n`+p[8:], entry),
		"other alphabet":         jws("+"+p[1:], entry),
		"unused bits":            jws(p, fmt.Sprintf(`{"protected":%q,"signature":%q}`, h, s[:len(s)-1]+string(s[len(s)-1]+1))),
		"no signature bytes":     jws(p, fmt.Sprintf(`{"protected":%q,"signature":""}`, h)),
		"other payload":          jws(b64(strings.Replace(payload, "alice", "mallo", 1)), entry),
		"alg none":               none,
		"alg HS256":              header(`{"alg":"HS256","typ":"scbr/grant/v1"}`),
		"alg in another case":    header(`{"alg":"eddsa","typ":"scbr/grant/v1"}`),
		"no alg":                 header(`{"typ":"scbr/grant/v1"}`),
		"no typ":                 header(`{"alg":"EdDSA"}`),
		"other typ":              header(`{"alg":"EdDSA","typ":"scbr/endorse/v1"}`),
		"typ twice":              header(`{"alg":"EdDSA","typ":"x","typ":"scbr/grant/v1"}`),
		"crit":                   header(`{"alg":"EdDSA","typ":"scbr/grant/v1","crit":["exp"],"exp":1}`),
		"b64":                    header(`{"alg":"EdDSA","typ":"scbr/grant/v1","b64":false}`),
		"kid":                    header(`{"alg":"EdDSA","typ":"scbr/grant/v1","kid":"1"}`),
		"jwk":                    header(`{"alg":"EdDSA","typ":"scbr/grant/v1","jwk":{"kty":"OKP","crv":"Ed25519","x":"AA"}}`),
		"header not JSON":        header(`x`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := VerifyGrant([]byte(text), k.domain, testNow)
			requireKind(t, KindBadGrant, err)
		})
	}
	_, err := VerifyGrant([]byte(header(goodHeader)), k.domain, testNow)
	require.NoError(t, err)
}

func TestGrantClaimsRefused(t *testing.T) {
	k := newKit(t)
	good := k.goodPayload(t)
	x := base64.RawURLEncoding.EncodeToString(k.grant.Key)
	swap := func(from, to string) string {
		require.Contains(t, good, from)
		return strings.Replace(good, from, to, 1)
	}
	for name, payload := range map[string]string{
		"empty":            "",
		"not an object":    `"x"`,
		"unknown claim":    swap(`{"aud"`, `{"iss":"x","aud"`),
		"claim twice":      swap(`{"aud"`, `{"aud":"example","aud"`),
		"nested twice":     swap(`"kty":"OKP"`, `"kty":"OKP","kty":"OKP"`),
		"case":             swap(`"sub"`, `"Sub"`),
		"Kelvin sign":      swap(`"kty"`, "\"\u212aty\""),
		"null filter":      swap(`"subscribe":"TRUE"`, `"subscribe":null`),
		"no aud":           swap(`"aud":"example",`, ``),
		"list of aud":      swap(`"aud":"example"`, `"aud":["example"]`),
		"no sub":           swap(`"sub":"alice",`, ``),
		"empty sub":        swap(`"sub":"alice"`, `"sub":""`),
		"control in sub":   swap(`"sub":"alice"`, `"sub":"al\u0000ce"`),
		"surrogate in sub": swap(`"sub":"alice"`, `"sub":"al\ud800ce"`),
		"long sub":         swap(`"sub":"alice"`, `"sub":"`+strings.Repeat("a", 256)+`"`),
		"no cnf":           swap(`"cnf":{"jwk":{"kty":"OKP","crv":"Ed25519","x":"`+x+`"}},`, ``),
		"cnf kid":          swap(`"jwk":{"kty":"OKP","crv":"Ed25519","x":"`+x+`"}`, `"kid":"x"`),
		"private jwk":      swap(`"kty":"OKP"`, `"kty":"OKP","d":"AA"`),
		"other kty":        swap(`"OKP"`, `"EC"`),
		"other crv":        swap(`"Ed25519"`, `"X25519"`),
		"short key":        swap(x, x[:10]),
		"padded key":       swap(x, x+"="),
		"no exp":           swap(fmt.Sprintf(`"exp":%d,`, k.grant.NotAfter.Unix()), ``),
		"negative exp":     swap(`"exp":`, `"exp":-`),
		"exp in text":      swap(`"exp":`, `"exp":"1","x":`),
		"fraction":         swap(`"serial":7`, `"serial":7.5`),
		"exponent":         swap(`"serial":7`, `"serial":7e30`),
		"large serial":     swap(`"serial":7`, `"serial":9007199254740992`),
		"large exp":        swap(fmt.Sprintf(`"exp":%d`, k.grant.NotAfter.Unix()), `"exp":9007199254740992`),
		"zero exp":         swap(fmt.Sprintf(`"exp":%d`, k.grant.NotAfter.Unix()), `"exp":0`),
		"no revocation":    swap(`,"revocation":0`, ``),
		"no quotas":        swap(`"quotas":{"max_subscriptions":100,"max_runs":0,"max_sessions":0},`, ``),
		"quota too large":  swap(`"max_subscriptions":100`, `"max_subscriptions":4294967296`),
		"gk as number":     swap(`"gk_required":false`, `"gk_required":0`),
		"filter":           swap(`"subscribe":"TRUE"`, `"subscribe":"TRUE AND"`),
		"publish filter":   swap(`"publish":"`, `"publish":"((`),
		"deep":             swap(`"gk_required":false`, `"gk_required":`+strings.Repeat("[", 50)+strings.Repeat("]", 50)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := VerifyGrant([]byte(rawGrant(k.authority, goodHeader, payload)), k.domain, testNow)
			requireKind(t, KindBadGrant, err)
			require.NotContains(t, err.Error(), "alice")
		})
	}
}

func TestGrantEveryByte(t *testing.T) {
	k := newKit(t)
	for p := range k.jws {
		bad := bytes.Clone(k.jws)
		bad[p] ^= 1
		_, err := VerifyGrant(bad, k.domain, testNow)
		requireKind(t, KindBadGrant, err)
		_, err = VerifyGrant(k.jws[:p], k.domain, testNow)
		requireKind(t, KindBadGrant, err)
	}
}

// An authority with one key signs once, no more and no less: a second signature would be bytes that
// nobody has verified.
func TestGrantHasExactlyOneSignature(t *testing.T) {
	k := newKit(t)
	var form generalJWS
	require.NoError(t, json.Unmarshal(k.jws, &form))
	one := form.Signatures[0]
	for n, list := range [][]jwsSignature{{}, {one}, {one, one}, {one, {Protected: one.Protected, Signature: b64("x")}}} {
		jws, err := json.Marshal(generalJWS{Payload: form.Payload, Signatures: list})
		require.NoError(t, err)
		_, err = VerifyGrant(jws, k.domain, testNow)
		if len(list) == 1 {
			require.NoError(t, err)
			continue
		}
		requireKind(t, KindBadGrant, err)
		want := errJWSHeader // a second one is ML-DSA's
		if len(list) == 0 {
			want = errJWSForm
		}
		require.ErrorIs(t, err, want, "%d", n)
	}
}

// A signature of another key type over the same bytes, by a key the host put nowhere.
func TestGrantOtherAlgorithm(t *testing.T) {
	k := newKit(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), fixedRand("p256"))
	require.NoError(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType(grantType))
	require.NoError(t, err)
	signed, err := signer.Sign([]byte(k.goodPayload(t)))
	require.NoError(t, err)
	var flat struct{ Payload, Protected, Signature string }
	require.NoError(t, json.Unmarshal([]byte(signed.FullSerialize()), &flat))
	jws, err := json.Marshal(generalJWS{flat.Payload, []jwsSignature{{flat.Protected, flat.Signature}}})
	require.NoError(t, err)
	_, err = VerifyGrant(jws, k.domain, testNow)
	requireKind(t, KindBadGrant, err)
}

func TestSignGrantRefused(t *testing.T) {
	k := newKit(t)
	for name, edit := range map[string]func(*Grant){
		"subject": func(g *Grant) { g.Subject = "" }, "domain": func(g *Grant) { g.Domain = "\n" },
		"key": func(g *Grant) { g.Key = nil }, "time": func(g *Grant) { g.NotAfter = time.Time{} },
		"serial": func(g *Grant) { g.Serial = MaxGrantNumber + 1 }, "revocation": func(g *Grant) { g.Revocation = 1 << 60 },
	} {
		g := k.grant
		edit(&g)
		_, err := SignGrant(g, Ed25519Authority(k.authority))
		requireKind(t, KindBadGrant, err)
		require.Error(t, err, name)
	}
	_, err := SignGrant(k.grant, Authority{})
	requireKind(t, KindBadGrant, err)
	g := k.grant
	g.Publish = mustFilter(t, "s = '"+strings.Repeat("x", 2000)+"' AND t != '"+strings.Repeat("y", 2000)+"'")
	_, err = SignGrant(g, Ed25519Authority(k.authority))
	require.NoError(t, err)
}
