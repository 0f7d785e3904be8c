package quote

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxProductBytes bounds the name of an AMD family.
const maxProductBytes = 32

var (
	errProductMissing = errors.New("product is missing: the policy has roots of several AMD families, and their versions cannot be compared")
	errProductForm    = errors.New(`product is not the name of an AMD family, such as "Milan"`)
	errVMPL           = fmt.Errorf("%s is not within 0..%d", keyMaxVMPL, snpVMPLs-1)
	errNoEffect       = errors.New("has no effect on SEV-SNP, and the policy accepts nothing else: AMD publishes no advisories and no ratings, and of its collateral only the list ages (max_root_crl_age); leave it out")
)

// validateGuests is about the SEV-SNP guests, each and together.
func (p *Policy) validateGuests() error {
	families := 0
	for _, c := range p.Roots {
		if c.PublicKeyAlgorithm == x509.RSA {
			families++
		}
	}
	for i := range p.Guests {
		err := p.Guests[i].validate(families > 1)
		if err == nil && slices.ContainsFunc(p.Guests[:i], p.Guests[i].overlaps) {
			err = errRepeated
		}
		if err != nil {
			return fmt.Errorf("%s[%d]: %w", keyGuests, i, err)
		}
	}
	return p.validateEffect()
}

// validateEffect refuses conditions that nothing would ever be compared with.
func (p *Policy) validateEffect() error {
	if len(p.Guests) == 0 || len(p.Measurements)+len(p.Signers)+len(p.TDs) != 0 {
		return nil
	}
	for _, name := range p.withoutEffectOnSNP() {
		return fmt.Errorf("%s: %w", name, errNoEffect)
	}
	return nil
}

// withoutEffectOnSNP are the members that the policy has and that say nothing about
// SEV-SNP evidence.
func (p *Policy) withoutEffectOnSNP() []string {
	var names []string
	if p.Advisories != nil {
		names = append(names, keyAdvisories)
	}
	if p.MaxCollateralAge != 0 {
		names = append(names, keyCollateralAge)
	}
	if p.MinTCBEvaluation != 0 {
		names = append(names, keyMinEvaluation)
	}
	return names
}

func (r *GuestRule) validate(productNeeded bool) error {
	switch {
	case r.Measurement == [48]byte{}:
		return errZero
	case r.MaxVMPL >= snpVMPLs:
		return errVMPL
	case r.Product == "" && productNeeded:
		return fmt.Errorf("%s: %w", keyMinTCB, errProductMissing)
	case len(r.Product) > maxProductBytes || strings.ContainsFunc(r.Product, notInProduct):
		return fmt.Errorf("%s: %w", keyMinTCB, errProductForm)
	}
	return nil
}

func notInProduct(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
}

// overlaps tells whether evidence could fall under both rules.
func (r GuestRule) overlaps(o GuestRule) bool {
	return r.Measurement == o.Measurement && (r.Product == "" || o.Product == "" || r.Product == o.Product)
}

// guest is the rule for a guest on a family of machines, nil if there is none.
func (p *Policy) guest(measurement [48]byte, family string) *GuestRule {
	for i := range p.Guests {
		r := &p.Guests[i]
		if r.Measurement == measurement && (r.Product == "" || r.Product == family) {
			return r
		}
	}
	return nil
}
