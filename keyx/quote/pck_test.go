package quote

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// realExtension is the SGX extension of a certificate that Intel issued.
func realExtension(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/real/oasis/quote_v3_ecdsa_p256_pck_chain.bin")
	require.NoError(t, err)
	q, err := ParseQuote(raw)
	require.NoError(t, err)
	block, _ := pem.Decode(q.CertData)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	for _, ext := range cert.Extensions {
		if ext.Id.Equal(OIDSGXExtension()) {
			return ext.Value
		}
	}
	t.Fatal("no SGX extension")
	return nil
}

func TestParsePCKExtension(t *testing.T) {
	p, err := parsePCKExtension(realExtension(t))
	require.NoError(t, err)
	require.Equal(t, [6]byte{0x00, 0x60, 0x6a}, p.FMSPC)
	require.Equal(t, p.CPUSVN[:8], p.TCB[:8], "components are the CPUSVN, byte by byte")
	require.NotZero(t, p.PCESVN)
	require.NotZero(t, p.PPID)
}

func TestParsePCKExtensionRefuses(t *testing.T) {
	for name, edit := range map[string]func([]pckMember) []pckMember{
		"nothing":         func([]pckMember) []pckMember { return nil },
		"no PPID":         func(m []pckMember) []pckMember { return m[1:] },
		"FMSPC twice":     func(m []pckMember) []pckMember { return append(m, m[3]) },
		"foreign member":  func(m []pckMember) []pckMember { m[4].ID = asn1.ObjectIdentifier{1, 2, 3}; return m },
		"deep member":     func(m []pckMember) []pckMember { m[4].ID = append(m[4].ID, 1); return m },
		"large arc":       func(m []pckMember) []pckMember { m[4].ID[7] = 64; return m },
		"short FMSPC":     func(m []pckMember) []pckMember { m[3].Value = value(t, []byte{1}); return m },
		"FMSPC a number":  func(m []pckMember) []pckMember { m[3].Value = value(t, 1); return m },
		"TCB a number":    func(m []pckMember) []pckMember { m[1].Value = value(t, 1); return m },
		"component large": func(m []pckMember) []pckMember { return editTCB(t, m, 0, 256) },
		"component below": func(m []pckMember) []pckMember { return editTCB(t, m, 15, -1) },
		"PCESVN large":    func(m []pckMember) []pckMember { return editTCB(t, m, 16, 1<<16) },
		"no CPUSVN":       func(m []pckMember) []pckMember { return editTCB(t, m, 17, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var members []pckMember
			_, err := asn1.Unmarshal(realExtension(t), &members)
			require.NoError(t, err)
			der, err := asn1.Marshal(edit(members))
			require.NoError(t, err)
			_, err = parsePCKExtension(der)
			require.Error(t, err)
		})
	}
	_, err := parsePCKExtension(append(realExtension(t), 0))
	require.Error(t, err, "trailing byte")
}

// editTCB gives a member of the TCB another value, or none.
func editTCB(t *testing.T, m []pckMember, i int, v any) []pckMember {
	var tcb []pckMember
	_, err := asn1.Unmarshal(m[1].Value.FullBytes, &tcb)
	require.NoError(t, err)
	if v == nil {
		tcb = append(tcb[:i], tcb[i+1:]...)
	} else {
		tcb[i].Value = value(t, v)
	}
	m[1].Value = value(t, tcb)
	return m
}

func value(t *testing.T, v any) asn1.RawValue {
	der, err := asn1.Marshal(v)
	require.NoError(t, err)
	return asn1.RawValue{FullBytes: der}
}

func FuzzParsePCKExtension(f *testing.F) {
	f.Add(realExtension(f))
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		p, err := parsePCKExtension(der)
		if err != nil && p != (PCK{}) {
			t.Fatal("a failure returned something")
		}
		if err == nil && !bytes.Contains(der, p.FMSPC[:]) {
			t.Fatal("FMSPC out of nowhere")
		}
	})
}
