package quote_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx/quote"
)

const realDir = "testdata/real/"

// realCase is one entry of cases.json: evidence of real hardware, with what other
// people's verifiers say about it.
type realCase struct {
	Quote        string    `json:"quote"`
	TCBInfo      string    `json:"tcb_info"`
	QEIdentity   string    `json:"qe_identity"`
	RootCRL      *string   `json:"root_crl"`
	PCKCRL       *string   `json:"pck_crl"`
	SigningChain string    `json:"tcb_signing_chain"`
	Root         string    `json:"root"`
	At           time.Time `json:"verify_at"`
	Version      uint16    `json:"quote_version"`
	BodyType     uint16    `json:"body_type"`
	Trailing     int       `json:"trailing_bytes"`
	Debug        bool      `json:"debug"`
	Expect       struct {
		Platform, QE, Merged quote.Status
		Module               quote.Status `json:"tdx_module"`
		Advisories           []string
		Evaluation           uint32 `json:"tcb_eval_number"`
	} `json:"expect"`
}

func realCases(t testing.TB) []realCase {
	t.Helper()
	var all []realCase
	require.NoError(t, json.Unmarshal(realFile(t, "cases.json"), &all))
	require.Len(t, all, 16)
	return all
}

func realFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(realDir, name))
	require.NoError(t, err)
	return b
}

// realRaw reads a quote, which some people keep in hexadecimal.
func realRaw(t testing.TB, name string) []byte {
	t.Helper()
	b := realFile(t, name)
	if text, err := hex.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(b)), "0x")); err == nil {
		return text
	}
	return b
}

func realRoots(t testing.TB, name string) []*x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(realFile(t, name))
	require.NotNil(t, block)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return []*x509.Certificate{c}
}

// members of collateral, as text.
type stapled map[string]string

func (s stapled) json(t testing.TB) []byte {
	t.Helper()
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return b
}

// collateral puts a case's files together as a host would.
func (c *realCase) collateral(t testing.TB) stapled {
	chain := string(realFile(t, c.SigningChain))
	out := stapled{"tcb_info_issuer_chain": chain, "qe_identity_issuer_chain": chain}
	out["tcb_info"], out["tcb_info_signature"] = signedText(t, realFile(t, c.TCBInfo), "tcbInfo", "tcb_info")
	out["qe_identity"], out["qe_identity_signature"] = signedText(t, realFile(t, c.QEIdentity), "enclaveIdentity", "qe_identity")
	for name, file := range map[string]*string{"root_ca_crl": c.RootCRL, "pck_crl": c.PCKCRL} {
		if file == nil {
			continue
		}
		b := realFile(t, *file)
		if b[0] == '{' {
			var whole stapled
			require.NoError(t, json.Unmarshal(b, &whole))
			out[name] = whole[name]
		} else {
			out[name] = hex.EncodeToString(b)
		}
	}
	return out
}

// signedText is the exact text of a document and its signature, out of the answer
// of Intel's service or out of whole collateral.
func signedText(t testing.TB, b []byte, inService, inCollateral string) (text, signature string) {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(b, &members))
	if raw, ok := members[inService]; ok {
		require.NoError(t, json.Unmarshal(members["signature"], &signature))
		return string(raw), signature
	}
	require.NoError(t, json.Unmarshal(members[inCollateral], &text))
	require.NoError(t, json.Unmarshal(members[inCollateral+"_signature"], &signature))
	return text, signature
}

func (c *realCase) evidence(t testing.TB) quote.Evidence {
	return quote.Evidence{Quote: realRaw(t, c.Quote), Collateral: c.collateral(t).json(t)}
}

// accepting is a policy for this very evidence, with every status that a policy can
// accept.
func accepting(t testing.TB, raw []byte, root []*x509.Certificate) (quote.Policy, [64]byte) {
	q, err := quote.ParseQuote(raw)
	require.NoError(t, err)
	p := quote.Policy{Roots: root, Statuses: []quote.Status{
		quote.StatusUpToDate, quote.StatusSWHardeningNeeded, quote.StatusConfigurationNeeded,
		quote.StatusConfigurationAndSWHardeningNeeded, quote.StatusOutOfDate, quote.StatusOutOfDateConfigurationNeeded,
	}}
	if q.TEE == quote.TEETypeTDX {
		r := quote.ParseTDReport(q.Body)
		p.TDs = []quote.TDRule{{MRTD: r.MRTD, RTMR: [4]*[48]byte{&r.RTMR[0], &r.RTMR[1], &r.RTMR[2], &r.RTMR[3]}}}
		return p, r.ReportData
	}
	r := quote.Report(q.Body)
	p.Measurements = [][32]byte{r.Fields().Measurement}
	return p, r.Fields().ReportData
}

// TestRealCases: every case has the statuses that its origin found, whatever the
// verdict; what is rated at all is accepted by a policy that allows the status.
func TestRealCases(t *testing.T) {
	accepted := 0
	for _, c := range realCases(t) {
		t.Run(c.Quote+" "+c.At.Format("2006-01-02"), func(t *testing.T) {
			e := c.evidence(t)
			q, err := quote.ParseQuote(e.Quote)
			require.NoError(t, err)
			require.Equal(t, [2]uint16{c.Version, c.BodyType}, [2]uint16{q.Version, q.BodyType})
			require.Equal(t, c.Trailing, len(e.Quote)-len(q.AppendBinary(nil)))

			v, err := quote.Examine(e, realRoots(t, c.Root), c.At)
			require.Equal(t, c.Expect.Platform, v.PlatformStatus)
			require.Equal(t, c.Expect.QE, v.QEStatus)
			require.Equal(t, c.Expect.Module, v.ModuleStatus)
			require.Equal(t, c.Expect.Merged, v.Status)
			require.ElementsMatch(t, c.Expect.Advisories, v.Advisories)
			require.Equal(t, c.Expect.Evaluation, v.TCBEvaluation)
			require.Equal(t, c.Debug, v.Debug)
			switch usual := v.Status == quote.StatusUpToDate || v.Status == quote.StatusSWHardeningNeeded; {
			case c.RootCRL == nil:
				require.Equal(t, quote.CheckCRLMissing, v.Check)
			case usual:
				require.NoError(t, err)
			default:
				require.Equal(t, quote.CheckTCBStatus, v.Check)
			}

			p, data := accepting(t, e.Quote, realRoots(t, c.Root))
			v, err = p.Verify(e, data, c.At)
			switch {
			case c.RootCRL == nil:
				require.Equal(t, quote.CheckCRLMissing, v.Check)
			case v.Status == quote.StatusNone:
				require.Equal(t, quote.CheckTCBStatus, v.Check)
			default:
				require.NoError(t, err)
				accepted++
			}
		})
	}
	require.Equal(t, 6, accepted)
}

// TestRealWholeCollateral: collateral exactly as another verifier keeps it.
func TestRealWholeCollateral(t *testing.T) {
	for name, at := range map[string]time.Time{
		"phala/sgx_quote": time.Date(2025, 7, 4, 9, 20, 0, 0, time.UTC),
		"phala/tdx_quote": time.Date(2025, 7, 4, 10, 40, 0, 0, time.UTC),
	} {
		e := quote.Evidence{Quote: realRaw(t, name), Collateral: realFile(t, name+"_collateral.json")}
		require.True(t, bytes.Contains(e.Collateral, []byte("pck_crl_issuer_chain")))
		p, data := accepting(t, e.Quote, realRoots(t, "common/intel_sgx_root_ca.pem"))
		v, err := p.Verify(e, data, at)
		require.NoError(t, err, name)
		require.NotEmpty(t, v.Terms)
		require.True(t, v.ValidUntil.After(at), "%v", v.Terms)
	}
}

// BenchmarkVerifyReal is a whole verification of evidence of real hardware.
func BenchmarkVerifyReal(b *testing.B) {
	for _, name := range []string{"phala/sgx_quote", "phala/tdx_quote"} {
		for _, c := range realCases(b) {
			if c.Quote != name {
				continue
			}
			e := c.evidence(b)
			p, data := accepting(b, e.Quote, realRoots(b, c.Root))
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.Verify(e, data, c.At); err != nil {
						b.Fatal(err)
					}
				}
			})
			break
		}
	}
}
