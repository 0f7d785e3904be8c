package daemon

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/matcher"
)

// failing is a core that ends with a panic.
type failing struct{ fault any }

func (f failing) Ready(dst []byte) []byte                            { return dst }
func (f failing) StepTo(time.Time, []byte, func([]byte) error) error { panic(f.fault) }
func (f failing) Done() bool                                         { return false }

// TestDamagedStoreSaysSo: a store that does not come back from outside as it was put
// there ends the process with its own stage and words; anything else stays a panic.
func TestDamagedStoreSaysSo(t *testing.T) {
	conn := func() *bytes.Buffer { return bytes.NewBuffer(abi.AppendTick(nil)) }
	err := serve(conn(), failing{&matcher.Error{Op: "fetch", Kind: matcher.Damaged}}, time.Now)
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, StageMemory, e.Stage)
	require.ErrorContains(t, err, "kept outside is damaged or not the latest")
	for _, other := range []any{&matcher.Error{Op: "x", Kind: matcher.EPCBudget}, errors.New("bug"), "bug"} {
		require.PanicsWithValue(t, other, func() { _ = serve(conn(), failing{other}, time.Now) })
	}
}

// TestBudget: what is asked for; or else the simulated EPC where the store spills in it,
// and the usable EPC of an SGX1 machine otherwise.
func TestBudget(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want int64
	}{
		{Config{}, 93 << 20},
		{Config{Budget: "2MiB", Overflow: OverflowSpill, Paging: Paging{EPC: "8MiB"}}, 2 << 20},
		{Config{Overflow: OverflowSpill, Paging: Paging{EPC: "8MiB"}}, 8 << 20},
		{Config{Paging: Paging{EPC: "8MiB"}}, 93 << 20},
		{Config{Overflow: OverflowSpill}, 93 << 20},
	} {
		got, err := c.cfg.budget()
		require.NoError(t, err)
		require.Equal(t, c.want, got, c.cfg)
	}
	require.Greater(t, heap(), int64(1<<20))
}
