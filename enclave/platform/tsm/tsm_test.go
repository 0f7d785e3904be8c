package tsm_test

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/evidence"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/enclave/platform/tsm"
	"github.com/scbr/scbr/keyx/quote"
)

// kernel behaves as configfs-tsm: an entry counts the writes to it, and makes its
// quote when it is read.
type kernel struct {
	provider string
	make     func(reportData [64]byte) []byte
	entries  map[string]*entry
	// intrude is called before each reading of a quote.
	intrude func(*entry)
	fail    string // the file that cannot be used
	// busy are what the next readings of a quote end with.
	busy []error
	made int
}

type entry struct {
	in         [64]byte
	generation int
}

var errKernel = errors.New("kernel says no")

func (k *kernel) Mkdir(name string) error {
	if k.fail == "mkdir" {
		return errKernel
	}
	if k.entries == nil {
		k.entries = map[string]*entry{}
	}
	if k.entries[name] != nil {
		return fs.ErrExist
	}
	k.entries[name] = &entry{}
	return nil
}

func (k *kernel) Rmdir(name string) error {
	delete(k.entries, name)
	return nil
}

func (k *kernel) Write(name string, b []byte) error {
	dir, file := path.Split(name)
	e := k.entries[path.Clean(dir)]
	if e == nil || file != "inblob" || k.fail == file {
		return errKernel
	}
	copy(e.in[:], b)
	e.generation++
	return nil
}

func (k *kernel) Read(name string, _ int) ([]byte, error) {
	dir, file := path.Split(name)
	e := k.entries[path.Clean(dir)]
	if e == nil || k.fail == file {
		return nil, errKernel
	}
	switch file {
	case "provider":
		return []byte(k.provider + "\n"), nil
	case "generation":
		return []byte(strconv.Itoa(e.generation) + "\n"), nil
	case "outblob":
		if k.intrude != nil {
			k.intrude(e)
		}
		k.made++
		if len(k.busy) > 0 {
			err := k.busy[0]
			k.busy = k.busy[1:]
			return nil, &fs.PathError{Op: "read", Path: name, Err: err}
		}
		return k.make(e.in), nil
	}
	return nil, fs.ErrNotExist
}

func tdx(t *testing.T) func([64]byte) []byte {
	p, err := sim.ForgeVariant(rand.Reader, time.Now(), sim.Config{Measurement: [32]byte{1}}, sim.Variant{TDX: true})
	require.NoError(t, err)
	return func(d [64]byte) []byte {
		raw, _, err := p.Quote(d)
		require.NoError(t, err)
		return raw
	}
}

func snp(d [64]byte) []byte {
	b := make([]byte, quote.SNPReportBytes)
	binary.LittleEndian.PutUint32(b, 2)
	binary.LittleEndian.PutUint64(b[8:], 1<<17) // the bit that the ABI wants in a guest policy
	binary.LittleEndian.PutUint32(b[0x34:], 1)
	copy(b[0x50:], d[:])
	b[0x90] = 7
	return b
}

func TestQuotes(t *testing.T) {
	for name, k := range map[string]*kernel{
		platform.KindTDX: {provider: "tdx_guest", make: tdx(t)},
		platform.KindSNP: {provider: "sev_guest", make: snp},
	} {
		p, err := tsm.OpenFiles(k, rand.Reader)
		require.NoError(t, err)
		require.Equal(t, name, p.Info().Kind)
		require.Len(t, p.Info().Measurement, 48)
		require.False(t, p.Info().Simulated)
		raw, collateral, err := p.Quote([64]byte{1, 63: 2})
		require.NoError(t, err)
		require.Nil(t, collateral)
		data, err := evidence.ReportData(raw)
		require.NoError(t, err)
		require.Equal(t, [64]byte{1, 63: 2}, data)
		require.Empty(t, k.entries, "nothing is left behind")
		_, err = p.SealKey(nil)
		require.ErrorIs(t, err, platform.ErrNoSealKey)
		_, _, err = p.NewSealKey()
		require.ErrorIs(t, err, platform.ErrNoSealKey)
	}
}

func TestAnotherWriter(t *testing.T) { synctest.Test(t, anotherWriter) }

func anotherWriter(t *testing.T) {
	k := &kernel{provider: "sev_guest", make: snp}
	p, err := tsm.OpenFiles(k, rand.Reader)
	require.NoError(t, err)
	left := 2
	k.intrude = func(e *entry) {
		if left > 0 {
			left--
			e.in, e.generation = [64]byte{9}, e.generation+1
		}
	}
	k.made = 0
	_, _, err = p.Quote([64]byte{1})
	require.NoError(t, err)
	require.Equal(t, 3, k.made)
	left = 100
	_, _, err = p.Quote([64]byte{1})
	require.ErrorIs(t, err, tsm.ErrBusy)
	require.Equal(t, 8, k.made, "the attempts are bounded")
	require.Empty(t, k.entries)

	k.intrude = func(e *entry) { e.in = [64]byte{9} } // without a trace
	_, _, err = p.Quote([64]byte{1})
	require.ErrorIs(t, err, platform.ErrOtherReport)
}

// TestKernelBusy: what passes is waited for, what does not is not, and the waiting ends.
func TestKernelBusy(t *testing.T) { synctest.Test(t, kernelBusy) }

func kernelBusy(t *testing.T) {
	k := &kernel{provider: "sev_guest", make: snp}
	p, err := tsm.OpenFiles(k, rand.Reader)
	require.NoError(t, err)
	k.made, k.busy = 0, []error{syscall.EBUSY, syscall.EINTR, syscall.EWOULDBLOCK}
	begin := time.Now()
	raw, _, err := p.Quote([64]byte{1})
	require.NoError(t, err)
	require.NoError(t, evidence.Check(raw, [64]byte{1}))
	require.Equal(t, 4, k.made)
	require.Equal(t, 1400*time.Millisecond, time.Since(begin))

	begin = time.Now()
	k.made, k.busy = 0, slices.Repeat([]error{syscall.EBUSY}, 100)
	_, _, err = p.Quote([64]byte{1})
	require.ErrorIs(t, err, syscall.EBUSY)
	require.Equal(t, 5, k.made)
	require.Equal(t, 3*time.Second, time.Since(begin))
	require.Empty(t, k.entries)

	k.made, k.busy = 0, []error{syscall.EIO}
	_, _, err = p.Quote([64]byte{1})
	require.ErrorIs(t, err, syscall.EIO)
	require.Equal(t, 1, k.made)
}

func TestRefuses(t *testing.T) {
	for name, k := range map[string]*kernel{
		"another provider": {provider: "arm_cca_guest", make: snp},
		"provider lies":    {provider: "tdx_guest", make: snp},
		"no quote":         {provider: "sev_guest", make: func([64]byte) []byte { return nil }},
		"mkdir":            {fail: "mkdir"},
		"inblob":           {provider: "sev_guest", make: snp, fail: "inblob"},
		"outblob":          {provider: "sev_guest", make: snp, fail: "outblob"},
		"generation":       {provider: "sev_guest", make: snp, fail: "generation"},
		"provider":         {provider: "sev_guest", make: snp, fail: "provider"},
	} {
		_, err := tsm.OpenFiles(k, rand.Reader)
		require.Error(t, err, name)
		require.Empty(t, k.entries, name)
	}
	_, err := tsm.Open(t.TempDir() + "/none")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = tsm.Open(t.TempDir()) // an ordinary directory gives nothing
	require.Error(t, err)
}
