package quote

import (
	"crypto/x509"
	"time"
)

// Policy says which evidence is acceptable. The zero Policy accepts nothing.
// Debug enclaves are refused by the verifier whatever the policy says.
type Policy struct {
	// Roots are the accepted hardware roots, compared as whole certificates.
	Roots []*x509.Certificate
	// SimulatedRoots are accepted roots of simulated platforms. A simulation
	// root in Roots, or another one here, makes the policy unusable.
	SimulatedRoots []*x509.Certificate
	// Measurements are the accepted enclave measurements (MRENCLAVE).
	Measurements [][32]byte
	// Signers are accepted instead of a measurement.
	Signers []SignerRule
}

// SignerRule accepts every enclave of one signer and product from MinSVN on.
type SignerRule struct {
	// Signer is the hash of the signer's key (MRSIGNER).
	Signer [32]byte
	// Product is the exact product id (ISVPRODID).
	Product uint16
	// MinSVN is the lowest accepted security version (ISVSVN).
	MinSVN uint16
}

// ParsePolicy reads a policy file.
func ParsePolicy(b []byte) (Policy, error) { return Policy{}, &PolicyError{Line: 1, Msg: "unreadable"} }

// JSON returns the policy as the file ParsePolicy reads.
func (p Policy) JSON() []byte { return nil }

// Verify checks evidence against the policy at the time now.
func (p Policy) Verify(raw RawQuote, reportData [64]byte, now time.Time) (Verdict, error) {
	r := &Refusal{Check: CheckPolicy, Reason: "the policy names nothing", Remedy: "name a root and a measurement"}
	return Verdict{Check: r.Check, Reason: r.Reason, Remedy: r.Remedy}, r
}

// PolicyError is the error of ParsePolicy: what is wrong and in which line.
type PolicyError struct {
	Line int
	Msg  string
}

// Error gives line and reason.
func (e *PolicyError) Error() string { return e.Msg }
