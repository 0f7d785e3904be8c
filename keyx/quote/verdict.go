package quote

import (
	"fmt"
	"time"
)

// Check codes: the stable name of each check. They appear in Verdict.Check,
// Refusal.Check and Verdict.Passed; new ones are added, none is renamed.
const (
	// CheckFormat: the bytes are a quote or report, every length exact.
	CheckFormat = "format"
	// CheckVersion: a supported version, TEE, ECDSA-P256, Intel's quoting enclave format.
	CheckVersion = "version"
	// CheckCertType: the certification data is a PEM chain (type 5), not a PPID.
	CheckCertType = "cert-type"
	// CheckPolicy: the policy itself is complete enough to accept anything.
	CheckPolicy = "policy"
	// CheckChainFormat: canonical PEM, exactly PCK, intermediate, root.
	CheckChainFormat = "chain-format"
	// CheckChainRoot: the chain ends in a root certificate the policy names.
	CheckChainRoot = "chain-root"
	// CheckChainKey: every key of the chain is of the kind that its maker uses.
	CheckChainKey = "chain-key"
	// CheckChainCA: CA flags, key usages and path lengths fit each position.
	CheckChainCA = "chain-ca"
	// CheckChainSignature: each certificate is named and signed by the next.
	CheckChainSignature = "chain-signature"
	// CheckChainValidity: every certificate is valid at the time of the check.
	CheckChainValidity = "chain-validity"
	// CheckPCKExtension: the leaf is a PCK certificate (Intel's SGX extension).
	CheckPCKExtension = "pck-extension"
	// CheckQESignature: the PCK key signed the quoting enclave's report.
	CheckQESignature = "qe-signature"
	// CheckQEBinding: the quoting enclave's report names the attestation key.
	CheckQEBinding = "qe-binding"
	// CheckQEDebug: the quoting enclave is not a debug enclave.
	CheckQEDebug = "qe-debug"
	// CheckQuoteSignature: the attestation key signed header and body; the chip's
	// key signed the report.
	CheckQuoteSignature = "quote-signature"
	// CheckDebug: the enclave is not a debug enclave. No policy can waive it.
	CheckDebug = "debug"
	// CheckCollateralMissing: collateral was stapled to the quote.
	CheckCollateralMissing = "collateral-missing"
	// CheckCollateralFormat: it has its members, and each has its form.
	CheckCollateralFormat = "collateral-format"
	// CheckCollateralChain: TCB signers under the quote's root, valid now.
	CheckCollateralChain = "collateral-chain"
	// CheckTCBSignature: the TCB info is signed.
	CheckTCBSignature = "tcb-signature"
	// CheckQEIdentitySignature: the QE identity is signed.
	CheckQEIdentitySignature = "qe-identity-signature"
	// CheckCollateralValidity: both documents are issued, and not overdue.
	CheckCollateralValidity = "collateral-validity"
	// CheckCRLMissing: both revocation lists are there.
	CheckCRLMissing = "crl-missing"
	// CheckCRLSignature: each list is issued and signed by its authority.
	CheckCRLSignature = "crl-signature"
	// CheckCRLValidity: both lists are current.
	CheckCRLValidity = "crl-validity"
	// CheckRevocation: no certificate is on a list.
	CheckRevocation = "revocation"
	// CheckCollateralAge: documents and lists are as young as the policy wants.
	CheckCollateralAge = "collateral-age"
	// CheckTCBEvaluation: the documents' evaluation number is not below the policy's.
	CheckTCBEvaluation = "tcb-evaluation"
	// CheckCollateralPlatform: the documents are about this TEE and processor family.
	CheckCollateralPlatform = "collateral-platform"
	// CheckQEIdentity: the quoting enclave is the one of the QE identity.
	CheckQEIdentity = "qe-identity"
	// CheckTDXModule: the TDX module is one that the TCB info names.
	CheckTDXModule = "tdx-module"
	// CheckTCBStatus: the policy accepts the merged TCB status.
	CheckTCBStatus = "tcb-status"
	// CheckAdvisories: no advisory stands against the platform that the policy
	// does not allow.
	CheckAdvisories = "advisories"
	// CheckPlatform: the policy names the platform, or none.
	CheckPlatform = "platform-id"
	// CheckReportTCB: an SEV-SNP report's versions and chip are those of the key's
	// certificate.
	CheckReportTCB = "report-tcb"
	// CheckVMPL: nobody less privileged than the policy allows asked for an SEV-SNP
	// report.
	CheckVMPL = "vmpl"
	// CheckMigration: nobody may move the TD's or guest's memory elsewhere.
	CheckMigration = "migration"
	// CheckMeasurement: the policy names the measurement, or signer, product
	// and a minimum SVN that the enclave meets.
	CheckMeasurement = "measurement"
	// CheckReportData: all 64 bytes of report data are the expected ones.
	CheckReportData = "report-data"
)

// Names in Verdict.Unchecked.
const (
	// UncheckedReportData: nobody said what the evidence has to be bound to, so it
	// may belong to another conversation (VerifyUnbound, Examine).
	UncheckedReportData = CheckReportData
	// UncheckedMeasurement: any enclave was accepted (Examine).
	UncheckedMeasurement = CheckMeasurement
)

// Values of Verdict.TEE.
const (
	// TEESGX is an SGX enclave.
	TEESGX = "sgx"
	// TEETDX is a TDX trust domain.
	TEETDX = "tdx"
	// TEESNP is an SEV-SNP guest.
	TEESNP = "sev-snp"
)

// Verdict is what a verification found. It is filled as far as the evidence
// could be read, also when refused; unless Accepted is true every other field is
// only the peer's claim.
type Verdict struct {
	// Accepted is true only when every check of this package has passed.
	Accepted bool
	// TEE is the kind of hardware claimed (TEESGX), empty when unreadable.
	TEE string
	// Simulated tells that the chain ends in a simulation root: no hardware
	// protects that enclave.
	Simulated bool
	// Debug tells that the enclave runs in debug mode: its host reads it.
	Debug bool
	// Measurement identifies the code: MRENCLAVE (32 bytes), MRTD (48) or an
	// SEV-SNP launch measurement (48).
	Measurement []byte
	// Signer identifies its vendor: MRSIGNER (32 bytes) or the digest of an
	// SEV-SNP id key (48); nil where nobody signed.
	Signer []byte
	// RTMRs are a TD's run-time measurements (48 bytes each), nil otherwise.
	RTMRs [][]byte
	// ProductID and SVN are the signer's numbers for the product and its
	// security version.
	ProductID, SVN uint16
	// ReportData is the whole 64 bytes the enclave put into its report.
	ReportData [64]byte
	// FMSPC names the processor family, PPID the platform (from the PCK
	// certificate).
	FMSPC [6]byte
	PPID  [16]byte
	// PlatformID is the PPID or an SEV-SNP chip id, as in Policy.Platforms.
	PlatformID []byte
	// Status is the merged TCB status, of PlatformStatus, QEStatus and
	// ModuleStatus (TDX modules with a version of their own); "" where there was
	// nothing to rate by. Advisories are those of all three, sorted.
	Status, PlatformStatus, QEStatus, ModuleStatus Status
	Advisories                                     []string
	// TCBDate is when the platform's level was current.
	TCBDate time.Time
	// TCBEvaluation is the evaluation number of the documents, the lower one.
	TCBEvaluation uint32
	// Terms are the parts of the evidence that age, in the order of the checks.
	Terms []Term
	// ValidUntil is the end of the first of Terms to end: from then on this
	// evidence is refused.
	ValidUntil time.Time
	// Passed lists the codes of the checks that passed, in order.
	Passed []string
	// Unchecked names what was not compared (UncheckedReportData, ...), among it the
	// members of the policy that have no effect on this kind of evidence.
	Unchecked []string
	// Check, Reason and Remedy repeat the Refusal; empty when accepted.
	Check, Reason, Remedy string
}

// Term is the time for which a part of the evidence is good.
type Term struct {
	// Part names it in words.
	Part string
	// From and Until are its own; MaxAge of the policy, if any, has shortened Until.
	From, Until time.Time
}

// Refusal is the error of a verification: the first check that failed.
//
//nolint:errname // the domain's word; "RefusalError" would say the same twice
type Refusal struct {
	// Check is the stable code of the failed check (CheckFormat, ...).
	Check string
	// Reason says in words what was found.
	Reason string
	// Remedy says in words what an operator can do about it.
	Remedy string
	// Err is the underlying error, if any.
	Err error
}

// Error names the check, the reason and the remedy.
func (r *Refusal) Error() string {
	return fmt.Sprintf("evidence refused (%s): %s; %s", r.Check, r.Reason, r.Remedy)
}

// Unwrap returns the underlying error, or nil.
func (r *Refusal) Unwrap() error { return r.Err }
