package client

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
)

// TestCollateralIsNotRolledBack: a client that has seen collateral of a TCB
// evaluation takes none of an older one afterwards, current as it may be.
func TestCollateralIsNotRolledBack(t *testing.T) {
	now := time.Now()
	at := func(evaluation int) *sim.Platform {
		p, err := sim.ForgeVariant(rand.NewChaCha8([32]byte{1}), now, sim.Config{Measurement: [32]byte{1}}, sim.Variant{
			Collateral: func(c *sim.Collateral) { c.TCBInfo.Evaluation, c.QEIdentity.Evaluation = evaluation, evaluation },
		})
		require.NoError(t, err)
		return p
	}
	f := lasting(t)
	f.cfg.ReconnectMin, f.cfg.ReconnectMax = time.Millisecond, time.Millisecond
	f.plat = at(17)
	f.cfg.Policy = f.plat.Policy()
	f.boot()
	c, s := f.dial()
	require.EqualValues(t, 17, c.Verdict().TCBEvaluation)

	f.plat = at(18)
	f.boot()
	s = again(t, f, c, s)
	require.EqualValues(t, 18, c.Verdict().TCBEvaluation)
	require.Zero(t, c.cfg.Policy.MinTCBEvaluation, "the policy itself stays")

	f.plat = at(17)
	f.boot()
	s.cut()
	err := c.Publish(t.Context(), quoteEvent(t, "HAL", 49.5), []byte("x"))
	require.ErrorContains(t, err, "tcb-evaluation")
}
