package quote_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
)

func snpFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/snp/" + name)
	require.NoError(t, err)
	return b
}

func certificateText(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// chip is a made-up AMD machine: its makers' keys, its key, its report and list.
// Tests edit it before evidence is taken.
type chip struct {
	t                 testing.TB
	ark, ask          *x509.Certificate
	arkKey, askKey    *rsa.PrivateKey
	key               *ecdsa.PrivateKey
	signAs            *ecdsa.PrivateKey // nil: key
	vcek              x509.Certificate  // template
	report            quote.SNPReport
	list              x509.RevocationList
	noList, listByASK bool
	members           func(stapled)
}

const (
	snpSignature = 0x2a0
	snpScalar    = 72
)

func rsaKey(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(snpFile(t, name))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	return key.(*rsa.PrivateKey)
}

func amd(name string) pkix.Name {
	return pkix.Name{OrganizationalUnit: []string{"Engineering"}, CommonName: name}
}

func amdExtension(t testing.TB, value any, arcs ...int) pkix.Extension {
	t.Helper()
	der, ok := value.([]byte)
	if !ok {
		var err error
		der, err = asn1.MarshalWithParams(value, map[bool]string{true: "ia5"}[isText(value)])
		require.NoError(t, err)
	}
	return pkix.Extension{Id: append(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3704, 1}, arcs...), Value: der}
}

func isText(v any) bool { _, ok := v.(string); return ok }

func (c *chip) issue(tmpl, parent *x509.Certificate, public any, by *rsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, public, by)
	require.NoError(c.t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(c.t, err)
	return cert
}

// newChip makes a Milan machine with a report that everything is right about.
func newChip(t testing.TB) *chip {
	t.Helper()
	c := &chip{t: t, arkKey: rsaKey(t, "test_ark.key"), askKey: rsaKey(t, "test_ask.key")}
	authority := func(name string, serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: amd(name), NotBefore: start().AddDate(-1, 0, 0), NotAfter: start().AddDate(20, 0, 0),
			SignatureAlgorithm: x509.SHA384WithRSAPSS, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
	}
	tmpl := authority("ARK-Milan", 1)
	c.ark = c.issue(tmpl, tmpl, &c.arkKey.PublicKey, c.arkKey)
	c.ask = c.issue(authority("SEV-Milan", 2), c.ark, &c.askKey.PublicKey, c.arkKey)
	var err error
	c.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	id := bytes.Repeat([]byte{0xc1}, 64)
	c.vcek = x509.Certificate{
		SerialNumber: big.NewInt(0), Subject: amd("SEV-VCEK"), NotBefore: start().AddDate(0, -1, 0), NotAfter: start().AddDate(6, 0, 0),
		SignatureAlgorithm: x509.SHA384WithRSAPSS,
		ExtraExtensions: []pkix.Extension{
			amdExtension(t, "Milan-B0", 2),
			amdExtension(t, 3, 3, 1), amdExtension(t, 1, 3, 2), amdExtension(t, 8, 3, 3), amdExtension(t, 115, 3, 8),
			amdExtension(t, id, 4),
		},
	}
	r := &c.report
	binary.LittleEndian.PutUint32(r[0:], 2)
	binary.LittleEndian.PutUint64(r[8:], 1<<17|1<<16)
	binary.LittleEndian.PutUint32(r[0x34:], 1)
	data := reportData()
	copy(r[0x50:], data[:])
	copy(r[0x90:], guestMeasurement())
	r[0x180], r[0x181], r[0x186], r[0x187] = 3, 1, 8, 115
	copy(r[0x1a0:], id)
	c.list = x509.RevocationList{Number: big.NewInt(1), ThisUpdate: start().Add(-time.Hour), NextUpdate: start().AddDate(0, 1, 0), SignatureAlgorithm: x509.SHA384WithRSAPSS}
	return c
}

func guestMeasurement() []byte { return bytes.Repeat([]byte{0xa5}, 48) }

// attempt signs everything.
func (c *chip) attempt() attempt {
	leaf := c.issue(&c.vcek, c.ask, &c.key.PublicKey, c.askKey)
	signer := c.key
	if c.signAs != nil {
		signer = c.signAs
	}
	digest := sha512.Sum384(c.report[:snpSignature])
	r, s, err := ecdsa.Sign(rand.Reader, signer, digest[:])
	require.NoError(c.t, err)
	raw := c.report
	for i, n := range []*big.Int{r, s} {
		b := n.FillBytes(make([]byte, snpScalar))
		for j := range b {
			raw[snpSignature+i*snpScalar+j] = b[snpScalar-1-j]
		}
	}
	members := stapled{"vcek": hex.EncodeToString(leaf.Raw), "cert_chain": certificateText(c.ask.Raw) + certificateText(c.ark.Raw)}
	if !c.noList {
		by, key := c.ark, c.arkKey
		if c.listByASK {
			by, key = c.ask, c.askKey
		}
		der, err := x509.CreateRevocationList(rand.Reader, &c.list, by, key)
		require.NoError(c.t, err)
		members["crl"] = hex.EncodeToString(der)
	}
	if c.members != nil {
		c.members(members)
	}
	policy := quote.Policy{
		Roots:  []*x509.Certificate{c.ark},
		Guests: []quote.GuestRule{{Measurement: [48]byte(guestMeasurement()), MinTCB: quote.GuestTCB{Bootloader: 3, TEE: 1, SNP: 8, Microcode: 115}}},
	}
	return attempt{raw[:], members.json(c.t), policy, reportData(), start()}
}

func TestSNPAccepted(t *testing.T) {
	a := newChip(t).attempt()
	v, err := a.verify()
	require.NoError(t, err)
	require.Equal(t, quote.TEESNP, v.TEE)
	require.Equal(t, guestMeasurement(), v.Measurement)
	require.Equal(t, bytes.Repeat([]byte{0xc1}, 64), v.PlatformID)
	require.Equal(t, quote.StatusUpToDate, v.Status)
	require.Len(t, v.Passed, 22)
	require.Equal(t, start().AddDate(0, 1, 0), v.ValidUntil)
	a.raw = append(a.raw, 0, 0, 0)
	_, err = a.verify()
	require.NoError(t, err, "padded with zeros")
	a.policy.Platforms = [][]byte{v.PlatformID}
	_, err = a.verify()
	require.NoError(t, err)

	// An id that reads as an OCTET STRING is an id all the same.
	like := newChip(t)
	id := append([]byte{4, 62}, bytes.Repeat([]byte{0xc1}, 62)...)
	like.vcek.ExtraExtensions[5] = amdExtension(t, id, 4)
	copy(like.report[0x1a0:], id)
	_, err = like.attempt().verify()
	require.NoError(t, err)

	turin := newChip(t)
	turin.vcek.ExtraExtensions = []pkix.Extension{
		amdExtension(t, "Turin-B0", 2), amdExtension(t, 3, 3, 1), amdExtension(t, 1, 3, 2), amdExtension(t, 8, 3, 3), amdExtension(t, 115, 3, 8),
		amdExtension(t, 2, 3, 9), amdExtension(t, bytes.Repeat([]byte{0xc1}, 8), 4),
	}
	clear(turin.report[0x180:0x188])
	copy(turin.report[0x180:], []byte{2, 3, 1, 8, 0, 0, 0, 115})
	clear(turin.report[0x1a8:0x1e0])
	binary.LittleEndian.PutUint32(turin.report[0:], 3)
	copy(turin.report[0x188:], []byte{0x1a, 2, 1})
	a = turin.attempt()
	a.policy.Guests[0].MinTCB.FMC = 2
	_, err = a.verify()
	require.NoError(t, err)
	a.policy.Guests[0].MinTCB.FMC = 3
	requireRefused(t, a, quote.CheckTCBStatus)

	vlek := newChip(t)
	vlek.vcek.Subject = amd("SEV-VLEK")
	vlek.vcek.SerialNumber = big.NewInt(99)
	vlek.report[0x48] = 1 << 2
	_, err = vlek.attempt().verify()
	require.NoError(t, err)
	vlek.list.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(99), RevocationTime: start()}}
	requireRefused(t, vlek.attempt(), quote.CheckRevocation)
}

// TestSNPFamilies: security versions are compared with those of the same family only.
func TestSNPFamilies(t *testing.T) {
	c := newChip(t)
	tmpl := *c.ark
	tmpl.Subject, tmpl.SubjectKeyId, tmpl.SerialNumber = amd("ARK-Genoa"), nil, big.NewInt(3)
	genoa := c.issue(&tmpl, &tmpl, &c.arkKey.PublicKey, c.arkKey)
	a := c.attempt()
	a.policy.Roots = append(a.policy.Roots, genoa)
	require.Contains(t, requireRefused(t, a, quote.CheckPolicy).Reason, "product is missing")

	a.policy.Guests[0].Product = "Milan"
	other := a.policy.Guests[0]
	other.Product, other.MinTCB.SNP = "Genoa", 200
	a.policy.Guests = []quote.GuestRule{other, a.policy.Guests[0]}
	v, err := a.verify()
	require.NoError(t, err)
	require.Equal(t, quote.StatusUpToDate, v.Status)
	a.policy.Guests[1].MinTCB.SNP++
	requireRefused(t, a, quote.CheckTCBStatus)
	again, err := quote.ParsePolicy(a.policy.JSON())
	require.NoError(t, err)
	require.Equal(t, a.policy.Guests, again.Guests)
}

// TestSNPPrivilege: a policy may allow a level below the highest, up to one.
func TestSNPPrivilege(t *testing.T) {
	c := newChip(t)
	c.report[0x30] = 2
	a := c.attempt()
	a.policy.Guests[0].MaxVMPL = 2
	v, err := a.verify()
	require.NoError(t, err)
	require.Contains(t, v.Passed, quote.CheckVMPL)
	again, err := quote.ParsePolicy(a.policy.JSON())
	require.NoError(t, err)
	require.Equal(t, a.policy.Guests, again.Guests)
}

// TestSNPTellsWhatHasNoEffect: in a policy for several makers the rules that are Intel's alone are no surprise.
func TestSNPTellsWhatHasNoEffect(t *testing.T) {
	a := newChip(t).attempt()
	a.policy.Roots = append(a.policy.Roots, intelRoots(t)...)
	a.policy.Measurements = [][32]byte{{1}}
	a.policy.Advisories, a.policy.MaxCollateralAge, a.policy.MinTCBEvaluation = []string{}, time.Hour, 17
	v, err := a.verify()
	require.NoError(t, err)
	require.Equal(t, []string{"advisories", "max_collateral_age", "min_tcb_evaluation_number"}, v.Unchecked)
}

// snpFaults are wrong in one thing each.
func snpFaults(t *testing.T) map[string]struct {
	check string
	chip  func(*chip)
	after func(*attempt)
} {
	type n = struct {
		check string
		chip  func(*chip)
		after func(*attempt)
	}
	without := func(i int) func(*chip) {
		return func(c *chip) {
			c.vcek.ExtraExtensions = append(append([]pkix.Extension{}, c.vcek.ExtraExtensions[:i]...), c.vcek.ExtraExtensions[i+1:]...)
		}
	}
	return map[string]n{
		"short":             {quote.CheckFormat, nil, func(a *attempt) { a.raw = a.raw[:quote.SNPReportBytes-1] }},
		"trailing":          {quote.CheckFormat, nil, func(a *attempt) { a.raw = append(a.raw, 1) }},
		"reserved byte":     {quote.CheckFormat, func(c *chip) { c.report[0x190] = 1 }, nil},
		"version 4":         {quote.CheckVersion, func(c *chip) { c.report[0] = 4 }, nil},
		"another algorithm": {quote.CheckVersion, func(c *chip) { c.report[0x34] = 2 }, nil},
		"VMPL 4":            {quote.CheckFormat, func(c *chip) { c.report[0x30] = 4 }, nil},
		"policy, bit 17":    {quote.CheckFormat, func(c *chip) { c.report[0x0a] &^= 1 << 1 }, nil},
		"policy, bit 26":    {quote.CheckFormat, func(c *chip) { c.report[0x0b] |= 1 << 2 }, nil},
		"policy, bit 63":    {quote.CheckFormat, func(c *chip) { c.report[0x0f] |= 1 << 7 }, nil},
		"bytes after list": {quote.CheckCollateralFormat, func(c *chip) {
			c.members = func(s stapled) { s["crl"] = s["crl"] + "00" }
		}, nil},
		"signed by nobody": {quote.CheckFormat, func(c *chip) { c.report[0x48] = 7 << 2 }, nil},
		"zero policy":      {quote.CheckPolicy, nil, func(a *attempt) { a.policy = quote.Policy{} }},
		"no collateral":    {quote.CheckCollateralMissing, nil, func(a *attempt) { a.collateral = nil }},
		"DCAP collateral":  {quote.CheckCollateralFormat, nil, func(a *attempt) { a.collateral = newAttempt(t, newSim(t, 1, sim.Config{})).collateral }},
		"member repeated":  {quote.CheckCollateralFormat, nil, func(a *attempt) { a.collateral = bytes.Replace(a.collateral, []byte("{"), []byte(`{"CRL":"",`), 1) }},
		"no VCEK":          {quote.CheckCollateralFormat, func(c *chip) { c.members = func(s stapled) { delete(s, "vcek") } }, nil},
		"VCEK is text":     {quote.CheckCollateralFormat, func(c *chip) { c.members = func(s stapled) { s["vcek"] = "x" } }, nil},
		"chain of one":     {quote.CheckCollateralFormat, func(c *chip) { c.members = func(s stapled) { s["cert_chain"] = certificateText(c.ark.Raw) } }, nil},
		"foreign root":     {quote.CheckChainRoot, nil, func(a *attempt) { a.policy.Roots = intelRoots(t) }},
		"namesake of the ASK": {quote.CheckChainSignature, func(c *chip) {
			tmpl := *c.ask
			tmpl.SubjectKeyId = nil
			namesake := c.issue(&tmpl, c.ark, &c.arkKey.PublicKey, c.arkKey)
			c.members = func(s stapled) { s["cert_chain"] = certificateText(namesake.Raw) + certificateText(c.ark.Raw) }
		}, nil},
		"chain swapped": {quote.CheckChainRoot, func(c *chip) {
			c.members = func(s stapled) { s["cert_chain"] = certificateText(c.ark.Raw) + certificateText(c.ask.Raw) }
		}, nil},
		"VCEK of P-256":    {quote.CheckChainKey, func(c *chip) { c.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }, nil},
		"VCEK by SHA-256":  {quote.CheckChainKey, func(c *chip) { c.vcek.SignatureAlgorithm = x509.SHA256WithRSAPSS }, nil},
		"not a VCEK":       {quote.CheckChainCA, func(c *chip) { c.vcek.Subject = amd("SEV-ASK") }, nil},
		"VCEK is a CA":     {quote.CheckChainCA, func(c *chip) { c.vcek.IsCA, c.vcek.BasicConstraintsValid = true, true }, nil},
		"VCEK expired":     {quote.CheckChainValidity, func(c *chip) { c.vcek.NotAfter = start().Add(-time.Second) }, nil},
		"VCEK of tomorrow": {quote.CheckChainValidity, func(c *chip) { c.vcek.NotBefore = start().Add(time.Second) }, nil},
		"other bootloader": {quote.CheckReportTCB, func(c *chip) { c.report[0x180]++ }, nil},
		"other microcode":  {quote.CheckReportTCB, func(c *chip) { c.report[0x187]++ }, nil},
		"other chip":       {quote.CheckReportTCB, func(c *chip) { c.report[0x1df]++ }, nil},
		"chip hidden":      {quote.CheckReportTCB, func(c *chip) { clear(c.report[0x1a0:0x1e0]) }, nil},
		"key of a VLEK":    {quote.CheckReportTCB, func(c *chip) { c.report[0x48] = 1 << 2 }, nil},
		"no product":       {quote.CheckReportTCB, without(0), nil},
		"no SNP version":   {quote.CheckReportTCB, without(3), nil},
		"no hardware id":   {quote.CheckReportTCB, without(5), nil},
		"another key":      {quote.CheckQuoteSignature, func(c *chip) { c.signAs, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader) }, nil},
		"body changed":     {quote.CheckQuoteSignature, nil, func(a *attempt) { a.raw[0x90] ^= 1 }},
		"debug":            {quote.CheckDebug, func(c *chip) { c.report[0x0a] |= 1 << 3 }, nil},
		"migration agent":  {quote.CheckMigration, func(c *chip) { c.report[0x0a] |= 1 << 2 }, nil},
		"no list":          {quote.CheckCRLMissing, func(c *chip) { c.noList = true }, nil},
		"list of the ASK":  {quote.CheckCRLSignature, func(c *chip) { c.listByASK = true }, nil},
		"list overdue":     {quote.CheckCRLValidity, func(c *chip) { c.list.NextUpdate = start().Add(-time.Second) }, nil},
		"ASK revoked": {quote.CheckRevocation, func(c *chip) {
			c.list.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: c.ask.SerialNumber, RevocationTime: start()}}
		}, nil},
		"list too old":      {quote.CheckCollateralAge, nil, func(a *attempt) { a.policy.MaxRootCRLAge = time.Minute }},
		"another guest":     {quote.CheckMeasurement, nil, func(a *attempt) { a.policy.Guests[0].Measurement[0] = 1 }},
		"VMPL 1":            {quote.CheckVMPL, func(c *chip) { c.report[0x30] = 1 }, nil},
		"VMPL 3":            {quote.CheckVMPL, func(c *chip) { c.report[0x30] = 3 }, func(a *attempt) { a.policy.Guests[0].MaxVMPL = 2 }},
		"another family":    {quote.CheckMeasurement, nil, func(a *attempt) { a.policy.Guests[0].Product = "Genoa" }},
		"VMPL beyond":       {quote.CheckPolicy, nil, func(a *attempt) { a.policy.Guests[0].MaxVMPL = 4 }},
		"rated twice":       {quote.CheckPolicy, nil, func(a *attempt) { a.policy.Guests = append(a.policy.Guests, a.policy.Guests[0]) }},
		"age of nothing":    {quote.CheckPolicy, nil, func(a *attempt) { a.policy.MaxCollateralAge = time.Hour }},
		"advisories":        {quote.CheckPolicy, nil, func(a *attempt) { a.policy.Advisories = []string{} }},
		"evaluation":        {quote.CheckPolicy, nil, func(a *attempt) { a.policy.MinTCBEvaluation = 1 }},
		"old platform":      {quote.CheckTCBStatus, nil, func(a *attempt) { a.policy.Guests[0].MinTCB.SNP++ }},
		"another platform":  {quote.CheckPlatform, nil, func(a *attempt) { a.policy.Platforms = [][]byte{make([]byte, 64)} }},
		"other report data": {quote.CheckReportData, nil, func(a *attempt) { a.reportData[63] ^= 1 }},
	}
}

func TestSNPFaults(t *testing.T) {
	refused := map[string]bool{}
	for name, c := range snpFaults(t) {
		refused[c.check] = true
		t.Run(name, func(t *testing.T) {
			chip := newChip(t)
			if c.chip != nil {
				c.chip(chip)
			}
			a := chip.attempt()
			if c.after != nil {
				c.after(&a)
			}
			requireRefused(t, a, c.check)
		})
	}
	v, err := newChip(t).attempt().verify()
	require.NoError(t, err)
	for _, check := range v.Passed {
		require.True(t, refused[check], "nothing is refused by %s", check)
	}
}

// TestSNPExamined: without a policy nobody rates the platform, so it is refused.
func TestSNPExamined(t *testing.T) {
	a := newChip(t).attempt()
	v, err := quote.Examine(quote.Evidence{Quote: a.raw, Collateral: a.collateral}, a.policy.Roots, a.now)
	require.Error(t, err)
	require.Equal(t, quote.CheckTCBStatus, v.Check)
	require.Empty(t, v.Status)
}

// realSNP is a real report, of a debug guest.
func realSNP(t testing.TB) attempt {
	t.Helper()
	block, rest := pem.Decode(snpFile(t, "milan.testcer"))
	ark, _ := pem.Decode(rest)
	root, err := x509.ParseCertificate(ark.Bytes)
	require.NoError(t, err)
	members := stapled{"vcek": hex.EncodeToString(snpFile(t, "vcek.testcer")), "cert_chain": certificateText(block.Bytes) + certificateText(ark.Bytes)}
	raw := snpFile(t, "attestation.bin")
	policy := quote.Policy{Roots: []*x509.Certificate{root}, Guests: []quote.GuestRule{{Measurement: [48]byte(raw[0x90:])}}}
	return attempt{raw, members.json(t), policy, [64]byte(raw[0x50:]), time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// TestRealSNP: signatures, chain, versions and chip of a real report hold; it is a
// debug guest's, and refused for that.
func TestRealSNP(t *testing.T) {
	a := realSNP(t)
	v := requireRefused(t, a, quote.CheckDebug)
	require.True(t, v.Debug)
	require.Contains(t, v.Passed, quote.CheckQuoteSignature)
	require.Contains(t, v.Passed, quote.CheckReportTCB)
	require.Equal(t, "b07af962", hex.EncodeToString(v.Measurement[:4]))
	require.Equal(t, "3ac3fe21", hex.EncodeToString(v.PlatformID[:4]))
	for i := range snpSignature + 2*snpScalar {
		for bit := range 8 {
			if testing.Short() && bit != i%8 {
				continue
			}
			b := a
			b.raw = bytes.Clone(a.raw)
			b.raw[i] ^= 1 << bit
			v, err := b.verify()
			require.Error(t, err)
			require.NotEqual(t, quote.CheckDebug, v.Check, "bit %d of byte %#x", bit, i)
		}
	}
	for n := range a.raw {
		_, err := quote.ParseSNP(a.raw[:n])
		require.Error(t, err)
	}
	r, err := quote.ParseSNP(a.raw)
	require.NoError(t, err)
	require.Equal(t, a.raw, r[:])
}

// TestRealAMDChains: AMD's own certificates of every family pass the checks of keys
// and flags, up to the key that is not theirs.
func TestRealAMDChains(t *testing.T) {
	for _, name := range []string{"milan.testcer", "ask_ark_genoa.pem", "ask_ark_turin_vcek.pem", "ask_ark_milan_vlek.pem"} {
		a := realSNP(t)
		var certs [2]*x509.Certificate
		rest := snpFile(t, name)
		text := ""
		for i := range certs {
			var block *pem.Block
			block, rest = pem.Decode(rest)
			c, err := x509.ParseCertificate(block.Bytes)
			require.NoError(t, err)
			certs[i] = c
			text += certificateText(c.Raw)
		}
		a.policy.Roots = certs[1:]
		a.collateral = stapled{"vcek": hex.EncodeToString(snpFile(t, "vcek.testcer")), "cert_chain": text}.json(t)
		v, err := a.verify()
		require.Error(t, err)
		require.Contains(t, v.Passed, quote.CheckChainCA, "%s: %v", name, err)
		if name != "milan.testcer" {
			require.Equal(t, quote.CheckChainSignature, v.Check)
		}
	}
}

func FuzzParseSNP(f *testing.F) {
	a := realSNP(f)
	f.Add(a.raw)
	f.Add(append(bytes.Clone(a.raw), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := quote.ParseSNP(b)
		if err == nil && !bytes.Equal(r[:], b[:quote.SNPReportBytes]) {
			t.Fatal("parsed something else")
		}
		c := a
		c.raw = b
		if v, err := c.verify(); err == nil || v.Accepted {
			t.Fatal("accepted")
		}
	})
}
