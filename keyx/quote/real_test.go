package quote_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx/quote"
)

// realQuote is a quote of real hardware with what it says, read off by other
// people's tools.
type realQuote struct {
	file, measurement, signer, fmspc, reportData string
	at, until                                    time.Time
}

func realQuotes() []realQuote {
	return []realQuote{
		{
			file:        "phala/sgx_quote",
			measurement: "33d8736db756ed4997e04ba358d27833188f1932ff7b1d156904d3f560452fbb",
			signer:      "815f42f11cf64430c30bab7816ba596a1da0130c3b028b673133a66cf9a3e0e6",
			fmspc:       "00a067110000",
			reportData:  hex.EncodeToString([]byte("Hello, world!")),
			at:          time.Date(2025, 7, 4, 9, 19, 31, 0, time.UTC),
			until:       time.Date(2030, 9, 20, 21, 53, 43, 0, time.UTC),
		},
		{
			file:        "oasis/quote_v3_ecdsa_p256_pck_chain.bin",
			measurement: "68823bc62f409ee33a32ea270cfe45d4b19a6fb3c8570d7bc186cbe062398e8f",
			signer:      "9affcfae47b848ec2caf1c49b4b283531e1cc425f93582b36806e52a43d78d1a",
			fmspc:       "00606a000000",
			reportData:  "026a69ced96c3e0295d16d6b388e057a137a14319671662a5844c7472f3c62ae0e3d3f99b77dd89b0fc1436c4fe96828391a52588a0f883455a18b8f5872e3f0",
			at:          time.Date(2025, 9, 14, 4, 36, 45, 0, time.UTC),
			until:       time.Date(2029, 12, 5, 11, 12, 1, 0, time.UTC),
		},
	}
}

func (q realQuote) attempt(t testing.TB) attempt {
	t.Helper()
	for _, c := range realCases(t) {
		if c.Quote != q.file || !c.At.Equal(q.at) {
			continue
		}
		a := attempt{raw: realRaw(t, q.file), collateral: c.collateral(t).json(t), now: q.at}
		a.policy, a.reportData = accepting(t, a.raw, intelRoots(t))
		return a
	}
	t.Fatal("no such case")
	return attempt{}
}

func TestRealQuotes(t *testing.T) {
	for _, q := range realQuotes() {
		t.Run(q.file, func(t *testing.T) {
			a := q.attempt(t)
			v, err := a.verify()
			require.NoError(t, err)
			require.True(t, v.Accepted)
			require.False(t, v.Simulated)
			require.False(t, v.Debug)
			require.Equal(t, q.measurement, hex.EncodeToString(v.Measurement))
			require.Equal(t, q.signer, hex.EncodeToString(v.Signer))
			require.Equal(t, q.fmspc, hex.EncodeToString(v.FMSPC[:]))
			require.Equal(t, q.until, v.Terms[0].Until)
			require.Equal(t, q.reportData, hex.EncodeToString(v.ReportData[:len(q.reportData)/2]))

			b := a
			b.now = q.until.Add(time.Second)
			requireRefused(t, b, quote.CheckChainValidity)
			b = a
			b.policy.Roots = []*x509.Certificate{namesake(t, a.policy.Roots[0])}
			requireRefused(t, b, quote.CheckChainRoot)
			b = a
			b.raw[offBody+48] |= 2 // debug, which the signature denies
			v = requireRefused(t, b, quote.CheckQuoteSignature)
			require.True(t, v.Debug)
		})
	}
}

func TestRealPPIDQuote(t *testing.T) {
	a := realQuotes()[1].attempt(t)
	a.raw = realRaw(t, "oasis/quote_v3_ecdsa_p256_eppid.bin")
	v := requireRefused(t, a, quote.CheckCertType)
	require.NotEmpty(t, v.Measurement, "the identity is told all the same")
}

// namesake makes a root with another's whole subject but an own key.
func namesake(t testing.TB, root *x509.Certificate) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := *root
	tmpl.PublicKey, tmpl.AuthorityKeyId = nil, nil
	der, err := x509.CreateCertificate(rand.Reader, &tmpl, &tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	require.Equal(t, root.RawSubject, c.RawSubject)
	return c
}
