package sim

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
)

const (
	tcbSignerName  = "SCBR simulation TCB Signing"
	tcbSignerLabel = "scbr/sim/tcb-signing/v1"
)

// publisher signs collateral: the authorities of a platform's chain and a TCB
// signer below the root. The TCB signer's key and certificate follow from the
// root's, so that a platform's files need no more than the authorities' keys.
type publisher struct {
	chain                            [3]*x509.Certificate // PCK, intermediate, root
	rootKey, intermediateKey, pckKey *ecdsa.PrivateKey
	signer                           *x509.Certificate
	signerKey                        *ecdsa.PrivateKey
}

func newPublisher(chain [3]*x509.Certificate, rootKey, intermediateKey, pckKey *ecdsa.PrivateKey) (*publisher, error) {
	p := &publisher{chain: chain, rootKey: rootKey, intermediateKey: intermediateKey, pckKey: pckKey}
	var err error
	if p.signerKey, err = derivedKey(rootKey, tcbSignerLabel); err != nil {
		return nil, err
	}
	root := chain[2]
	serial := sha256.Sum256(append([]byte(tcbSignerLabel), root.Raw...))
	tmpl := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:16]),
		Subject:      pkix.Name{CommonName: tcbSignerName, Organization: []string{organization}},
		NotBefore:    root.NotBefore, NotAfter: root.NotAfter,
		SignatureAlgorithm: x509.ECDSAWithSHA256, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
	}
	p.signer, err = sign(tmpl, root, p.signerKey, rootKey)
	return p, err
}

// derivedKey makes a P-256 key out of another, by HKDF-SHA256 under a label.
func derivedKey(from *ecdsa.PrivateKey, label string) (*ecdsa.PrivateKey, error) {
	secret, err := from.Bytes()
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	for n := range byte(16) { // each fails with a probability of 2^-32
		b, err := hkdf.Key(sha256.New, secret, nil, label+string('0'+n), keyBytes/2)
		if err != nil {
			return nil, err
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), b); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("sim: no key")
}

// publish signs collateral: sgx_ql_qve_collateral_t as JSON.
func (p *publisher) publish(c *Collateral) ([]byte, error) {
	rootChain := string(certificatePEM(p.chain[2].Raw))
	signerChain := string(certificatePEM(p.signer.Raw)) + rootChain
	members := map[string]string{
		"pck_crl_issuer_chain":     string(certificatePEM(p.chain[1].Raw)) + rootChain,
		"tcb_info_issuer_chain":    signerChain,
		"qe_identity_issuer_chain": signerChain,
	}
	tcbKey := p.signerKey
	switch {
	case c.ByIntermediate:
		tcbKey = p.intermediateKey
		members["tcb_info_issuer_chain"] = string(certificatePEM(p.chain[1].Raw)) + rootChain
	case c.ByPCK:
		tcbKey = p.pckKey
		members["tcb_info_issuer_chain"] = string(certificatePEM(p.chain[0].Raw)) + rootChain
	}
	for _, d := range []struct {
		name  string
		value any
		edit  func(string) string
		key   *ecdsa.PrivateKey
	}{
		{"tcb_info", c.TCBInfo, c.EditTCBInfo, tcbKey},
		{"qe_identity", c.QEIdentity, c.EditQEIdentity, p.signerKey},
	} {
		body, err := text(d.value, d.edit)
		if err != nil {
			return nil, err
		}
		sig, err := signRaw(d.key, []byte(body))
		if err != nil {
			return nil, err
		}
		members[d.name], members[d.name+"_signature"] = body, hex.EncodeToString(sig[:])
	}
	if err := p.lists(c, members); err != nil {
		return nil, err
	}
	if c.Edit != nil {
		c.Edit(members)
	}
	b, err := json.Marshal(members)
	if err == nil && c.EditText != nil {
		b = []byte(c.EditText(string(b)))
	}
	return b, err
}

func (p *publisher) lists(c *Collateral, members map[string]string) error {
	root, intermediate := issuer{p.chain[2], p.rootKey}, issuer{p.chain[1], p.intermediateKey}
	for _, l := range []struct {
		name       string
		list       *List
		by, beside issuer
	}{{"root_ca_crl", &c.RootCRL, root, intermediate}, {"pck_crl", &c.PlatformCRL, intermediate, root}} {
		if l.list.Missing {
			continue
		}
		by := l.by
		switch {
		case l.list.ForeignIssuer:
			by = l.beside
		case l.list.ForeignKey:
			by.key = p.signerKey
		}
		der, err := by.revoke(l.list)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		members[l.name] = hex.EncodeToString(der)
	}
	return nil
}

// issuer signs revocation lists.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Public implements crypto.Signer with the key of the certificate, so that a
// forged list can be signed by another.
func (i issuer) Public() crypto.PublicKey { return i.cert.PublicKey }

// Sign implements crypto.Signer without randomness (RFC 6979).
func (i issuer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return i.key.Sign(nil, digest, opts)
}

func (i issuer) revoke(l *List) ([]byte, error) {
	tmpl := &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, SignatureAlgorithm: x509.ECDSAWithSHA256,
	}
	for _, serial := range l.Revoked {
		tmpl.RevokedCertificateEntries = append(tmpl.RevokedCertificateEntries, x509.RevocationListEntry{
			SerialNumber: serial, RevocationTime: l.ThisUpdate,
		})
	}
	if l.Critical {
		tmpl.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
	}
	cert := *i.cert
	if len(cert.SubjectKeyId) == 0 { // a forged authority that is none
		cert.SubjectKeyId = []byte{0}
	}
	if l.ForeignKey { // x509 verifies what it has signed, in vain here
		cert.PublicKey = &i.key.PublicKey
		i.cert = &cert
	}
	return x509.CreateRevocationList(bytes.NewReader(nil), tmpl, &cert, i)
}

// fresh is honest collateral at now, remade when it is an hour old.
func (p *Platform) fresh() ([]byte, error) {
	now := p.cfg.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if age := now.Sub(p.issued); p.collateral != nil && age >= 0 && age < collateralAge {
		return bytes.Clone(p.collateral), nil
	}
	c := newCollateral(now, p.variant.TDX)
	c.Intermediate, c.PCK, c.TCBSigner = p.publisher.chain[1].SerialNumber, p.publisher.chain[0].SerialNumber, p.publisher.signer.SerialNumber
	if p.variant.Collateral != nil {
		p.variant.Collateral(&c)
	}
	b, err := p.publisher.publish(&c)
	if err != nil {
		return nil, fmt.Errorf("sim: collateral: %w", err)
	}
	p.collateral, p.issued = b, now
	return bytes.Clone(b), nil
}
