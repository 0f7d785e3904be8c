package keyx

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
	"github.com/scbr/scbr/matcher/filter"
)

// testNow is inside the validity of everything the kit makes.
var testNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fixedRand is the same endless stream for the same seed. Tests only.
func fixedRand(seed string) io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte(seed))) }

func testKey(seed string) ed25519.PrivateKey {
	s := sha256.Sum256([]byte(seed))
	return ed25519.NewKeyFromSeed(s[:])
}

func publicOf(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func authorityOf(k ed25519.PrivateKey) AuthorityKey { return Ed25519Authority(k).Public() }

func mustFilter(t testing.TB, text string) *filter.Filter {
	f, err := filter.Parse(text)
	require.NoError(t, err)
	return &f
}

// kit is one domain with an enclave and a client, all from fixed seeds.
type kit struct {
	authority, client ed25519.PrivateKey
	domain            Domain
	grant             Grant
	jws               []byte
	platform          *sim.Platform
	identity          *Identity
	rand              io.Reader
}

func testPlatform(t testing.TB, seed string, cfg sim.Config) *sim.Platform {
	files, err := sim.Create(fixedRand("platform "+seed), testNow.Add(-time.Hour))
	require.NoError(t, err)
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return testNow }
	}
	p, err := sim.Load(files, cfg)
	require.NoError(t, err)
	return p
}

var testMeasurement = sha256.Sum256([]byte("the enclave"))

func newKit(t testing.TB) *kit {
	k := &kit{authority: testKey("authority"), client: testKey("client"), rand: fixedRand("kit")}
	k.domain = Domain{Name: "example", Authorities: []AuthorityKey{authorityOf(k.authority)}}
	k.grant = Grant{
		Subject: "alice", Key: publicOf(k.client), Domain: k.domain.Name,
		Publish: mustFilter(t, "symbol = 'HAL' AND price < 50.5"), Subscribe: mustFilter(t, "TRUE"),
		Quotas: Quotas{MaxSubscriptions: 100}, NotAfter: testNow.Add(time.Hour), Serial: 7,
	}
	k.jws = k.sign(t, k.grant)
	k.platform = testPlatform(t, "a", sim.Config{Measurement: testMeasurement, Product: 1, SVN: 2})
	k.identity = k.newIdentity(t, supported())
	return k
}

// newHybridKit is newKit with an authority that signs twice, as scbr makes them.
func newHybridKit(t testing.TB) *kit {
	k := newKit(t)
	a, err := NewAuthority(fixedRand("hybrid authority"))
	require.NoError(t, err)
	k.domain.Authorities = []AuthorityKey{a.Public()}
	k.jws, err = SignGrant(k.grant, a)
	require.NoError(t, err)
	k.identity = k.newIdentity(t, supported())
	return k
}

func (k *kit) sign(t testing.TB, g Grant) []byte {
	jws, err := SignGrant(g, Ed25519Authority(k.authority))
	require.NoError(t, err)
	return jws
}

func (k *kit) identityConfig() IdentityConfig {
	return IdentityConfig{Domain: k.domain, Router: "router-1", Rand: k.rand, Quote: k.platform.Quote}
}

func (k *kit) newIdentity(t testing.TB, has offer) *Identity {
	id, err := newIdentity(k.identityConfig(), has)
	require.NoError(t, err)
	return id
}

func (k *kit) config() InitiatorConfig {
	return InitiatorConfig{
		Domain: k.domain, Router: "router-1", Policy: k.platform.Policy(), Grant: k.jws, Key: k.client, Rand: k.rand,
	}
}

func (k *kit) initiate(t testing.TB) (*Initiator, []byte) {
	i, m1, err := NewInitiator(k.config())
	require.NoError(t, err)
	return i, m1
}

// clone copies an initiator, so that one state can meet many messages.
func (i *Initiator) clone() *Initiator {
	c := *i
	if i.key != nil {
		key := *i.key
		c.key = &key
	}
	if i.keys != nil {
		keys := *i.keys
		c.keys = &keys
	}
	return &c
}

// clone copies a responder; the running hash is copied through its state.
func (r *Responder) clone(t testing.TB, k *kit, m1, m2 []byte) *Responder {
	h, ok := decodeHello(m1)
	require.True(t, ok)
	s, ok := decodeServerHello(m2)
	require.True(t, ok)
	return &Responder{id: k.identity, suite: suite1, transcript: newTranscript(h, s), share2: append(secretBytes(nil), r.share2...)}
}

// run is a whole handshake, step by step.
type run struct {
	i                  *Initiator
	r                  *Responder
	m1, m2, m3, m4     []byte
	clientS, enclaveS  *Session
	conf               Confirmation
	grant              Grant
	beforeM2, beforeM4 *Initiator // states to clone
}

var testLimits = Limits{MaxSubscriptions: 1, MaxRuns: 2, MaxHeaders: 3, MaxBlobBytes: 4, HeartbeatMillis: 5}

func (k *kit) run(t testing.TB) *run {
	var x run
	var err error
	x.i, x.m1 = k.initiate(t)
	x.beforeM2 = x.i.clone()
	x.r, x.m2, err = k.identity.Accept(x.m1)
	require.NoError(t, err)
	share2 := append(secretBytes(nil), x.r.share2...)
	x.m3, err = x.i.Respond(x.m2, testNow)
	require.NoError(t, err)
	x.beforeM4 = x.i.clone()
	fresh := x.r.clone(t, k, x.m1, x.m2)
	x.grant, err = x.r.Finish(x.m3, testNow)
	require.NoError(t, err)
	x.m4, x.enclaveS, err = x.r.Confirm(42, testLimits, 9)
	require.NoError(t, err)
	x.clientS, x.conf, err = x.i.Confirm(x.m4)
	require.NoError(t, err)
	fresh.share2 = share2
	x.r = fresh // ready to Finish again, through clones
	return &x
}

func requireKind(t testing.TB, want Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want.String(), kindOf(err).String(), "%v", err)
}

func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindOK
}

func requireCheck(t testing.TB, want string, err error) {
	t.Helper()
	var r *quote.Refusal
	require.ErrorAs(t, err, &r)
	require.Equal(t, want, r.Check)
}
