package quote

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const remedyTampered = "the evidence was altered or forged: distrust the path it came by"

// verification is the state of one Verify call.
type verification struct {
	policy     *Policy
	reportData [64]byte
	now        time.Time
	quote      Quote
	chain      chain
	verdict    *Verdict
}

// Verify checks evidence against the policy at the time now. reportData is what
// the caller has computed itself that the enclave must have put into its report;
// all 64 bytes are compared. The error is nil or a *Refusal; the Verdict is
// filled in both cases.
func (p Policy) Verify(raw RawQuote, reportData [64]byte, now time.Time) (Verdict, error) {
	v := Verdict{Unchecked: []string{UncheckedCRL, UncheckedTCB, UncheckedQEIdentity}}
	state := verification{policy: &p, reportData: reportData, now: now, verdict: &v}
	if r := state.run(raw); r != nil {
		v.Check, v.Reason, v.Remedy = r.Check, r.Reason, r.Remedy
		return v, r
	}
	v.Accepted = true
	return v, nil
}

// run makes every check in order and stops at the first that fails.
func (s *verification) run(raw RawQuote) *Refusal {
	v := s.verdict
	if r := s.quote.parse(raw); r != nil {
		return r
	}
	v.Passed = append(make([]string, 0, 20), CheckFormat, CheckVersion, CheckCertType)
	s.describe()
	chain, err := parseChain(s.quote.CertData)
	if err != nil {
		return &Refusal{Check: CheckChainFormat, Reason: "certificate chain: " + err.Error(), Remedy: remedyTampered, Err: err}
	}
	v.Passed = append(v.Passed, CheckChainFormat)
	s.chain = chain
	v.Simulated = IsSimulationRoot(chain[posRoot])
	v.ValidUntil = chain.validUntil()
	for _, step := range [...]struct {
		check string
		run   func(*verification) *Refusal
	}{
		{CheckPolicy, (*verification).checkPolicy},
		{CheckChainRoot, (*verification).checkRoot},
		{CheckChainKey, (*verification).checkKeys},
		{CheckChainCA, (*verification).checkFlags},
		{CheckChainSignature, (*verification).checkChainSignatures},
		{CheckChainValidity, (*verification).checkValidity},
		{CheckPCKExtension, (*verification).checkPCK},
		{CheckQESignature, (*verification).checkQESignature},
		{CheckQEBinding, (*verification).checkQEBinding},
		{CheckQEDebug, (*verification).checkQEDebug},
		{CheckQuoteSignature, (*verification).checkQuoteSignature},
		{CheckDebug, (*verification).checkDebug},
		{CheckMeasurement, (*verification).checkMeasurement},
		{CheckReportData, (*verification).checkReportData},
	} {
		if r := step.run(s); r != nil {
			r.Check = step.check
			return r
		}
		v.Passed = append(v.Passed, step.check)
	}
	return nil
}

// describe copies what the quote claims into the verdict.
func (s *verification) describe() {
	v := s.verdict
	if s.quote.TEE == TEETypeTDX {
		v.describeTD(ParseTDReport(s.quote.Body))
		return
	}
	report := Report(s.quote.Body)
	f := report.Fields()
	v.TEE, v.Debug = TEESGX, report.Debug()
	v.Measurement, v.Signer = f.Measurement[:], f.Signer[:]
	v.ProductID, v.SVN = f.ProductID, f.SVN
	v.ReportData = f.ReportData
}

func (v *Verdict) describeTD(r TDReport) {
	v.TEE, v.Debug = TEETDX, r.Debug()
	v.Measurement, v.ReportData = r.MRTD[:], r.ReportData
	for i := range r.RTMR {
		v.RTMRs = append(v.RTMRs, r.RTMR[i][:])
	}
}

func (s *verification) checkPolicy() *Refusal {
	if err := s.policy.validate(); err != nil {
		return &Refusal{Reason: "the policy accepts nothing: " + err.Error(), Remedy: "correct the policy", Err: err}
	}
	return nil
}

func (s *verification) checkRoot() *Refusal {
	root := s.chain[posRoot].Raw
	same := func(c *x509.Certificate) bool { return bytes.Equal(c.Raw, root) }
	for _, list := range [2][]*x509.Certificate{s.policy.Roots, s.policy.SimulatedRoots} {
		for _, c := range list {
			if same(c) {
				return nil
			}
		}
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

// chainStep words the failures of the chain checks.
func chainStep(err error, remedy string) *Refusal {
	if err == nil {
		return nil
	}
	return &Refusal{Reason: err.Error(), Remedy: remedy, Err: err}
}

func (s *verification) checkKeys() *Refusal {
	return chainStep(s.chain.checkKeys(), remedyTampered)
}

func (s *verification) checkFlags() *Refusal {
	return chainStep(s.chain.checkFlags(), remedyTampered)
}

func (s *verification) checkChainSignatures() *Refusal {
	return chainStep(s.chain.checkSignatures(), remedyTampered)
}

func (s *verification) checkValidity() *Refusal {
	return chainStep(s.chain.checkValidity(s.now), "check this machine's clock; otherwise let the enclave's host renew its platform's certificates")
}

func (s *verification) checkPCK() *Refusal {
	pck, err := parsePCK(s.chain[posPCK])
	if err == nil {
		s.verdict.FMSPC, s.verdict.PPID = pck.FMSPC, pck.PPID
	}
	return chainStep(err, remedyTampered)
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

func (s *verification) checkMeasurement() *Refusal {
	v := s.verdict
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
		Remedy: "compare the measurement with that of the build you trust, and only then add it to the policy",
	}
}

func (s *verification) checkReportData() *Refusal {
	if s.verdict.ReportData != s.reportData {
		return &Refusal{
			Reason: "the enclave's report is bound to other keys or another configuration than the expected ones",
			Remedy: "compare the domain file (name, authorities, endorsers, revocation) with the enclave's; otherwise somebody sits in between",
		}
	}
	return nil
}

// verifyP256 checks a raw signature r || s over the SHA-256 of msg.
func verifyP256(key *ecdsa.PublicKey, msg []byte, sig *[keyBytes]byte) bool {
	digest := sha256.Sum256(msg)
	r := new(big.Int).SetBytes(sig[:keyBytes/2])
	s := new(big.Int).SetBytes(sig[keyBytes/2:])
	return ecdsa.Verify(key, digest[:], r, s)
}
