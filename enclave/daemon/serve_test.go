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
