package quote

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// SimulationRootName is the subject common name of every simulation root.
const SimulationRootName = "SCBR simulation root"

// Positions in a chain: leaf first, as in every quote.
const (
	posPCK = iota
	posIntermediate
	posRoot
	chainLen
)

const pemCertificate = "CERTIFICATE"

type chain [chainLen]*x509.Certificate

// IsSimulationRoot tells whether a root certificate says that it is a simulation
// root.
func IsSimulationRoot(c *x509.Certificate) bool {
	return c.Subject.CommonName == SimulationRootName
}

// parseChain reads the certification data: exactly three certificates in
// canonical PEM. The last line feed may be missing, and one NUL may end the text
// (Intel's library writes a C string).
func parseChain(data []byte) (chain, error) {
	var c chain
	rest := bytes.TrimSuffix(data, []byte{0})
	for i := range c {
		block, tail := pem.Decode(rest)
		if block == nil {
			return chain{}, fmt.Errorf("%d certificates, %d expected", i, chainLen)
		}
		if !canonicalPEM(block, rest[:len(rest)-len(tail)], i == chainLen-1) {
			return chain{}, errors.New("not canonical PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return chain{}, err
		}
		c[i], rest = cert, tail
	}
	if len(rest) != 0 {
		return chain{}, errors.New("data after the root certificate")
	}
	return c, nil
}

// canonicalPEM tells whether text is the one encoding of the certificate, so that
// no bit of it is without meaning. The line feed after the last may be missing.
func canonicalPEM(block *pem.Block, text []byte, last bool) bool {
	if block.Type != pemCertificate || len(block.Headers) != 0 {
		return false
	}
	want := pem.EncodeToMemory(block)
	if last && bytes.Equal(text, want[:len(want)-1]) {
		return true
	}
	return bytes.Equal(text, want)
}

// checkKeys: every key, and thereby every signature, is ECDSA on P-256.
func (c *chain) checkKeys() error {
	for i, cert := range c {
		if err := checkKey(cert); err != nil {
			return fmt.Errorf("%s certificate: %w", position(i), err)
		}
	}
	return nil
}

func checkKey(cert *x509.Certificate) error {
	if p256Key(cert) == nil {
		return errors.New("its key is not ECDSA on P-256")
	}
	if cert.SignatureAlgorithm != x509.ECDSAWithSHA256 {
		return errors.New("its signature is not ECDSA with SHA-256")
	}
	return nil
}

func p256Key(cert *x509.Certificate) *ecdsa.PublicKey {
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil
	}
	return key
}

// checkFlags: the leaf signs data, the other two sign certificates and allow for
// what stands below them.
func (c *chain) checkFlags() error {
	leaf := c[posPCK]
	if leaf.IsCA || !leaf.BasicConstraintsValid || leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return errors.New("the PCK certificate is not one of a leaf that signs data")
	}
	for i := posIntermediate; i < chainLen; i++ {
		if err := checkCA(c[i], i-posIntermediate); err != nil {
			return fmt.Errorf("%s certificate: %w", position(i), err)
		}
	}
	for i, cert := range c {
		if len(cert.UnhandledCriticalExtensions) != 0 {
			return fmt.Errorf("%s certificate: unknown critical extension", position(i))
		}
	}
	return nil
}

// checkCA: the certificate may sign certificates with below CAs beneath it.
func checkCA(cert *x509.Certificate, below int) error {
	if cert.Version != 3 || !cert.BasicConstraintsValid || !cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return errors.New("not a certificate authority")
	}
	if cert.MaxPathLen >= 0 && cert.MaxPathLen < below {
		return errors.New("its path length forbids this chain")
	}
	return nil
}

// checkSignatures: each certificate is named and signed by the next one. The root
// is pinned as a whole, its own signature proves nothing.
func (c *chain) checkSignatures() error {
	for i := range posRoot {
		if err := issuedBy(c[i], c[i+1]); err != nil {
			return fmt.Errorf("%s certificate: %w", position(i), err)
		}
	}
	return nil
}

func issuedBy(child, parent *x509.Certificate) error {
	if !bytes.Equal(child.RawIssuer, parent.RawSubject) {
		return errors.New("issued by another name")
	}
	if len(child.AuthorityKeyId) != 0 && !bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId) {
		return errors.New("issued by another key")
	}
	return child.CheckSignatureFrom(parent)
}

// checkValidity: every certificate is valid at now.
func (c *chain) checkValidity(now time.Time) error {
	for i, cert := range c {
		if err := validAt(position(i)+" certificate", cert, now); err != nil {
			return err
		}
	}
	return nil
}

// validFrom is the latest NotBefore of the chain.
func (c *chain) validFrom() time.Time {
	return slices.MaxFunc(c[:], func(a, b *x509.Certificate) int { return a.NotBefore.Compare(b.NotBefore) }).NotBefore
}

// validUntil is the earliest NotAfter of the chain.
func (c *chain) validUntil() time.Time {
	return slices.MinFunc(c[:], func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
}

func position(i int) string {
	switch i {
	case posPCK:
		return "PCK"
	case posIntermediate:
		return "intermediate"
	default:
		return "root"
	}
}
