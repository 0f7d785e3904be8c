package quote

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

const (
	remedyCollateral = "let the enclave's host fetch collateral for its platform anew, and staple it unaltered"
	remedyStale      = "let the enclave's host fetch collateral more often, or check this machine's clock"
)

// collateralSteps look at what is stapled to a DCAP quote. The chain of the quote
// has been verified: its root and intermediate are known.
func collateralSteps() []step {
	return []step{
		{check: CheckCollateralMissing, run: (*verification).checkCollateral},
		{check: CheckCollateralFormat, run: func(s *verification) *Refusal {
			return failed("collateral: ", s.collateralErr, remedyCollateral)
		}},
		{check: CheckCollateralChain, run: (*verification).checkIssuers},
		{check: CheckTCBSignature, run: func(s *verification) *Refusal {
			return failed("TCB info: ", s.collateral.tcbDoc.verify(), remedyCollateral)
		}},
		{check: CheckQEIdentitySignature, run: func(s *verification) *Refusal {
			return failed("QE identity: ", s.collateral.qeDoc.verify(), remedyCollateral)
		}},
		{check: CheckCollateralValidity, run: (*verification).checkDocumentValidity},
		{check: CheckCRLMissing, run: (*verification).checkLists},
		{check: CheckCRLSignature, run: (*verification).checkListSignatures},
		{check: CheckCRLValidity, run: (*verification).checkListValidity},
		{check: CheckRevocation, run: (*verification).checkRevocation},
		{check: CheckCollateralPlatform, run: (*verification).checkSubject},
		{check: CheckCollateralAge, run: (*verification).checkAge},
		{check: CheckTCBEvaluation, run: (*verification).checkEvaluation},
		{check: CheckQEIdentity, run: func(s *verification) *Refusal {
			return failed("", s.collateral.qe.check(&s.quote.QEReport), "install the released quoting enclave on the enclave's host; otherwise the evidence is forged")
		}},
		{check: CheckTDXModule, run: func(s *verification) *Refusal {
			return failed("", s.moduleErr, "update the TDX module of the enclave's host, or let it fetch newer collateral; otherwise the evidence is forged")
		}, moot: func(s *verification) bool { return s.quote.TEE != TEETypeTDX }},
	}
}

func (s *verification) checkCollateral() *Refusal {
	if len(s.evidence.Collateral) == 0 {
		return &Refusal{
			Reason: "no collateral: neither revocation nor the platform's security version can be judged",
			Remedy: "let the enclave's host staple collateral (routerd --collateral)",
		}
	}
	return nil
}

// checkIssuers: TCB info and QE identity are signed by TCB signers under the root
// of the quote, and the list of platforms comes with the authority of this one.
func (s *verification) checkIssuers() *Refusal {
	c, root := s.collateral, s.chain[posRoot]
	err := named("TCB info", c.tcbDoc.chain.check(root, s.now))
	if err == nil && !bytes.Equal(c.tcbDoc.chain[0].Raw, c.qeDoc.chain[0].Raw) {
		err = named("QE identity", c.qeDoc.chain.check(root, s.now))
	}
	if err == nil && !bytes.Equal(c.qeDoc.chain[1].Raw, root.Raw) {
		err = errors.New("QE identity: issued under another root than the quote")
	}
	if a := c.pckCRLChain; err == nil && a[0] != nil {
		if !bytes.Equal(a[1].Raw, root.Raw) || !bytes.Equal(a[0].RawSubject, s.chain[posIntermediate].RawSubject) ||
			!bytes.Equal(a[0].RawSubjectPublicKeyInfo, s.chain[posIntermediate].RawSubjectPublicKeyInfo) {
			err = errors.New("revocation list of platforms: another authority than the one that certified this platform")
		}
	}
	return failed("collateral: ", err, remedyCollateral)
}

func (s *verification) checkDocumentValidity() *Refusal {
	c := s.collateral
	for _, d := range [...]struct {
		name string
		*document
	}{{"TCB info", &c.tcb.document}, {"QE identity", &c.qe.document}} {
		if err := within(d.issueDate, d.nextUpdate, s.now); err != nil {
			return failed(d.name+": ", err, remedyStale)
		}
	}
	return nil
}

func (s *verification) checkLists() *Refusal {
	name := ""
	switch c := s.collateral; {
	case c.rootCRL == nil:
		name = "root_ca_crl"
	case c.pckCRL == nil:
		name = "pck_crl"
	default:
		return nil
	}
	return &Refusal{Reason: "no revocation list (" + name + "): a revoked platform would not be recognised", Remedy: remedyCollateral}
}

func (s *verification) checkListSignatures() *Refusal {
	err := named("revocation list of the root", checkCRL(s.collateral.rootCRL, s.chain[posRoot]))
	if err == nil {
		err = named("revocation list of platforms", checkCRL(s.collateral.pckCRL, s.chain[posIntermediate]))
	}
	return failed("", err, remedyCollateral)
}

func (s *verification) checkListValidity() *Refusal {
	err := named("revocation list of the root", current(s.collateral.rootCRL, s.now))
	if err == nil {
		err = named("revocation list of platforms", current(s.collateral.pckCRL, s.now))
	}
	return failed("", err, remedyStale)
}

func (s *verification) checkRevocation() *Refusal {
	c := s.collateral
	what := ""
	switch {
	case listed(c.rootCRL, s.chain[posIntermediate]):
		what = "authority that certified this platform"
	case listed(c.rootCRL, c.tcbDoc.chain[0]), listed(c.rootCRL, c.qeDoc.chain[0]):
		what = "signer of the collateral"
	case listed(c.pckCRL, s.chain[posPCK]):
		what = "platform"
	default:
		return nil
	}
	return &Refusal{Reason: "revoked: the certificate of the " + what, Remedy: statusRemedy(StatusRevoked)}
}

// checkSubject: the documents are about this TEE, processor family and PCE.
func (s *verification) checkSubject() *Refusal {
	c, tdx := s.collateral, s.quote.TEE == TEETypeTDX
	var err error
	switch {
	case c.tcb.tdx != tdx:
		err = fmt.Errorf("TCB info is for another TEE than %s", s.verdict.TEE)
	case c.qe.tdx != tdx:
		err = fmt.Errorf("QE identity is for another TEE than %s", s.verdict.TEE)
	case c.tcb.fmspc != s.pck.FMSPC:
		err = fmt.Errorf("TCB info is for processor family %x, the platform is of %x", c.tcb.fmspc, s.pck.FMSPC)
	case c.tcb.pceID != s.pck.PCEID:
		err = fmt.Errorf("TCB info is for PCE %x, the platform has %x", c.tcb.pceID, s.pck.PCEID)
	}
	return failed("collateral: ", err, remedyCollateral)
}

// checkAge is the policy's own bound, within the validity that was checked.
func (s *verification) checkAge() *Refusal {
	c := s.collateral
	for _, d := range [...]struct {
		name string
		from time.Time
		max  time.Duration
	}{
		{"TCB info", c.tcb.issueDate, s.policy.MaxCollateralAge},
		{"QE identity", c.qe.issueDate, s.policy.MaxCollateralAge},
		{"revocation list of platforms", c.pckCRL.ThisUpdate, s.policy.MaxCollateralAge},
		{"revocation list of the root", c.rootCRL.ThisUpdate, s.policy.MaxRootCRLAge},
	} {
		if age := s.now.Sub(d.from); d.max > 0 && age > d.max {
			return &Refusal{
				Reason: fmt.Sprintf("%s of %s is older than the policy's %v", d.name, d.from.UTC().Format(time.RFC3339), d.max),
				Remedy: remedyStale,
			}
		}
	}
	return nil
}

func (s *verification) checkEvaluation() *Refusal {
	if n := s.verdict.TCBEvaluation; n < s.policy.MinTCBEvaluation {
		return &Refusal{
			Reason: fmt.Sprintf("collateral of TCB evaluation %d, when %d is known: it may be from before a recovery", n, s.policy.MinTCBEvaluation),
			Remedy: remedyCollateral,
		}
	}
	return nil
}
