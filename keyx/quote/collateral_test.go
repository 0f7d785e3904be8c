package quote_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
)

// varied is an attempt with evidence of a variant of the simulated platform.
func varied(t testing.TB, v sim.Variant) attempt {
	t.Helper()
	p, err := sim.ForgeVariant(seeded(1), start(), sim.Config{Measurement: measurement()}, v)
	require.NoError(t, err)
	return newAttempt(t, p)
}

// published is one with other collateral.
func published(t testing.TB, edit func(*sim.Collateral)) attempt {
	t.Helper()
	return varied(t, sim.Variant{Collateral: edit})
}

// TestVariants: quotes of every version and TEE are accepted under their policy.
func TestVariants(t *testing.T) {
	for name, v := range map[string]sim.Variant{
		"SGX v3": {}, "SGX v4": {Version: 4}, "SGX v5": {Version: 5}, "TDX 1.0 v4": {TDX: true}, "TDX 1.5 v5": {TDX: true, Version: 5},
	} {
		t.Run(name, func(t *testing.T) {
			a := varied(t, v)
			verdict, err := a.verify()
			require.NoError(t, err)
			require.Equal(t, quote.StatusUpToDate, verdict.Status)
			require.Equal(t, v.TDX, verdict.TEE == quote.TEETDX)
			require.Equal(t, v.TDX, verdict.ModuleStatus == quote.StatusUpToDate)
			for i := range a.raw { // a few bits of everything
				if i%7 != 0 {
					continue
				}
				b := a
				b.raw = append([]byte(nil), a.raw...)
				b.raw[i] ^= 1 << (i % 8)
				_, err := b.flipped()
				require.Error(t, err, "byte %d", i)
			}
		})
	}
}

func edited(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}

// collateralFaults are wrong in one thing each, everything else right and signed.
func collateralFaults() map[string]struct {
	check string
	edit  func(*sim.Collateral)
} {
	type n = struct {
		check string
		edit  func(*sim.Collateral)
	}
	day := 24 * time.Hour
	return map[string]n{
		"platform revoked": {quote.CheckTCBStatus, func(c *sim.Collateral) { c.TCBInfo.Levels[0].Status = quote.StatusRevoked }},
		"QE revoked":       {quote.CheckTCBStatus, func(c *sim.Collateral) { c.QEIdentity.Levels[0].Status = quote.StatusRevoked }},
		"QE out of date":   {quote.CheckTCBStatus, func(c *sim.Collateral) { c.QEIdentity.Levels[0].Status = quote.StatusOutOfDate }},
		"QE too old":       {quote.CheckTCBStatus, func(c *sim.Collateral) { raise(c.QEIdentity.Levels) }},
		"platform old": {quote.CheckTCBStatus, func(c *sim.Collateral) {
			c.TCBInfo.Levels[0].TCB.SGX[3].SVN++
		}},
		"PCE old":              {quote.CheckTCBStatus, func(c *sim.Collateral) { c.TCBInfo.Levels[0].TCB.PCESVN++ }},
		"platform unrated":     {quote.CheckTCBStatus, func(c *sim.Collateral) { c.TCBInfo.Levels = c.TCBInfo.Levels[:1]; c.TCBInfo.Levels[0].TCB.PCESVN++ }},
		"configuration needed": {quote.CheckTCBStatus, func(c *sim.Collateral) { c.TCBInfo.Levels[0].Status = quote.StatusConfigurationNeeded }},
		"unknown status":       {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.TCBInfo.Levels[1].Status = "Perfect" }},
		"unknown QE status":    {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.QEIdentity.Levels[1].Status = "" }},
		"status none":          {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.TCBInfo.Levels[1].Status = quote.StatusNone }},

		"PCK revoked":          {quote.CheckRevocation, func(c *sim.Collateral) { c.PlatformCRL.Revoked = []*big.Int{big.NewInt(7), c.PCK} }},
		"intermediate revoked": {quote.CheckRevocation, func(c *sim.Collateral) { c.RootCRL.Revoked = []*big.Int{c.Intermediate} }},
		"TCB signer revoked":   {quote.CheckRevocation, func(c *sim.Collateral) { c.RootCRL.Revoked = []*big.Int{c.TCBSigner} }},
		"no root CRL":          {quote.CheckCRLMissing, func(c *sim.Collateral) { c.RootCRL.Missing = true }},
		"no PCK CRL":           {quote.CheckCRLMissing, func(c *sim.Collateral) { c.PlatformCRL.Missing = true }},
		"CRL null":             {quote.CheckCRLMissing, func(c *sim.Collateral) { c.EditText = func(s string) string { return nulled(s, "pck_crl") } }},
		"CRL of another key":   {quote.CheckCRLSignature, func(c *sim.Collateral) { c.PlatformCRL.ForeignKey = true }},
		"root CRL of another":  {quote.CheckCRLSignature, func(c *sim.Collateral) { c.RootCRL.ForeignKey = true }},
		"CRL of the root":      {quote.CheckCRLSignature, func(c *sim.Collateral) { c.PlatformCRL.ForeignIssuer = true }},
		"root CRL of the CA":   {quote.CheckCRLSignature, func(c *sim.Collateral) { c.RootCRL.ForeignIssuer = true }},
		"critical extension":   {quote.CheckCRLSignature, func(c *sim.Collateral) { c.PlatformCRL.Critical = true }},
		"CRL overdue":          {quote.CheckCRLValidity, func(c *sim.Collateral) { shift(&c.PlatformCRL, -31*day) }},
		"CRL of tomorrow":      {quote.CheckCRLValidity, func(c *sim.Collateral) { shift(&c.PlatformCRL, day) }},
		"root CRL overdue":     {quote.CheckCRLValidity, func(c *sim.Collateral) { shift(&c.RootCRL, -31*day) }},
		"CRL garbage":          {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.Edit = func(m map[string]string) { m["pck_crl"] = "3000" } }},
		"CRL no hex":           {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.Edit = func(m map[string]string) { m["root_ca_crl"] = "x" } }},

		"TCB info overdue":     {quote.CheckCollateralValidity, func(c *sim.Collateral) { age(&c.TCBInfo.IssueDate, &c.TCBInfo.NextUpdate, -31*day) }},
		"TCB info of tomorrow": {quote.CheckCollateralValidity, func(c *sim.Collateral) { age(&c.TCBInfo.IssueDate, &c.TCBInfo.NextUpdate, day) }},
		"QE identity overdue":  {quote.CheckCollateralValidity, func(c *sim.Collateral) { age(&c.QEIdentity.IssueDate, &c.QEIdentity.NextUpdate, -31*day) }},
		"QE identity tomorrow": {quote.CheckCollateralValidity, func(c *sim.Collateral) { age(&c.QEIdentity.IssueDate, &c.QEIdentity.NextUpdate, day) }},
		"never valid":          {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.TCBInfo.NextUpdate = c.TCBInfo.IssueDate }},
		"another family":       {quote.CheckCollateralPlatform, func(c *sim.Collateral) { c.TCBInfo.FMSPC = "00606a000000" }},
		"another PCE":          {quote.CheckCollateralPlatform, func(c *sim.Collateral) { c.TCBInfo.PCEID = "0001" }},
		"QE identity of TDX":   {quote.CheckCollateralPlatform, func(c *sim.Collateral) { c.QEIdentity.ID = "TD_QE" }},
		"another QE signer":    {quote.CheckQEIdentity, func(c *sim.Collateral) { c.QEIdentity.Signer = strings.Repeat("ab", 32) }},
		"another QE product":   {quote.CheckQEIdentity, func(c *sim.Collateral) { c.QEIdentity.Product = 9 }},
		"other QE attributes":  {quote.CheckQEIdentity, func(c *sim.Collateral) { c.QEIdentity.Attributes = "01000000000000000000000000000000" }},
		"other QE MISCSELECT":  {quote.CheckQEIdentity, func(c *sim.Collateral) { c.QEIdentity.MiscSelect = "01000000" }},
		"no levels":            {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.TCBInfo.Levels = nil }},
		"15 components":        {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.TCBInfo.Levels[0].TCB.SGX = c.TCBInfo.Levels[0].TCB.SGX[:15] }},
		"another version":      {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.TCBInfo.Version = 2 }},
		"another type":         {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.TCBInfo.Type = 1 }},
		"another id":           {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.TCBInfo.ID = "SNP" }},
		"another QE version":   {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.QEIdentity.Version = 1 }},
		"truncated tcbLevels":  {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = func(s string) string { return s[:len(s)*2/3] } }},
		"cut after a level": {quote.CheckCollateralFormat, func(c *sim.Collateral) {
			c.EditTCBInfo = func(s string) string { return s[:strings.LastIndex(s, ",{\"tcb\"")] }
		}},
		"duplicate member":      {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = edited(`{"id"`, `{"fmspc":"00606a000000","id"`) }},
		"duplicate, other case": {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = edited(`{"id"`, `{"TCBLEVELS":[],"id"`) }},
		"duplicate, folded":     {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditText = edited(`{`, "{\"pck_crl_i\u017fsuer_chain\":\"\",") }},
		"duplicate, escaped":    {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = edited(`{"id"`, `{"\u0069D":"TDX","id"`) }},
		"many members": {quote.CheckCollateralFormat, func(c *sim.Collateral) {
			text := ""
			for i := range 64 {
				text += fmt.Sprintf(`"x%d":0,`, i)
			}
			c.EditTCBInfo = edited(`{"id"`, "{"+text+`"id"`)
		}},
		"duplicate in a level": {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = edited(`"tcbStatus"`, `"tcbStatus":"UpToDate","tcbStatus"`) }},
		"duplicate outside":    {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditText = edited(`{`, `{"pck_crl":"",`) }},
		"unknown outside":      {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.Edit = func(m map[string]string) { m["pck_crl2"] = "" } }},
		"local time":           {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = edited(`Z","nextUpdate"`, `+01:00","nextUpdate"`) }},
		"status a number":      {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditQEIdentity = edited(`"UpToDate"`, `1`) }},
		"SVN negative":         {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = edited(`"svn":12`, `"svn":-1`) }},
		"SVN fraction":         {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = edited(`"svn":12`, `"svn":1.5`) }},
		"SVN large":            {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = edited(`"svn":12`, `"svn":256`) }},
		"level without status": {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditTCBInfo = edited(`"tcbStatus":"UpToDate"`, `"x":1`) }},
		"deeply nested": {quote.CheckCollateralFormat, func(c *sim.Collateral) {
			c.EditTCBInfo = edited(`{"id"`, `{"x":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`,"id"`)
		}},
		"not UTF-8":            {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.EditText = edited(`{`, "{\"x\":\"\xff\",") }},
		"signed by the CA":     {quote.CheckCollateralChain, func(c *sim.Collateral) { c.ByIntermediate = true }},
		"signed by a platform": {quote.CheckCollateralChain, func(c *sim.Collateral) { c.ByPCK = true }},
		"chains swapped": {quote.CheckCollateralChain, func(c *sim.Collateral) {
			c.Edit = func(m map[string]string) { m["qe_identity_issuer_chain"] = m["pck_crl_issuer_chain"] }
		}},
		"another CRL issuer": {quote.CheckCollateralChain, func(c *sim.Collateral) {
			c.Edit = func(m map[string]string) { m["pck_crl_issuer_chain"] = m["tcb_info_issuer_chain"] }
		}},
		"chain of three": {quote.CheckCollateralFormat, func(c *sim.Collateral) {
			c.Edit = func(m map[string]string) { m["tcb_info_issuer_chain"] += m["pck_crl_issuer_chain"] }
		}},
		"signatures swapped": {quote.CheckTCBSignature, func(c *sim.Collateral) {
			c.Edit = func(m map[string]string) { m["tcb_info_signature"] = m["qe_identity_signature"] }
		}},
		"another QE signature": {quote.CheckQEIdentitySignature, func(c *sim.Collateral) {
			c.Edit = func(m map[string]string) { m["qe_identity_signature"] = m["tcb_info_signature"] }
		}},
		"altered after signing": {quote.CheckTCBSignature, func(c *sim.Collateral) {
			c.Edit = func(m map[string]string) { m["tcb_info"] = strings.Replace(m["tcb_info"], "OutOfDate", "UpToDate", 1) }
		}},
		"QE altered after":  {quote.CheckQEIdentitySignature, func(c *sim.Collateral) { c.Edit = func(m map[string]string) { m["qe_identity"] += " " } }},
		"no signature":      {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.Edit = func(m map[string]string) { delete(m, "tcb_info_signature") } }},
		"no QE identity":    {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.Edit = func(m map[string]string) { delete(m, "qe_identity") } }},
		"documents swapped": {quote.CheckCollateralFormat, func(c *sim.Collateral) { c.Edit = swapDocuments }},
	}
}

func swapDocuments(m map[string]string) {
	m["tcb_info"], m["qe_identity"] = m["qe_identity"], m["tcb_info"]
	m["tcb_info_signature"], m["qe_identity_signature"] = m["qe_identity_signature"], m["tcb_info_signature"]
}

// nulled gives a member the value null.
func nulled(text, member string) string {
	at := strings.Index(text, `"`+member+`":"`) + len(member) + 3
	end := at + 1 + strings.IndexByte(text[at+1:], '"')
	return text[:at] + "null" + text[end+1:]
}

func raise(levels []sim.SVNLevel) {
	for i := range levels {
		levels[i].TCB.SVN += 100
	}
}

func shift(l *sim.List, by time.Duration) { age(&l.ThisUpdate, &l.NextUpdate, by) }

func age(from, until *time.Time, by time.Duration) { *from, *until = from.Add(by), until.Add(by) }

func TestCollateralFaults(t *testing.T) {
	for name, c := range collateralFaults() {
		t.Run(name, func(t *testing.T) {
			requireRefused(t, published(t, c.edit), c.check)
		})
	}
}

// TestStatusIsToldWhenRefused: what the platform is rated stands in the verdict
// whichever check refuses it.
func TestStatusIsToldWhenRefused(t *testing.T) {
	a := published(t, func(c *sim.Collateral) { c.TCBInfo.Levels[0].TCB.PCESVN++; c.RootCRL.Missing = true })
	v := requireRefused(t, a, quote.CheckCRLMissing)
	require.Equal(t, quote.StatusOutOfDate, v.Status)
	require.Equal(t, []string{"SCBR-SIM-SA-00001", "SCBR-SIM-SA-00002"}, v.Advisories)
	a.policy = quote.Policy{}
	v = requireRefused(t, a, quote.CheckPolicy)
	require.Equal(t, quote.StatusOutOfDate, v.Status)
	require.Equal(t, measurement(), [32]byte(v.Measurement))
	a.collateral = nil
	v = requireRefused(t, a, quote.CheckPolicy)
	require.Empty(t, v.Status)
}

type condition struct {
	check  string // "": accepted
	edit   func(*sim.Collateral)
	policy func(*attempt)
}

// policyConditions are what a policy wants of the platform beside its enclave.
func policyConditions(t *testing.T) map[string]condition {
	outdated := func(c *sim.Collateral) { c.TCBInfo.Levels[0].TCB.PCESVN++ }
	both := []string{"SCBR-SIM-SA-00001", "SCBR-SIM-SA-00002"}
	return map[string]condition{
		"status allowed": {"", outdated, func(a *attempt) { a.policy.Statuses = []quote.Status{quote.StatusOutOfDate} }},
		"other status allowed": {
			quote.CheckTCBStatus, outdated, func(a *attempt) { a.policy.Statuses = []quote.Status{quote.StatusOutOfDateConfigurationNeeded} },
		},
		"UpToDate not allowed": {
			quote.CheckTCBStatus, nil, func(a *attempt) { a.policy.Statuses = []quote.Status{quote.StatusSWHardeningNeeded} },
		},
		"no status allowed":     {quote.CheckPolicy, nil, func(a *attempt) { a.policy.Statuses = []quote.Status{} }},
		"Revoked in the policy": {quote.CheckPolicy, nil, func(a *attempt) { a.policy.Statuses = []quote.Status{quote.StatusRevoked} }},
		"advisories allowed": {"", outdated, func(a *attempt) {
			a.policy.Statuses, a.policy.Advisories = []quote.Status{quote.StatusOutOfDate}, both
		}},
		"an advisory not": {quote.CheckAdvisories, outdated, func(a *attempt) {
			a.policy.Statuses, a.policy.Advisories = []quote.Status{quote.StatusOutOfDate}, both[:1]
		}},
		"no advisories, none needed": {"", nil, func(a *attempt) { a.policy.Advisories = []string{} }},
		"the platform":               {"", nil, func(a *attempt) { a.policy.Platforms = [][]byte{{1}, platformOf(t)} }},
		"another platform":           {quote.CheckPlatform, nil, func(a *attempt) { a.policy.Platforms = [][]byte{make([]byte, 16)} }},
		"no platform":                {quote.CheckPolicy, nil, func(a *attempt) { a.policy.Platforms = [][]byte{} }},
		"young enough":               {"", nil, func(a *attempt) { a.policy.MaxCollateralAge = time.Hour }},
		"too old":                    {quote.CheckCollateralAge, nil, func(a *attempt) { a.policy.MaxCollateralAge = time.Hour - time.Second }},
		"root CRL too old":           {quote.CheckCollateralAge, nil, func(a *attempt) { a.policy.MaxRootCRLAge = time.Minute }},
		"stale list alone": {
			quote.CheckCollateralAge, func(c *sim.Collateral) { shift(&c.PlatformCRL, -time.Hour) }, func(a *attempt) { a.policy.MaxCollateralAge = time.Hour },
		},
		"negative age":     {quote.CheckPolicy, nil, func(a *attempt) { a.policy.MaxCollateralAge = -1 }},
		"known evaluation": {"", nil, func(a *attempt) { a.policy.MinTCBEvaluation = sim.Evaluation }},
		"rolled back":      {quote.CheckTCBEvaluation, nil, func(a *attempt) { a.policy.MinTCBEvaluation = sim.Evaluation + 1 }},
		"QE rolled back": {
			quote.CheckTCBEvaluation, func(c *sim.Collateral) { c.QEIdentity.Evaluation-- }, func(a *attempt) { a.policy.MinTCBEvaluation = sim.Evaluation },
		},
	}
}

func TestPolicyConditions(t *testing.T) {
	for name, c := range policyConditions(t) {
		t.Run(name, func(t *testing.T) {
			a := published(t, c.edit)
			c.policy(&a)
			if c.check != "" {
				requireRefused(t, a, c.check)
				return
			}
			_, err := a.verify()
			require.NoError(t, err)
		})
	}
}

func platformOf(t *testing.T) []byte {
	v, err := newAttempt(t, newSim(t, 1, sim.Config{})).verify()
	require.NoError(t, err)
	return v.PlatformID
}

// TestMaxAgeShortensValidity: the verdict's end is the policy's where that is sooner.
func TestMaxAgeShortensValidity(t *testing.T) {
	a := newAttempt(t, newSim(t, 1, sim.Config{}))
	a.policy.MaxCollateralAge = 48 * time.Hour
	v, err := a.verify()
	require.NoError(t, err)
	require.Equal(t, start().Add(47*time.Hour), v.ValidUntil)
	a.now = v.ValidUntil
	_, err = a.verify()
	require.NoError(t, err)
	a.now = v.ValidUntil.Add(time.Second)
	requireRefused(t, a, quote.CheckCollateralAge)
}

// TestExamine: a look without a policy takes any measurement, no bad status, no
// debug enclave, and no foreign root; and it says what it has not compared.
func TestExamine(t *testing.T) {
	a := newAttempt(t, newSim(t, 1, sim.Config{}))
	e := quote.Evidence{Quote: a.raw, Collateral: a.collateral}
	v, err := quote.Examine(e, a.policy.SimulatedRoots, a.now)
	require.NoError(t, err)
	require.Equal(t, []string{quote.UncheckedMeasurement, quote.UncheckedReportData}, v.Unchecked)
	require.NotContains(t, v.Passed, quote.CheckMeasurement)
	require.NotContains(t, v.Passed, quote.CheckReportData)
	_, err = quote.Examine(e, intelRoots(t), a.now)
	require.ErrorContains(t, err, quote.CheckChainRoot)
	_, err = quote.Examine(e, nil, a.now)
	require.ErrorContains(t, err, quote.CheckPolicy)
	_, err = quote.Examine(e, append(intelRoots(t), a.policy.SimulatedRoots...), a.now)
	require.ErrorContains(t, err, "production policy")
	debug := newAttempt(t, newSim(t, 1, sim.Config{Debug: true}))
	_, err = quote.Examine(quote.Evidence{Quote: debug.raw, Collateral: debug.collateral}, debug.policy.SimulatedRoots, a.now)
	require.ErrorContains(t, err, quote.CheckDebug)

	v, err = a.policy.VerifyUnbound(e, a.now)
	require.NoError(t, err)
	require.Equal(t, []string{quote.UncheckedReportData}, v.Unchecked)
	a.policy.Measurements[0][0] ^= 1
	_, err = a.policy.VerifyUnbound(e, a.now)
	require.ErrorContains(t, err, quote.CheckMeasurement)
}

func FuzzCollateral(f *testing.F) {
	a := newAttempt(f, newSim(f, 1, sim.Config{}))
	f.Add(a.collateral)
	f.Add(realFile(f, "phala/sgx_quote_collateral.json"))
	f.Add([]byte(`{"tcb_info":"{}","pck_crl":null}`))
	want, err := a.verify()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, b []byte) {
		c := a
		c.collateral = b
		if v, err := c.verify(); err == nil { // the fuzzer has no key: it says the same
			require.Equal(t, want, v)
		}
	})
}
