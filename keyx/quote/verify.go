package quote

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"slices"
	"time"
)

const remedyTampered = "the evidence was altered or forged: distrust the path it came by"

// Evidence is what a host shows for an enclave: nothing about it is known yet.
type Evidence struct {
	// Quote is a DCAP quote (SGX, TDX) or an SEV-SNP report.
	Quote RawQuote
	// Collateral is what the host has stapled to it: for DCAP quotes
	// sgx_ql_qve_collateral_t as JSON, for SEV-SNP reports the chain and list of
	// the chip's key (see docs/PROTOCOL.md).
	Collateral []byte
}

// verification is the state of one verification.
type verification struct {
	policy     *Policy
	evidence   Evidence
	reportData *[64]byte // nil: not compared
	now        time.Time
	verdict    *Verdict

	quote      Quote
	td         TDReport // of a TDX quote
	chain      chain
	chainErr   error
	pck        PCK
	pckErr     error
	collateral *collateral
	// collateralErr tells what of the collateral could not be read.
	collateralErr error
	moduleErr     error

	snp snpState
}

// step is one check under its code. A step that is moot for this evidence is
// neither made nor told.
type step struct {
	check string
	run   func(*verification) *Refusal
	moot  func(*verification) bool // nil: never
}

// Verify checks evidence against the policy at the time now. reportData is what
// the caller has computed itself that the enclave must have put into its report;
// all 64 bytes are compared. The error is nil or a *Refusal; the Verdict is
// filled in both cases.
func (p Policy) Verify(e Evidence, reportData [64]byte, now time.Time) (Verdict, error) {
	return p.verify(e, &reportData, now)
}

// VerifyUnbound is Verify without a comparison of report data: whether the
// evidence is good, not whether it is about the one at the other end.
// Verdict.Unchecked says so.
func (p Policy) VerifyUnbound(e Evidence, now time.Time) (Verdict, error) {
	return p.verify(e, nil, now)
}

// Examine is VerifyUnbound for any measurement under one of the roots (hardware or
// simulated ones, not both), with DefaultStatuses: a look at evidence without a
// policy. Nothing should be trusted for it.
func Examine(e Evidence, roots []*x509.Certificate, now time.Time) (Verdict, error) {
	p := Policy{anyTarget: true}
	for _, c := range roots {
		if c != nil && IsSimulationRoot(c) {
			p.SimulatedRoots = append(p.SimulatedRoots, c)
		} else {
			p.Roots = append(p.Roots, c)
		}
	}
	return p.verify(e, nil, now)
}

func (p Policy) verify(e Evidence, reportData *[64]byte, now time.Time) (Verdict, error) {
	var v Verdict
	s := verification{policy: &p, evidence: e, reportData: reportData, now: now, verdict: &v}
	if p.anyTarget {
		v.Unchecked = append(v.Unchecked, UncheckedMeasurement)
	}
	if reportData == nil {
		v.Unchecked = append(v.Unchecked, UncheckedReportData)
	}
	if r := s.run(); r != nil {
		v.Check, v.Reason, v.Remedy = r.Check, r.Reason, r.Remedy
		return v, r
	}
	v.Accepted = true
	return v, nil
}

// run reads everything, rates it, and makes every check in order up to the first
// that fails.
func (s *verification) run() *Refusal {
	if r := s.open(); r != nil {
		return r
	}
	v := s.verdict
	v.Passed = append(make([]string, 0, 40), CheckFormat, CheckVersion)
	if isSNP(s.evidence.Quote) {
		s.gatherSNP()
		return s.make(snpSteps())
	}
	v.Passed = append(v.Passed, CheckCertType)
	s.gather()
	s.rate()
	return s.make(chainSteps(), quoteSteps(), collateralSteps(), policySteps())
}

// open parses the quote or report and tells what it claims, also beside a refusal,
// as far as it could be read.
func (s *verification) open() *Refusal {
	r := s.parse()
	if r != nil && r.Check == CheckFormat && Kind(s.evidence.Quote) != "" {
		r.Remedy = remedyCutQuote
	}
	return r
}

func (s *verification) parse() *Refusal {
	if isSNP(s.evidence.Quote) {
		return s.openSNP()
	}
	refusal := s.quote.parse(s.evidence.Quote)
	if len(s.quote.Body) != 0 {
		s.describe()
	}
	return refusal
}

// make makes checks up to the first that fails.
func (s *verification) make(lists ...[]step) *Refusal {
	v := s.verdict
	for _, step := range slices.Concat(lists...) {
		if step.moot != nil && step.moot(s) {
			continue
		}
		if r := step.run(s); r != nil {
			r.Check = step.check
			return r
		}
		if step.check != CheckCollateralMissing && step.check != CheckCRLMissing { // what follows has it
			v.Passed = append(v.Passed, step.check)
		}
	}
	return nil
}

// describe copies what the quote claims into the verdict.
func (s *verification) describe() {
	v := s.verdict
	if s.quote.TEE == TEETypeTDX {
		s.td = ParseTDReport(s.quote.Body)
		v.describeTD(&s.td)
		return
	}
	report := Report(s.quote.Body)
	f := report.Fields()
	v.TEE, v.Debug = TEESGX, report.Debug()
	v.Measurement, v.Signer = f.Measurement[:], f.Signer[:]
	v.ProductID, v.SVN = f.ProductID, f.SVN
	v.ReportData = f.ReportData
}

func (v *Verdict) describeTD(r *TDReport) {
	v.TEE, v.Debug = TEETDX, r.Debug()
	v.Measurement, v.ReportData = r.MRTD[:], r.ReportData
	for i := range r.RTMR {
		v.RTMRs = append(v.RTMRs, r.RTMR[i][:])
	}
}

// gather parses chain, PCK extension and collateral. What cannot be read is an
// error of the check that needs it.
func (s *verification) gather() {
	v := s.verdict
	if s.chain, s.chainErr = parseChain(s.quote.CertData); s.chainErr == nil {
		v.Simulated = IsSimulationRoot(s.chain[posRoot])
		s.term(dated{name: "certificate chain of the platform", from: s.chain.validFrom(), until: s.chain.validUntil()})
		if s.pck, s.pckErr = parsePCK(s.chain[posPCK]); s.pckErr == nil {
			v.FMSPC, v.PPID, v.PlatformID = s.pck.FMSPC, s.pck.PPID, s.pck.PPID[:]
		}
	}
	if len(s.evidence.Collateral) == 0 {
		return
	}
	s.collateral, s.collateralErr = parseCollateral(s.evidence.Collateral)
	c := s.collateral
	if c == nil {
		return
	}
	tcb, qe := c.tcbDoc.chain[0], c.qeDoc.chain[0]
	if tcb != nil {
		s.term(datedCertificate("certificate of the TCB signer", tcb))
	}
	if qe != nil && (tcb == nil || !qe.Equal(tcb)) {
		s.term(datedCertificate("certificate of the QE identity's signer", qe))
	}
	for _, d := range s.documents() {
		s.term(d)
	}
	for _, l := range s.lists() {
		if l.list != nil {
			s.term(l.dated())
		}
	}
}

func datedCertificate(name string, c *x509.Certificate) dated {
	return dated{name: name, from: c.NotBefore, until: c.NotAfter}
}

// term notes what ages, and what of it ends first.
func (s *verification) term(d dated) {
	until := d.until
	if end := d.from.Add(d.maxAge); d.maxAge > 0 && end.Before(until) {
		until = end
	}
	v := s.verdict
	v.Terms = append(v.Terms, Term{d.name, d.from, until})
	if v.ValidUntil.IsZero() || until.Before(v.ValidUntil) {
		v.ValidUntil = until
	}
}

// rate finds the TCB statuses, as far as the collateral could be read and is about
// this kind of platform, whatever the checks will say.
func (s *verification) rate() {
	c, v := s.collateral, s.verdict
	tdx := s.quote.TEE == TEETypeTDX
	if c == nil || s.chainErr != nil || s.pckErr != nil {
		return
	}
	if c.tcb != nil && (c.tcb.fmspc != s.pck.FMSPC || c.tcb.tdx != tdx) || c.qe != nil && c.qe.tdx != tdx {
		return
	}
	var parts []Status
	var advisories [][]string
	add := func(r rating) Status {
		if r.status != "" {
			parts, advisories = append(parts, r.status), append(advisories, r.advisories)
		}
		return r.status
	}
	if c.tcb != nil {
		var tee *[tcbComponents]uint8
		if tdx {
			tee = &s.td.TEETCBSVN
			var module rating
			module, s.moduleErr = c.tcb.rateModule(&s.td)
			v.ModuleStatus = add(module)
		}
		platform := c.tcb.rate(&s.pck, tee)
		v.PlatformStatus, v.TCBDate, v.TCBEvaluation = add(platform), platform.date, c.tcb.evaluation
	}
	if c.qe != nil {
		v.QEStatus = add(rateSVN(c.qe.levels, s.quote.QEReport.Fields().SVN))
	}
	if c.tcb != nil && c.qe != nil {
		v.TCBEvaluation = min(c.tcb.evaluation, c.qe.evaluation)
		v.Status, v.Advisories = mergeStatus(parts...), mergeAdvisories(advisories...)
	}
}

// verifyP256 checks a raw signature r || s over the SHA-256 of msg.
func verifyP256(key *ecdsa.PublicKey, msg []byte, sig *[keyBytes]byte) bool {
	digest := sha256.Sum256(msg)
	r := new(big.Int).SetBytes(sig[:keyBytes/2])
	s := new(big.Int).SetBytes(sig[keyBytes/2:])
	return ecdsa.Verify(key, digest[:], r, s)
}

// Claims returns what evidence says of itself (TEE, identity, report data), of
// which nothing is verified. It is for whoever made the quote. The error is a
// *Refusal of a quote that cannot be read.
func Claims(raw RawQuote) (Verdict, error) {
	var v Verdict
	s := verification{policy: &Policy{}, evidence: Evidence{Quote: raw}, verdict: &v}
	if r := s.open(); r != nil && r.Check != CheckCertType {
		return Verdict{}, r
	}
	return v, nil
}
