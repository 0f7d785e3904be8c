// Package sim is the simulated platform: what an SGX machine would do to vouch
// for an enclave, done by ordinary code with ordinary keys.
//
// Create makes the parts that Intel and a machine's quoting enclave have: a root
// CA, an intermediate CA, a PCK certificate with Intel's SGX extension, an
// attestation key, and the quoting enclave's report that binds it. Load turns
// them into a Platform whose quotes are DCAP version 3 byte for byte, so that
// everything behind a quote (parsing, chain, signatures, policy) is the code that
// hardware evidence goes through.
//
// Who may lie to it: whoever can write its files, and its caller: the measurement
// is what the caller says. It promises nothing about the enclave: whoever reads
// these files can vouch for any code. That is why every root carries the name
// quote.SimulationRootName, and why a policy accepts it only under
// simulated_roots. Forge makes evidence that is wrong on purpose, for tests; it
// has no more power than the files.
//
// Creating and quoting are deterministic: keys come from the given reader, times
// from the given clock, signatures follow RFC 6979.
package sim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/keyx/quote"
)

// Config is the identity of the enclave that a Platform quotes for.
type Config struct {
	// Measurement is MRENCLAVE. The caller computes it (SHA-256 of the running
	// binary); all zeros are refused.
	Measurement [32]byte
	// Signer is MRSIGNER; zero means DefaultSigner.
	Signer [32]byte
	// Product and SVN are ISVPRODID and ISVSVN.
	Product, SVN uint16
	// Debug sets the debug flag in every quote. Every verifier refuses those.
	Debug bool
	// Now is the clock that collateral is issued by; nil means time.Now.
	Now func() time.Time
}

// DefaultSigner is MRSIGNER of enclaves that name none.
func DefaultSigner() [32]byte {
	return sha256.Sum256([]byte("scbr/sim/signer/v1"))
}

// Platform quotes for one enclave. It is safe for concurrent use.
type Platform struct {
	cfg      Config
	root     *x509.Certificate
	evidence qeEvidence
	chainPEM []byte
	key      *ecdsa.PrivateKey // signs quotes; the attestation key, unless forging
	flaw     Flaw
	variant  Variant

	publisher *publisher
	mu        sync.Mutex
	// collateral was published at issued; both are guarded by mu.
	collateral []byte
	issued     time.Time
}

// Load makes a Platform of the files of Create. It refuses incomplete files and
// files of different platforms.
func Load(files Files, cfg Config) (*Platform, error) {
	set, err := parseFiles(files)
	if err != nil {
		return nil, err
	}
	return newPlatform(set, cfg, FlawNone, Variant{})
}

func newPlatform(set *fileSet, cfg Config, flaw Flaw, variant Variant) (*Platform, error) {
	if cfg.Measurement == [32]byte{} {
		return nil, errors.New("sim: no measurement")
	}
	if cfg.Signer == [32]byte{} {
		cfg.Signer = DefaultSigner()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Platform{
		cfg:      cfg,
		root:     set.root,
		evidence: set.evidence,
		chainPEM: set.chainPEM,
		key:      set.attestationKey,
		flaw:     flaw,
		variant:  variant,

		publisher: set.publisher,
	}, nil
}

// Root is the simulation root certificate, for a policy's simulated_roots.
func (p *Platform) Root() *x509.Certificate { return p.root }

// Policy accepts exactly this platform's root and this enclave's measurement.
func (p *Platform) Policy() quote.Policy {
	policy := quote.Policy{SimulatedRoots: []*x509.Certificate{p.root}}
	if p.variant.TDX {
		r := p.variant.report([64]byte{})
		rule := quote.TDRule{MRTD: r.MRTD}
		for i := range r.RTMR {
			rule.RTMR[i] = &r.RTMR[i]
		}
		policy.TDs = []quote.TDRule{rule}
		return policy
	}
	policy.Measurements = [][32]byte{p.cfg.Measurement}
	return policy
}

// Info implements platform.Platform.
func (p *Platform) Info() platform.Info {
	return platform.Info{
		Kind:        platform.KindSim,
		Simulated:   true,
		Debug:       p.cfg.Debug,
		Measurement: bytes.Clone(p.cfg.Measurement[:]),
		Signer:      bytes.Clone(p.cfg.Signer[:]),
		Product:     p.cfg.Product,
		SVN:         p.cfg.SVN,
	}
}

// Quote implements platform.Platform. The collateral is the maker's own, issued
// when it is asked for, at most an hour ago.
func (p *Platform) Quote(reportData [64]byte) (raw, collateral []byte, err error) {
	if collateral, err = p.fresh(); err != nil {
		return nil, nil, err
	}
	q := p.newQuote(reportData)
	p.flaw.beforeSigning(&q)
	if q.Signature, err = signRaw(p.key, q.SignedBytes()); err != nil {
		return nil, nil, fmt.Errorf("sim: sign quote: %w", err)
	}
	p.flaw.afterSigning(&q)
	return q.AppendBinary(nil), collateral, nil
}

// newQuote is a quote without its signature.
func (p *Platform) newQuote(reportData [64]byte) quote.Quote {
	attributes := uint64(quote.AttributeInit | quote.AttributeMode64)
	if p.cfg.Debug {
		attributes |= quote.AttributeDebug
	}
	q := quote.Quote{
		Version:        quote.Version3,
		KeyType:        quote.KeyTypeP256,
		Reserved:       [4]byte{qeSVN, 0, pceSVN, 0},
		BodyType:       quote.BodySGX,
		Vendor:         quote.IntelQEVendor(),
		UserData:       p.evidence.userData(),
		AttestationKey: p.evidence.attestationKey,
		QEReport:       p.evidence.report,
		QESignature:    p.evidence.signature,
		QEAuth:         p.evidence.auth,
		CertType:       quote.CertTypePCKChain,
		CertData:       p.chainPEM,
		Body: quote.NewReport(quote.ReportFields{
			CPUSVN:      cpuSVN(),
			Attributes:  attributes,
			XFRM:        xfrm,
			Measurement: p.cfg.Measurement,
			Signer:      p.cfg.Signer,
			ProductID:   p.cfg.Product,
			SVN:         p.cfg.SVN,
			ReportData:  reportData,
		}).Bytes(),
	}
	p.variant.apply(&q, reportData)
	return q
}

var _ platform.Platform = (*Platform)(nil)
