package quote

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// Limits of a policy: far above what a deployment names, low enough that a
// verification stays short.
const (
	// MaxPolicyRoots bounds Roots and SimulatedRoots, each.
	MaxPolicyRoots = 16
	// MaxPolicyMeasurements bounds Measurements.
	MaxPolicyMeasurements = 1024
	// MaxPolicySigners bounds Signers.
	MaxPolicySigners = 64
)

// Policy says which evidence is acceptable. The zero Policy accepts nothing.
// Debug enclaves are refused by the verifier whatever the policy says.
type Policy struct {
	// Roots are the accepted hardware roots, compared as whole certificates.
	Roots []*x509.Certificate
	// SimulatedRoots are the accepted roots of simulated platforms. A
	// simulation root in Roots, or another one here, makes the policy unusable.
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

var (
	errNoRoot   = errors.New("no root: name one under roots, or under simulated_roots for a development setup")
	errNoTarget = errors.New("neither measurements nor signers: it would accept nobody")
	errZero     = errors.New("all zeros: no enclave has this value")
	errRepeated = errors.New("named twice")
)

// validate tells why the policy cannot be used. It is part of every verification,
// because a Policy can also be made without ParsePolicy.
func (p *Policy) validate() error {
	if len(p.Roots)+len(p.SimulatedRoots) == 0 {
		return errNoRoot
	}
	if len(p.Measurements)+len(p.Signers) == 0 {
		return errNoTarget
	}
	for i, c := range p.Roots {
		if err := checkPolicyRoot(c, false); err != nil {
			return fmt.Errorf("roots[%d]: %w", i, err)
		}
	}
	for i, c := range p.SimulatedRoots {
		if err := checkPolicyRoot(c, true); err != nil {
			return fmt.Errorf("simulated_roots[%d]: %w", i, err)
		}
	}
	for i, m := range p.Measurements {
		if m == [32]byte{} {
			return fmt.Errorf("measurements[%d]: %w", i, errZero)
		}
	}
	for i, s := range p.Signers {
		if s.Signer == [32]byte{} {
			return fmt.Errorf("signers[%d]: %w", i, errZero)
		}
	}
	return nil
}

// checkPolicyRoot tells why a certificate cannot be a root of the given kind.
func checkPolicyRoot(c *x509.Certificate, simulated bool) error {
	if c == nil || len(c.Raw) == 0 {
		return errors.New("no certificate")
	}
	if err := checkKey(c); err != nil {
		return err
	}
	if err := checkCA(c, posRoot-posIntermediate); err != nil {
		return err
	}
	switch {
	case simulated && !IsSimulationRoot(c):
		return errors.New("not a simulation root: hardware roots belong under roots")
	case !simulated && IsSimulationRoot(c):
		return errors.New("a simulation root: no hardware stands behind it; it belongs under simulated_roots of a development policy")
	}
	return nil
}
