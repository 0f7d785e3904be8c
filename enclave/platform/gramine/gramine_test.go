package gramine_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/evidence"
	"github.com/scbr/scbr/enclave/platform/gramine"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx/quote"
)

// library is a directory like Gramine's; the test makes the quote file anew where the
// library would.
type library struct {
	dir string
	// answer makes the quote; nil leaves it to the simulated platform.
	answer func(reportData [64]byte) []byte
}

func newLibrary(t *testing.T, v sim.Variant) *library {
	t.Helper()
	l := &library{dir: t.TempDir()}
	p, err := sim.ForgeVariant(rand.Reader, time.Now(), sim.Config{Measurement: [32]byte{1}, Product: 2, SVN: 3}, v)
	require.NoError(t, err)
	l.answer = func(d [64]byte) []byte {
		raw, _, err := p.Quote(d)
		require.NoError(t, err)
		return raw
	}
	l.write(t, "user_report_data", make([]byte, 64))
	l.refresh(t)
	return l
}

func (l *library) write(t *testing.T, name string, b []byte) {
	t.Helper()
	path := filepath.Join(l.dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// refresh makes the quote over what stands in user_report_data.
func (l *library) refresh(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, "user_report_data"))
	require.NoError(t, err)
	l.write(t, "quote", l.answer([64]byte(b)))
}

func TestGramine(t *testing.T) {
	l := newLibrary(t, sim.Variant{})
	p, err := gramine.Open(l.dir)
	require.NoError(t, err)
	require.Equal(t, platform.KindGramine, p.Info().Kind)
	require.Equal(t, byte(1), p.Info().Measurement[0])
	require.Equal(t, [2]uint16{2, 3}, [2]uint16{p.Info().Product, p.Info().SVN})

	// The quote on file is over other data than what is asked now.
	_, _, err = p.Quote([64]byte{5})
	require.ErrorIs(t, err, platform.ErrOtherReport)
	l.refresh(t) // user_report_data has what was asked
	raw, collateral, err := p.Quote([64]byte{5})
	require.NoError(t, err)
	require.Nil(t, collateral)
	data, err := evidence.ReportData(raw)
	require.NoError(t, err)
	require.Equal(t, [64]byte{5}, data)
}

func TestSealKeys(t *testing.T) {
	l := newLibrary(t, sim.Variant{})
	p, err := gramine.Open(l.dir)
	require.NoError(t, err)
	_, _, err = p.NewSealKey()
	require.ErrorIs(t, err, os.ErrNotExist)
	l.write(t, "keys/_sgx_mrsigner", make([]byte, 16))
	_, _, err = p.NewSealKey()
	require.ErrorIs(t, err, platform.ErrZeroKey)
	for _, n := range []int{0, 15, 17, 1000} {
		l.write(t, "keys/_sgx_mrsigner", make([]byte, n))
		_, _, err = p.NewSealKey()
		require.Error(t, err, "%d bytes", n)
	}
	l.write(t, "keys/_sgx_mrsigner", []byte("sixteen bytes ok"))
	a, info, err := p.NewSealKey()
	require.NoError(t, err)
	b, _, err := p.NewSealKey()
	require.NoError(t, err)
	again, err := p.SealKey(info)
	require.NoError(t, err)
	_, err = p.SealKey(info[1:])
	require.Error(t, err)
	require.Len(t, a, platform.SealKeyBytes)
	require.NotEqual(t, a, b)
	require.Equal(t, a, again)
}

func TestRefuses(t *testing.T) {
	_, err := gramine.Open(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
	l := newLibrary(t, sim.Variant{TDX: true})
	_, err = gramine.Open(l.dir)
	require.ErrorContains(t, err, "not a quote of SGX")
	l = newLibrary(t, sim.Variant{})
	l.write(t, "quote", make([]byte, quote.MaxQuoteBytes+1))
	_, err = gramine.Open(l.dir)
	require.ErrorContains(t, err, "more than")
	l.write(t, "quote", []byte("none"))
	_, err = gramine.Open(l.dir)
	require.Error(t, err)
}
