package quote

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newChain makes a chain that every check accepts, except for what edit changes
// in the template of the certificate at each position. Issuers are named by the
// unedited templates.
func newChain(t *testing.T, edit func(position int, c *x509.Certificate)) chain {
	t.Helper()
	var keys [chainLen]*ecdsa.PrivateKey
	var issuers, certs chain
	for i := chainLen - 1; i >= 0; i-- {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		keys[i] = key
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: position(i)},
			NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
			SignatureAlgorithm: x509.ECDSAWithSHA256, BasicConstraintsValid: true,
			KeyUsage: x509.KeyUsageDigitalSignature, SubjectKeyId: []byte{byte(i)},
		}
		if i != posPCK {
			tmpl.IsCA, tmpl.KeyUsage, tmpl.MaxPathLen = true, x509.KeyUsageCertSign, i-posIntermediate
			tmpl.MaxPathLenZero = tmpl.MaxPathLen == 0
		}
		issuers[i] = tmpl
		edited := *tmpl
		edit(i, &edited)
		above := min(i+1, posRoot)
		der, err := x509.CreateCertificate(rand.Reader, &edited, issuers[above], &key.PublicKey, keys[above])
		require.NoError(t, err)
		certs[i], err = x509.ParseCertificate(der)
		require.NoError(t, err)
	}
	return certs
}

// checkAll makes the checks that look at the chain alone.
func checkAll(c *chain) []error {
	return []error{c.checkKeys(), c.checkFlags(), c.checkSignatures(), c.checkValidity(time.Unix(1<<31, 0))}
}

// TestChainFaultsAlone: each of these is the only fault of its chain, which
// exactly one check notices.
func TestChainFaultsAlone(t *testing.T) {
	for _, err := range func() []error { c := newChain(t, func(int, *x509.Certificate) {}); return checkAll(&c) }() {
		require.NoError(t, err)
	}
	for name, edit := range map[string]func(*x509.Certificate){
		"its signature is not ECDSA with SHA-256": func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA384 },
		"unknown critical extension": func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		},
		"issued by another name": func(c *x509.Certificate) { c.Subject.CommonName += "2" },
	} {
		for at := range chainLen {
			if at == posPCK && name == "issued by another name" {
				continue // nothing is issued by a leaf
			}
			c := newChain(t, func(i int, tmpl *x509.Certificate) {
				if i == at {
					edit(tmpl)
				}
			})
			var found []error
			for _, err := range checkAll(&c) {
				if err != nil {
					found = append(found, err)
				}
			}
			require.Len(t, found, 1, "%s at the %s", name, position(at))
			require.ErrorContains(t, found[0], name)
		}
	}
	c := newChain(t, func(i int, tmpl *x509.Certificate) {
		tmpl.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: []byte{5, 0}}}
	})
	require.NoError(t, c.checkFlags(), "an unknown one that is not critical may be there")
}
