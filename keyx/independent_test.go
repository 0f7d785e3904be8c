package keyx_test

// A second implementation, as far as it takes to follow a handshake with both private keys at hand: written from docs/PROTOCOL.md,
// with the standard library and an X-Wing implementation, and nothing of package keyx.

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/cloudflare/circl/kem/xwing"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/chacha20poly1305"
)

type document map[string]any

func (d document) in(name string) document { return d[name].(map[string]any) }
func (d document) text(name string) string { return d[name].(string) }
func (d document) hex(t *testing.T, name string) []byte {
	t.Helper()
	b, err := hex.DecodeString(d.text(name))
	require.NoError(t, err, name)
	return b
}

func (d document) number(t *testing.T, name string) uint64 {
	t.Helper()
	var n uint64
	require.NoError(t, json.Unmarshal([]byte(d[name].(json.Number)), &n), name)
	return n
}

// cut takes an encoding apart; a mistake is a failed test.
type cut struct {
	t *testing.T
	b []byte
}

func (c *cut) take(n int) []byte {
	c.t.Helper()
	require.LessOrEqual(c.t, n, len(c.b))
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cut) number(size int) uint64 {
	var n uint64
	for _, x := range c.take(size) {
		n = n<<8 | uint64(x)
	}
	return n
}
func (c *cut) lp(size int) []byte { return c.take(int(c.number(size))) }
func (c *cut) end()               { require.Empty(c.t, c.b) }

// numbers is a list of versions or suites, as encoded.
func (c *cut) numbers() []byte {
	n := int(c.b[0])
	return c.take(1 + 2*n)
}

func fields(list ...[]byte) []byte {
	var b []byte
	for _, f := range list {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	return b
}

func h512(list ...[]byte) []byte { sum := sha512.Sum512(fields(list...)); return sum[:] }
func h256(list ...[]byte) []byte { sum := sha256.Sum256(fields(list...)); return sum[:] }

func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func gcm(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	a, err := cipher.NewGCM(block)
	require.NoError(t, err)
	return a
}

func open(t *testing.T, a cipher.AEAD, nonce, box, ad []byte) []byte {
	t.Helper()
	plain, err := a.Open(nil, nonce, box, ad)
	require.NoError(t, err)
	return plain
}

func readDocument(t *testing.T, name string) document {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var d document
	require.NoError(t, dec.Decode(&d))
	return d
}

// configDigest is that of a domain with Ed25519 authorities.
func configDigest(t *testing.T, domain string) (name string, digest []byte) {
	t.Helper()
	var d struct {
		Name        string   `json:"name"`
		Authorities []string `json:"authorities"`
		Endorsers   []string `json:"endorsers"`
		Revocation  struct {
			MaxAge uint32 `json:"max_age_seconds"`
		} `json:"revocation"`
	}
	require.NoError(t, json.Unmarshal([]byte(domain), &d))
	keys := func(list []string) []byte {
		var all [][]byte
		for _, s := range list {
			k, err := base64.StdEncoding.DecodeString(s)
			require.NoError(t, err)
			all = append(all, k)
		}
		slices.SortFunc(all, bytes.Compare)
		return bytes.Join(all, nil)
	}
	return d.Name, h512([]byte("scbr/config/v1"), []byte(d.Name), keys(d.Authorities), keys(d.Endorsers), binary.BigEndian.AppendUint32(nil, d.Revocation.MaxAge))
}

// hello is what is in messages 1 and 2, as T needs it.
type hello struct {
	versions, suites, nonce, ephemeral, domain, router, cached []byte
	version, suite, nonce2, form, statement, ct2               []byte
}

func readHellos(t *testing.T, m1, m2 []byte) hello {
	t.Helper()
	var h hello
	c := cut{t, m1}
	require.EqualValues(t, 1, c.number(1))
	h.versions, h.suites, h.nonce, h.ephemeral = c.numbers(), c.numbers(), c.take(32), c.take(1216)
	h.domain, h.router, h.cached = c.lp(1), c.lp(1), c.take(32)
	c.end()
	c = cut{t, m2}
	require.EqualValues(t, 2, c.number(1))
	h.version, h.suite, h.nonce2, h.form = c.take(2), c.take(2), c.take(32), c.take(1)
	h.statement, h.ct2 = c.lp(4), c.take(1120)
	c.end()
	return h
}

// readStatement checks the statement against the domain and returns kk.
func readStatement(t *testing.T, v document, statement []byte) []byte {
	t.Helper()
	c := cut{t, statement}
	require.Equal(t, "enclave", string(c.lp(1)))
	versions, suites, kk, instance := c.numbers(), c.numbers(), c.take(1216), c.take(16)
	config, epoch, quote, _, endorsement := c.lp(2), c.take(8), c.lp(4), c.lp(4), c.lp(2)
	c.end()
	require.Empty(t, endorsement)
	name, digest := configDigest(t, v.text("domain"))
	require.Equal(t, v.in("handshake").hex(t, "config_digest"), digest)
	require.Equal(t, append([]byte{byte(len(name))}, name...), config[:1+len(name)])
	hkk := h512([]byte("scbr/kkhash/v1"), kk)
	bind := h512([]byte("scbr/att/v1"), []byte("enclave"), versions, suites, hkk, instance, digest, epoch)
	require.Equal(t, v.in("handshake").hex(t, "bind"), bind)
	require.Equal(t, bind, quote[48+320:48+384], "the whole report data of an SGX quote")
	return kk
}

// schedule gives T and the keys of a handshake to who holds both private keys.
func schedule(t *testing.T, v document, h hello, ct1 []byte) (transcript []byte, keys map[string][]byte) {
	t.Helper()
	kkKey, _ := xwing.DeriveKeyPair(v.in("enclave").hex(t, "kk_seed"))
	ephemeralKey, public := xwing.DeriveKeyPair(v.in("client").hex(t, "ephemeral_seed"))
	packed := make([]byte, 1216)
	public.Pack(packed)
	require.Equal(t, packed, h.ephemeral)
	ss1, ss2 := make([]byte, 32), make([]byte, 32)
	kkKey.DecapsulateTo(ss1, ct1)
	ephemeralKey.DecapsulateTo(ss2, h.ct2)
	transcript = h512([]byte("scbr/kx/v1"), []byte("client"), []byte("enclave"), h.versions, h.suites, h.nonce, h.ephemeral, h.domain, h.router, h.cached,
		h.version, h.suite, h.nonce2, h.form, h.statement, h.ct2, ct1)
	share1, err := hkdf.Key(sha512.New, ss1, nil, "kk", 64)
	require.NoError(t, err)
	share2, err := hkdf.Key(sha512.New, ss2, nil, "eph", 64)
	require.NoError(t, err)
	prk, err := hkdf.Extract(sha512.New, append(share1, share2...), transcript)
	require.NoError(t, err)
	keys = map[string][]byte{}
	for name, label := range map[string]string{"k3": "k3", "k4": "k4", "k_c2e": "kC2E", "k_e2c": "kE2C", "k_ck": "kCK"} {
		keys[name], err = hkdf.Expand(sha512.New, prk, label, 32)
		require.NoError(t, err)
		require.Equal(t, v.in("handshake").hex(t, name), keys[name], name)
	}
	require.Equal(t, v.in("handshake").hex(t, "t"), transcript)
	return transcript, keys
}

// readGrant checks the one signature of a grant and returns the client's key.
func readGrant(t *testing.T, v document, jws []byte) ed25519.PublicKey {
	t.Helper()
	var form struct {
		Payload    string
		Signatures []struct{ Protected, Signature string }
	}
	require.NoError(t, json.Unmarshal(jws, &form))
	require.Len(t, form.Signatures, 1)
	decode := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		require.NoError(t, err)
		return b
	}
	s := form.Signatures[0]
	require.Equal(t, `{"alg":"EdDSA","typ":"scbr/grant/v1"}`, string(decode(s.Protected)))
	authority := ed25519.NewKeyFromSeed(v.hex(t, "authority_seed")).Public().(ed25519.PublicKey)
	require.True(t, ed25519.Verify(authority, []byte(s.Protected+"."+form.Payload), decode(s.Signature)))
	var payload struct {
		Sub string
		Cnf struct{ JWK struct{ X string } }
	}
	require.NoError(t, json.Unmarshal(decode(form.Payload), &payload))
	require.Equal(t, "alice", payload.Sub)
	return decode(payload.Cnf.JWK.X)
}

// TestSecondImplementation follows the handshake of the vectors from its messages and the two private keys.
func TestSecondImplementation(t *testing.T) {
	v := readDocument(t, "testdata/vectors.json")
	hs := v.in("handshake")
	h := readHellos(t, hs.hex(t, "message_1"), hs.hex(t, "message_2"))
	require.Equal(t, []byte{1, 0, 1}, h.suites, "the client's")
	require.Equal(t, []byte{0, 1}, h.suite, "the greatest in both lists")
	require.Equal(t, []byte{0}, h.form)
	readStatement(t, v, h.statement)

	c := cut{t, hs.hex(t, "message_3")}
	require.EqualValues(t, 3, c.number(1))
	ct1, box3 := c.take(1120), c.lp(2)
	c.end()
	transcript, keys := schedule(t, v, h, ct1)

	zero := make([]byte, 12)
	c = cut{t, open(t, gcm(t, keys["k3"]), zero, box3, nil)}
	jws, proof := c.lp(2), c.take(64)
	c.end()
	require.Equal(t, hs.text("grant"), string(jws))
	require.True(t, ed25519.Verify(readGrant(t, v, jws), append([]byte("scbr/pop/v1"), transcript...), proof))

	c = cut{t, hs.hex(t, "message_4")}
	require.EqualValues(t, 4, c.number(1))
	box4 := c.lp(2)
	c.end()
	c = cut{t, open(t, gcm(t, keys["k4"]), zero, box4, nil)}
	session := c.take(8)
	require.Equal(t, u64(v.in("enclave").number(t, "session_id")), session)
	c.take(5 * 4)
	require.Equal(t, v.in("enclave").number(t, "revocation"), c.number(8))
	c.end()
	followBlobs(t, hs, keys, session)
}

// followBlobs opens the first blob of each direction, and derives a content key.
func followBlobs(t *testing.T, hs document, keys map[string][]byte, session []byte) {
	t.Helper()
	for direction, name := range map[byte]string{1: "c2e", 2: "e2c"} {
		blob := hs.hex(t, "blob_"+name)
		counter, box := blob[:8], blob[8:]
		nonce := append(make([]byte, 4), counter...)
		ad := append(append(append([]byte{direction}, session...), 0, 0, 0, 0), counter...)
		require.NotEmpty(t, open(t, gcm(t, keys["k_"+name]), nonce, box, ad))
		if direction == 1 {
			require.Equal(t, hs.hex(t, "chain_c2e"), h256([]byte("scbr/chain/v1"), make([]byte, 32), counter, box[len(box)-16:]))
		}
	}
	block, err := aes.NewCipher(keys["k_ck"])
	require.NoError(t, err)
	var stream []byte
	for b := range uint64(3) {
		out := make([]byte, 16)
		block.Encrypt(out, append(u64(hs.number(t, "run")), u64(4*hs.number(t, "counter")+b)...))
		stream = append(stream, out...)
	}
	require.Equal(t, hs.hex(t, "ck"), stream[:32])
	require.Equal(t, hs.hex(t, "salt"), stream[32:])
}

// TestSecondSubscriber opens the payloads of the vectors with and without a group key.
func TestSecondSubscriber(t *testing.T) {
	v := readDocument(t, "testdata/vectors.json")
	seen := map[bool]bool{}
	for _, p := range v["payloads"].([]any) {
		var p document = p.(map[string]any)
		epoch := p.number(t, "gk_epoch")
		seen[epoch > 0] = true
		ids := fields([]byte(p.text("domain")), []byte(p.text("subject")), append(u64(p.number(t, "run")), u64(p.number(t, "counter"))...), u64(epoch))
		key := p.hex(t, "ck")
		if epoch > 0 {
			sum := sha256.Sum256(append(fields([]byte("scbr/payload/v1"), key, p.hex(t, "gk")), ids...))
			key = sum[:]
		}
		require.Equal(t, p.hex(t, "payload_key"), key)
		sealed := p.hex(t, "sealed")
		c := sha256.Sum256(append(append(fields([]byte("scbr/commit/v1")), ids...), fields(key, sealed)...))
		require.Equal(t, p.hex(t, "commitment"), c[:])
		a, err := chacha20poly1305.New(key)
		require.NoError(t, err)
		plain := cut{t, open(t, a, make([]byte, 12), sealed, nil)}
		salt, attrs, body := plain.take(16), plain.lp(4), plain.lp(4)
		require.Equal(t, p.hex(t, "salt"), salt)
		require.Equal(t, p.hex(t, "attrs"), attrs)
		require.Equal(t, p.hex(t, "body"), body)
		require.Equal(t, make([]byte, len(plain.b)), plain.b, "padding")
		require.Equal(t, p.hex(t, "attribute_hash"), h256([]byte("scbr/attrs/v1"), salt, attrs))
	}
	require.Equal(t, map[bool]bool{true: true, false: true}, seen)
}
