package keyx

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/cloudflare/circl/kem/xwing"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx/quote"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectorFile = "testdata/vectors.json"

// hexBytes is hexadecimal in the vector file.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// vectors are inputs (names in docs/PROTOCOL.md) and what comes of them. The quote is an input: how it is
// made is the platform's business.
type vectors struct {
	Domain        string   `json:"domain"` // the domain file
	Router        string   `json:"router"`
	Policy        string   `json:"policy"` // the policy file
	Now           int64    `json:"now"`
	AuthoritySeed hexBytes `json:"authority_seed"`
	ClientSeed    hexBytes `json:"client_seed"`
	Enclave       struct {
		KKSeed            hexBytes `json:"kk_seed"`
		Instance          hexBytes `json:"instance"`
		Epoch             uint64   `json:"epoch"`
		Quote             hexBytes `json:"quote"`
		Collateral        hexBytes `json:"collateral"`
		Nonce             hexBytes `json:"nonce"`
		EncapsulationSeed hexBytes `json:"encapsulation_seed"`
		SessionID         uint64   `json:"session_id"`
		Revocation        uint64   `json:"revocation"`
	} `json:"enclave"`
	Client struct {
		EphemeralSeed     hexBytes `json:"ephemeral_seed"`
		Nonce             hexBytes `json:"nonce"`
		EncapsulationSeed hexBytes `json:"encapsulation_seed"`
	} `json:"client"`
	Out      handshakeVector `json:"handshake"`
	Payloads []payloadVector `json:"payloads"`
}

type handshakeVector struct {
	Grant        string   `json:"grant"`
	ConfigDigest hexBytes `json:"config_digest"`
	Bind         hexBytes `json:"bind"`
	Message1     hexBytes `json:"message_1"`
	Message2     hexBytes `json:"message_2"`
	Message3     hexBytes `json:"message_3"`
	Message4     hexBytes `json:"message_4"`
	T            hexBytes `json:"t"`
	K3           hexBytes `json:"k3"`
	K4           hexBytes `json:"k4"`
	KC2E         hexBytes `json:"k_c2e"`
	KE2C         hexBytes `json:"k_e2c"`
	KCK          hexBytes `json:"k_ck"`
	BlobC2E      hexBytes `json:"blob_c2e"` // the first, plaintext "ping"
	BlobE2C      hexBytes `json:"blob_e2c"` // the first, plaintext "pong"
	ChainC2E     hexBytes `json:"chain_c2e"`
	Run          uint64   `json:"run"`
	Counter      uint64   `json:"counter"`
	CK           hexBytes `json:"ck"`
	Salt         hexBytes `json:"salt"`
}

type payloadVector struct {
	Domain        string   `json:"domain"`
	Subject       string   `json:"subject"`
	Run           uint64   `json:"run"`
	Counter       uint64   `json:"counter"`
	GKEpoch       uint64   `json:"gk_epoch"`
	CK            hexBytes `json:"ck"`
	GK            hexBytes `json:"gk,omitempty"`
	Salt          hexBytes `json:"salt"`
	Attrs         hexBytes `json:"attrs"`
	Body          hexBytes `json:"body"`
	PayloadKey    hexBytes `json:"payload_key"`
	Sealed        hexBytes `json:"sealed"`
	Commitment    hexBytes `json:"commitment"`
	AttributeHash hexBytes `json:"attribute_hash"`
}

func newVectorInputs(t *testing.T) *vectors {
	k := newKit(t)
	var v vectors
	v.Domain, v.Router, v.Policy, v.Now = string(k.domain.JSON()), "router-1", string(k.platform.Policy().JSON()), testNow.Unix()
	v.AuthoritySeed, v.ClientSeed = k.authority.Seed(), k.client.Seed()
	draw := func(n int) hexBytes {
		b := make([]byte, n)
		_, _ = k.rand.Read(b)
		return b
	}
	v.Enclave.KKSeed, v.Enclave.Instance, v.Enclave.Nonce = draw(32), draw(16), draw(32)
	v.Enclave.EncapsulationSeed, v.Enclave.SessionID, v.Enclave.Revocation = draw(64), 0x0102030405060708, 0
	v.Client.EphemeralSeed, v.Client.Nonce, v.Client.EncapsulationSeed = draw(32), draw(32), draw(64)
	// One pass to learn the report data.
	cfg := IdentityConfig{Domain: k.domain, Router: v.Router, Rand: v.enclaveRand(), Quote: func(rd [64]byte) ([]byte, []byte, error) {
		q, c, err := k.platform.Quote(rd)
		v.Enclave.Quote, v.Enclave.Collateral = q, c
		return q, c, err
	}}
	_, err := NewIdentity(cfg)
	require.NoError(t, err)
	return &v
}

func (v *vectors) enclaveRand() *bytes.Reader {
	return bytes.NewReader(bytes.Join([][]byte{v.Enclave.KKSeed, v.Enclave.Instance, v.Enclave.Nonce, v.Enclave.EncapsulationSeed}, nil))
}

func (v *vectors) clientRand() *bytes.Reader {
	return bytes.NewReader(bytes.Join([][]byte{v.Client.EphemeralSeed, v.Client.Nonce, v.Client.EncapsulationSeed}, nil))
}

func (v *vectors) compute(t *testing.T) {
	domain, err := ParseDomain([]byte(v.Domain))
	require.NoError(t, err)
	policy, err := quote.ParsePolicy([]byte(v.Policy))
	require.NoError(t, err)
	client := ed25519.NewKeyFromSeed(v.ClientSeed)
	now := testNow
	require.Equal(t, now.Unix(), v.Now)
	jws, err := SignGrant(Grant{
		Subject: "alice", Key: publicOf(client), Domain: domain.Name, Publish: mustFilter(t, "symbol = 'HAL' AND price < 50.5"),
		Subscribe: mustFilter(t, "TRUE"), Quotas: Quotas{MaxSubscriptions: 100}, NotAfter: now.AddDate(1, 0, 0), Serial: 7,
	}, Ed25519Authority(ed25519.NewKeyFromSeed(v.AuthoritySeed)))
	require.NoError(t, err)
	o := &v.Out
	o.Grant = string(jws)
	digest := domain.Digest()
	o.ConfigDigest = digest[:]

	id, err := NewIdentity(IdentityConfig{
		Domain: domain, Router: v.Router, Epoch: v.Enclave.Epoch, Rand: v.enclaveRand(),
		Quote: func(rd [64]byte) ([]byte, []byte, error) {
			o.Bind = rd[:]
			return v.Enclave.Quote, v.Enclave.Collateral, nil
		},
	})
	require.NoError(t, err)
	i, m1, err := NewInitiator(InitiatorConfig{Domain: domain, Router: v.Router, Policy: policy, Grant: jws, Key: client, Rand: v.clientRand()})
	require.NoError(t, err)
	r, m2, err := id.Accept(m1)
	require.NoError(t, err)
	m3, err := i.Respond(m2, now)
	require.NoError(t, err)
	_, err = r.Finish(m3, now)
	require.NoError(t, err)
	k := *r.keys
	m4, es, err := r.Confirm(v.Enclave.SessionID, testLimits, v.Enclave.Revocation)
	require.NoError(t, err)
	cs, _, err := i.Confirm(m4)
	require.NoError(t, err)
	o.Message1, o.Message2, o.Message3, o.Message4 = m1, m2, m3, m4
	o.K3, o.K4, o.KC2E, o.KE2C, o.KCK = k.k3[:], k.k4[:], k.c2e[:], k.e2c[:], k.ck[:]
	hello, _ := decodeHello(m1)
	server, _ := decodeServerHello(m2)
	sum := newTranscript(hello, server).finish(m3[1 : 1+xwing.CiphertextSize])
	o.T = sum[:]
	o.BlobC2E = sealed(t, cs.Out, "ping")
	o.BlobE2C = sealed(t, es.Out, "pong")
	_, chain := cs.Out.Chain()
	o.ChainC2E = chain[:]
	var ck [32]byte
	var salt [16]byte
	o.Run, o.Counter = 0xA1A2A3A4A5A6A7A8, 5
	require.NoError(t, cs.Content.Derive(o.Run, o.Counter, &ck, &salt))
	o.CK, o.Salt = ck[:], salt[:]
	v.Payloads = []payloadVector{newPayloadVector(ck, salt, nil), newPayloadVector(ck, salt, &[32]byte{0: 1, 31: 2})}
}

func newPayloadVector(ck [32]byte, salt [16]byte, gk *[32]byte) payloadVector {
	id := PublicationID{Domain: "example", Subject: "alice", Run: 0xA1A2A3A4A5A6A7A8, Counter: 5}
	p := payloadVector{CK: ck[:], Salt: salt[:], Attrs: []byte("attributes"), Body: []byte("the body")}
	if gk != nil {
		id.GKEpoch = 3
		p.GK = gk[:]
	}
	p.Domain, p.Subject, p.Run, p.Counter, p.GKEpoch = id.Domain, id.Subject, id.Run, id.Counter, id.GKEpoch
	key := PayloadKey(&ck, gk, &id)
	p.PayloadKey = key[:]
	p.Sealed = SealPayload(nil, &key, &salt, p.Attrs, p.Body, 5)
	commitment, hash := Commit(&id, &key, p.Sealed), AttributeHash(&salt, p.Attrs)
	p.Commitment, p.AttributeHash = commitment[:], hash[:]
	return p
}

// TestVectors recomputes everything in the vector file. Rewrite it with -update after a change of the
// protocol, and only then.
func TestVectors(t *testing.T) {
	if *update {
		v := newVectorInputs(t)
		v.compute(t)
		b, err := json.MarshalIndent(v, "", " ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(vectorFile, append(b, '\n'), 0o600))
	}
	b, err := os.ReadFile(vectorFile)
	require.NoError(t, err)
	var want, got vectors
	require.NoError(t, strictVector(b, &want))
	require.NoError(t, strictVector(b, &got))
	got.Out, got.Payloads = handshakeVector{}, nil
	got.compute(t)
	require.Equal(t, want, got)
}

func strictVector(b []byte, v *vectors) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
