package quote

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// minAMDKeyBits is the size of AMD's RSA keys.
const minAMDKeyBits = 4096

// snpCollateralJSON is the collateral of an SEV-SNP report: certificates in PEM (the
// first also as hexadecimal DER, as AMD's service gives it), the list as hexadecimal
// DER or PEM.
type snpCollateralJSON struct {
	VCEK  *string `json:"vcek"`
	Chain *string `json:"cert_chain"`
	CRL   *string `json:"crl"`
}

// snpCollateral is who vouches for the key of a report: the key's certificate (VCEK
// or VLEK), AMD's signing key for its kind, AMD's root, and the list of what the
// root has revoked.
type snpCollateral struct {
	leaf, signer, root *x509.Certificate
	crl                *x509.RevocationList // nil: not there
}

// parseSNPCollateral reads the JSON; it verifies nothing.
func parseSNPCollateral(b []byte) (*snpCollateral, error) {
	var j snpCollateralJSON
	if err := decodeCollateral(b, &j, "vcek, cert_chain and crl"); err != nil {
		return nil, err
	}
	var m members
	leaf, chain := need(&m, "vcek", j.VCEK), need(&m, "cert_chain", j.Chain)
	if m.err != nil {
		return nil, m.err
	}
	var c snpCollateral
	var err error
	if c.leaf, err = certificateOf(leaf); err != nil {
		return nil, named("vcek", err)
	}
	issuers, err := parseIssuerChain(chain)
	if err != nil {
		return nil, named("cert_chain", err)
	}
	c.signer, c.root = issuers[0], issuers[1]
	return &c, named("crl", readCRL(&c.crl, j.CRL))
}

// certificateOf reads one certificate in canonical PEM or hexadecimal DER.
func certificateOf(text string) (*x509.Certificate, error) {
	if der, err := hex.DecodeString(text); err == nil {
		return x509.ParseCertificate(der)
	}
	return parseCertificate(text)
}

// checkKeys: AMD's own keys are RSA of 4,096 bits and sign with PSS and SHA-384, the
// chip's is ECDSA on P-384.
func (c *snpCollateral) checkKeys() error {
	for _, cert := range [...]*x509.Certificate{c.signer, c.root} {
		key, ok := cert.PublicKey.(*rsa.PublicKey)
		if !ok || key.N.BitLen() < minAMDKeyBits {
			return errors.New("AMD's certificate: its key is not RSA of 4,096 bits")
		}
	}
	for _, cert := range [...]*x509.Certificate{c.leaf, c.signer, c.root} {
		if cert.SignatureAlgorithm != x509.SHA384WithRSAPSS {
			return errors.New("certificate: its signature is not RSA-PSS with SHA-384")
		}
	}
	if key, ok := c.leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P384() {
		return errors.New("the chip's certificate: its key is not ECDSA on P-384")
	}
	return nil
}

// checkFlags: AMD's two certificates are authorities, the chip's is none.
func (c *snpCollateral) checkFlags() error {
	if c.leaf.IsCA || !c.isVCEK() && !c.isVLEK() {
		return errors.New("the chip's certificate is neither a VCEK nor a VLEK")
	}
	if err := checkCA(c.signer, 0); err != nil {
		return fmt.Errorf("AMD's signing certificate: %w", err)
	}
	if err := checkCA(c.root, 1); err != nil {
		return fmt.Errorf("AMD's root certificate: %w", err)
	}
	for _, cert := range [...]*x509.Certificate{c.leaf, c.signer, c.root} {
		if len(cert.UnhandledCriticalExtensions) != 0 {
			return errors.New("unknown critical extension")
		}
	}
	return nil
}

func (c *snpCollateral) isVCEK() bool { return c.leaf.Subject.CommonName == "SEV-VCEK" }
func (c *snpCollateral) isVLEK() bool { return c.leaf.Subject.CommonName == "SEV-VLEK" }

// checkSignatures: the chip's certificate by AMD's signing key, that by the root.
func (c *snpCollateral) checkSignatures() error {
	if err := issuedBy(c.leaf, c.signer); err != nil {
		return fmt.Errorf("the chip's certificate: %w", err)
	}
	if err := issuedBy(c.signer, c.root); err != nil {
		return fmt.Errorf("AMD's signing certificate: %w", err)
	}
	return nil
}

func (c *snpCollateral) checkValidity(now time.Time) error {
	err := validAt("the chip's certificate", c.leaf, now)
	if err == nil {
		err = validAt("AMD's signing certificate", c.signer, now)
	}
	if err == nil {
		err = validAt("AMD's root certificate", c.root, now)
	}
	return err
}

// Extensions of the chip's certificate (AMD document 57230, "VCEK Certificate").
const (
	arcAMDProduct = 2
	arcAMDTCB     = 3 // with an arc of its own for each version
	arcAMDHWID    = 4

	amdBootloader = 1
	amdTEE        = 2
	amdSNP        = 3
	amdMicrocode  = 8
	amdFMC        = 9
)

func oidAMD() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1} }

// extension returns the value of one of AMD's extensions, nil if there is none.
func (c *snpCollateral) extension(arcs ...int) []byte {
	oid := append(oidAMD(), arcs...)
	for i := range c.leaf.Extensions {
		if c.leaf.Extensions[i].Id.Equal(oid) {
			return c.leaf.Extensions[i].Value
		}
	}
	return nil
}

// product is the family that the key is for, such as "Milan-B0".
func (c *snpCollateral) product() (string, error) {
	var name string
	rest, err := asn1.UnmarshalWithParams(c.extension(arcAMDProduct), &name, "ia5")
	if err != nil || len(rest) != 0 {
		return "", errors.New("the chip's certificate names no product")
	}
	return name, nil
}

// family is the product without its stepping, such as "Milan"; "" if it names none.
func (c *snpCollateral) family() string {
	name, err := c.product()
	if err != nil {
		return ""
	}
	family, _, _ := strings.Cut(name, "-")
	return family
}

func (c *snpCollateral) turin() bool { return strings.HasPrefix(c.family(), "Turin") }

// version reads one security version.
func (c *snpCollateral) version(arc int) (uint8, error) {
	n, err := integer(asn1.RawValue{FullBytes: c.extension(arcAMDTCB, arc)}, 1<<8)
	if err != nil {
		return 0, errors.New("the chip's certificate lacks a security version")
	}
	return uint8(n), nil
}

func (c *snpCollateral) tcb() (t GuestTCB, err error) {
	for _, f := range []struct {
		arc int
		dst *uint8
	}{{amdBootloader, &t.Bootloader}, {amdTEE, &t.TEE}, {amdSNP, &t.SNP}, {amdMicrocode, &t.Microcode}} {
		if *f.dst, err = c.version(f.arc); err != nil {
			return t, err
		}
	}
	if c.turin() {
		t.FMC, err = c.version(amdFMC)
	}
	return t, err
}

// checkReport: the key's certificate is for exactly the versions and the chip that
// the report names.
func (c *snpCollateral) checkReport(f *SNPFields) error {
	if _, err := c.product(); err != nil {
		return err
	}
	tcb, err := c.tcb()
	if err != nil {
		return err
	}
	if tcb != decodeTCB(f.TCB, c.turin()) {
		return errors.New("the report is of other security versions than its key")
	}
	if c.isVLEK() != (f.SigningKey == snpKeyVLEK) {
		return errors.New("the report names another kind of key than signed it")
	}
	if c.isVLEK() { // it is no chip's
		return nil
	}
	return c.checkChip(f)
}

// checkChip compares the hardware id: 64 bytes as they are (no ASN.1), since Turin 8,
// after which the report has zeros. A report that hides the chip is refused: its key cannot be
// bound to it.
func (c *snpCollateral) checkChip(f *SNPFields) error {
	id := c.extension(arcAMDHWID)
	if len(id) != len(f.ChipID) && (len(id) != 8 || !c.turin()) {
		return errors.New("the chip's certificate has no hardware id")
	}
	if f.ChipID == [64]byte{} || !bytes.Equal(id, f.ChipID[:len(id)]) || len(bytes.Trim(f.ChipID[len(id):], "\x00")) != 0 {
		return errors.New("the report is of another chip than its key")
	}
	return nil
}

// checkSignature: the chip's key signed the report (ECDSA, P-384, SHA-384).
func (c *snpCollateral) checkSignature(r *SNPReport) error {
	key, ok := c.leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("no ECDSA key")
	}
	digest := sha512.Sum384(r[:offSNPSignature])
	if !ecdsa.Verify(key, digest[:], littleEndian(r[offSNPSignature:]), littleEndian(r[offSNPSignature+snpScalarBytes:])) {
		return errors.New("the chip's key did not sign this report")
	}
	return nil
}

func littleEndian(b []byte) *big.Int {
	reversed := make([]byte, snpScalarBytes)
	for i := range reversed {
		reversed[i] = b[snpScalarBytes-1-i]
	}
	return new(big.Int).SetBytes(reversed)
}
