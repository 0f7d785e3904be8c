package quote

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Limits of a policy: far above what a deployment names, low enough that a
// verification stays short.
const (
	// MaxPolicyRoots bounds Roots and SimulatedRoots, each.
	MaxPolicyRoots = 16
	// MaxPolicyMeasurements bounds Measurements.
	MaxPolicyMeasurements = 1024
	// MaxPolicyRules bounds TDs and Guests, each.
	MaxPolicyRules = 256
	// MaxPolicySigners bounds Signers.
	MaxPolicySigners = 64
	// MaxPolicyAdvisories bounds Advisories.
	MaxPolicyAdvisories = 1024
	// MaxPolicyPlatforms bounds Platforms.
	MaxPolicyPlatforms = 1024
)

// Policy says which evidence is acceptable. The zero Policy accepts nothing.
// Debug enclaves and revoked platforms are refused by the verifier whatever the
// policy says.
type Policy struct {
	// Roots are the accepted hardware roots, compared as whole certificates.
	Roots []*x509.Certificate
	// SimulatedRoots are the accepted roots of simulated platforms, of a policy
	// for development: beside Roots, or in them, they make it unusable.
	SimulatedRoots []*x509.Certificate
	// Measurements are the accepted SGX enclave measurements (MRENCLAVE).
	Measurements [][32]byte
	// Signers are accepted instead of a measurement.
	Signers []SignerRule
	// TDs are the accepted trust domains of TDX.
	TDs []TDRule
	// Guests are the accepted SEV-SNP guests.
	Guests []GuestRule
	// Statuses are the accepted TCB statuses; nil means DefaultStatuses.
	Statuses []Status
	// Advisories, if not nil, are the security advisories that may stand against
	// a platform; one that is not named refuses it. Nil asks for none of them.
	Advisories []string
	// Platforms, if not nil, are the accepted platforms: PPID (16 bytes) or chip
	// id (64).
	Platforms [][]byte
	// MaxCollateralAge bounds the age of TCB info, QE identity and the revocation
	// list of platforms, within their validity; 0 sets no bound.
	MaxCollateralAge time.Duration
	// MaxRootCRLAge does so for the list of the root, which is made rarely.
	MaxRootCRLAge time.Duration
	// MinTCBEvaluation is the lowest accepted tcbEvaluationDataNumber of TCB info
	// and QE identity: collateral from before a recovery can be current still.
	MinTCBEvaluation uint32
	// EndorsementRequired wants a second root beside the hardware: domains
	// without endorsers are refused (package keyx).
	EndorsementRequired bool

	anyTarget bool // Examine
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

// TDRule accepts one trust domain. MRTD measures its firmware alone, so that
// registers 1 and 2, with what the firmware starts, have to be named too.
type TDRule struct {
	MRTD [TDHashBytes]byte
	// RTMR are the wanted registers; nil ones, of 0 and 3 only, may have any value.
	RTMR [RTMRs]*[TDHashBytes]byte
}

// GuestRule accepts one SEV-SNP guest. AMD publishes no ratings: MinTCB is the
// operator's own, from AMD's bulletins.
type GuestRule struct {
	Measurement [48]byte
	// Product is the family that MinTCB is about, such as "Milan"; "" stands for any.
	// A policy with roots of several families needs it, and may rate a guest on each.
	Product string
	MinTCB  GuestTCB
	// MaxVMPL is the least privileged level (VMPL, 0 to 3) that may have asked for the
	// report. From 1 on there is code above it in the guest that is measured with it.
	MaxVMPL uint32
}

// GuestTCB are security versions of an SEV-SNP platform (AMD VCEK specification,
// TCB_VERSION). FMC exists from the Turin family on, and is 0 before.
type GuestTCB struct {
	Bootloader, TEE, SNP, Microcode, FMC uint8
}

var (
	errEmptyList = errors.New("empty list: leave it out, or name something")
	errNoRoot    = errors.New("no root: name one under roots, or under simulated_roots for a development setup")
	errNoTarget  = errors.New("neither measurements nor signers, tdx or sev_snp: it would accept nobody")
	errZero      = errors.New("all zeros: no enclave has this value")
	errRepeated  = errors.New("named twice")
	errMixed     = errors.New("a simulated root in a production policy, one that names hardware roots: whoever has its files can vouch for any code")
	errLoader    = errors.New("is missing: mrtd alone is the firmware, which starts anything")
)

// validate tells why the policy cannot be used. It is part of every verification,
// because a Policy can also be made without ParsePolicy.
func (p *Policy) validate() error {
	if len(p.Roots)+len(p.SimulatedRoots) == 0 {
		return errNoRoot
	}
	if !p.anyTarget && len(p.Measurements)+len(p.Signers)+len(p.TDs)+len(p.Guests) == 0 {
		return errNoTarget
	}
	if err := p.validateLists(); err != nil {
		return err
	}
	for i, c := range p.Roots {
		if err := checkPolicyRoot(c, false); err != nil {
			return fmt.Errorf("%s[%d]: %w", keyRoots, i, err)
		}
	}
	for i, c := range p.SimulatedRoots {
		if err := checkPolicyRoot(c, true); err != nil {
			return fmt.Errorf("%s[%d]: %w", keySimulatedRoots, i, err)
		}
	}
	if len(p.Roots) != 0 && len(p.SimulatedRoots) != 0 {
		return fmt.Errorf("%s: %w", keySimulatedRoots, errMixed)
	}
	if err := p.validateTargets(); err != nil {
		return err
	}
	for i, s := range p.Statuses {
		if err := checkPolicyStatus(s); err != nil {
			return fmt.Errorf("%s[%d]: %w", keyStatuses, i, err)
		}
	}
	if p.MaxCollateralAge < 0 || p.MaxRootCRLAge < 0 {
		return errors.New("a maximum age below 0")
	}
	return nil
}

// validateLists refuses empty lists where none at all means more: JSON would drop
// them, and what is read again would accept more.
func (p *Policy) validateLists() error {
	if p.Statuses != nil && len(p.Statuses) == 0 {
		return fmt.Errorf("%s: %w", keyStatuses, errEmptyList)
	}
	if p.Platforms != nil && len(p.Platforms) == 0 {
		return fmt.Errorf("%s: %w", keyPlatforms, errEmptyList)
	}
	return nil
}

func (p *Policy) validateTargets() error {
	for i, m := range p.Measurements {
		if m == [32]byte{} {
			return fmt.Errorf("%s[%d]: %w", keyMeasurements, i, errZero)
		}
	}
	for i, s := range p.Signers {
		if s.Signer == [32]byte{} {
			return fmt.Errorf("%s[%d]: %w", keySigners, i, errZero)
		}
	}
	for i := range p.TDs {
		if err := p.TDs[i].validate(); err != nil {
			return fmt.Errorf("%s[%d]: %w", keyTDs, i, err)
		}
	}
	return p.validateGuests()
}

func (r *TDRule) validate() error {
	if r.MRTD == [TDHashBytes]byte{} {
		return fmt.Errorf("%s: %w", keyMRTD, errZero)
	}
	for _, i := range [...]int{1, 2} {
		if r.RTMR[i] == nil {
			return fmt.Errorf("%s%d %w", keyRTMR, i, errLoader)
		}
	}
	return nil
}

// checkPolicyStatus: a status that a policy may accept.
func checkPolicyStatus(s Status) error {
	switch {
	case s == StatusRevoked:
		return errors.New("no policy accepts Revoked: the keys of such platforms are known to others")
	case !s.published():
		return fmt.Errorf("%.40q is no TCB status that can be accepted", string(s))
	}
	return nil
}

// AcceptedStatuses are Statuses, or DefaultStatuses where there are none.
func (p *Policy) AcceptedStatuses() []Status {
	if p.Statuses == nil {
		return DefaultStatuses()
	}
	return p.Statuses
}

// acceptsPlatform tells whether the policy names a platform, or none at all.
func (p *Policy) acceptsPlatform(id []byte) bool {
	return p.Platforms == nil || slices.ContainsFunc(p.Platforms, func(b []byte) bool { return bytes.Equal(b, id) })
}

// checkPolicyRoot tells why a certificate cannot be a root of the given kind.
func checkPolicyRoot(c *x509.Certificate, simulated bool) error {
	if c == nil || len(c.Raw) == 0 {
		return errors.New("no certificate")
	}
	if err := checkRootKey(c); err != nil {
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

// checkRootKey: Intel's and the simulation's roots are ECDSA on P-256, AMD's RSA.
func checkRootKey(c *x509.Certificate) error {
	if c.PublicKeyAlgorithm == x509.RSA && c.SignatureAlgorithm == x509.SHA384WithRSAPSS {
		return nil
	}
	return checkKey(c)
}
