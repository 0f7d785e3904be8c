package daemon_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/daemon"
	"github.com/scbr/scbr/enclave/sandbox"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"93MiB": 93 << 20, "1MiB": 1 << 20, "1024KiB": 1 << 20, "1048576": 1 << 20, "512GiB": 512 << 30,
	} {
		got, err := daemon.ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{
		"", "MiB", "1023KiB", "513GiB", "-1MiB", "+1MiB", "1.5MiB", "93MB", "93 MiB", "99999999999999999999", "17179869185GiB", "0x10MiB",
	} {
		_, err := daemon.ParseSize(text)
		require.Error(t, err, text)
	}
}

func TestValidateListsEverything(t *testing.T) {
	err := daemon.Config{Budget: "x", Sandbox: "off", Overflow: "drop"}.Validate()
	for _, flag := range []string{"--socket", "--domain", "--platform", "--router", "--epc-budget", "--epc-overflow", "--sandbox"} {
		require.ErrorContains(t, err, flag)
	}
	ok := daemon.Config{Socket: "s", Domain: "d", Platform: "p", Router: "r", Budget: daemon.DefaultBudget, Sandbox: sandbox.Strict}
	require.NoError(t, ok.Validate())
}

func TestMeasureIsStable(t *testing.T) {
	a, err := daemon.Measure()
	require.NoError(t, err)
	b, err := daemon.Measure()
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.NotZero(t, a)
}
