package quote

import (
	"bytes"
	"crypto/x509"
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
		}, moot: notTD},
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

// dated is a part of the evidence that ages, and the policy's own bound (0: none).
type dated struct {
	name        string
	from, until time.Time
	maxAge      time.Duration
}

// documents are TCB info and QE identity, those that could be read.
func (s *verification) documents() (out []dated) {
	add := func(name string, d *document) {
		out = append(out, dated{name, d.issueDate, d.nextUpdate, s.policy.MaxCollateralAge})
	}
	if t := s.collateral.tcb; t != nil {
		add("TCB info", &t.document)
	}
	if q := s.collateral.qe; q != nil {
		add("QE identity", &q.document)
	}
	return out
}

// issuedList is a revocation list, nil where it is missing, and who has to have
// issued it.
type issuedList struct {
	name, member string
	list         *x509.RevocationList
	issuer       *x509.Certificate
	maxAge       time.Duration
}

// lists are those of the root and of platforms.
func (s *verification) lists() [2]issuedList {
	c, p := s.collateral, s.policy
	return [...]issuedList{
		{"revocation list of the root", "root_ca_crl", c.rootCRL, s.chain[posRoot], p.MaxRootCRLAge},
		{"revocation list of platforms", "pck_crl", c.pckCRL, s.chain[posIntermediate], p.MaxCollateralAge},
	}
}

// dated is for lists that are there.
func (l *issuedList) dated() dated {
	return dated{l.name, l.list.ThisUpdate, l.list.NextUpdate, l.maxAge}
}

func (s *verification) checkDocumentValidity() *Refusal {
	for _, d := range s.documents() {
		if r := s.checkDates(d); r != nil {
			return r
		}
	}
	return nil
}

func (s *verification) checkDates(d dated) *Refusal {
	return failed(d.name+": ", within(d.from, d.until, s.now), remedyStale)
}

func (s *verification) checkLists() *Refusal {
	for _, l := range s.lists() {
		if l.list == nil {
			return &Refusal{Reason: "no revocation list (" + l.member + "): a revoked platform would not be recognised", Remedy: remedyCollateral}
		}
	}
	return nil
}

func (s *verification) checkListSignatures() *Refusal {
	for _, l := range s.lists() {
		if err := checkCRL(l.list, l.issuer); err != nil {
			return failed(l.name+": ", err, remedyCollateral)
		}
	}
	return nil
}

func (s *verification) checkListValidity() *Refusal {
	for _, l := range s.lists() {
		if r := s.checkDates(l.dated()); r != nil {
			return r
		}
	}
	return nil
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
	lists := s.lists()
	for _, d := range append(s.documents(), lists[1].dated(), lists[0].dated()) {
		if r := s.checkMaxAge(d); r != nil {
			return r
		}
	}
	return nil
}

func (s *verification) checkMaxAge(d dated) *Refusal {
	if d.maxAge == 0 || s.now.Sub(d.from) <= d.maxAge {
		return nil
	}
	return &Refusal{
		Reason: fmt.Sprintf("%s of %s is older than the policy's %v", d.name, d.from.UTC().Format(time.RFC3339), d.maxAge),
		Remedy: remedyStale,
	}
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
