package platform_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/evidence"
	"github.com/scbr/scbr/enclave/platform/sim"
)

func TestSealKeysAreChecked(t *testing.T) {
	for _, n := range []int{0, 15, 17, 32} {
		_, err := platform.CheckSealKey(make([]byte, n))
		require.Error(t, err)
	}
	_, err := platform.CheckSealKey(make([]byte, 16))
	require.ErrorIs(t, err, platform.ErrZeroKey)
	_, err = platform.DeriveSealKey(make([]byte, 16), "label", platform.NewSealInfo())
	require.ErrorIs(t, err, platform.ErrZeroKey)
	key, err := platform.CheckSealKey([]byte("sixteen bytes ok"))
	require.NoError(t, err)
	require.Equal(t, "sixteen bytes ok", string(key))
	info := platform.NewSealInfo()
	a, err := platform.DeriveSealKey(key, "label a", info)
	require.NoError(t, err)
	b, err := platform.DeriveSealKey(key, "label b", info)
	require.NoError(t, err)
	require.NotEqual(t, a, b)
}

// replaying is a platform whose quotes are always over the same data.
type replaying struct{ platform.Platform }

func (r replaying) Quote([64]byte) (raw, collateral []byte, err error) {
	return r.Platform.Quote([64]byte{1})
}

// TestDetect: what counts is a report over data that nobody could foresee.
func TestDetect(t *testing.T) {
	machine := func() *sim.Platform {
		p, err := sim.ForgeVariant(rand.Reader, time.Now(), sim.Config{Measurement: [32]byte{1}}, sim.Variant{})
		require.NoError(t, err)
		return p
	}
	real, other := machine(), machine()
	no := errors.New("no such device")
	failing := platform.Candidate{Name: "failing", Open: func() (platform.Platform, error) { return nil, no }}
	replay := platform.Candidate{Name: "replaying", Open: func() (platform.Platform, error) { return replaying{other}, nil }, ReportData: evidence.ReportData}
	good := platform.Candidate{Name: "good", Open: func() (platform.Platform, error) { return real, nil }, ReportData: evidence.ReportData}

	p, err := platform.Detect([]platform.Candidate{failing, replay, good}, nil)
	require.NoError(t, err)
	require.Same(t, real, p)
	_, err = platform.Detect([]platform.Candidate{failing, replay}, nil)
	require.ErrorIs(t, err, platform.ErrNone)
	require.ErrorIs(t, err, no)
	require.ErrorIs(t, err, platform.ErrOtherReport)
	require.ErrorContains(t, err, "failing: no such device")
	_, err = platform.Detect(nil, nil)
	require.ErrorIs(t, err, platform.ErrNone)
	_, err = platform.Detect([]platform.Candidate{good}, iotest.ErrReader(no))
	require.ErrorIs(t, err, no, "without randomness nothing is a report")
}
