package quote_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
)

func hexOf(digit string) string { return strings.Repeat(digit, 64) }

// pemJSON is a certificate as a JSON string.
func pemJSON(t testing.TB, c *x509.Certificate) string {
	t.Helper()
	b, err := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	require.NoError(t, err)
	return string(b)
}

func fullPolicy(t testing.TB) quote.Policy {
	p := newSim(t, 1, sim.Config{}).Policy()
	p.Roots, p.SimulatedRoots = intelRoots(t), nil
	p.Measurements = append(p.Measurements, [32]byte{1})
	p.TDs = []quote.TDRule{
		{MRTD: [48]byte{3}, RTMR: [4]*[48]byte{nil, {4}, {}, nil}},
		{MRTD: [48]byte{3}, RTMR: [4]*[48]byte{{5}, {4}, {6}, {}}},
	}
	p.Guests = []quote.GuestRule{{Measurement: [48]byte{7}, MinTCB: quote.GuestTCB{Bootloader: 1, TEE: 2, SNP: 3, Microcode: 4, FMC: 5}, Product: "Turin", MaxVMPL: 3}, {Measurement: [48]byte{8}}}
	p.Statuses = []quote.Status{quote.StatusUpToDate, quote.StatusOutOfDate}
	p.Advisories = []string{}
	p.Platforms = [][]byte{make([]byte, 16), make([]byte, 64)}
	p.MaxCollateralAge, p.MaxRootCRLAge = 7*24*time.Hour, 400*24*time.Hour
	p.MinTCBEvaluation, p.EndorsementRequired = 17, true
	p.Signers = []quote.SignerRule{{Signer: [32]byte{2}, Product: 65535, MinSVN: 0}, {Signer: [32]byte{2}, Product: 1, MinSVN: 7}}
	return p
}

func TestPolicyRoundTrip(t *testing.T) {
	for _, p := range []quote.Policy{fullPolicy(t), newSim(t, 1, sim.Config{}).Policy()} {
		text := p.JSON()
		require.True(t, strings.HasSuffix(string(text), "}\n"))
		got, err := quote.ParsePolicy(text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, p, got)
		require.Equal(t, text, got.JSON())
	}
}

func TestParsedPolicyAccepts(t *testing.T) {
	a := newAttempt(t, newSim(t, 1, sim.Config{}))
	p, err := quote.ParsePolicy(a.policy.JSON())
	require.NoError(t, err)
	a.policy = p
	v, err := a.verify()
	require.NoError(t, err)
	require.True(t, v.Accepted)
}

func TestParsePolicyRefuses(t *testing.T) {
	simRoot := pemJSON(t, newSim(t, 1, sim.Config{}).Root())
	intel := pemJSON(t, intelRoots(t)[0])
	leaf := pemJSON(t, leafOf(t))
	m := `"` + hexOf("a") + `"`
	long := `"` + hexOf("b") + hexOf("b")[:32] + `"`
	td := "{\"mrtd\": " + long + ", \"rtmr1\": " + long + ", \"rtmr2\": " + long + "}"
	for name, c := range map[string]struct {
		text, field, reason string
		line                int
	}{
		"empty":              {"", "", "unexpected end", 1},
		"no JSON":            {"{\n\n  roots: 1}", "", "invalid character", 3},
		"two texts":          {"{}\n{}", "", "after top-level", 2},
		"not UTF-8":          {"{\n\"\xff\": 1}", "", "not UTF-8", 2},
		"a list":             {"[]", "", "not an object", 1},
		"null":               {"null", "", "not an object", 1},
		"too long":           {strings.Repeat(" ", quote.MaxPolicyBytes) + "{}", "", "more than", 1},
		"nothing":            {"{}", "", "no root", 1},
		"unknown member":     {fmt.Sprintf("{\"roots\": [%s],\n\"allow_debug\": true}", intel), "allow_debug", "unknown member", 2},
		"other case":         {fmt.Sprintf("{\n\"Roots\": [%s]}", intel), "Roots", "unknown member", 2},
		"repeated member":    {fmt.Sprintf("{\"measurements\": [%s],\n\n\"measurements\": [%s]}", m, m), "measurements", "twice", 3},
		"no root":            {fmt.Sprintf("{\"measurements\":\n[%s]\n}", m), "", "no root", 3},
		"empty roots":        {"{\n\"roots\": []}", "roots", "empty list", 2},
		"roots not list":     {"{\"roots\":\n" + intel + "}", "roots", "not a list", 2},
		"root not string":    {"{\"roots\": [\n7]}", "roots[0]", "not a string", 2},
		"root not PEM":       {"{\"roots\": [\n\"x\"]}", "roots[0]", "not exactly one certificate", 2},
		"root of two":        {"{\"roots\": [\n" + intel[:len(intel)-1] + intel[1:] + "]}", "roots[0]", "not exactly one certificate", 2},
		"root with text":     {"{\"roots\": [\n\"Intel:" + intel[1:] + "]}", "roots[0]", "not exactly one certificate", 2},
		"root twice":         {"{\"roots\": [" + intel + ",\n" + intel + "]}", "roots[1]", "twice", 2},
		"root is a leaf":     {"{\"roots\": [\n" + leaf + "]}", "roots[0]", "not a certificate authority", 2},
		"root is garbage":    {"{\"roots\": [\n\"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n\"]}", "roots[0]", "x509", 2},
		"mixed roots":        {"{\"roots\": [" + intel + "],\n\"simulated_roots\": [" + simRoot + "]}", "simulated_roots", "production policy", 2},
		"mixed, reversed":    {"{\"simulated_roots\": [" + simRoot + "],\n\"roots\": [" + intel + "]}", "simulated_roots", "production policy", 1},
		"simulated root":     {"{\"roots\": [" + intel + ",\n" + simRoot + "]}", "roots[1]", "simulation root", 2},
		"hardware as sim":    {"{\n\n\"simulated_roots\": [" + intel + "]}", "simulated_roots[0]", "not a simulation root", 3},
		"many roots":         {"{\"roots\": [" + distinctRoots(t, 17) + "]}", "roots[16]", "more than 16", 17},
		"no target":          {"{\"roots\": [" + intel + "]}", "", "neither", 1},
		"no measurements":    {"{\"roots\": [" + intel + "],\n\"measurements\": [\n]}", "measurements", "empty list", 3},
		"no signers":         {"{\"roots\": [" + intel + "], \"measurements\": [" + m + "],\n\"signers\": []}", "signers", "empty list", 2},
		"short hash":         {"{\"measurements\": [" + m + ",\n\"abcd\"]}", "measurements[1]", "64 hexadecimal", 2},
		"odd hash":           {"{\"measurements\": [\n\"" + hexOf("a") + "a\"]}", "measurements[0]", "64 hexadecimal", 2},
		"no hash":            {"{\"measurements\": [\n\"" + hexOf("g") + "\"]}", "measurements[0]", "64 hexadecimal", 2},
		"zero hash":          {"{\"measurements\": [\n\"" + hexOf("0") + "\"]}", "measurements[0]", "all zeros", 2},
		"hash twice":         {"{\"measurements\": [" + m + ",\n" + strings.ToUpper(m) + "]}", "measurements[1]", "twice", 2},
		"signer alone":       {"{\"signers\": [\n{\"signer\": " + m + "}]}", "signers[0]", "product_id is missing", 2},
		"signer, no SVN":     {"{\"signers\": [\n{\"signer\": " + m + ",\n\"product_id\": 1}]}", "signers[0]", "min_svn is missing", 3},
		"signer, no hash":    {"{\"signers\": [\n{\"min_svn\": 1, \"product_id\": 1}]}", "signers[0]", "signer is missing", 2},
		"signer unknown":     {"{\"signers\": [\n{\"any_svn\": 1}]}", "signers[0].any_svn", "unknown member", 2},
		"signer repeated":    {"{\"signers\": [\n{\"min_svn\": 1,\n\"min_svn\": 0}]}", "signers[0].min_svn", "twice", 3},
		"signer no object":   {"{\"signers\": [\n" + m + "]}", "signers[0]", "not an object", 2},
		"SVN negative":       {"{\"signers\": [{\n\"min_svn\": -1}]}", "signers[0].min_svn", "whole number", 2},
		"SVN fraction":       {"{\"signers\": [{\n\"min_svn\": 1.0}]}", "signers[0].min_svn", "whole number", 2},
		"SVN large":          {"{\"signers\": [{\n\"min_svn\": 65536}]}", "signers[0].min_svn", "whole number", 2},
		"SVN text":           {"{\"signers\": [{\n\"min_svn\": \"1\"}]}", "signers[0].min_svn", "not a number", 2},
		"TD of MRTD alone":   {"{\"tdx\": [\n{\"mrtd\": " + long + "}]}", "tdx[0]", "rtmr1 is missing", 2},
		"TD, no MRTD":        {"{\"tdx\": [{\"rtmr1\": " + long + ", \"rtmr2\": " + long + "}]}", "tdx[0]", "mrtd: all zeros", 1},
		"TD, fifth register": {"{\"tdx\": [{\n\"rtmr4\": " + long + "}]}", "tdx[0].rtmr4", "unknown member", 2},
		"TD, short register": {"{\"tdx\": [{\n\"rtmr1\": " + m + "}]}", "tdx[0].rtmr1", "96 hexadecimal", 2},
		"TD twice":           {"{\"tdx\": [" + td + ",\n" + td + "]}", "tdx[1]", "twice", 2},
		"no TDs":             {"{\"tdx\": []}", "tdx", "empty list", 1},
		"guest, no TCB":      {"{\"sev_snp\": [\n{\"measurement\": " + long + "}]}", "sev_snp[0]", "min_tcb is missing", 2},
		"guest, half a TCB":  {"{\"sev_snp\": [{\"measurement\": " + long + ",\n\"min_tcb\": {\"snp\": 1}}]}", "sev_snp[0].min_tcb", "bootloader is missing", 2},
		"guest, large TCB":   {"{\"sev_snp\": [{\"min_tcb\": {\"snp\": 256}}]}", "sev_snp[0].min_tcb.snp", "0 to 255", 1},
		"guest, VMPL":        {"{\"sev_snp\": [{\n\"max_vmpl\": 4}]}", "sev_snp[0].max_vmpl", "0..3", 2},
		"guest, no product":  {"{\"sev_snp\": [{\"min_tcb\": {\"product\": \"\"}}]}", "sev_snp[0].min_tcb.product", "AMD family", 1},
		"guest, stepping":    {"{\"sev_snp\": [{\"min_tcb\": {\"product\": \"Milan-B0\"}}]}", "sev_snp[0].min_tcb.product", "AMD family", 1},
		"guest, unknown":     {"{\"sev_snp\": [{\"vmpl\": 0}]}", "sev_snp[0].vmpl", "unknown member", 1},
		"revoked accepted":   {"{\"statuses\": [\"UpToDate\",\n\"Revoked\"]}", "statuses[1]", "no policy accepts", 2},
		"status unknown":     {"{\"statuses\": [\"uptodate\"]}", "statuses[0]", "no TCB status", 1},
		"status none":        {"{\"statuses\": [\"none\"]}", "statuses[0]", "no TCB status", 1},
		"status twice":       {"{\"statuses\": [\"UpToDate\", \"UpToDate\"]}", "statuses[1]", "twice", 1},
		"no statuses":        {"{\"statuses\": []}", "statuses", "empty list", 1},
		"advisory twice":     {"{\"advisories\": [\"A\", \"A\"]}", "advisories[1]", "twice", 1},
		"advisory empty":     {"{\"advisories\": [\"\"]}", "advisories[0]", "not an advisory", 1},
		"platform short":     {"{\"platform_ids\": [\n\"abcd\"]}", "platform_ids[0]", "32 hexadecimal", 2},
		"platform twice":     {"{\"platform_ids\": [\"" + hexOf("a")[:32] + "\", \"" + hexOf("a")[:32] + "\"]}", "platform_ids[1]", "twice", 1},
		"no platforms":       {"{\"platform_ids\": []}", "platform_ids", "empty list", 1},
		"age in days":        {"{\"max_collateral_age\": \"30d\"}", "max_collateral_age", "not a time span", 1},
		"age of nothing":     {"{\"max_root_crl_age\": \"0h\"}", "max_root_crl_age", "not a time span", 1},
		"evaluation text":    {"{\"min_tcb_evaluation_number\": \"17\"}", "min_tcb_evaluation_number", "not a number", 1},
		"endorsement text":   {"{\"endorsement_required\": \"yes\"}", "endorsement_required", "neither true", 1},
		"signer twice": {
			"{\"signers\": [{\"signer\": " + m + ", \"product_id\": 1, \"min_svn\": 2},\n{\"signer\": " + m + ", \"product_id\": 1, \"min_svn\": 0}]}",
			"signers[1]", "twice", 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := quote.ParsePolicy([]byte(c.text))
			var perr *quote.PolicyError
			require.ErrorAs(t, err, &perr)
			require.Zero(t, p)
			require.Equal(t, c.field, perr.Field, "%v", err)
			require.ErrorContains(t, err, c.reason)
			require.Equal(t, c.line, perr.Line, "%v", err)
			require.ErrorContains(t, err, fmt.Sprintf("line %d", c.line))
		})
	}
}

// leafOf is a PCK certificate.
func leafOf(t testing.TB) *x509.Certificate {
	q, err := quote.ParseQuote(rawQuote(t, newSim(t, 1, sim.Config{})))
	require.NoError(t, err)
	block, _ := pem.Decode(q.CertData)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

// distinctRoots is a list of n roots, a line each.
func distinctRoots(t testing.TB, n int) string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = pemJSON(t, namesake(t, intelRoots(t)[0]))
	}
	return strings.Join(texts, ",\n")
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(fullPolicy(f).JSON())
	f.Add([]byte(`{"roots": [], "signers": [{"signer": "", "product_id": 1, "min_svn": 2}]}`))
	f.Add([]byte("{\"measurements\": [\"" + hexOf("a") + "\"]}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := quote.ParsePolicy(b)
		if err != nil {
			return
		}
		again, err := quote.ParsePolicy(p.JSON())
		require.NoError(t, err)
		require.Equal(t, p.JSON(), again.JSON())
		require.NotEmpty(t, len(p.Roots)+len(p.SimulatedRoots))
		require.NotEmpty(t, len(p.Measurements)+len(p.Signers)+len(p.TDs)+len(p.Guests))
	})
}
