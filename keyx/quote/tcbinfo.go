package quote

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Versions of the collateral documents that are read.
const (
	tcbInfoVersion    = 3
	qeIdentityVersion = 2

	tcbComponents = 16
	// maxTCBLevels bounds the levels of one list; published ones have about 20.
	maxTCBLevels = 128
)

// Names of the documents, by TEE.
const (
	idTCBSGX = "SGX"
	idTCBTDX = "TDX"
	idQE     = "QE"
	idTDQE   = "TD_QE"
)

// document is what TCB info and QE identity have in common.
type document struct {
	issueDate, nextUpdate time.Time
	evaluation            uint32 // tcbEvaluationDataNumber
}

type documentJSON struct {
	ID         *string   `json:"id"`
	Version    *uint32   `json:"version"`
	IssueDate  *timeText `json:"issueDate"`
	NextUpdate *timeText `json:"nextUpdate"`
	Evaluation *uint32   `json:"tcbEvaluationDataNumber"`
}

// read takes the common members, of exactly this version.
func (j *documentJSON) read(m *members, version uint32) (document, string) {
	d := document{
		issueDate: need(m, "issueDate", j.IssueDate).Time, nextUpdate: need(m, "nextUpdate", j.NextUpdate).Time,
		evaluation: need(m, "tcbEvaluationDataNumber", j.Evaluation),
	}
	if v := need(m, "version", j.Version); v != version && m.err == nil {
		m.err = fmt.Errorf("version %d, not %d", v, version)
	}
	if m.err == nil && !d.issueDate.Before(d.nextUpdate) {
		m.err = errors.New("nextUpdate is not after issueDate")
	}
	return d, need(m, "id", j.ID)
}

// rating is the end of every level.
type rating struct {
	status     Status
	date       time.Time
	advisories []string
}

type ratingJSON struct {
	Date       *timeText `json:"tcbDate"`
	Status     *Status   `json:"tcbStatus"`
	Advisories []string  `json:"advisoryIDs"`
}

func (j *ratingJSON) read(m *members) rating {
	r := rating{status: need(m, "tcbStatus", j.Status), date: need(m, "tcbDate", j.Date).Time, advisories: j.Advisories}
	if m.err == nil && !r.status.published() {
		m.err = fmt.Errorf("unknown tcbStatus %.40q", string(r.status))
	}
	return r
}

// tcbInfo is a TCB info of version 3: the rated security versions of one processor
// family (Intel PCS API version 4, "Get TCB Info").
type tcbInfo struct {
	document
	tdx    bool
	fmspc  [6]byte
	pceID  [2]byte
	levels []tcbLevel
	module *tdxModule // of TDX modules without a version of their own; nil: none
	// modules are the identities of versioned TDX modules.
	modules []tdxModule
}

type tcbLevel struct {
	rating
	sgx, tdx [tcbComponents]uint8
	pceSVN   uint16
}

// tdxModule identifies TDX modules, and rates those with a version of their own.
type tdxModule struct {
	id               string
	signer           [TDHashBytes]byte
	attributes, mask uint64
	levels           []svnLevel // none: not rated
}

// svnLevel rates by one security version.
type svnLevel struct {
	rating
	svn uint16
}

type tcbInfoJSON struct {
	documentJSON
	FMSPC      *string          `json:"fmspc"`
	PCEID      *string          `json:"pceId"`
	Type       *uint32          `json:"tcbType"`
	Levels     *[]tcbLevelJSON  `json:"tcbLevels"`
	Module     *tdxModuleJSON   `json:"tdxModule"`
	Identities *[]tdxModuleJSON `json:"tdxModuleIdentities"`
}

type tcbLevelJSON struct {
	TCB *struct {
		SGX    *[]componentJSON `json:"sgxtcbcomponents"`
		TDX    *[]componentJSON `json:"tdxtcbcomponents"`
		PCESVN *uint16          `json:"pcesvn"`
	} `json:"tcb"`
	ratingJSON
}

type componentJSON struct {
	SVN *uint8 `json:"svn"`
}

type tdxModuleJSON struct {
	ID         *string         `json:"id"`
	Signer     *string         `json:"mrsigner"`
	Attributes *string         `json:"attributes"`
	Mask       *string         `json:"attributesMask"`
	Levels     *[]svnLevelJSON `json:"tcbLevels"`
}

type svnLevelJSON struct {
	TCB *struct {
		SVN *uint16 `json:"isvsvn"`
	} `json:"tcb"`
	ratingJSON
}

// parseTCBInfo reads the document whose exact bytes are signed.
func parseTCBInfo(b []byte) (*tcbInfo, error) {
	var j tcbInfoJSON
	if err := unmarshalStrict(b, &j); err != nil {
		return nil, err
	}
	var m members
	var t tcbInfo
	var id string
	t.document, id = j.read(&m, tcbInfoVersion)
	hexBytes(&m, "fmspc", j.FMSPC, t.fmspc[:])
	hexBytes(&m, "pceId", j.PCEID, t.pceID[:])
	if kind := need(&m, "tcbType", j.Type); kind != 0 && m.err == nil {
		m.err = fmt.Errorf("tcbType %d, whose comparison is not known", kind)
	}
	t.tdx = id == idTCBTDX
	if m.err == nil && id != idTCBSGX && !t.tdx {
		m.err = fmt.Errorf("id %.40q, neither SGX nor TDX", id)
	}
	for i := range rated(&m, j.Levels) {
		t.levels = append(t.levels, (*j.Levels)[i].read(&m, t.tdx))
	}
	if t.tdx {
		t.readModules(&m, &j)
	}
	if m.err != nil {
		return nil, m.err
	}
	return &t, nil
}

// rated returns a list of levels that has a plausible length.
func rated[T any](m *members, list *[]T) []T {
	levels := need(m, "tcbLevels", list)
	if m.err == nil && (len(levels) == 0 || len(levels) > maxTCBLevels) {
		m.err = fmt.Errorf("%d tcbLevels", len(levels))
	}
	if m.err != nil {
		return nil
	}
	return levels
}

func (j *tcbLevelJSON) read(m *members, tdx bool) tcbLevel {
	l := tcbLevel{rating: j.ratingJSON.read(m)}
	tcb := need(m, "tcb", j.TCB)
	l.pceSVN = need(m, "pcesvn", tcb.PCESVN)
	components(m, "sgxtcbcomponents", tcb.SGX, &l.sgx)
	if tdx {
		components(m, "tdxtcbcomponents", tcb.TDX, &l.tdx)
	}
	return l
}

func components(m *members, name string, list *[]componentJSON, dst *[tcbComponents]uint8) {
	all := need(m, name, list)
	if m.err == nil && len(all) != tcbComponents {
		m.err = fmt.Errorf("%d %s", len(all), name)
	}
	for i := 0; i < len(all) && m.err == nil; i++ {
		dst[i] = need(m, "svn", all[i].SVN)
	}
}

func (t *tcbInfo) readModules(m *members, j *tcbInfoJSON) {
	if j.Module != nil {
		module := j.Module.read(m, false)
		t.module = &module
	}
	if j.Identities == nil {
		return
	}
	if len(*j.Identities) > maxTCBLevels {
		m.err = errors.New("too many tdxModuleIdentities")
		return
	}
	for i := range *j.Identities {
		module := (*j.Identities)[i].read(m, true)
		for _, other := range t.modules {
			if other.id == module.id && m.err == nil {
				m.err = errors.New("two tdxModuleIdentities of one id")
			}
		}
		t.modules = append(t.modules, module)
	}
}

func (j *tdxModuleJSON) read(m *members, identity bool) tdxModule {
	var module tdxModule
	hexBytes(m, "mrsigner", j.Signer, module.signer[:])
	module.attributes = hexUint64(m, "attributes", j.Attributes)
	module.mask = hexUint64(m, "attributesMask", j.Mask)
	if !identity {
		return module
	}
	module.id = need(m, "id", j.ID)
	module.levels = svnLevels(m, j.Levels)
	return module
}

func svnLevels(m *members, list *[]svnLevelJSON) []svnLevel {
	levels := rated(m, list)
	out := make([]svnLevel, 0, len(levels))
	for i := range levels {
		tcb := need(m, "tcb", levels[i].TCB)
		out = append(out, svnLevel{rating: levels[i].read(m), svn: need(m, "isvsvn", tcb.SVN)})
	}
	return out
}

// hexBytes reads exactly len(dst) bytes.
func hexBytes(m *members, name string, text *string, dst []byte) {
	s := need(m, name, text)
	if m.err != nil {
		return
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(dst) {
		m.err = fmt.Errorf("%s is not %d hexadecimal digits", name, 2*len(dst))
		return
	}
	copy(dst, b)
}

// hexUint64 reads 8 bytes in memory order, as TDX and SGX attributes are written.
func hexUint64(m *members, name string, text *string) uint64 {
	var b [8]byte
	hexBytes(m, name, text, b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// rate finds the first level whose every component the platform reaches. tee is
// the TDX module's versions of a TD report, nil for an SGX enclave.
func (t *tcbInfo) rate(pck *PCK, tee *[tcbComponents]uint8) rating {
	for i := range t.levels {
		l := &t.levels[i]
		if pck.PCESVN < l.pceSVN || !reaches(pck.TCB[:], l.sgx[:]) {
			continue
		}
		if tee == nil || reaches(tee[teeCompared(tee):], l.tdx[teeCompared(tee):]) {
			return l.rating
		}
	}
	return rating{status: StatusNone}
}

// teeCompared is where the comparison of TDX components begins: a module with a
// version of its own ([1] not 0) is rated by its identity, not by [0] and [1].
func teeCompared(tee *[tcbComponents]uint8) int {
	if tee[1] != 0 {
		return 2
	}
	return 0
}

func reaches(have, want []uint8) bool {
	for i := range want {
		if have[i] < want[i] {
			return false
		}
	}
	return true
}

// errModule is a TD that a module other than Intel's has made.
var errModule = errors.New("the TDX module is not one that the TCB info names")

// rateModule rates the TDX module of a TD. A module without a version has no rating
// of its own (""), only an identity.
func (t *tcbInfo) rateModule(r *TDReport) (rating, error) {
	module := t.module
	if version := r.TEETCBSVN[1]; version != 0 {
		module = nil
		id := fmt.Sprintf("TDX_%02X", version)
		if i := slices.IndexFunc(t.modules, func(m tdxModule) bool { return m.id == id }); i >= 0 {
			module = &t.modules[i]
		}
	}
	if module == nil || module.signer != r.MRSignerSEAM || r.SEAMAttributes&module.mask != module.attributes {
		return rating{}, errModule
	}
	if len(module.levels) == 0 {
		return rating{}, nil
	}
	return rateSVN(module.levels, uint16(r.TEETCBSVN[0])), nil
}

// rateSVN finds the first level that svn reaches.
func rateSVN(levels []svnLevel, svn uint16) rating {
	for i := range levels {
		if svn >= levels[i].svn {
			return levels[i].rating
		}
	}
	return rating{status: StatusNone}
}
