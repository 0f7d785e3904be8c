package sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/scbr/scbr/keyx/quote"
)

// Lifetimes of the simulated certificates. A development directory outlives a
// project; the intermediate and the PCK certificate follow Intel's 15 and 7 years.
const (
	rootYears         = 30
	intermediateYears = 15
	pckYears          = 7

	// backdate makes certificates valid for peers whose clocks lag behind.
	backdate = time.Hour

	organization = "SCBR simulation, no hardware"
)

// machine is everything a simulated platform consists of.
type machine struct {
	keys     [keyCount]*ecdsa.PrivateKey
	certs    [3]*x509.Certificate // PCK, intermediate, root: the order in a quote
	evidence qeEvidence
}

// Keys of a machine.
const (
	keyRoot = iota
	keyIntermediate
	keyPCK
	keyAttestation
	keyCount
)

// Create makes a new simulated platform: keys from rand, certificates valid from
// now on. The result holds private keys; see Files.
func Create(rand io.Reader, now time.Time) (Files, error) {
	m, err := newMachine(rand, now, FlawNone, Variant{})
	if err != nil {
		return nil, fmt.Errorf("sim: create: %w", err)
	}
	return m.files()
}

func newMachine(rand io.Reader, now time.Time, flaw Flaw, v Variant) (*machine, error) {
	var m machine
	for i := range m.keys {
		key, err := generateKey(rand, flaw.curve(i))
		if err != nil {
			return nil, err
		}
		m.keys[i] = key
	}
	if err := m.certify(rand, now.UTC().Truncate(time.Second), flaw); err != nil {
		return nil, err
	}
	auth := make([]byte, authBytes)
	if _, err := io.ReadFull(rand, auth); err != nil {
		return nil, err
	}
	e, err := newEvidence(m.keys[keyPCK], m.keys[keyAttestation], auth, flaw, v)
	m.evidence = e
	return &m, err
}

// certify makes the three certificates, root first.
func (m *machine) certify(rand io.Reader, now time.Time, flaw Flaw) error {
	root, err := template(rand, quote.SimulationRootName, now, rootYears)
	if err != nil {
		return err
	}
	authority(root, 1)
	intermediate, err := template(rand, "SCBR simulation PCK Platform CA", now, intermediateYears)
	if err != nil {
		return err
	}
	authority(intermediate, 0)
	pck, err := template(rand, "SCBR simulation PCK Certificate", now, pckYears)
	if err != nil {
		return err
	}
	pck.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if err := addSGXExtension(rand, pck); err != nil {
		return err
	}
	flaw.inTemplates(root, intermediate, pck)
	if m.certs[2], err = sign(root, root, m.keys[keyRoot], m.keys[keyRoot]); err != nil {
		return err
	}
	if m.certs[1], err = sign(intermediate, m.certs[2], m.keys[keyIntermediate], m.keys[keyRoot]); err != nil {
		return err
	}
	m.certs[0], err = sign(pck, m.certs[1], m.keys[keyPCK], m.keys[keyIntermediate])
	return err
}

// template is what all three certificates share. The serial number has 159 bits,
// as many as RFC 5280 allows without a sign octet.
func template(rand io.Reader, name string, now time.Time, years int) (*x509.Certificate, error) {
	var serial [20]byte
	if _, err := io.ReadFull(rand, serial[:]); err != nil {
		return nil, err
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and never short
	return &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(serial[:]),
		Subject:               pkix.Name{CommonName: name, Organization: []string{organization}},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(years, 0, 0),
		SignatureAlgorithm:    x509.ECDSAWithSHA256,
		BasicConstraintsValid: true,
	}, nil
}

func authority(c *x509.Certificate, below int) {
	c.IsCA = true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	c.MaxPathLen = below
	c.MaxPathLenZero = below == 0
}

func sign(tmpl, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(nil, tmpl, parent, &key.PublicKey, parentKey) // nil: RFC 6979
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// generateKey draws a key from rand, which crypto/ecdsa would not do: it always
// uses the system's randomness, and a simulation must be repeatable.
func generateKey(rand io.Reader, curve elliptic.Curve) (*ecdsa.PrivateKey, error) {
	b := make([]byte, (curve.Params().BitSize+7)/8)
	const attempts = 64 // each fails with a probability below 2^-31
	for range attempts {
		if _, err := io.ReadFull(rand, b); err != nil {
			return nil, err
		}
		if key, err := ecdsa.ParseRawPrivateKey(curve, b); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("no key in %d draws: the reader is not random", attempts)
}
