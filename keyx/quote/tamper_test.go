package quote_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
)

// TestBitFlips: no single flipped bit within the signed length is accepted. All
// bits of header, body and lengths, and one bit of every other byte; with
// SCBR_NIGHTLY=1 all bits of all bytes.
func TestBitFlips(t *testing.T) {
	nightly := os.Getenv("SCBR_NIGHTLY") == "1"
	simulated := newAttempt(t, newSim(t, 1, sim.Config{}))
	for name, a := range map[string]attempt{
		"simulated":        simulated,
		"simulated padded": padded(simulated),
		"real":             realQuotes()[0].attempt(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := a.verify()
			require.NoError(t, err)
			signed := len(bytes.TrimRight(a.raw, "\x00"))
			if name == "real" {
				signed = len(a.raw) // ends in a NUL of its own
			}
			b := a
			b.raw = bytes.Clone(a.raw)
			for i := range signed {
				for bit := range 8 {
					if !nightly && !everyBit(i) && bit != i%8 {
						continue
					}
					b.raw[i] ^= 1 << bit
					v, err := b.flipped()
					b.raw[i] ^= 1 << bit
					if err == nil || v.Accepted {
						t.Fatalf("bit %d of byte %d flipped, accepted", bit, i)
					}
				}
			}
		})
	}
}

func everyBit(i int) bool {
	return i < offSignature || i >= offAuthLen && i < offAuth || i >= offCertType && i < offCertData
}

func padded(a attempt) attempt {
	a.raw = append(bytes.Clone(a.raw), make([]byte, zerosTrailing)...)
	return a
}

// TestTruncations: no proper prefix is accepted, nor parsed.
func TestTruncations(t *testing.T) {
	for name, raw := range map[string][]byte{
		"simulated": rawQuote(t, newSim(t, 1, sim.Config{})),
		"real":      realQuotes()[0].attempt(t).raw,
	} {
		for n := range raw {
			_, err := quote.ParseQuote(raw[:n:n])
			require.Error(t, err, "%s, %d bytes", name, n)
		}
		_, err := quote.ParseQuote(raw)
		require.NoError(t, err)
	}
}

// TestTrailingBytes: only zeros may follow the signed length, at every distance.
func TestTrailingBytes(t *testing.T) {
	a := padded(newAttempt(t, newSim(t, 1, sim.Config{})))
	for i := len(a.raw) - zerosTrailing; i < len(a.raw); i++ {
		b := a
		b.raw = bytes.Clone(a.raw)
		b.raw[i] = 1
		requireRefused(t, b, quote.CheckFormat)
	}
}

// TestParseRoundTrip: what was parsed is exactly what was sent.
func TestParseRoundTrip(t *testing.T) {
	for _, raw := range [][]byte{
		rawQuote(t, newSim(t, 1, sim.Config{})),
		realQuotes()[0].attempt(t).raw,
		realQuotes()[1].attempt(t).raw,
	} {
		q, err := quote.ParseQuote(raw)
		require.NoError(t, err)
		require.Equal(t, raw, q.AppendBinary(nil))
		require.Equal(t, raw[:offSigLen], q.SignedBytes())
		body := quote.Report(q.Body)
		f := body.Fields()
		require.Equal(t, raw[offBody+64:offBody+96], f.Measurement[:])
		require.Equal(t, raw[offBody+320:offSigLen], f.ReportData[:])
		clear(raw)
		require.NotZero(t, q.CertData[0], "the quote has its own memory")
	}
}

func FuzzParseQuote(f *testing.F) {
	good := rawQuote(f, newSim(f, 1, sim.Config{}))
	f.Add(good)
	f.Add(append(bytes.Clone(good), 0, 0))
	f.Add(good[:offCertData])
	for _, name := range []string{"phala/sgx_quote", "phala/tdx_quote", "phala/tdx_quote_outdated", "oasis/quote_v3_ecdsa_p256_eppid.bin"} {
		f.Add(realRaw(f, name))
	}
	policy := newSim(f, 1, sim.Config{}).Policy()
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := quote.ParseQuote(raw)
		v, verr := policy.Verify(quote.Evidence{Quote: raw}, reportData(), start())
		if (verr == nil) != v.Accepted {
			t.Fatal("verdict and error disagree")
		}
		if err != nil {
			if verr == nil {
				t.Fatal("accepted what does not parse")
			}
			return
		}
		out := q.AppendBinary(nil)
		if !bytes.HasPrefix(raw, out) || len(bytes.Trim(raw[len(out):], "\x00")) != 0 {
			t.Fatal("parsed something else than was sent")
		}
		if verr == nil && !bytes.Equal(out[:offSigLen], good[:offSigLen]) {
			t.Fatal("accepted another body") // the fuzzer has no key
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	a := newAttempt(b, newSim(b, 1, sim.Config{}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.verify(); err != nil {
			b.Fatal(err)
		}
	}
}
