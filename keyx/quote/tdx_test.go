package quote_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
)

// TestTDXFaults: what only a TD can have wrong.
func TestTDXFaults(t *testing.T) {
	td := func(edit func(*quote.TDReport)) sim.Variant { return sim.Variant{TDX: true, TD: edit} }
	published := func(edit func(*sim.Collateral)) sim.Variant { return sim.Variant{TDX: true, Collateral: edit} }
	module := func(edit func(*sim.TDXModule)) sim.Variant {
		return published(func(c *sim.Collateral) { edit(&c.TCBInfo.Modules[0]) })
	}
	for name, c := range map[string]struct {
		check   string
		variant sim.Variant
	}{
		"debug":                      {quote.CheckDebug, td(func(r *quote.TDReport) { r.Attributes |= 1 })},
		"another debug bit":          {quote.CheckDebug, td(func(r *quote.TDReport) { r.Attributes |= 1 << 7 })},
		"migratable":                 {quote.CheckMigration, td(func(r *quote.TDReport) { r.Attributes |= 1 << 29 })},
		"foreign module signer":      {quote.CheckTDXModule, td(func(r *quote.TDReport) { r.MRSignerSEAM[0] = 1 })},
		"module attributes":          {quote.CheckTDXModule, td(func(r *quote.TDReport) { r.SEAMAttributes = 1 })},
		"module of unknown version":  {quote.CheckTDXModule, td(func(r *quote.TDReport) { r.TEETCBSVN[1] = 9 })},
		"unversioned, foreign":       {quote.CheckTDXModule, td(func(r *quote.TDReport) { r.TEETCBSVN[0], r.TEETCBSVN[1], r.MRSignerSEAM[0] = 9, 0, 1 })},
		"no identities":              {quote.CheckTDXModule, published(func(c *sim.Collateral) { c.TCBInfo.Modules = nil })},
		"module out of date":         {quote.CheckTCBStatus, td(func(r *quote.TDReport) { r.TEETCBSVN[0] = 2 })},
		"module unrated":             {quote.CheckTCBStatus, td(func(r *quote.TDReport) { r.TEETCBSVN[0] = 1 })},
		"module revoked":             {quote.CheckTCBStatus, module(func(m *sim.TDXModule) { m.Levels[0].Status = quote.StatusRevoked })},
		"TDX component old":          {quote.CheckTCBStatus, td(func(r *quote.TDReport) { r.TEETCBSVN[2] = 1 })},
		"identity twice":             {quote.CheckCollateralFormat, published(func(c *sim.Collateral) { c.TCBInfo.Modules = append(c.TCBInfo.Modules, c.TCBInfo.Modules[0]) })},
		"module without levels":      {quote.CheckCollateralFormat, module(func(m *sim.TDXModule) { m.Levels = nil })},
		"no TDX components":          {quote.CheckCollateralFormat, published(func(c *sim.Collateral) { c.TCBInfo.Levels[0].TCB.TDX = nil })},
		"SGX TCB info":               {quote.CheckCollateralPlatform, published(func(c *sim.Collateral) { c.TCBInfo.ID = "SGX" })},
		"QE of SGX":                  {quote.CheckQEIdentity, sim.Variant{TDX: true, QEReport: func(f *quote.ReportFields) { f.ProductID = 1 }}},
		"unversioned module of ours": {"", td(func(r *quote.TDReport) { r.TEETCBSVN[0], r.TEETCBSVN[1] = 9, 1; r.TEETCBSVN[0] = 200 })},
	} {
		t.Run(name, func(t *testing.T) {
			a := varied(t, c.variant)
			if c.check != "" {
				requireRefused(t, a, c.check)
				return
			}
			_, err := a.verify()
			require.NoError(t, err)
		})
	}
}

// TestTDXUnversionedModule: a module without a version of its own is rated by the
// components, and has no rating of its own.
func TestTDXUnversionedModule(t *testing.T) {
	unversioned := func(r *quote.TDReport) { r.TEETCBSVN[0], r.TEETCBSVN[1] = 5, 0 }
	a := varied(t, sim.Variant{TDX: true, TD: unversioned, Collateral: func(c *sim.Collateral) { c.TCBInfo.Levels[0].TCB.TDX[1].SVN = 0 }})
	v, err := a.verify()
	require.NoError(t, err)
	require.Empty(t, v.ModuleStatus)
	a = varied(t, sim.Variant{TDX: true, TD: unversioned, Collateral: func(c *sim.Collateral) {
		c.TCBInfo.Levels[0].TCB.TDX[1].SVN = 0
		c.TCBInfo.Levels[0].TCB.TDX[0].SVN = 6
	}})
	v = requireRefused(t, a, quote.CheckTCBStatus)
	require.Equal(t, quote.StatusOutOfDate, v.PlatformStatus)
}

// TestTDXMeasurements: MRTD and each register that a rule names.
func TestTDXMeasurements(t *testing.T) {
	a := varied(t, sim.Variant{TDX: true})
	rule := a.policy.TDs[0]
	for i := range rule.RTMR {
		other := rule
		value := *rule.RTMR[i]
		value[47] ^= 1
		other.RTMR[i] = &value
		b := a
		b.policy.TDs = []quote.TDRule{other}
		requireRefused(t, b, quote.CheckMeasurement)
		b.policy.TDs = []quote.TDRule{other, rule}
		_, err := b.verify()
		require.NoError(t, err, "any of the rules will do")
		other.RTMR[i] = nil
		b.policy.TDs = []quote.TDRule{other}
		if i == 1 || i == 2 {
			requireRefused(t, b, quote.CheckPolicy)
			continue
		}
		_, err = b.verify()
		require.NoError(t, err, "register %d may be left open", i)
	}
	b := a
	b.policy.TDs = []quote.TDRule{rule}
	b.policy.TDs[0].MRTD[0] ^= 1
	requireRefused(t, b, quote.CheckMeasurement)
	b.policy.TDs, b.policy.Measurements = nil, [][32]byte{{1}}
	requireRefused(t, b, quote.CheckMeasurement)
}

// TestTEEsAreNotMixed: SGX collateral does not rate a TD, nor the reverse.
func TestTEEsAreNotMixed(t *testing.T) {
	sgx, td := varied(t, sim.Variant{}), varied(t, sim.Variant{TDX: true})
	sgx.collateral, td.collateral = td.collateral, sgx.collateral
	requireRefused(t, sgx, quote.CheckCollateralPlatform)
	requireRefused(t, td, quote.CheckCollateralPlatform)
}
