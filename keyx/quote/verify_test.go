package quote_test

import (
	"bytes"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
)

// Offsets of a quote's parts, written down a second time on purpose: the tests
// must not take the parser's word for them.
const (
	offBody       = 48
	offSigLen     = 432
	offSignature  = 436
	offAttKey     = 500
	offQEReport   = 564
	offQESig      = 948
	offAuthLen    = 1012
	offAuth       = 1014
	offCertType   = 1046 // with 32 bytes of authentication data
	offCertSize   = 1048
	offCertData   = 1052
	zerosTrailing = 70
)

// start is when the simulated machines of these tests are made.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func seeded(n byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{n}) }

func measurement() [32]byte { return [32]byte{0: 0xa5, 31: 0x5a} }

func reportData() (d [64]byte) {
	for i := range d {
		d[i] = byte(i + 1)
	}
	return d
}

func newSim(t testing.TB, seed byte, cfg sim.Config) *sim.Platform {
	t.Helper()
	return newFlawed(t, seed, cfg, sim.FlawNone)
}

func newFlawed(t testing.TB, seed byte, cfg sim.Config, flaw sim.Flaw) *sim.Platform {
	t.Helper()
	if cfg.Measurement == [32]byte{} {
		cfg.Measurement = measurement()
	}
	p, err := sim.Forge(seeded(seed), start(), cfg, flaw)
	require.NoError(t, err)
	return p
}

func rawQuote(t testing.TB, p *sim.Platform) []byte {
	t.Helper()
	raw, _, err := p.Quote(reportData())
	require.NoError(t, err)
	return raw
}

// attempt is one verification; cases alter it before it is made.
type attempt struct {
	raw        []byte
	collateral []byte
	policy     quote.Policy
	reportData [64]byte
	now        time.Time
}

func newAttempt(t testing.TB, p *sim.Platform) attempt {
	raw, collateral, err := p.Quote(reportData())
	require.NoError(t, err)
	return attempt{raw, collateral, p.Policy(), reportData(), start()}
}

func (a attempt) verify() (quote.Verdict, error) {
	return a.policy.Verify(quote.Evidence{Quote: a.raw, Collateral: a.collateral}, a.reportData, a.now)
}

// requireRefused wants a refusal by one check, told alike by error and verdict.
func requireRefused(t testing.TB, a attempt, check string) quote.Verdict {
	t.Helper()
	v, err := a.verify()
	var r *quote.Refusal
	require.ErrorAs(t, err, &r)
	require.Equal(t, check, r.Check, "%v", err)
	require.False(t, v.Accepted)
	require.Equal(t, [3]string{r.Check, r.Reason, r.Remedy}, [3]string{v.Check, v.Reason, v.Remedy})
	require.NotEmpty(t, r.Reason)
	require.NotEmpty(t, r.Remedy)
	require.NotContains(t, v.Passed, check)
	return v
}

func TestAccepted(t *testing.T) {
	p := newSim(t, 1, sim.Config{Product: 7, SVN: 9})
	v, err := newAttempt(t, p).verify()
	require.NoError(t, err)
	require.Equal(t, quote.Verdict{
		Accepted: true, TEE: quote.TEESGX, Simulated: true,
		Measurement: v.Measurement, Signer: v.Signer, ProductID: 7, SVN: 9,
		ReportData: reportData(), FMSPC: [6]byte([]byte("SCBR\x00\x01")), PPID: v.PPID,
		ValidUntil: start().Add(sim.CollateralLife - time.Hour), Passed: v.Passed, Terms: v.Terms,
		PlatformID: v.PPID[:], TCBDate: v.TCBDate, TCBEvaluation: sim.Evaluation,
		Status: quote.StatusUpToDate, PlatformStatus: quote.StatusUpToDate, QEStatus: quote.StatusUpToDate,
	}, v)
	require.Equal(t, measurement(), [32]byte(v.Measurement))
	require.Equal(t, sim.DefaultSigner(), [32]byte(v.Signer))
	require.NotZero(t, v.PPID)
	require.Len(t, v.Passed, 33)
	require.Len(t, v.Terms, 6)
}

func TestAcceptedAtTheEdges(t *testing.T) {
	p := newSim(t, 1, sim.Config{})
	for _, now := range []time.Time{start().Add(-time.Hour), start(), start().Add(sim.CollateralLife - time.Hour)} {
		a := newAttempt(t, p)
		a.now = now
		_, err := a.verify()
		require.NoError(t, err, "at %s", now)
	}
	a := newAttempt(t, p)
	a.raw = append(a.raw, make([]byte, zerosTrailing)...)
	_, err := a.verify()
	require.NoError(t, err, "trailing zeros")
}

func TestSignerRule(t *testing.T) {
	signer := [32]byte{1, 2, 3}
	p := newSim(t, 1, sim.Config{Signer: signer, Product: 5, SVN: 6})
	rule := quote.SignerRule{Signer: signer, Product: 5, MinSVN: 6}
	for name, c := range map[string]struct {
		edit     func(*quote.SignerRule)
		accepted bool
	}{
		"exact":         {func(*quote.SignerRule) {}, true},
		"newer":         {func(r *quote.SignerRule) { r.MinSVN = 5 }, true},
		"too old":       {func(r *quote.SignerRule) { r.MinSVN = 7 }, false},
		"other product": {func(r *quote.SignerRule) { r.Product = 4 }, false},
		"other signer":  {func(r *quote.SignerRule) { r.Signer[31] = 1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAttempt(t, p)
			r := rule
			c.edit(&r)
			a.policy.Measurements, a.policy.Signers = nil, []quote.SignerRule{r}
			if !c.accepted {
				requireRefused(t, a, quote.CheckMeasurement)
				return
			}
			_, err := a.verify()
			require.NoError(t, err)
		})
	}
}

// flawChecks says which check refuses each flaw.
func flawChecks() map[sim.Flaw]string {
	return map[sim.Flaw]string{
		sim.FlawCertTypePPID:           quote.CheckCertType,
		sim.FlawExtraCertificate:       quote.CheckChainFormat,
		sim.FlawNoIntermediate:         quote.CheckChainFormat,
		sim.FlawChainReversed:          quote.CheckChainRoot,
		sim.FlawPCKKeyP384:             quote.CheckChainKey,
		sim.FlawIntermediateKeyP384:    quote.CheckChainKey,
		sim.FlawIntermediateNotCA:      quote.CheckChainCA,
		sim.FlawIntermediateNoCertSign: quote.CheckChainCA,
		sim.FlawPCKIsCA:                quote.CheckChainCA,
		sim.FlawRootPathLen:            quote.CheckPolicy, // such a root cannot even be named
		sim.FlawPCKExpired:             quote.CheckChainValidity,
		sim.FlawIntermediateExpired:    quote.CheckChainValidity,
		sim.FlawPCKNotYetValid:         quote.CheckChainValidity,
		sim.FlawNoSGXExtension:         quote.CheckPCKExtension,
		sim.FlawQEUnsigned:             quote.CheckQESignature,
		sim.FlawQEOtherKey:             quote.CheckQEBinding,
		sim.FlawQEReportDataTail:       quote.CheckQEBinding,
		sim.FlawQEDebug:                quote.CheckQEDebug,
		sim.FlawOtherAttestationKey:    quote.CheckQuoteSignature,
		sim.FlawBodyChanged:            quote.CheckQuoteSignature,
	}
}

func TestFlaws(t *testing.T) {
	checks := flawChecks()
	for _, flaw := range sim.Flaws() {
		check, ok := checks[flaw]
		require.True(t, ok, "flaw %d has no expected check", flaw)
		t.Run(check, func(t *testing.T) {
			v := requireRefused(t, newAttempt(t, newFlawed(t, 1, sim.Config{}, flaw)), check)
			if check != quote.CheckCertType {
				require.NotZero(t, v.Measurement)
			}
		})
	}
}

// negatives are refusals that need no forger: each alters an honest attempt.
func negatives(t *testing.T) map[string]struct {
	check string
	alter func(*attempt)
} {
	other := rawQuote(t, newSim(t, 2, sim.Config{}))
	otherPolicy := newSim(t, 2, sim.Config{}).Policy()
	debug := rawQuote(t, newSim(t, 1, sim.Config{Debug: true}))
	type n = struct {
		check string
		alter func(*attempt)
	}
	return map[string]n{
		"nothing":              {quote.CheckFormat, func(a *attempt) { a.raw = nil }},
		"too long":             {quote.CheckFormat, func(a *attempt) { a.raw = append(a.raw, make([]byte, quote.MaxQuoteBytes)...) }},
		"trailing byte":        {quote.CheckFormat, func(a *attempt) { a.raw = append(a.raw, 0, 0, 1) }},
		"auth length":          {quote.CheckFormat, func(a *attempt) { a.raw[offAuthLen+1] = 0xff }},
		"signature length":     {quote.CheckFormat, func(a *attempt) { copy(a.raw[offSigLen:], "\xff\xff\xff\xff") }},
		"short signature data": {quote.CheckFormat, func(a *attempt) { a.raw = append(a.raw[:offSigLen], 1, 0, 0, 0, 0) }},
		"version 2":            {quote.CheckVersion, func(a *attempt) { a.raw[0] = 2 }},
		"version 6":            {quote.CheckVersion, func(a *attempt) { a.raw[0] = 6 }},
		"read as version 4":    {quote.CheckFormat, func(a *attempt) { a.raw[0] = 4 }},
		"read as version 5":    {quote.CheckFormat, func(a *attempt) { a.raw[0] = 5 }},
		"TDX of version 3":     {quote.CheckVersion, func(a *attempt) { a.raw[4] = 0x81 }},
		"key type P-384":       {quote.CheckVersion, func(a *attempt) { a.raw[2] = 3 }},
		"other vendor":         {quote.CheckVersion, func(a *attempt) { a.raw[12] ^= 1 }},
		"no collateral":        {quote.CheckCollateralMissing, func(a *attempt) { a.collateral = nil }},
		"collateral too long":  {quote.CheckCollateralFormat, func(a *attempt) { a.collateral = append(a.collateral, make([]byte, quote.MaxCollateralBytes)...) }},
		"collateral no JSON":   {quote.CheckCollateralFormat, func(a *attempt) { a.collateral = a.raw }},
		"collateral two texts": {quote.CheckCollateralFormat, func(a *attempt) { a.collateral = append(a.collateral, a.collateral...) }},
		"zero policy":          {quote.CheckPolicy, func(a *attempt) { a.policy = quote.Policy{} }},
		"no roots":             {quote.CheckPolicy, func(a *attempt) { a.policy.SimulatedRoots = nil }},
		"no measurement":       {quote.CheckPolicy, func(a *attempt) { a.policy.Measurements = nil }},
		"zero measurement":     {quote.CheckPolicy, func(a *attempt) { a.policy.Measurements = make([][32]byte, 1) }},
		"zero signer":          {quote.CheckPolicy, func(a *attempt) { a.policy.Signers = make([]quote.SignerRule, 1) }},
		"empty root":           {quote.CheckPolicy, func(a *attempt) { a.policy.Roots = []*x509.Certificate{{}} }},
		"nil root":             {quote.CheckPolicy, func(a *attempt) { a.policy.Roots = []*x509.Certificate{nil} }},
		"simulated as roots": {quote.CheckPolicy, func(a *attempt) {
			a.policy.Roots, a.policy.SimulatedRoots = a.policy.SimulatedRoots, nil
		}},
		"hardware root as simulated": {quote.CheckPolicy, func(a *attempt) { a.policy.SimulatedRoots = intelRoots(t) }},
		"chain is text":              {quote.CheckChainFormat, func(a *attempt) { a.raw = withChain(a.raw, []byte("none")) }},
		"chain with a comment":       {quote.CheckChainFormat, func(a *attempt) { a.raw = withChain(a.raw, append([]byte("x\n"), a.raw[offCertData:]...)) }},
		"chain with two NULs":        {quote.CheckChainFormat, func(a *attempt) { a.raw = withChain(a.raw, append(a.raw[offCertData:], 0, 0)) }},
		"chain with CR LF": {quote.CheckChainFormat, func(a *attempt) {
			a.raw = withChain(a.raw, bytes.ReplaceAll(a.raw[offCertData:], []byte("\n"), []byte("\r\n")))
		}},
		"no chain":                    {quote.CheckChainFormat, func(a *attempt) { a.raw = withChain(a.raw, nil) }},
		"foreign root, same name":     {quote.CheckChainRoot, func(a *attempt) { a.policy = otherPolicy }},
		"simulated, hardware policy":  {quote.CheckChainRoot, func(a *attempt) { a.policy.Roots, a.policy.SimulatedRoots = intelRoots(t), nil }},
		"pinned root under own chain": {quote.CheckChainSignature, func(a *attempt) { a.raw = mixChain(t, a.raw, other, 2); a.policy = otherPolicy }},
		"pinned CAs above own leaf":   {quote.CheckChainSignature, func(a *attempt) { a.raw = mixChain(t, a.raw, other, 1); a.policy = otherPolicy }},
		"whole chain of another":      {quote.CheckQESignature, func(a *attempt) { a.raw = mixChain(t, a.raw, other, 0); a.policy = otherPolicy }},
		"expired":                     {quote.CheckChainValidity, func(a *attempt) { a.now = start().AddDate(7, 0, 0).Add(time.Second) }},
		"not yet valid":               {quote.CheckChainValidity, func(a *attempt) { a.now = start().Add(-time.Hour - time.Second) }},
		"swapped QE":                  {quote.CheckQESignature, func(a *attempt) { copy(a.raw[offQEReport:offCertType], other[offQEReport:offCertType]) }},
		"QE signature of zeros":       {quote.CheckQESignature, func(a *attempt) { clear(a.raw[offQESig:offAuthLen]) }},
		"other auth data":             {quote.CheckQEBinding, func(a *attempt) { a.raw[offAuth] ^= 1 }},
		"other attestation key":       {quote.CheckQEBinding, func(a *attempt) { copy(a.raw[offAttKey:offQEReport], other[offAttKey:]) }},
		"attestation key of zeros":    {quote.CheckQEBinding, func(a *attempt) { clear(a.raw[offAttKey:offQEReport]) }},
		"signature of another body":   {quote.CheckQuoteSignature, func(a *attempt) { copy(a.raw[offSignature:offAttKey], debug[offSignature:]) }},
		"signature of zeros":          {quote.CheckQuoteSignature, func(a *attempt) { clear(a.raw[offSignature:offAttKey]) }},
		"debug":                       {quote.CheckDebug, func(a *attempt) { a.raw = debug }},
		"debug by signer rule": {quote.CheckDebug, func(a *attempt) {
			a.raw = debug
			a.policy.Signers = []quote.SignerRule{{Signer: sim.DefaultSigner()}}
		}},
		"wrong measurement": {quote.CheckMeasurement, func(a *attempt) { a.policy.Measurements = [][32]byte{{1}} }},
		"other report data": {quote.CheckReportData, func(a *attempt) { a.reportData = [64]byte{} }},
	}
}

func TestNegatives(t *testing.T) {
	p := newSim(t, 1, sim.Config{})
	for name, c := range negatives(t) {
		t.Run(name, func(t *testing.T) {
			a := newAttempt(t, p)
			c.alter(&a)
			requireRefused(t, a, c.check)
		})
	}
}

// TestEveryCheckRefuses: no check that an accepted verdict names is without a
// case in which it alone refuses.
func TestEveryCheckRefuses(t *testing.T) {
	refused := map[string]bool{}
	for _, check := range flawChecks() {
		refused[check] = true
	}
	for _, c := range negatives(t) {
		refused[c.check] = true
	}
	for _, c := range collateralFaults() {
		refused[c.check] = true
	}
	for _, c := range policyConditions(t) {
		refused[c.check] = true
	}
	v, err := newAttempt(t, newSim(t, 1, sim.Config{})).verify()
	require.NoError(t, err)
	for _, check := range v.Passed {
		require.True(t, refused[check], "nothing is refused by %s", check)
	}
}

func TestReportDataIsComparedWhole(t *testing.T) {
	a := newAttempt(t, newSim(t, 1, sim.Config{}))
	for i := range a.reportData {
		b := a
		b.reportData[i] ^= 0x80
		requireRefused(t, b, quote.CheckReportData)
	}
}

func TestVerdictIsFilledWhenRefused(t *testing.T) {
	p := newSim(t, 1, sim.Config{Debug: true, Product: 3, SVN: 4})
	a := newAttempt(t, p)
	v := requireRefused(t, a, quote.CheckDebug)
	require.True(t, v.Debug)
	require.True(t, v.Simulated)
	require.Equal(t, measurement(), [32]byte(v.Measurement))
	require.Equal(t, [2]uint16{3, 4}, [2]uint16{v.ProductID, v.SVN})
	require.Equal(t, start().AddDate(7, 0, 0), v.Terms[0].Until)
	require.Equal(t, quote.StatusUpToDate, v.Status)
	require.Contains(t, v.Passed, quote.CheckQuoteSignature)
}

func intelRoots(t testing.TB) []*x509.Certificate {
	t.Helper()
	return realRoots(t, "common/intel_sgx_root_ca.pem")
}

// withChain replaces the certification data, all lengths right.
func withChain(raw, chain []byte) []byte {
	out := append([]byte(nil), raw[:offCertData]...)
	out = append(out, chain...)
	binary.LittleEndian.PutUint32(out[offSigLen:], uint32(len(out)-offSignature))
	binary.LittleEndian.PutUint32(out[offCertSize:], uint32(len(chain)))
	return out
}

// mixChain takes the certificates from position n on from another quote.
func mixChain(t *testing.T, raw, other []byte, n int) []byte {
	a, b := splitPEM(raw[offCertData:]), splitPEM(other[offCertData:])
	require.Len(t, a, 3)
	require.Len(t, b, 3)
	return withChain(raw, bytes.Join(append(a[:n:n], b[n:]...), nil))
}

func splitPEM(b []byte) (out [][]byte) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		out = append(out, pem.EncodeToMemory(block))
	}
	return out
}

func TestRefusalError(t *testing.T) {
	a := newAttempt(t, newSim(t, 1, sim.Config{}))
	a.raw = withChain(a.raw, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	_, err := a.verify()
	var r *quote.Refusal
	require.ErrorAs(t, err, &r)
	require.ErrorIs(t, err, r.Err, "the cause can be unwrapped")
	for _, part := range []string{r.Check, r.Reason, r.Remedy} {
		require.ErrorContains(t, err, part)
	}
}
