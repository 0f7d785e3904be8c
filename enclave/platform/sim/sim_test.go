package sim_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
)

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123, time.FixedZone("", 3600)) }

func create(t testing.TB, seed byte) sim.Files {
	t.Helper()
	f, err := sim.Create(rand.NewChaCha8([32]byte{seed}), start())
	require.NoError(t, err)
	return f
}

func TestCreateLoadQuote(t *testing.T) {
	f := create(t, 1)
	require.Len(t, f, len(sim.FileNames()))
	cfg := sim.Config{Measurement: [32]byte{1}, Signer: [32]byte{2}, Product: 3, SVN: 4, Now: start}
	p, err := sim.Load(f, cfg)
	require.NoError(t, err)
	require.Equal(t, platform.Info{
		Kind: platform.KindSim, Simulated: true,
		Measurement: cfg.Measurement[:], Signer: cfg.Signer[:], Product: 3, SVN: 4,
	}, p.Info())

	raw, collateral, err := p.Quote([64]byte{5})
	require.NoError(t, err)
	require.NotEmpty(t, collateral)
	v, err := p.Policy().Verify(quote.Evidence{Quote: raw, Collateral: collateral}, [64]byte{5}, start())
	require.NoError(t, err)
	require.True(t, v.Accepted && v.Simulated && !v.Debug)
	require.Equal(t, cfg.Measurement, [32]byte(v.Measurement))
	require.Equal(t, cfg.Signer, [32]byte(v.Signer))
	require.Equal(t, [2]uint16{3, 4}, [2]uint16{v.ProductID, v.SVN})
}

func TestDeterministic(t *testing.T) {
	require.Equal(t, create(t, 1), create(t, 1))
	require.NotEqual(t, create(t, 1), create(t, 2))
	quotes := make([][]byte, 2)
	for i := range quotes {
		p, err := sim.Load(create(t, 1), sim.Config{Measurement: [32]byte{1}, Now: start})
		require.NoError(t, err)
		quotes[i], _, err = p.Quote([64]byte{5})
		require.NoError(t, err)
	}
	require.Equal(t, quotes[0], quotes[1])
}

func TestDebugIsQuotedAndRefused(t *testing.T) {
	p, err := sim.Load(create(t, 1), sim.Config{Measurement: [32]byte{1}, Debug: true, Now: start})
	require.NoError(t, err)
	require.True(t, p.Info().Debug)
	raw, collateral, err := p.Quote([64]byte{})
	require.NoError(t, err)
	v, err := p.Policy().Verify(quote.Evidence{Quote: raw, Collateral: collateral}, [64]byte{}, start())
	require.Error(t, err)
	require.Equal(t, quote.CheckDebug, v.Check)
}

// TestNoPlatformVouchesForAnother: equal names, other keys.
func TestNoPlatformVouchesForAnother(t *testing.T) {
	a, err := sim.Load(create(t, 1), sim.Config{Measurement: [32]byte{1}, Now: start})
	require.NoError(t, err)
	b, err := sim.Load(create(t, 2), sim.Config{Measurement: [32]byte{1}, Now: start})
	require.NoError(t, err)
	require.Equal(t, a.Root().RawSubject, b.Root().RawSubject)
	raw, collateral, err := a.Quote([64]byte{})
	require.NoError(t, err)
	v, err := b.Policy().Verify(quote.Evidence{Quote: raw, Collateral: collateral}, [64]byte{}, start())
	require.Error(t, err)
	require.Equal(t, quote.CheckChainRoot, v.Check)
}

// TestStandardChain: the certificates are also good for the standard library's
// own path building, not only for ours.
func TestStandardChain(t *testing.T) {
	rest := create(t, 1)[sim.FileChain]
	var certs []*x509.Certificate
	for block, tail := pem.Decode(rest); block != nil; block, tail = pem.Decode(tail) {
		c, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		certs = append(certs, c)
	}
	require.Len(t, certs, 3)
	roots, middle := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(certs[2])
	middle.AddCert(certs[1])
	chains, err := certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: middle, CurrentTime: start(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	require.NoError(t, err)
	require.Len(t, chains, 1)
}

func TestLoadRefuses(t *testing.T) {
	good, other := create(t, 1), create(t, 2)
	cfg := sim.Config{Measurement: [32]byte{1}, Now: start}
	for _, name := range sim.FileNames() {
		f := copyFiles(good)
		delete(f, name)
		_, err := sim.Load(f, cfg)
		require.ErrorContains(t, err, name+" is missing")
		f[name] = bytes.Repeat([]byte{'x'}, 1<<20)
		_, err = sim.Load(f, cfg)
		require.ErrorContains(t, err, name)
	}
	for _, name := range []string{sim.FileRoot, sim.FileChain, sim.FileAttestationKey, sim.FileQE} {
		f := copyFiles(good)
		f[name] = other[name]
		_, err := sim.Load(f, cfg)
		require.Error(t, err, "%s of another platform", name)
		f[name] = good[name][:len(good[name])/2]
		_, err = sim.Load(f, cfg)
		require.Error(t, err, "half of %s", name)
	}
	_, err := sim.Load(good, sim.Config{})
	require.ErrorContains(t, err, "no measurement")
}

func TestCreateNeedsRandomness(t *testing.T) {
	_, err := sim.Create(iotest.ErrReader(fmt.Errorf("no entropy")), start())
	require.ErrorContains(t, err, "no entropy")
	_, err = sim.Create(zeros{}, start())
	require.ErrorContains(t, err, "not random")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestFilesAreRedacted(t *testing.T) {
	f := create(t, 1)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		require.Equal(t, "redacted", fmt.Sprintf(format, f))
	}
}

// TestErrorsKeepKeys: an error about a key file says nothing of its contents.
func TestErrorsKeepKeys(t *testing.T) {
	f := copyFiles(create(t, 1))
	secret := "c2VjcmV0IGtleSBtYXRlcmlhbA=="
	f[sim.FileAttestationKey] = []byte("-----BEGIN PRIVATE KEY-----\n" + secret + "\n-----END PRIVATE KEY-----\n")
	_, err := sim.Load(f, sim.Config{Measurement: [32]byte{1}, Now: start})
	require.ErrorContains(t, err, sim.FileAttestationKey)
	require.False(t, strings.Contains(err.Error(), secret))
}

func copyFiles(f sim.Files) sim.Files {
	out := sim.Files{}
	for k, v := range f {
		out[k] = v
	}
	return out
}
