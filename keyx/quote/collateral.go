package quote

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxCollateralBytes bounds stapled collateral. Intel's has 14 to 19 KiB, and its
// revocation lists grow.
const MaxCollateralBytes = 40 << 10

const pemCRL = "X509 CRL"

// collateralJSON is sgx_ql_qve_collateral_t of Intel's quote verification library
// as JSON: chains in PEM (issuer, root), lists in hexadecimal DER or PEM, documents
// as the exact text that is signed, signatures r || s in hexadecimal.
type collateralJSON struct {
	PCKCRLChain     *string `json:"pck_crl_issuer_chain"`
	RootCRL         *string `json:"root_ca_crl"`
	PCKCRL          *string `json:"pck_crl"`
	TCBChain        *string `json:"tcb_info_issuer_chain"`
	TCBInfo         *string `json:"tcb_info"`
	TCBSignature    *string `json:"tcb_info_signature"`
	QEChain         *string `json:"qe_identity_issuer_chain"`
	QEIdentity      *string `json:"qe_identity"`
	QESignature     *string `json:"qe_identity_signature"`
	MajorVersion    *uint16 `json:"major_version"`
	MinorVersion    *uint16 `json:"minor_version"`
	TEEType         *uint32 `json:"tee_type"`
	PCKCertificates *string `json:"pck_certificate_chain"`
}

// issuerChain is who signed a document: the signer, and the root that it stands
// under. Roots are compared, not trusted for being there.
type issuerChain [2]*x509.Certificate

// signedDocument is a document with its signature and signers, nothing verified.
type signedDocument struct {
	chain     issuerChain
	text      []byte
	signature [keyBytes]byte
}

// collateral is everything that was stapled to a quote, parsed, nothing verified.
type collateral struct {
	pckCRLChain     issuerChain
	rootCRL, pckCRL *x509.RevocationList // nil: not there
	tcbDoc, qeDoc   signedDocument
	tcb             *tcbInfo
	qe              *qeIdentity
}

// parseCollateral reads the JSON. What could be read is returned also beside an
// error, so that a refusal can still say what the platform is rated. Members that
// this package has no use for are allowed by name only.
func parseCollateral(b []byte) (*collateral, error) {
	var j collateralJSON
	if err := decodeCollateral(b, &j, "sgx_ql_qve_collateral_t"); err != nil {
		return nil, err
	}
	var c collateral
	return &c, inOneLine(
		named("tcb_info", c.readTCBInfo(&j)),
		named("qe_identity", c.readQEIdentity(&j)),
		named("root_ca_crl", readCRL(&c.rootCRL, j.RootCRL)),
		named("pck_crl", readCRL(&c.pckCRL, j.PCKCRL)),
		named("pck_crl_issuer_chain", c.readPCKCRLChain(&j)),
	)
}

// decodeCollateral reads the members of what, and no others, into v.
func decodeCollateral(b []byte, v any, what string) error {
	if len(b) > MaxCollateralBytes {
		return fmt.Errorf("%d bytes, more than %d", len(b), MaxCollateralBytes)
	}
	if err := strictJSON(b); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("not the members of %s as text", what)
	}
	return nil
}

// inOneLine is errors.Join for people: a reason is one line.
func inOneLine(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	return &joined{errs}
}

// joined are several errors, said in one line.
//
//nolint:errname // never matched by type
type joined struct{ errs []error }

func (j *joined) Unwrap() []error { return j.errs }

func (j *joined) Error() string {
	texts := make([]string, len(j.errs))
	for i, err := range j.errs {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (c *collateral) readTCBInfo(j *collateralJSON) (err error) {
	if c.tcbDoc, err = readDocument(j.TCBChain, j.TCBInfo, j.TCBSignature, parseIssuerChain); err != nil {
		return err
	}
	c.tcb, err = parseTCBInfo(c.tcbDoc.text)
	return err
}

func (c *collateral) readQEIdentity(j *collateralJSON) (err error) {
	parse := func(chain string) (issuerChain, error) {
		if known := c.tcbDoc.chain; known[0] != nil && chain == *j.TCBChain { // as a rule it is the same
			return known, nil
		}
		return parseIssuerChain(chain)
	}
	if c.qeDoc, err = readDocument(j.QEChain, j.QEIdentity, j.QESignature, parse); err != nil {
		return err
	}
	c.qe, err = parseQEIdentity(c.qeDoc.text)
	return err
}

// readPCKCRLChain: the chain of the list's issuer is a copy of what the quote
// carries, and may be left out; if it is there it has to be a chain.
func (c *collateral) readPCKCRLChain(j *collateralJSON) (err error) {
	if j.PCKCRLChain == nil || *j.PCKCRLChain == "" {
		return nil
	}
	c.pckCRLChain, err = parseIssuerChain(*j.PCKCRLChain)
	return err
}

func readDocument(chain, text, signature *string, parse func(string) (issuerChain, error)) (signedDocument, error) {
	var m members
	var d signedDocument
	d.text = []byte(need(&m, "the document", text))
	certs := need(&m, "its issuer chain", chain)
	hexBytes(&m, "its signature", signature, d.signature[:])
	if m.err != nil {
		return d, m.err
	}
	var err error
	d.chain, err = parse(certs)
	return d, err
}

// parseIssuerChain reads exactly two certificates in canonical PEM; blanks between
// and after them are Intel's service's way.
func parseIssuerChain(text string) (issuerChain, error) {
	var c issuerChain
	rest := []byte(text)
	for i := range c {
		rest = bytes.TrimLeft(rest, "\r\n")
		block, tail := pem.Decode(rest)
		if block == nil {
			return issuerChain{}, fmt.Errorf("%d certificates, %d expected", i, len(c))
		}
		if !canonicalPEM(block, rest[:len(rest)-len(tail)], true) {
			return issuerChain{}, errors.New("certificate not in canonical PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return issuerChain{}, err
		}
		c[i], rest = cert, tail
	}
	if len(bytes.Trim(rest, "\r\n\x00")) != 0 {
		return issuerChain{}, errors.New("data after the root certificate")
	}
	return c, nil
}

// readCRL reads a list if there is one.
func readCRL(dst **x509.RevocationList, text *string) error {
	if text == nil || *text == "" {
		return nil
	}
	der, err := derOfCRL(*text)
	if err != nil {
		return err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	if len(list.Raw) != len(der) {
		return errors.New("bytes after the list")
	}
	*dst = list
	return nil
}

func derOfCRL(text string) ([]byte, error) {
	if strings.HasPrefix(text, "-----BEGIN ") {
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != pemCRL || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
			return nil, errors.New("not one list in PEM")
		}
		return block.Bytes, nil
	}
	der, err := hex.DecodeString(text)
	if err != nil {
		return nil, errors.New("neither hexadecimal DER nor PEM")
	}
	return der, nil
}

// check verifies the issuers of a document against the root of the quote: the same
// root, the signer directly below it, and no CA (a TCB signing certificate is a
// leaf of its own kind; a CA could be one that signs platforms).
func (c *issuerChain) check(root *x509.Certificate, now time.Time) error {
	signer := c[0]
	if !bytes.Equal(c[1].Raw, root.Raw) {
		return errors.New("issued under another root than the quote")
	}
	if err := checkKey(signer); err != nil {
		return fmt.Errorf("signing certificate: %w", err)
	}
	if signer.IsCA || !signer.BasicConstraintsValid || signer.KeyUsage&x509.KeyUsageDigitalSignature == 0 ||
		len(signer.UnhandledCriticalExtensions) != 0 || !strings.HasSuffix(signer.Subject.CommonName, tcbSigningSuffix) {
		return errors.New("signing certificate: not one for TCB signing")
	}
	if err := issuedBy(signer, root); err != nil {
		return fmt.Errorf("signing certificate: %w", err)
	}
	return validAt("signing certificate", signer, now)
}

// tcbSigningSuffix ends the name of the certificates that sign TCB info and QE
// identity, Intel's and the simulation's.
const tcbSigningSuffix = " TCB Signing"

// verify checks the signature over the exact text.
func (d *signedDocument) verify() error {
	if !verifyP256(p256Key(d.chain[0]), d.text, &d.signature) {
		return errors.New("signature does not verify")
	}
	return nil
}

// checkCRL: the list is issued and signed by issuer, and current.
func checkCRL(list *x509.RevocationList, issuer *x509.Certificate) error {
	if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
		return errors.New("issued by another authority")
	}
	if len(list.AuthorityKeyId) != 0 && !bytes.Equal(list.AuthorityKeyId, issuer.SubjectKeyId) {
		return errors.New("issued by another key")
	}
	for _, ext := range list.Extensions {
		if ext.Critical { // delta lists, partial scopes: not the whole truth
			return errors.New("unknown critical extension")
		}
	}
	for i := range list.RevokedCertificateEntries {
		for _, ext := range list.RevokedCertificateEntries[i].Extensions {
			if ext.Critical {
				return errors.New("unknown critical extension of an entry")
			}
		}
	}
	return list.CheckSignatureFrom(issuer)
}

// within tells how now lies outside a span of validity.
func within(from, until, now time.Time) error {
	if now.Before(from) {
		return fmt.Errorf("not valid before %s", from.UTC().Format(time.RFC3339))
	}
	if until.IsZero() || now.After(until) {
		return fmt.Errorf("not valid after %s", until.UTC().Format(time.RFC3339))
	}
	return nil
}

func validAt(name string, c *x509.Certificate, now time.Time) error {
	return named(name, within(c.NotBefore, c.NotAfter, now))
}

// listed tells whether a list revokes a certificate. Every entry counts, whatever
// its reason or date.
func listed(list *x509.RevocationList, c *x509.Certificate) bool {
	for i := range list.RevokedCertificateEntries {
		if list.RevokedCertificateEntries[i].SerialNumber.Cmp(c.SerialNumber) == 0 {
			return true
		}
	}
	return false
}
