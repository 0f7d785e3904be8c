package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/platform/sim"
)

// TestSealKeys: a key is the same for the signer and product of one machine, whatever
// the measurement, and another for everything else.
func TestSealKeys(t *testing.T) {
	load := func(seed byte, cfg sim.Config) *sim.Platform {
		p, err := sim.Load(create(t, seed), cfg)
		require.NoError(t, err)
		return p
	}
	p := load(1, sim.Config{Measurement: [32]byte{1}})
	key, info, err := p.NewSealKey()
	require.NoError(t, err)
	again, err := load(1, sim.Config{Measurement: [32]byte{2}}).SealKey(info)
	require.NoError(t, err)
	require.Equal(t, key, again, "the next version reads it")
	for _, other := range []*sim.Platform{
		load(2, sim.Config{Measurement: [32]byte{1}}), load(1, sim.Config{Measurement: [32]byte{1}, Product: 1}),
		load(1, sim.Config{Measurement: [32]byte{1}, Signer: [32]byte{9}}),
	} {
		k, err := other.SealKey(info)
		require.NoError(t, err)
		require.NotEqual(t, key, k)
	}
	second, _, err := p.NewSealKey()
	require.NoError(t, err)
	require.NotEqual(t, key, second)
	_, err = p.SealKey(nil)
	require.Error(t, err)
}
