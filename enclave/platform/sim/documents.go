package sim

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"time"

	"github.com/scbr/scbr/keyx/quote"
)

// Collateral is what the maker of simulated platforms publishes about them, before
// it is signed. Honest collateral rates the platform UpToDate; Variant.Collateral
// changes it.
type Collateral struct {
	// TCBInfo rates the platform, QEIdentity its quoting enclave.
	TCBInfo    TCBInfo
	QEIdentity QEIdentity
	// RootCRL and PlatformCRL are the revocation lists of root and intermediate.
	RootCRL, PlatformCRL List
	// EditTCBInfo and EditQEIdentity, if not nil, alter the text before it is signed.
	EditTCBInfo, EditQEIdentity func(string) string
	// Edit, if not nil, alters the members after all is signed, EditText the JSON.
	Edit     func(members map[string]string)
	EditText func(string) string
	// ByIntermediate has the TCB info signed by a CA below the root in place of
	// the TCB signer; ByPCK by the platform's own certificate.
	ByIntermediate, ByPCK bool
	// Serials for the lists: of the chain's certificates and the TCB signer's.
	Intermediate, PCK, TCBSigner *big.Int
}

// List is a revocation list before it is signed.
type List struct {
	// Revoked are serial numbers.
	Revoked []*big.Int
	// ThisUpdate and NextUpdate bound its validity.
	ThisUpdate, NextUpdate time.Time
	// Missing leaves it out. ForeignKey signs it with another key of the same
	// name, ForeignIssuer with the other authority of the chain.
	Missing, ForeignKey, ForeignIssuer bool
	// Critical adds a critical extension that nobody knows.
	Critical bool
}

// TCBInfo is a TCB info of version 3 (Intel PCS API, "Get TCB Info").
type TCBInfo struct {
	ID         string      `json:"id"`
	Version    int         `json:"version"`
	IssueDate  time.Time   `json:"issueDate"`
	NextUpdate time.Time   `json:"nextUpdate"`
	FMSPC      string      `json:"fmspc"`
	PCEID      string      `json:"pceId"`
	Type       int         `json:"tcbType"`
	Evaluation int         `json:"tcbEvaluationDataNumber"`
	Module     *TDXModule  `json:"tdxModule,omitempty"`
	Modules    []TDXModule `json:"tdxModuleIdentities,omitempty"`
	Levels     []TCBLevel  `json:"tcbLevels"`
}

// TDXModule identifies TDX modules, and rates those that have an ID.
type TDXModule struct {
	ID             string     `json:"id,omitempty"`
	Signer         string     `json:"mrsigner"`
	Attributes     string     `json:"attributes"`
	AttributesMask string     `json:"attributesMask"`
	Levels         []SVNLevel `json:"tcbLevels,omitempty"`
}

// TCBLevel rates a platform.
type TCBLevel struct {
	TCB        TCB          `json:"tcb"`
	Date       time.Time    `json:"tcbDate"`
	Status     quote.Status `json:"tcbStatus"`
	Advisories []string     `json:"advisoryIDs,omitempty"`
}

// TCB are the versions that a level asks for.
type TCB struct {
	SGX    []Component `json:"sgxtcbcomponents"`
	PCESVN int         `json:"pcesvn"`
	TDX    []Component `json:"tdxtcbcomponents,omitempty"`
}

// Component is one of 16.
type Component struct {
	SVN int `json:"svn"`
}

// SVNLevel rates an enclave or module by its one version.
type SVNLevel struct {
	TCB struct {
		SVN int `json:"isvsvn"`
	} `json:"tcb"`
	Date       time.Time    `json:"tcbDate"`
	Status     quote.Status `json:"tcbStatus"`
	Advisories []string     `json:"advisoryIDs,omitempty"`
}

// QEIdentity is a QE identity of version 2 ("Get Quoting Enclave identity").
type QEIdentity struct {
	ID             string     `json:"id"`
	Version        int        `json:"version"`
	IssueDate      time.Time  `json:"issueDate"`
	NextUpdate     time.Time  `json:"nextUpdate"`
	Evaluation     int        `json:"tcbEvaluationDataNumber"`
	MiscSelect     string     `json:"miscselect"`
	MiscMask       string     `json:"miscselectMask"`
	Attributes     string     `json:"attributes"`
	AttributesMask string     `json:"attributesMask"`
	Signer         string     `json:"mrsigner"`
	Product        int        `json:"isvprodid"`
	Levels         []SVNLevel `json:"tcbLevels"`
}

// Ages and numbers of honest collateral.
const (
	// CollateralLife is how long it is current, as Intel's.
	CollateralLife = 30 * 24 * time.Hour
	// Evaluation is its tcbEvaluationDataNumber.
	Evaluation = 17

	documentVersion  = 3
	identityVersion  = 2
	collateralAge    = time.Hour // when it is new
	teeModuleVersion = 1         // TEE_TCB_SVN[1]: the module has an identity of its own
	teeModuleSVN     = 5
	productTDQE      = 2
)

// teeTCBSVN is the TDX module's versions of the simulated machine.
func teeTCBSVN() [16]byte { return [16]byte{teeModuleSVN, teeModuleVersion, 3} }

// newCollateral is honest collateral, issued at now.
func newCollateral(now time.Time, tdx bool) Collateral {
	from := now.UTC().Truncate(time.Second).Add(-collateralAge)
	until := from.Add(CollateralLife)
	c := Collateral{
		TCBInfo: TCBInfo{
			ID: "SGX", Version: documentVersion, IssueDate: from, NextUpdate: until,
			FMSPC: hex.EncodeToString(fmspc()), PCEID: "0000", Evaluation: Evaluation,
			Levels: []TCBLevel{
				level(from, 0, quote.StatusUpToDate, tdx),
				level(from, 1, quote.StatusOutOfDate, tdx, "SCBR-SIM-SA-00001", "SCBR-SIM-SA-00002"),
			},
		},
		QEIdentity: QEIdentity{
			ID: "QE", Version: identityVersion, IssueDate: from, NextUpdate: until, Evaluation: Evaluation,
			MiscSelect: "00000000", MiscMask: "ffffffff",
			Attributes: "11000000000000000000000000000000", AttributesMask: "fbffffffffffffff0000000000000000",
			Signer: hexOf(qeSigner()), Product: qeProduct,
			Levels: []SVNLevel{svnLevel(from, qeSVN, quote.StatusUpToDate), svnLevel(from, 1, quote.StatusOutOfDate, "SCBR-SIM-SA-00003")},
		},
		RootCRL: List{ThisUpdate: from, NextUpdate: until}, PlatformCRL: List{ThisUpdate: from, NextUpdate: until},
	}
	if tdx {
		c.TCBInfo.ID, c.QEIdentity.ID, c.QEIdentity.Product = "TDX", "TD_QE", productTDQE
		module := TDXModule{
			Signer:     hex.EncodeToString(make([]byte, quote.TDHashBytes)),
			Attributes: "0000000000000000", AttributesMask: "ffffffffffffffff",
		}
		c.TCBInfo.Module = &module
		identity := module
		identity.ID = "TDX_01"
		identity.Levels = []SVNLevel{svnLevel(from, teeModuleSVN, quote.StatusUpToDate), svnLevel(from, 2, quote.StatusOutOfDate, "SCBR-SIM-SA-00004")}
		c.TCBInfo.Modules = []TDXModule{identity}
	}
	return c
}

// level asks for the simulated machine's versions, less below.
func level(date time.Time, below int, status quote.Status, tdx bool, advisories ...string) TCBLevel {
	l := TCBLevel{Date: date, Status: status, Advisories: advisories, TCB: TCB{PCESVN: pceSVN - below}}
	for _, n := range cpuSVN() {
		l.TCB.SGX = append(l.TCB.SGX, Component{max(0, int(n)-below)})
	}
	if tdx {
		for _, n := range teeTCBSVN() {
			l.TCB.TDX = append(l.TCB.TDX, Component{max(0, int(n)-below)})
		}
	}
	return l
}

func svnLevel(date time.Time, svn int, status quote.Status, advisories ...string) SVNLevel {
	l := SVNLevel{Date: date, Status: status, Advisories: advisories}
	l.TCB.SVN = svn
	return l
}

func hexOf(sum [32]byte) string { return hex.EncodeToString(sum[:]) }

// text is a document as it is signed.
func text(v any, edit func(string) string) (string, error) {
	b, err := json.Marshal(v)
	if err != nil || edit == nil {
		return string(b), err
	}
	return edit(string(b)), nil
}
