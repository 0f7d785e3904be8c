package keyx

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
)

// newEndorsedKit is a domain with an endorser, and an enclave that was not endorsed yet.
func newEndorsedKit(t testing.TB) (*kit, ed25519.PrivateKey) {
	k := newKit(t)
	endorser := testKey("endorser")
	k.domain.Endorsers = []ed25519.PublicKey{publicOf(endorser)}
	k.identity = k.newIdentity(t, supported())
	return k, endorser
}

// endorsement is one that is right for the kit's enclave.
func (k *kit) endorsement(t testing.TB) Endorsement {
	c, err := ParseClaim(k.identity.Statement(), k.domain)
	require.NoError(t, err)
	return Endorsement{
		Router: k.identity.router, Measurement: testMeasurement[:], KeyHash: c.KeyHash, Bind: c.Bind,
		MinList: 3, Issued: testNow, NotAfter: testNow.Add(time.Hour),
	}
}

func TestEndorsementRoundTrip(t *testing.T) {
	k, endorser := newEndorsedKit(t)
	want := k.endorsement(t)
	b, err := SignEndorsement(want, endorser)
	require.NoError(t, err)
	got, err := VerifyEndorsement(b, k.domain)
	require.NoError(t, err)
	require.Equal(t, &want, got)
	for n := range b {
		_, err := VerifyEndorsement(b[:n], k.domain)
		requireKind(t, KindNotEndorsed, err)
		bad := bytes.Clone(b)
		bad[n] ^= 1
		_, err = VerifyEndorsement(bad, k.domain)
		requireKind(t, KindNotEndorsed, err)
	}
	_, err = VerifyEndorsement(append(bytes.Clone(b), 0), k.domain)
	requireKind(t, KindNotEndorsed, err)
	_, err = VerifyEndorsement(make([]byte, MaxEndorsementBytes+1), k.domain)
	requireKind(t, KindNotEndorsed, err)
}

func TestEndorsementBounds(t *testing.T) {
	k, endorser := newEndorsedKit(t)
	for name, edit := range map[string]func(e *Endorsement){
		"too long":       func(e *Endorsement) { e.NotAfter = e.Issued.Add(MaxEndorsementLife + time.Second) },
		"no life":        func(e *Endorsement) { e.NotAfter = e.Issued },
		"no name":        func(e *Endorsement) { e.Router = "" },
		"no measurement": func(e *Endorsement) { e.Measurement = nil },
		"long":           func(e *Endorsement) { e.Measurement = make([]byte, 65) },
		"huge list":      func(e *Endorsement) { e.MinList = MaxGrantNumber + 1 },
		"no time":        func(e *Endorsement) { e.Issued, e.NotAfter = time.Unix(0, 0), time.Unix(1, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			e := k.endorsement(t)
			edit(&e)
			_, err := SignEndorsement(e, endorser)
			requireKind(t, KindNotEndorsed, err)
		})
	}
	_, err := SignEndorsement(k.endorsement(t), nil)
	requireKind(t, KindNotEndorsed, err)
}

// What the enclave refuses and what the client refuses is the same: neither rests on the other.
func TestEndorsementRefused(t *testing.T) {
	k, endorser := newEndorsedKit(t)
	sign := func(e Endorsement, key ed25519.PrivateKey) []byte {
		b, err := SignEndorsement(e, key)
		require.NoError(t, err)
		return b
	}
	for name, tc := range map[string]struct {
		edit func(e *Endorsement)
		key  ed25519.PrivateKey
		at   time.Duration
		good bool
	}{
		"right":              {good: true},
		"its last second":    {at: time.Hour - time.Second, good: true},
		"run out":            {at: time.Hour},
		"another router":     {edit: func(e *Endorsement) { e.Router = "r2" }},
		"another program":    {edit: func(e *Endorsement) { e.Measurement = make([]byte, 32) }},
		"another key":        {edit: func(e *Endorsement) { e.KeyHash[0] ^= 1 }},
		"another bind":       {edit: func(e *Endorsement) { e.Bind[63] ^= 1 }},
		"no endorser":        {key: testKey("mallory")},
		"an authority's key": {key: k.authority},
	} {
		t.Run(name, func(t *testing.T) {
			e := k.endorsement(t)
			if tc.edit != nil {
				tc.edit(&e)
			}
			key := endorser
			if tc.key != nil {
				key = tc.key
			}
			b, now := sign(e, key), testNow.Add(tc.at)
			before := k.newIdentity(t, supported())
			*before = *k.identity // a copy, so that cases do not meet
			_, err := before.Endorse(b, testMeasurement[:], now)
			require.Equal(t, tc.good, err == nil)
			require.Equal(t, tc.good, before.Endorsed(now))

			host := k.identity.claim // a host that staples it all the same
			host.endorsed = b
			k2 := *k
			k2.identity = before
			before.statement = host.encode()
			i, m1 := k2.initiate(t)
			_, m2, err := before.Accept(m1)
			require.NoError(t, err)
			_, err = i.Respond(m2, now)
			if tc.good {
				require.NoError(t, err)
				return
			}
			requireKind(t, KindNotEndorsed, err)
		})
	}
	t.Run("none", func(t *testing.T) {
		i, m1 := k.initiate(t)
		_, m2, err := k.identity.Accept(m1)
		require.NoError(t, err)
		_, err = i.Respond(m2, testNow)
		requireKind(t, KindNotEndorsed, err)
	})
	t.Run("in a domain without endorsers", func(t *testing.T) {
		p := newKit(t)
		p.identity.claim.endorsed = sign(k.endorsement(t), endorser)
		p.identity.statement = p.identity.claim.encode()
		i, m1 := p.initiate(t)
		_, m2, err := p.identity.Accept(m1)
		require.NoError(t, err)
		_, err = i.Respond(m2, testNow)
		requireKind(t, KindNotEndorsed, err)
	})
	t.Run("older than the one in force", func(t *testing.T) {
		later := k.endorsement(t)
		later.Issued = later.Issued.Add(time.Minute)
		_, err := k.identity.Endorse(sign(later, endorser), testMeasurement[:], testNow)
		require.NoError(t, err)
		_, err = k.identity.Endorse(sign(k.endorsement(t), endorser), testMeasurement[:], testNow)
		requireKind(t, KindNotEndorsed, err)
	})
}

// An enclave under a list older than the endorsement's minimum is left at message 4.
func TestEndorsedMinimum(t *testing.T) {
	k, endorser := newEndorsedKit(t)
	b, err := SignEndorsement(k.endorsement(t), endorser)
	require.NoError(t, err)
	_, err = k.identity.Endorse(b, testMeasurement[:], testNow)
	require.NoError(t, err)
	for held, want := range map[uint64]Kind{2: KindStale, 3: KindOK} {
		i, m1 := k.initiate(t)
		r, m2, err := k.identity.Accept(m1)
		require.NoError(t, err)
		m3, err := i.Respond(m2, testNow)
		require.NoError(t, err)
		_, err = r.Finish(m3, testNow)
		require.NoError(t, err)
		m4, _, err := r.Confirm(1, Limits{}, held)
		require.NoError(t, err)
		_, _, err = i.Confirm(m4)
		if want == KindOK {
			require.NoError(t, err)
			continue
		}
		requireKind(t, want, err)
	}
}

func TestRenew(t *testing.T) {
	k := newKit(t)
	next, err := k.identity.Renew()
	require.NoError(t, err)
	require.Equal(t, k.identity.Instance(), next.Instance())
	require.Equal(t, k.identity.Epoch()+1, next.Epoch())
	require.NotEqual(t, k.identity.claim.keyHash(), next.claim.keyHash())
	require.NotEqual(t, k.identity.claim.quote, next.claim.quote)
	old := k.identity
	i, m1 := k.initiate(t)
	_, m2, err := old.Accept(m1)
	require.NoError(t, err)
	k.identity = next
	_, err = i.Respond(m2, testNow)
	require.NoError(t, err, "one that began under the old key goes on")
	k.run(t)
}

func TestParseClaim(t *testing.T) {
	k, _ := newEndorsedKit(t)
	c, err := ParseClaim(k.identity.Statement(), k.domain)
	require.NoError(t, err)
	v, err := c.VerifyQuote(k.platform.Policy(), testNow)
	require.NoError(t, err)
	require.Equal(t, testMeasurement[:], v.Measurement)
	require.NotZero(t, v.PPID)
	other := testPlatform(t, "other", sim.Config{Measurement: testMeasurement})
	_, err = c.VerifyQuote(other.Policy(), testNow)
	requireKind(t, KindEvidenceRefused, err)
	d := k.domain
	d.Endorsers = nil
	_, err = ParseClaim(k.identity.Statement(), d)
	requireKind(t, KindConfigMismatch, err)
	_, err = ParseClaim(k.identity.Statement()[1:], k.domain)
	requireKind(t, KindBadMessage, err)
}

// endorsementVector is testdata/endorsement.json.
type endorsementVector struct {
	Router      string `json:"router"`
	Measurement string `json:"measurement"`
	KeyHash     string `json:"kk_hash"`
	Bind        string `json:"bind"`
	MinList     uint64 `json:"minimum_list"`
	Issued      int64  `json:"time"`
	NotAfter    int64  `json:"not_after"`
	Endorser    string `json:"endorser"`
	Endorsement string `json:"endorsement"`
}

// TestEndorsementVector takes the vector apart with the standard library alone, as docs/PROTOCOL.md says.
func TestEndorsementVector(t *testing.T) {
	const file = "testdata/endorsement.json"
	k, endorser := newEndorsedKit(t)
	made, err := SignEndorsement(k.endorsement(t), endorser)
	require.NoError(t, err)
	if *update {
		e := k.endorsement(t)
		b, err := json.MarshalIndent(endorsementVector{
			e.Router, hex.EncodeToString(e.Measurement), hex.EncodeToString(e.KeyHash[:]), hex.EncodeToString(e.Bind[:]),
			e.MinList, e.Issued.Unix(), e.NotAfter.Unix(), hex.EncodeToString(publicOf(endorser)), hex.EncodeToString(made),
		}, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, append(b, '\n'), 0o600))
	}
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var v endorsementVector
	require.NoError(t, json.Unmarshal(b, &v))
	raw, err := hex.DecodeString(v.Endorsement)
	require.NoError(t, err)
	require.Equal(t, made, raw)

	rest, h := raw, sha512.New()
	field := func(b []byte) {
		require.NoError(t, binary.Write(h, binary.BigEndian, uint32(len(b))))
		h.Write(b)
	}
	cut := func(n int) []byte { b := rest[:n]; rest = rest[n:]; field(b); return b }
	field([]byte("scbr/endorse/v1"))
	n := int(rest[0])
	rest = rest[1:]
	require.Equal(t, v.Router, string(cut(n)))
	n = int(rest[0])
	rest = rest[1:]
	require.Equal(t, v.Measurement, hex.EncodeToString(cut(n)))
	require.Equal(t, v.KeyHash, hex.EncodeToString(cut(64)))
	require.Equal(t, v.Bind, hex.EncodeToString(cut(64)))
	require.Equal(t, v.MinList, binary.BigEndian.Uint64(cut(8)))
	require.EqualValues(t, v.Issued, binary.BigEndian.Uint64(cut(8)))
	require.EqualValues(t, v.NotAfter, binary.BigEndian.Uint64(cut(8)))
	require.Equal(t, v.Endorser, hex.EncodeToString(rest[:32]))
	require.Len(t, rest, 32+64)
	require.True(t, ed25519.Verify(rest[:32], h.Sum([]byte("scbr/endorse/v1")), rest[32:]))
}

func FuzzEndorsement(f *testing.F) {
	k, endorser := newEndorsedKit(f)
	b, err := SignEndorsement(k.endorsement(f), endorser)
	require.NoError(f, err)
	f.Add(b)
	f.Add(b[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := VerifyEndorsement(b, k.domain)
		if err != nil {
			return
		}
		again, err := SignEndorsement(*e, endorser)
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}

// TestPolicyWantsEndorsement: a policy that wants a second root is not satisfied by a
// domain that names none.
func TestPolicyWantsEndorsement(t *testing.T) {
	k := newKit(t)
	policy := k.platform.Policy()
	policy.EndorsementRequired = true
	id, err := NewIdentity(IdentityConfig{Domain: k.domain, Router: "router-1", Epoch: 1, Rand: k.rand, Quote: k.platform.Quote})
	require.NoError(t, err)
	i, m1, err := NewInitiator(InitiatorConfig{Domain: k.domain, Router: "router-1", Policy: policy, Grant: k.jws, Key: k.client, Rand: k.rand})
	require.NoError(t, err)
	_, m2, err := id.Accept(m1)
	require.NoError(t, err)
	_, err = i.Respond(m2, testNow)
	requireKind(t, KindNotEndorsed, err)
	require.ErrorContains(t, err, "policy wants")
}
