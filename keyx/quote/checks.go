package quote

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// chainSteps look at the chain of certificates in the quote.
func chainSteps() []step {
	return []step{
		{check: CheckChainFormat, run: func(s *verification) *Refusal {
			return failed("certificate chain: ", s.chainErr, remedyTampered)
		}},
		{check: CheckPolicy, run: (*verification).checkPolicy},
		{check: CheckChainRoot, run: func(s *verification) *Refusal { return s.checkRoot(s.chain[posRoot]) }},
		{check: CheckChainKey, run: func(s *verification) *Refusal { return failed("", s.chain.checkKeys(), remedyTampered) }},
		{check: CheckChainCA, run: func(s *verification) *Refusal { return failed("", s.chain.checkFlags(), remedyTampered) }},
		{check: CheckChainSignature, run: func(s *verification) *Refusal { return failed("", s.chain.checkSignatures(), remedyTampered) }},
		{check: CheckChainValidity, run: func(s *verification) *Refusal {
			return failed("", s.chain.checkValidity(s.now), remedyCertificates)
		}},
		{check: CheckPCKExtension, run: func(s *verification) *Refusal { return failed("", s.pckErr, remedyTampered) }},
	}
}

const remedyCertificates = "check this machine's clock; otherwise let the enclave's host renew its platform's certificates"

// quoteSteps look at the quote itself.
func quoteSteps() []step {
	return []step{
		{check: CheckQESignature, run: (*verification).checkQESignature},
		{check: CheckQEBinding, run: (*verification).checkQEBinding},
		{check: CheckQEDebug, run: (*verification).checkQEDebug},
		{check: CheckQuoteSignature, run: (*verification).checkQuoteSignature},
		{check: CheckDebug, run: (*verification).checkDebug},
		{check: CheckMigration, run: (*verification).checkTDMigration, moot: notTD},
	}
}

// policySteps compare what was found with what the caller wants.
func policySteps() []step {
	return []step{
		{check: CheckTCBStatus, run: (*verification).checkStatus},
		{check: CheckAdvisories, run: (*verification).checkAdvisories},
		{check: CheckPlatform, run: (*verification).checkPlatform},
		{check: CheckMeasurement, run: (*verification).checkMeasurement, moot: untargeted},
		{check: CheckReportData, run: (*verification).checkReportData, moot: unbound},
	}
}

// What makes a step moot.
func notTD(s *verification) bool      { return s.quote.TEE != TEETypeTDX }
func untargeted(s *verification) bool { return s.policy.anyTarget }
func unbound(s *verification) bool    { return s.reportData == nil }

// failed words an error as the refusal of a check.
func failed(what string, err error, remedy string) *Refusal {
	if err == nil {
		return nil
	}
	return &Refusal{Reason: what + err.Error(), Remedy: remedy, Err: err}
}

func (s *verification) checkPolicy() *Refusal {
	return failed("the policy accepts nothing: ", s.policy.validate(), "correct the policy")
}

func (s *verification) checkRoot(root *x509.Certificate) *Refusal {
	if slices.ContainsFunc(slices.Concat(s.policy.Roots, s.policy.SimulatedRoots), root.Equal) {
		return nil
	}
	if s.verdict.Simulated {
		return &Refusal{
			Reason: "the evidence is simulated, and the policy does not name its simulation root",
			Remedy: "use an enclave on hardware; for a development setup only, name the root under simulated_roots",
		}
	}
	return &Refusal{
		Reason: "the chain ends in a root certificate that the policy does not name",
		Remedy: "check that the policy's roots hold the hardware maker's root certificate; otherwise the evidence is forged",
	}
}

func (s *verification) checkQESignature() *Refusal {
	if !verifyP256(p256Key(s.chain[posPCK]), s.quote.QEReport[:], &s.quote.QESignature) {
		return &Refusal{Reason: "the platform's key did not sign the quoting enclave's report", Remedy: remedyTampered}
	}
	return nil
}

func (s *verification) checkQEBinding() *Refusal {
	h := sha256.New()
	h.Write(s.quote.AttestationKey[:])
	h.Write(s.quote.QEAuth)
	var want [64]byte
	h.Sum(want[:0])
	if s.quote.QEReport.Fields().ReportData != want {
		return &Refusal{Reason: "the quoting enclave vouches for another attestation key", Remedy: remedyTampered}
	}
	return nil
}

func (s *verification) checkQEDebug() *Refusal {
	if s.quote.QEReport.Debug() {
		return &Refusal{
			Reason: "the quoting enclave is a debug enclave: its host can sign anything",
			Remedy: "install the released quoting enclave on the enclave's host",
		}
	}
	return nil
}

func (s *verification) checkQuoteSignature() *Refusal {
	point := append([]byte{4}, s.quote.AttestationKey[:]...) // SEC 1: uncompressed
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err == nil && !verifyP256(key, s.quote.SignedBytes(), &s.quote.Signature) {
		err = errors.New("signature does not verify")
	}
	if err != nil {
		return &Refusal{Reason: "the attestation key did not sign this quote", Remedy: remedyTampered, Err: err}
	}
	return nil
}

func (s *verification) checkDebug() *Refusal {
	if s.verdict.Debug {
		return &Refusal{
			Reason: "the enclave runs in debug mode: its host can read and alter it",
			Remedy: "run the release build of the enclave; no policy accepts debug enclaves",
		}
	}
	return nil
}

func (s *verification) checkTDMigration() *Refusal {
	if s.td.Migratable() {
		return &Refusal{
			Reason: "a service TD may move this TD's memory to another machine",
			Remedy: "start the TD without the attribute MIGRATABLE",
		}
	}
	return nil
}

// checkStatus asks whether the policy accepts the merged status. Revoked and
// unrated platforms are none that a policy can accept.
func (s *verification) checkStatus() *Refusal {
	v := s.verdict
	for _, accepted := range s.policy.AcceptedStatuses() {
		if v.Status == accepted && v.Status.published() && v.Status != StatusRevoked {
			return nil
		}
	}
	parts := fmt.Sprintf("platform %s", statusText(v.PlatformStatus))
	if v.QEStatus != "" {
		parts += fmt.Sprintf(", quoting enclave %s", statusText(v.QEStatus))
	}
	if v.ModuleStatus != "" {
		parts += fmt.Sprintf(", TDX module %s", statusText(v.ModuleStatus))
	}
	return &Refusal{
		Reason: fmt.Sprintf("TCB status %s (%s)", statusText(v.Status), parts),
		Remedy: statusRemedy(v.Status),
	}
}

func statusText(s Status) string {
	switch s {
	case "":
		return "not rated"
	case StatusNone:
		return "none: older than every rated level"
	default:
		return string(s)
	}
}

func statusRemedy(s Status) string {
	switch s {
	case StatusRevoked:
		return "this platform's keys are known to others: use another one"
	case StatusConfigurationNeeded, StatusConfigurationAndSWHardeningNeeded, StatusSWHardeningNeeded:
		return "read the advisories; configure the host's firmware, or name the status under statuses of the policy if they do not concern you"
	case "":
		return "name the least versions that you accept, in a policy"
	default:
		return "update firmware, microcode and Intel's enclaves on the enclave's host"
	}
}

func (s *verification) checkAdvisories() *Refusal {
	if s.policy.Advisories == nil {
		return nil
	}
	for _, a := range s.verdict.Advisories {
		if !slices.Contains(s.policy.Advisories, a) {
			return &Refusal{
				Reason: fmt.Sprintf("advisory %.40q stands against the platform, and the policy does not allow it", a),
				Remedy: "update the enclave's host, or read the advisory and name it under advisories of the policy if it does not concern you",
			}
		}
	}
	return nil
}

func (s *verification) checkPlatform() *Refusal {
	if s.policy.acceptsPlatform(s.verdict.PlatformID) {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("platform %x is none that the policy names", s.verdict.PlatformID),
		Remedy: "compare it with your inventory, and only then add it under platform_ids",
	}
}

func (s *verification) checkMeasurement() *Refusal {
	v := s.verdict
	if v.TEE == TEETDX {
		return s.checkTD()
	}
	for _, m := range s.policy.Measurements {
		if bytes.Equal(m[:], v.Measurement) {
			return nil
		}
	}
	oldest := -1
	for _, rule := range s.policy.Signers {
		if !bytes.Equal(rule.Signer[:], v.Signer) || rule.Product != v.ProductID {
			continue
		}
		if v.SVN >= rule.MinSVN {
			return nil
		}
		oldest = int(rule.MinSVN)
	}
	if oldest >= 0 {
		return &Refusal{
			Reason: fmt.Sprintf("security version %d of the enclave, the policy wants %d", v.SVN, oldest),
			Remedy: "update the enclave",
		}
	}
	return &Refusal{
		Reason: fmt.Sprintf("the policy names neither measurement %x nor its signer with product %d", v.Measurement, v.ProductID),
		Remedy: remedyMeasurement,
	}
}

const remedyMeasurement = "compare the measurement with that of the build you trust, and only then add it to the policy"

func (s *verification) checkTD() *Refusal {
	report := &s.td
	reason := fmt.Sprintf("the policy names no TD of MRTD %x", report.MRTD)
	for i := range s.policy.TDs {
		rule := &s.policy.TDs[i]
		if rule.MRTD != report.MRTD {
			continue
		}
		other := -1
		for n, want := range rule.RTMR {
			if want != nil && *want != report.RTMR[n] {
				other = n
			}
		}
		if other < 0 {
			return nil
		}
		reason = fmt.Sprintf("RTMR%d of the TD is %x, which the policy does not name beside its MRTD", other, report.RTMR[other])
	}
	return &Refusal{Reason: reason, Remedy: remedyMeasurement}
}

func (s *verification) checkReportData() *Refusal {
	if s.verdict.ReportData != *s.reportData {
		return &Refusal{
			Reason: "the enclave's report is bound to other keys or another configuration than the expected ones",
			Remedy: "compare the domain file (name, authorities, endorsers, revocation) with the enclave's; otherwise somebody sits in between",
		}
	}
	return nil
}
