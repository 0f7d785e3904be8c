package keyx

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
)

// respond gives a client of k the message 2 of an enclave, edited on the way, and returns its refusal.
func (k *kit) respond(t *testing.T, enclave *Identity, edit func(*serverHello, *statement)) (*Initiator, error) {
	i, m1 := k.initiate(t)
	_, m2, err := enclave.Accept(m1)
	require.NoError(t, err)
	if edit != nil {
		m2 = editServerHello(t, m2, edit)
	}
	m3, err := i.Respond(m2, testNow)
	require.Equal(t, err != nil, m3 == nil, "nothing is sent with a refusal")
	return i, err
}

func editServerHello(t *testing.T, m2 []byte, edit func(*serverHello, *statement)) []byte {
	m, ok := decodeServerHello(bytes.Clone(m2))
	require.True(t, ok)
	s, err := decodeStatement(m.statement)
	require.NoError(t, err)
	edit(m, s)
	m.statement = s.encode()
	return m.encode()
}

func TestConfigurationOfAnotherAuthority(t *testing.T) {
	k := newKit(t)
	host := testKey("host")
	foreign := k.domain
	foreign.Authorities = []AuthorityKey{authorityOf(host)}
	both := k.domain
	both.Authorities = append(slices.Clone(k.domain.Authorities), authorityOf(host))
	for name, d := range map[string]Domain{"instead": foreign, "besides": both} {
		t.Run(name, func(t *testing.T) {
			cfg := k.identityConfig()
			cfg.Domain = d // the honest measurement, the host's configuration
			enclave, err := NewIdentity(cfg)
			require.NoError(t, err)
			i, err := k.respond(t, enclave, nil)
			requireKind(t, KindConfigMismatch, err)
			requireCheck(t, quote.CheckReportData, err)
			require.False(t, i.Verdict().Accepted)
			// The host has the statement claim the configuration the client expects.
			_, err = k.respond(t, enclave, func(_ *serverHello, s *statement) { s.config = k.domain.encode() })
			requireKind(t, KindBindMismatch, err)
		})
	}
	// A statement that disagrees with its own quote is refused even though the quote is right.
	_, err := k.respond(t, k.identity, func(_ *serverHello, s *statement) { s.config = foreign.encode() })
	requireKind(t, KindConfigMismatch, err)
	_, err = k.respond(t, k.identity, func(*serverHello, *statement) {}) // and the harness can succeed
	require.NoError(t, err)
}

func TestReportDataOfAnotherKey(t *testing.T) {
	k := newKit(t)
	other, err := decodeStatement(k.newIdentity(t, supported()).statement)
	require.NoError(t, err)
	for name, edit := range map[string]func(*serverHello, *statement){
		"quote of another boot": func(_ *serverHello, s *statement) { s.quote = other.quote },
		"key of another boot":   func(_ *serverHello, s *statement) { s.kk = other.kk },
		"instance":              func(_ *serverHello, s *statement) { s.instance = other.instance },
		"epoch":                 func(_ *serverHello, s *statement) { s.epoch++ },
		"versions":              func(_ *serverHello, s *statement) { s.offer.versions = []uint16{1, 2} },
		"suites":                func(_ *serverHello, s *statement) { s.offer.suites = []uint16{1} },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.respond(t, k.identity, edit)
			requireKind(t, KindBindMismatch, err)
			requireCheck(t, quote.CheckReportData, err)
		})
	}
}

// Whoever can have the enclave quote something else gains nothing: role, label and every other field are
// under the hash.
func TestBindOfAnotherMeaning(t *testing.T) {
	k := newKit(t)
	s, err := decodeStatement(k.identity.statement)
	require.NoError(t, err)
	want := s.bind(k.domain.Digest())
	for name, forge := range map[string]func(rd [64]byte) [64]byte{
		"zeros":               func([64]byte) [64]byte { return [64]byte{} },
		"only the first half": func(rd [64]byte) [64]byte { clear(rd[32:]); return rd },
		"only the last half":  func(rd [64]byte) [64]byte { clear(rd[:32]); return rd },
		"digest alone":        func([64]byte) [64]byte { return k.domain.Digest() },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := k.identityConfig()
			cfg.Quote = func(rd [64]byte) ([]byte, []byte, error) { return k.platform.Quote(forge(rd)) }
			enclave, err := NewIdentity(cfg)
			require.NoError(t, err)
			_, err = k.respond(t, enclave, nil)
			requireKind(t, KindBindMismatch, err)
		})
	}
	require.NotEqual(t, want, s.bind([64]byte{}))
}

func TestEvidenceRefused(t *testing.T) {
	k := newKit(t)
	for name, c := range map[string]struct {
		platform *sim.Platform
		check    string
	}{
		"wrong measurement": {testPlatform(t, "a", sim.Config{Measurement: [32]byte{1}}), quote.CheckMeasurement},
		"debug":             {testPlatform(t, "a", sim.Config{Measurement: testMeasurement, Debug: true}), quote.CheckDebug},
		"foreign root":      {testPlatform(t, "b", sim.Config{Measurement: testMeasurement}), quote.CheckChainRoot},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := k.identityConfig()
			cfg.Quote = c.platform.Quote
			enclave, err := NewIdentity(cfg)
			require.NoError(t, err)
			i, err := k.respond(t, enclave, nil)
			requireKind(t, KindEvidenceRefused, err)
			requireCheck(t, c.check, err)
			require.Equal(t, c.check, i.Verdict().Check)
		})
	}
	cfg := k.config()
	cfg.Policy = quote.Policy{}
	i, m1, err := NewInitiator(cfg)
	require.NoError(t, err)
	_, m2, err := k.identity.Accept(m1)
	require.NoError(t, err)
	m3, err := i.Respond(m2, testNow)
	requireKind(t, KindEvidenceRefused, err)
	requireCheck(t, quote.CheckPolicy, err)
	require.Nil(t, m3)
}

// A second version, which exists in this test only, and both suites.
func TestDowngrade(t *testing.T) {
	k := newKit(t)
	two := offer{versions: []uint16{1, 2}, suites: []uint16{1, 2}}
	k.identity = k.newIdentity(t, two)
	handshake := func(mine offer, edit1 func(*hello), edit2 func(*serverHello, *statement)) (choice, error) {
		i, m1, err := newInitiator(k.config(), mine)
		require.NoError(t, err)
		sent, ok := decodeHello(m1)
		require.True(t, ok)
		if edit1 != nil {
			edit1(sent)
		}
		_, m2, err := k.identity.Accept(sent.encode())
		if err != nil {
			return choice{}, err
		}
		m2 = editServerHello(t, m2, edit2)
		m, _ := decodeServerHello(m2)
		m3, err := i.Respond(m2, testNow)
		require.Equal(t, err != nil, m3 == nil)
		return m.choice, err
	}
	honest := func(*serverHello, *statement) {}
	got, err := handshake(two, nil, honest)
	require.NoError(t, err)
	require.Equal(t, choice{2, 2}, got)
	got, err = handshake(offered(false), nil, honest) // one that has AES, and version 1 only
	require.NoError(t, err)
	require.Equal(t, choice{1, 1}, got)

	for name, c := range map[string]struct {
		edit1 func(*hello)
		edit2 func(*serverHello, *statement)
		kind  Kind
	}{
		"suite chosen by the host":   {nil, func(m *serverHello, _ *statement) { m.choice.suite = 1 }, KindDowngrade},
		"version chosen by the host": {nil, func(m *serverHello, _ *statement) { m.choice.version = 1 }, KindDowngrade},
		"suite nobody offered":       {nil, func(m *serverHello, _ *statement) { m.choice.suite = 3 }, KindDowngrade},
		"offer cut":                  {func(m *hello) { m.offer = supported() }, honest, KindDowngrade},
		"suites of offer cut":        {func(m *hello) { m.offer.suites = []uint16{1} }, honest, KindDowngrade},
		"versions of offer cut":      {func(m *hello) { m.offer.versions = []uint16{1} }, honest, KindDowngrade},
		"lists of statement cut": {
			func(m *hello) { m.offer = supported() },
			func(_ *serverHello, s *statement) { s.offer = supported() }, KindBindMismatch,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := handshake(two, c.edit1, c.edit2)
			requireKind(t, c.kind, err)
		})
	}
	_, err = handshake(offer{versions: []uint16{3}, suites: []uint16{1}}, nil, honest)
	requireKind(t, KindBadVersion, err)
	_, err = handshake(offer{versions: []uint16{1}, suites: []uint16{3}}, nil, honest)
	requireKind(t, KindBadSuite, err)
	// The enclave has nothing in common with the client, yet the host says so.
	_, err = handshake(offer{versions: []uint16{1}, suites: []uint16{3}}, func(m *hello) { m.offer = two }, honest)
	requireKind(t, KindBadSuite, err)
}

func TestOfferCodec(t *testing.T) {
	for name, b := range map[string][]byte{
		"none": {0}, "zero": {1, 0, 0}, "descending": {2, 0, 2, 0, 1}, "twice": {2, 0, 1, 0, 1},
		"short": {2, 0, 1}, "too many": append([]byte{maxOffers + 1}, bytes.Repeat([]byte{0, 1}, maxOffers+1)...),
	} {
		r := reader{b: b}
		r.numbers()
		require.True(t, r.bad, name)
	}
	r := reader{b: appendNumbers(nil, []uint16{1, 9})}
	require.Equal(t, []uint16{1, 9}, r.numbers())
	require.True(t, r.done())
}
