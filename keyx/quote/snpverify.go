package quote

import (
	"errors"
	"fmt"
)

const remedyAMD = "let the enclave's host fetch the chip's certificate and AMD's list anew, and staple them unaltered"

const nameAMDList = "revocation list of AMD's root"

// snpState is what a verification of an SEV-SNP report knows beside the rest.
type snpState struct {
	report     SNPReport
	fields     SNPFields
	collateral *snpCollateral
	// err tells what of the collateral could not be read.
	err error
}

// openSNP reads the report and tells what it claims.
func (s *verification) openSNP() *Refusal {
	s.verdict.TEE = TEESNP
	s.verdict.Unchecked = append(s.verdict.Unchecked, s.policy.withoutEffectOnSNP()...)
	if len(s.evidence.Quote) >= SNPReportBytes {
		s.snp.report = SNPReport(s.evidence.Quote)
		s.snp.fields = s.snp.report.Fields()
		s.describeSNP()
	}
	return checkSNP(s.evidence.Quote)
}

// gatherSNP reads the collateral, and rates by it.
func (s *verification) gatherSNP() {
	if len(s.evidence.Collateral) == 0 {
		return
	}
	s.snp.collateral, s.snp.err = parseSNPCollateral(s.evidence.Collateral)
	c := s.snp.collateral
	if c == nil {
		return
	}
	s.term(datedCertificate("certificate of the chip's key", c.leaf))
	s.term(datedCertificate("certificate of AMD's signing key", c.signer))
	s.term(datedCertificate("certificate of AMD's root", c.root))
	if c.crl != nil {
		s.term(s.snpList())
	}
	s.rateSNP()
}

// snpList is AMD's list, which is there.
func (s *verification) snpList() dated {
	l := s.snp.collateral.crl
	return dated{nameAMDList, l.ThisUpdate, l.NextUpdate, s.policy.MaxRootCRLAge}
}

func (s *verification) describeSNP() {
	f, v := &s.snp.fields, s.verdict
	v.Debug, v.Measurement, v.ReportData = f.Debug(), f.Measurement[:], f.ReportData
	v.SVN = uint16(min(f.GuestSVN, 1<<16-1))
	if f.IDKeyDigest != [48]byte{} {
		v.Signer = f.IDKeyDigest[:]
	}
	if f.ChipID != [64]byte{} {
		v.PlatformID = f.ChipID[:]
	}
}

// rateSNP rates by the policy's own minimum for this guest: AMD publishes none.
func (s *verification) rateSNP() {
	tcb := decodeTCB(s.snp.fields.TCB, s.snp.collateral.turin())
	rule := s.policy.guest(s.snp.fields.Measurement, s.snp.collateral.family())
	if rule == nil {
		return
	}
	v := s.verdict
	v.PlatformStatus = StatusOutOfDate
	if tcb.reaches(rule.MinTCB) {
		v.PlatformStatus = StatusUpToDate
	}
	v.Status = v.PlatformStatus
}

// snpSteps are all checks of an SEV-SNP report, in order.
func snpSteps() []step {
	collateral := func(check func(*snpCollateral) error, remedy string) func(*verification) *Refusal {
		return func(s *verification) *Refusal { return failed("", check(s.snp.collateral), remedy) }
	}
	return []step{
		{check: CheckPolicy, run: (*verification).checkPolicy},
		{check: CheckCollateralMissing, run: (*verification).checkCollateral},
		{check: CheckCollateralFormat, run: func(s *verification) *Refusal { return failed("collateral: ", s.snp.err, remedyAMD) }},
		{check: CheckChainRoot, run: func(s *verification) *Refusal { return s.checkRoot(s.snp.collateral.root) }},
		{check: CheckChainKey, run: collateral((*snpCollateral).checkKeys, remedyTampered)},
		{check: CheckChainCA, run: collateral((*snpCollateral).checkFlags, remedyTampered)},
		{check: CheckChainSignature, run: collateral((*snpCollateral).checkSignatures, remedyTampered)},
		{check: CheckChainValidity, run: func(s *verification) *Refusal {
			return failed("", s.snp.collateral.checkValidity(s.now), remedyCertificates)
		}},
		{check: CheckReportTCB, run: func(s *verification) *Refusal {
			return failed("", s.snp.collateral.checkReport(&s.snp.fields), remedyAMD)
		}},
		{check: CheckQuoteSignature, run: func(s *verification) *Refusal {
			return failed("", s.snp.collateral.checkSignature(&s.snp.report), remedyTampered)
		}},
		{check: CheckDebug, run: (*verification).checkDebug},
		{check: CheckMigration, run: (*verification).checkMigration},
		{check: CheckCRLMissing, run: (*verification).checkSNPList},
		{check: CheckCRLSignature, run: func(s *verification) *Refusal {
			return failed(nameAMDList+": ", checkCRL(s.snp.collateral.crl, s.snp.collateral.root), remedyAMD)
		}},
		{check: CheckCRLValidity, run: func(s *verification) *Refusal {
			return s.checkDates(s.snpList())
		}},
		{check: CheckRevocation, run: (*verification).checkSNPRevocation},
		{check: CheckCollateralAge, run: func(s *verification) *Refusal { return s.checkMaxAge(s.snpList()) }},
		{check: CheckMeasurement, run: (*verification).checkGuest, moot: untargeted},
		{check: CheckVMPL, run: (*verification).checkVMPL, moot: untargeted},
		{check: CheckTCBStatus, run: (*verification).checkStatus},
		{check: CheckPlatform, run: (*verification).checkPlatform},
		{check: CheckReportData, run: (*verification).checkReportData, moot: unbound},
	}
}

func (s *verification) checkMigration() *Refusal {
	if s.snp.fields.MigrationAgent() {
		return &Refusal{
			Reason: "a migration agent may move this guest's memory to another machine",
			Remedy: "start the guest with a policy without MIGRATE_MA",
		}
	}
	return nil
}

func (s *verification) checkSNPList() *Refusal {
	if s.snp.collateral.crl == nil {
		return &Refusal{Reason: "no revocation list (crl): a revoked key would not be recognised", Remedy: remedyAMD}
	}
	return nil
}

func (s *verification) checkSNPRevocation() *Refusal {
	c := s.snp.collateral
	if listed(c.crl, c.signer) || listed(c.crl, c.leaf) && c.leaf.SerialNumber.Sign() != 0 { // VCEKs share the serial 0
		return failed("", errors.New("revoked: the certificate of AMD's signing key or the chip's"), statusRemedy(StatusRevoked))
	}
	return nil
}

func (s *verification) checkGuest() *Refusal {
	measurement := s.snp.fields.Measurement
	if s.policy.guest(measurement, s.snp.collateral.family()) != nil {
		return nil
	}
	for _, rule := range s.policy.Guests {
		if rule.Measurement == measurement {
			return &Refusal{
				Reason: fmt.Sprintf("the policy names guest %x on other products than %q", measurement, s.snp.collateral.family()),
				Remedy: "decide which versions of this product are good, and name them in a rule of their own (min_tcb with product)",
			}
		}
	}
	return &Refusal{
		Reason: fmt.Sprintf("the policy names no SEV-SNP guest of measurement %x", measurement),
		Remedy: remedyMeasurement,
	}
}

// checkVMPL: nobody less privileged than the policy allows asked for the report.
func (s *verification) checkVMPL() *Refusal {
	rule := s.policy.guest(s.snp.fields.Measurement, s.snp.collateral.family())
	if rule != nil && s.snp.fields.VMPL <= rule.MaxVMPL {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("the report was asked for at privilege level (VMPL) %d, which the policy does not allow", s.snp.fields.VMPL),
		Remedy: "let enclaved ask at level 0; only where something measured with the guest, as an SVSM, runs above it, raise max_vmpl in the policy",
	}
}
