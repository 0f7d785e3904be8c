package ego

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/sim"
)

// fake is a runtime as EGo's, over a simulated machine.
type fake struct {
	t       *testing.T
	machine *sim.Platform
	edit    func([]byte) []byte
	err     error
	key     []byte
}

func newFake(t *testing.T, v sim.Variant) *fake {
	p, err := sim.ForgeVariant(rand.Reader, time.Now(), sim.Config{Measurement: [32]byte{1}, Product: 2, SVN: 3}, v)
	require.NoError(t, err)
	return &fake{t: t, machine: p}
}

func (f *fake) report(data []byte) ([]byte, error) {
	require.Len(f.t, data, 64)
	if f.err != nil {
		return nil, f.err
	}
	raw, _, err := f.machine.Quote([64]byte(data))
	require.NoError(f.t, err)
	out := binary.LittleEndian.AppendUint32(nil, 1)
	out = binary.LittleEndian.AppendUint32(out, 2)
	out = append(binary.LittleEndian.AppendUint64(out, uint64(len(raw))), raw...)
	if f.edit != nil {
		out = f.edit(out)
	}
	return out, nil
}

func (f *fake) newSealKey() (key, info []byte, err error) { return f.key, sealInfo(), f.err }

// sealInfo is a request as EGo makes it.
func sealInfo() []byte {
	b := make([]byte, 512)
	b[0], b[2], b[4], b[8] = 4, 2, 3, 9                        // seal key, by signer; SVNs
	binary.LittleEndian.PutUint64(b[24:], 0xFF0000000000000B)  // attributes
	copy(b[40:], "thirty-two bytes that are random")           // key id
	return append(append(b[:72:72], 0, 0, 0, 0xF0), b[76:]...) // miscellaneous
}

func (f *fake) sealKey([]byte) ([]byte, error) { return f.key, f.err }

func TestQuote(t *testing.T) {
	p, err := open(newFake(t, sim.Variant{}))
	require.NoError(t, err)
	require.Equal(t, platform.KindEGo, p.Info().Kind)
	require.Equal(t, [2]uint16{2, 3}, [2]uint16{p.Info().Product, p.Info().SVN})
	raw, collateral, err := p.Quote([64]byte{7})
	require.NoError(t, err)
	require.Nil(t, collateral)
	require.Equal(t, []byte{3, 0, 2, 0}, raw[:4], "the quote without its envelope")
}

func TestRefuses(t *testing.T) {
	no := errors.New("OE_UNSUPPORTED")
	f := newFake(t, sim.Variant{})
	f.err = no
	_, err := open(f)
	require.ErrorIs(t, err, no, "where there are no quotes there is no enclave")
	for name, edit := range map[string]func([]byte) []byte{
		"nothing":    func([]byte) []byte { return nil },
		"version":    func(b []byte) []byte { b[0] = 2; return b },
		"local":      func(b []byte) []byte { b[4] = 1; return b },
		"size":       func(b []byte) []byte { b[8]++; return b },
		"truncated":  func(b []byte) []byte { return b[:100] },
		"no quote":   func(b []byte) []byte { return append(append([]byte{}, b[:8]...), 0, 0, 0, 0, 0, 0, 0, 0) },
		"other data": func(b []byte) []byte { b[16+48+320] ^= 1; return b },
	} {
		f := newFake(t, sim.Variant{})
		f.edit = edit
		_, err := open(f)
		require.Error(t, err, name)
	}
	_, err = open(newFake(t, sim.Variant{TDX: true}))
	require.ErrorIs(t, err, ErrReport)
}

func TestSealKeys(t *testing.T) {
	f := newFake(t, sim.Variant{})
	p, err := open(f)
	require.NoError(t, err)
	f.key = make([]byte, 16) // what the runtime gives outside SGX, without an error
	_, _, err = p.NewSealKey()
	require.ErrorIs(t, err, platform.ErrZeroKey)
	_, err = p.SealKey(sealInfo())
	require.ErrorIs(t, err, platform.ErrZeroKey)
	f.key = []byte("sixteen bytes ok")
	key, info, err := p.NewSealKey()
	require.NoError(t, err)
	again, err := p.SealKey(info)
	require.NoError(t, err)
	require.Equal(t, key, again)
	_, err = p.SealKey(nil)
	require.Error(t, err)
	f.err = errors.New("no")
	_, err = p.SealKey(info)
	require.ErrorIs(t, err, f.err)
}

// TestSealInfoOfTheHost: whoever keeps an info cannot make it ask for a key that is
// not this signer's alone.
func TestSealInfoOfTheHost(t *testing.T) {
	f := newFake(t, sim.Variant{})
	f.key = []byte("sixteen bytes ok")
	p, err := open(f)
	require.NoError(t, err)
	_, err = p.SealKey(sealInfo())
	require.NoError(t, err)
	for name, edit := range map[string]func([]byte) []byte{
		"nothing":         func([]byte) []byte { return nil },
		"short":           func(b []byte) []byte { return b[:511] },
		"long":            func(b []byte) []byte { return append(b, 0) },
		"another key":     func(b []byte) []byte { b[0] = 3; return b },
		"nobody's key":    func(b []byte) []byte { b[2] = 0; return b },
		"this build only": func(b []byte) []byte { b[2] = 1; return b },
		"no product":      func(b []byte) []byte { b[2] = 2 | 8; return b },
		"debug":           func(b []byte) []byte { b[24] &^= 2; return b },
		"miscellaneous":   func(b []byte) []byte { b[75] = 0; return b },
		"config":          func(b []byte) []byte { b[76] = 1; return b },
		"reserved":        func(b []byte) []byte { b[6] = 1; return b },
		"the last byte":   func(b []byte) []byte { b[511] = 1; return b },
	} {
		_, err := p.SealKey(edit(sealInfo()))
		require.ErrorIs(t, err, ErrSealInfo, name)
	}
}

// TestHere: this test is no enclave, and Open says so, with the tag and without.
func TestHere(t *testing.T) {
	t.Setenv("OE_IS_ENCLAVE", "1") // which anybody can set
	_, err := Open()
	require.Error(t, err)
}
