package quote_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx/quote"
)

// acceptedReal is evidence of each TEE and version that a policy accepts.
func acceptedReal(t testing.TB) map[string]attempt {
	t.Helper()
	out := map[string]attempt{}
	for _, c := range realCases(t) {
		e := c.evidence(t)
		p, data := accepting(t, e.Quote, realRoots(t, c.Root))
		if _, err := p.Verify(e, data, c.At); err == nil {
			out[fmt.Sprintf("%s v%d", filepath.Base(c.Quote), c.Version)] = attempt{e.Quote, e.Collateral, p, data, c.At}
		}
	}
	require.Len(t, out, 4)
	return out
}

// TestRealBitFlips: every single bit of the signed length of an SGX and a TDX quote
// flipped is refused; with -short one bit of each byte.
func TestRealBitFlips(t *testing.T) {
	all := acceptedReal(t)
	for _, name := range []string{"sgx_quote v3", "tdx_quote v4"} {
		a, ok := all[name]
		require.True(t, ok, name)
		q, err := quote.ParseQuote(a.raw)
		require.NoError(t, err)
		signed := len(q.AppendBinary(nil))
		const parts = 4
		for part := range parts {
			t.Run(fmt.Sprintf("%s %d", name, part), func(t *testing.T) {
				t.Parallel()
				b := a
				b.raw = bytes.Clone(a.raw)
				for i := part; i < signed; i += parts {
					for bit := range 8 {
						if testing.Short() && bit != i%8 {
							continue
						}
						b.raw[i] ^= 1 << bit
						v, err := b.flipped()
						b.raw[i] ^= 1 << bit
						if err == nil || v.Accepted || v.Check == "" {
							t.Fatalf("bit %d of byte %d flipped, accepted", bit, i)
						}
					}
				}
				_, err := b.verify()
				require.NoError(t, err, "as it was")
			})
		}
	}
}

// flipped verifies in half the time: without collateral at first. What is refused
// for something else than that it is missing is refused so with it, too, since
// collateral is looked at last.
func (a attempt) flipped() (quote.Verdict, error) {
	bare := a
	bare.collateral = nil
	if v, err := bare.verify(); v.Check != quote.CheckCollateralMissing {
		return v, err
	}
	return a.verify()
}

// TestRealTruncations: every proper prefix of the signed length is refused, also
// with zeros in the place of what is missing.
func TestRealTruncations(t *testing.T) {
	for name, a := range acceptedReal(t) {
		q, err := quote.ParseQuote(a.raw)
		require.NoError(t, err)
		signed := q.AppendBinary(nil)
		for n := range signed {
			b := a
			b.raw = signed[:n:n]
			_, err := b.flipped()
			require.Error(t, err, "%s, %d bytes", name, n)
			if n%16 != 0 || bytes.Count(signed[n:], []byte{0}) == len(signed)-n {
				continue
			}
			b.raw = append(b.raw, make([]byte, len(signed)-n)...)
			_, err = b.flipped()
			require.Error(t, err, "%s, zeros from %d on", name, n)
		}
	}
}

// TestRealTrailing: zeros may follow, as clouds pad quotes; nothing else.
func TestRealTrailing(t *testing.T) {
	for name, a := range acceptedReal(t) {
		b := a
		b.raw = append(bytes.Clone(a.raw), make([]byte, 100)...)
		_, err := b.verify()
		require.NoError(t, err, name)
		for i := len(a.raw); i < len(b.raw); i++ {
			b.raw[i] = 1
			requireRefused(t, b, quote.CheckFormat)
			b.raw[i] = 0
		}
	}
}

// TestRealCollateralFlips: one flipped bit of each byte of collateral is refused,
// or is none that says anything (the case of a hexadecimal digit, for one).
func TestRealCollateralFlips(t *testing.T) {
	a := acceptedReal(t)["sgx_quote v3"]
	want, err := a.verify()
	require.NoError(t, err)
	step := 1
	if testing.Short() {
		step = 17
	}
	harmless := 0
	for i := 0; i < len(a.collateral); i += step {
		b := a
		b.collateral = bytes.Clone(a.collateral)
		b.collateral[i] ^= 1 << (i % 8)
		v, err := b.verify()
		if err != nil {
			continue
		}
		require.Equal(t, want, v, "byte %d", i)
		require.True(t, strings.EqualFold(string(a.collateral[i]), string(b.collateral[i])), "byte %d", i)
		harmless++
	}
	require.Less(t, harmless, len(a.collateral)/8)
}

// TestRealMixes: evidence with the collateral of another.
func TestRealMixes(t *testing.T) {
	all := acceptedReal(t)
	sgx, tdx, near := all["sgx_quote v3"], all["tdx_quote v4"], all["near_quote_hex.txt v4"]
	mixed := sgx
	mixed.collateral = tdx.collateral
	requireRefused(t, mixed, quote.CheckCRLSignature) // another authority certified that platform
	oasis := all["quote_v3_ecdsa_p256_pck_chain.bin v3"]
	mixed = oasis
	var ours, theirs stapled
	require.NoError(t, json.Unmarshal(oasis.collateral, &ours))
	require.NoError(t, json.Unmarshal(near.collateral, &theirs))
	for _, name := range []string{"tcb_info", "tcb_info_signature", "qe_identity", "qe_identity_signature"} {
		ours[name] = theirs[name]
	}
	mixed.collateral = ours.json(t)
	requireRefused(t, mixed, quote.CheckCollateralPlatform)
	for _, name := range []string{"tcb_info", "qe_identity"} {
		require.NoError(t, json.Unmarshal(oasis.collateral, &ours))
		ours[name] = theirs[name]
		mixed.collateral = ours.json(t)
		requireRefused(t, mixed, map[string]string{"tcb_info": quote.CheckTCBSignature, "qe_identity": quote.CheckQEIdentitySignature}[name])
	}
}

// TestRealTimes: outside the validity of any part of it, evidence is refused.
func TestRealTimes(t *testing.T) {
	for name, a := range acceptedReal(t) {
		v, err := a.verify()
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(v.Terms), 6)
		for _, term := range v.Terms {
			for _, now := range []time.Time{term.From.Add(-time.Second), term.Until.Add(time.Second)} {
				b := a
				b.now = now
				got, err := b.verify()
				require.Error(t, err, "%s at %s: %s", name, now, term.Part)
				require.Contains(t, []string{quote.CheckChainValidity, quote.CheckCollateralChain, quote.CheckCollateralValidity, quote.CheckCRLValidity}, got.Check)
			}
		}
		b := a
		b.now = v.ValidUntil
		_, err = b.verify()
		require.NoError(t, err, "%s at its last second", name)
	}
}

// TestForeignRootOfIntelsName: the samples of Intel's own verification library stand
// under a root with Intel's name.
func TestForeignRootOfIntelsName(t *testing.T) {
	for _, dir := range []string{"intel-qvl/", "intel-qvl/tdx/"} {
		raw := realFile(t, dir+"quote.dat")
		_, err := quote.Examine(quote.Evidence{Quote: raw}, intelRoots(t), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
		require.Error(t, err, dir)
	}
	// Their root itself, put above Intel's own platform.
	a := acceptedReal(t)["sgx_quote v3"]
	theirs := realRoots(t, "intel-qvl/trustedRootCaCert.pem")
	require.Equal(t, a.policy.Roots[0].Subject.String(), theirs[0].Subject.String())
	a.policy.Roots = theirs
	requireRefused(t, a, quote.CheckChainRoot)
}

// TestBadSigner: TCB info under a certificate that no root has signed.
func TestBadSigner(t *testing.T) {
	a := acceptedReal(t)["quote_v3_ecdsa_p256_pck_chain.bin v3"]
	var members stapled
	require.NoError(t, json.Unmarshal(a.collateral, &members))
	members["tcb_info_issuer_chain"] = string(realFile(t, "oasis/tcb_info_v3_fmspc_00606A000000_certs_bad.pem"))
	a.collateral = members.json(t)
	requireRefused(t, a, quote.CheckCollateralChain)
}

// TestMalformedTCBInfo: the malformed documents of Open Enclave's tests are refused
// as they are and in the place of the TCB info.
func TestMalformedTCBInfo(t *testing.T) {
	names, err := filepath.Glob(realDir + "openenclave/report/*/*.json")
	require.NoError(t, err)
	require.Len(t, names, 33)
	a := acceptedReal(t)["quote_v3_ecdsa_p256_pck_chain.bin v3"]
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		text := string(b)
		var outer map[string]json.RawMessage
		if json.Unmarshal(b, &outer) == nil && outer["tcbInfo"] != nil {
			text = string(outer["tcbInfo"])
		}
		var members stapled
		require.NoError(t, json.Unmarshal(a.collateral, &members))
		members["tcb_info"] = text
		mixed := a
		mixed.collateral = members.json(t)
		requireRefused(t, mixed, quote.CheckCollateralFormat)
	}
}
