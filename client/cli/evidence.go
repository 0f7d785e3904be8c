package cli

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/scbr/scbr/keyx/quote"
)

// evidenceJSON is what both quote verify and attest tell of a verdict.
type evidenceJSON struct {
	Accepted       bool           `json:"accepted"`
	TEE            string         `json:"tee"`
	Simulated      bool           `json:"simulated"`
	Debug          bool           `json:"debug"`
	Measurement    string         `json:"measurement"`
	RTMRs          []string       `json:"rtmrs,omitempty"`
	Signer         string         `json:"signer"`
	ProductID      uint16         `json:"product_id"`
	SVN            uint16         `json:"svn"`
	Status         quote.Status   `json:"status"`
	PlatformStatus quote.Status   `json:"platform_status"`
	QEStatus       quote.Status   `json:"qe_status"`
	ModuleStatus   quote.Status   `json:"tdx_module_status"`
	Advisories     []string       `json:"advisories"`
	FMSPC          string         `json:"fmspc,omitempty"`
	PlatformID     string         `json:"platform_id,omitempty"`
	TCBDate        string         `json:"tcb_date,omitempty"`
	TCBEvaluation  uint32         `json:"tcb_evaluation_number,omitempty"`
	ValidUntil     string         `json:"valid_until,omitempty"`
	Terms          []evidenceTerm `json:"terms"`
	Checked        []string       `json:"checked"`
	Unchecked      []string       `json:"unchecked"`
	Check          string         `json:"check,omitempty"` // the one that failed
}

// evidenceTerm is the time for which a part of the evidence is good.
type evidenceTerm struct {
	Part  string `json:"part"`
	From  string `json:"from"`
	Until string `json:"until"`
}

func tellEvidence(v *quote.Verdict) evidenceJSON {
	e := evidenceJSON{
		Accepted: v.Accepted, TEE: v.TEE, Simulated: v.Simulated, Debug: v.Debug,
		Status: v.Status, PlatformStatus: v.PlatformStatus, QEStatus: v.QEStatus, ModuleStatus: v.ModuleStatus,
		Advisories:  append([]string{}, v.Advisories...),
		Measurement: hex.EncodeToString(v.Measurement), Signer: hex.EncodeToString(v.Signer), ProductID: v.ProductID, SVN: v.SVN,
		PlatformID: hex.EncodeToString(v.PlatformID), TCBEvaluation: v.TCBEvaluation,
		TCBDate: timeText(v.TCBDate), ValidUntil: timeText(v.ValidUntil), Terms: []evidenceTerm{},
		Checked: append([]string{}, v.Passed...), Unchecked: append([]string{}, v.Unchecked...), Check: v.Check,
	}
	if v.FMSPC != [6]byte{} {
		e.FMSPC = hex.EncodeToString(v.FMSPC[:])
	}
	for _, m := range v.RTMRs {
		e.RTMRs = append(e.RTMRs, hex.EncodeToString(m))
	}
	for _, t := range v.Terms {
		e.Terms = append(e.Terms, evidenceTerm{t.Part, timeText(t.From), timeText(t.Until)})
	}
	return e
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// identity prints who the evidence is about.
func (e *evidenceJSON) identity(p *printer) {
	e.who(p)
	p.line("tcb status", e.statusLine())
	p.list("advisories", e.Advisories)
}

// who prints which enclave on which platform.
func (e *evidenceJSON) who(p *printer) {
	p.line("platform", e.platform())
	p.line("measurement", e.Measurement)
	for i, m := range e.RTMRs {
		p.line(fmt.Sprintf("rtmr%d", i), m)
	}
	if e.Signer != "" {
		p.line("signer", fmt.Sprintf("%s, product %d, security version %d", e.Signer, e.ProductID, e.SVN))
	}
	if e.PlatformID != "" {
		p.line("platform id", e.PlatformID)
	}
}

func (e *evidenceJSON) state() string {
	if e.Accepted {
		return "ACCEPTED"
	}
	return "REFUSED"
}

// failure prints the check that failed, if one did.
func (e *evidenceJSON) failure(p *printer, reason, remedy string) {
	if e.Accepted {
		return
	}
	p.line("  FAILED", fmt.Sprintf("%-22s %s", e.Check, reason))
	p.line("remedy", remedy)
}

func (e *evidenceJSON) statusLine() string {
	if e.Status == "" {
		return "not rated"
	}
	parts := []string{"platform " + string(e.PlatformStatus)}
	if e.QEStatus != "" {
		parts = append(parts, "quoting enclave "+string(e.QEStatus))
	}
	if e.ModuleStatus != "" {
		parts = append(parts, "TDX module "+string(e.ModuleStatus))
	}
	text := fmt.Sprintf("%s (%s)", e.Status, strings.Join(parts, ", "))
	if e.TCBDate != "" {
		text += ", as of " + e.TCBDate[:len("2006-01-02")]
	}
	if e.TCBEvaluation != 0 {
		text += fmt.Sprintf(", evaluation %d", e.TCBEvaluation)
	}
	return text
}

func (e *evidenceJSON) platform() string {
	text := e.TEE
	if text == "" {
		text = "unreadable"
	}
	if e.FMSPC != "" && !e.Simulated {
		text += ", processor family " + e.FMSPC
	}
	if e.Simulated {
		text += ", SIMULATED: an ordinary process, no hardware protects it"
	}
	if e.Debug {
		text += ", DEBUG: its host reads its memory"
	}
	return text
}

// reasoning prints every check, against what, and what ages.
func (e *evidenceJSON) reasoning(p *printer, policy *quote.Policy) {
	for _, check := range e.Checked {
		p.line("  ok", fmt.Sprintf("%-22s %s", check, against(check, policy)))
	}
	terms := make([]string, 0, len(e.Terms))
	for _, t := range e.Terms {
		terms = append(terms, t.Until+"  "+t.Part)
	}
	p.list("good until", terms)
	if e.ValidUntil != "" {
		p.line("expires", e.ValidUntil+", when the first of these does")
	}
}

// against says what a check has compared with what.
func against(check string, policy *quote.Policy) string {
	if text := againstPolicy(check, policy); text != "" {
		return text
	}
	return map[string]string{
		quote.CheckFormat:              "every length exact, only zeros behind the end",
		quote.CheckVersion:             "a version and TEE that this program knows, ECDSA P-256, Intel's quoting enclave",
		quote.CheckCertType:            "the quote carries its certificate chain",
		quote.CheckChainFormat:         "platform, intermediate, root, in canonical form",
		quote.CheckPolicy:              "the policy itself",
		quote.CheckChainKey:            "keys and signatures of the kind their maker uses",
		quote.CheckChainCA:             "only authorities certify, within their path lengths",
		quote.CheckChainSignature:      "each certificate against the key above it",
		quote.CheckChainValidity:       "each certificate against the time of this check",
		quote.CheckPCKExtension:        "processor family and versions in the platform's certificate",
		quote.CheckQESignature:         "the quoting enclave's report against the platform's key",
		quote.CheckQEBinding:           "the attestation key against the quoting enclave's report",
		quote.CheckQEDebug:             "the quoting enclave is not a debug enclave",
		quote.CheckQuoteSignature:      "the report against the attestation key",
		quote.CheckDebug:               "not a debug enclave; no policy can waive this",
		quote.CheckCollateralFormat:    "every member, no name twice",
		quote.CheckCollateralChain:     "TCB signers against the same root",
		quote.CheckTCBSignature:        "TCB info against its signer",
		quote.CheckQEIdentitySignature: "QE identity against its signer",
		quote.CheckCollateralValidity:  "issue and next update of both documents against the time of this check",
		quote.CheckCRLSignature:        "both revocation lists against root and intermediate",
		quote.CheckCRLValidity:         "both revocation lists against the time of this check",
		quote.CheckRevocation:          "intermediate, TCB signers and platform against the lists",
		quote.CheckCollateralPlatform:  "TEE, processor family and PCE of the documents against the quote",
		quote.CheckQEIdentity:          "the quoting enclave against the QE identity",
		quote.CheckTDXModule:           "the TDX module against the TCB info",
		quote.CheckReportTCB:           "versions and chip of the report against the chip key's certificate",
		quote.CheckVMPL:                "the privilege level that asked against the policy's max_vmpl",
		quote.CheckMigration:           "nobody may move its memory to another machine",
		quote.CheckReportData:          "all 64 bytes against this client's own configuration and the enclave's key",
		checkEndorsement:               "an endorser of the domain has signed for this enclave under this name",
	}[check]
}

// againstPolicy says what the policy had to say about a check.
func againstPolicy(check string, policy *quote.Policy) string {
	switch check {
	case quote.CheckChainRoot:
		return fmt.Sprintf("the policy's %d hardware and %d simulation roots, as whole certificates", len(policy.Roots), len(policy.SimulatedRoots))
	case quote.CheckCollateralAge:
		if policy.MaxCollateralAge == 0 && policy.MaxRootCRLAge == 0 {
			return "the policy sets no maximum age beyond validity"
		}
		return fmt.Sprintf("at most %v, the root's list %v (0s: no bound)", policy.MaxCollateralAge, policy.MaxRootCRLAge)
	case quote.CheckTCBEvaluation:
		return fmt.Sprintf("at least %d", policy.MinTCBEvaluation)
	case quote.CheckTCBStatus:
		return fmt.Sprintf("one of %v", policy.AcceptedStatuses())
	case quote.CheckAdvisories:
		if policy.Advisories == nil {
			return "the policy allows all"
		}
		return fmt.Sprintf("the %d that the policy allows", len(policy.Advisories))
	case quote.CheckPlatform:
		if policy.Platforms == nil {
			return "the policy allows all"
		}
		return fmt.Sprintf("the %d that the policy names", len(policy.Platforms))
	case quote.CheckMeasurement:
		return fmt.Sprintf("the policy's %d measurements, %d signers, %d TDs, %d guests",
			len(policy.Measurements), len(policy.Signers), len(policy.TDs), len(policy.Guests))
	}
	return ""
}
