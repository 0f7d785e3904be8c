package sim

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"io"
	"time"

	"github.com/scbr/scbr/keyx/quote"
)

// Flaw is one thing that is wrong with forged evidence. Everything else about it
// is right and properly signed, so that only the check for this flaw refuses it.
type Flaw uint8

// Flaws, and the check of keyx/quote that refuses each.
const (
	// FlawNone is no flaw.
	FlawNone Flaw = iota
	// FlawCertTypePPID says that the certification data is a PPID (cert-type).
	FlawCertTypePPID
	// FlawExtraCertificate repeats the intermediate (chain-format).
	FlawExtraCertificate
	// FlawNoIntermediate leaves the intermediate out (chain-format).
	FlawNoIntermediate
	// FlawChainReversed sends the root first (chain-root).
	FlawChainReversed
	// FlawPCKKeyP384 has a PCK key on another curve (chain-key).
	FlawPCKKeyP384
	// FlawIntermediateKeyP384 has an intermediate key on another curve (chain-key).
	FlawIntermediateKeyP384
	// FlawIntermediateNotCA lacks the CA flag (chain-ca).
	FlawIntermediateNotCA
	// FlawIntermediateNoCertSign lacks the key usage (chain-ca).
	FlawIntermediateNoCertSign
	// FlawRootPathLen has a root that allows no intermediate (chain-ca).
	FlawRootPathLen
	// FlawPCKIsCA has a leaf that is a CA (chain-ca).
	FlawPCKIsCA
	// FlawPCKExpired has a leaf that ended before now (chain-validity).
	FlawPCKExpired
	// FlawIntermediateExpired has an intermediate that did (chain-validity).
	FlawIntermediateExpired
	// FlawPCKNotYetValid has a leaf that begins after now (chain-validity).
	FlawPCKNotYetValid
	// FlawNoSGXExtension has a leaf that is no PCK certificate (pck-extension).
	FlawNoSGXExtension
	// FlawQEUnsigned changes the QE report after signing (qe-signature).
	FlawQEUnsigned
	// FlawQEOtherKey has a QE report that names no such key (qe-binding).
	FlawQEOtherKey
	// FlawQEReportDataTail has more than the hash there (qe-binding).
	FlawQEReportDataTail
	// FlawQEDebug has a debug quoting enclave (qe-debug).
	FlawQEDebug
	// FlawOtherAttestationKey signs the quote with the PCK key (quote-signature).
	FlawOtherAttestationKey
	// FlawBodyChanged changes the body after signing (quote-signature).
	FlawBodyChanged

	flawCount
)

// Flaws lists all flaws except FlawNone.
func Flaws() []Flaw {
	all := make([]Flaw, 0, flawCount)
	for f := FlawNone + 1; f < flawCount; f++ {
		all = append(all, f)
	}
	return all
}

// Forge makes a simulated platform whose evidence has one flaw. Policy of the
// result names its root and measurement, so that nothing but the flaw is wrong.
func Forge(rand io.Reader, now time.Time, cfg Config, flaw Flaw) (*Platform, error) {
	return forge(rand, now, cfg, flaw, Variant{})
}

// ForgeVariant makes a simulated platform of another kind, or with other
// collateral, than Create does.
func ForgeVariant(rand io.Reader, now time.Time, cfg Config, v Variant) (*Platform, error) {
	return forge(rand, now, cfg, FlawNone, v)
}

func forge(rand io.Reader, now time.Time, cfg Config, flaw Flaw, v Variant) (*Platform, error) {
	m, err := newMachine(rand, now, flaw, v)
	if err != nil {
		return nil, fmt.Errorf("sim: forge: %w", err)
	}
	publisher, err := newPublisher(m.certs, m.keys[keyRoot], m.keys[keyIntermediate], m.keys[keyPCK])
	if err != nil {
		return nil, fmt.Errorf("sim: forge: %w", err)
	}
	set := fileSet{
		root: m.certs[2], chainPEM: flaw.chain(m), attestationKey: m.keys[keyAttestation], evidence: m.evidence, publisher: publisher,
	}
	if flaw == FlawOtherAttestationKey {
		set.attestationKey = m.keys[keyPCK]
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return now }
	}
	return newPlatform(&set, cfg, flaw, v)
}

func (f Flaw) curve(key int) elliptic.Curve {
	if f == FlawPCKKeyP384 && key == keyPCK || f == FlawIntermediateKeyP384 && key == keyIntermediate {
		return elliptic.P384()
	}
	return elliptic.P256()
}

func (f Flaw) inTemplates(root, intermediate, pck *x509.Certificate) {
	now := pck.NotBefore.Add(backdate)
	switch f {
	case FlawIntermediateNotCA:
		intermediate.IsCA, intermediate.MaxPathLenZero = false, false
	case FlawIntermediateNoCertSign:
		intermediate.KeyUsage = x509.KeyUsageCRLSign
	case FlawRootPathLen:
		authority(root, 0)
	case FlawPCKIsCA:
		pck.IsCA, pck.MaxPathLenZero = true, true
	case FlawPCKExpired:
		pck.NotAfter = now.Add(-time.Second)
	case FlawIntermediateExpired:
		intermediate.NotAfter = now.Add(-time.Second)
	case FlawPCKNotYetValid:
		pck.NotBefore = now.Add(time.Second)
	case FlawNoSGXExtension:
		pck.ExtraExtensions = nil
	case FlawIntermediateKeyP384:
		pck.SignatureAlgorithm = x509.ECDSAWithSHA384
	default: // the flaw is elsewhere
	}
}

func (f Flaw) chain(m *machine) []byte {
	order := []int{0, 1, 2}
	switch f {
	case FlawExtraCertificate:
		order = []int{0, 1, 1, 2}
	case FlawNoIntermediate:
		order = []int{0, 2}
	case FlawChainReversed:
		order = []int{2, 1, 0}
	default: // the flaw is elsewhere
	}
	var out []byte
	for _, i := range order {
		out = append(out, certificatePEM(m.certs[i].Raw)...)
	}
	return out
}

func (f Flaw) inQEReport(r *quote.ReportFields) {
	switch f {
	case FlawQEOtherKey:
		r.ReportData[0] ^= 1
	case FlawQEReportDataTail:
		r.ReportData[63] = 1
	case FlawQEDebug:
		r.Attributes |= quote.AttributeDebug
	default: // the flaw is elsewhere
	}
}

func (f Flaw) beforeSigning(q *quote.Quote) {
	switch f {
	case FlawCertTypePPID:
		q.CertType = 3 // PPID encrypted with RSA-3072-OAEP
	case FlawQEUnsigned:
		q.QEReport[quote.ReportBytes-1] ^= 1
	default: // the flaw is elsewhere
	}
}

func (f Flaw) afterSigning(q *quote.Quote) {
	if f == FlawBodyChanged {
		q.Body[0] ^= 1
	}
}
