package measure

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/enclave/epc/pager"
)

func binaries(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, trial.Build(context.Background(), dir))
	require.NoError(t, os.Chmod(dir, 0o700)) // #nosec G302 -- a folder
	return dir
}

// smallest is the size of a simulated EPC, or none where there can be none.
func smallest(t *testing.T) string {
	if err := pager.Supported(); err != nil {
		t.Log("without side paged: ", err)
		return ""
	}
	return "1MiB"
}

// sealed is the number of sides that open sealed headers.
func sealed(t *testing.T) int {
	if smallest(t) == "" {
		return 2
	}
	return 3
}

// TestEverySideAnswers measures small cells with the real enclaved; Run itself compares every answer with the linear scan's.
func TestEverySideAnswers(t *testing.T) {
	bin := binaries(t)
	for _, name := range []string{"A", "e100a1"} {
		rows, err := Run(context.Background(), Config{Workload: name, Subscriptions: 300, Bin: bin, Passes: 1, EPC: smallest(t)})
		require.NoError(t, err)
		require.Len(t, rows, 1+sealed(t)*len(batches()))
		for _, r := range rows {
			require.Positive(t, r.CPUNs, r.Side)
			require.Positive(t, r.WallNs, r.Side)
			require.Positive(t, r.PairsChecked)
			require.Equal(t, r.LLCMisses == nil, r.LLCReason != "", r.Side)
		}
		require.InDelta(t, 1, rows[0].CPURatio, 1e-9)
	}
}

// TestWrongTruthIsFound: were the answers others, nothing would be timed.
func TestWrongTruthIsFound(t *testing.T) {
	bin := binaries(t)
	b := &bench{Config: Config{Workload: "A", Subscriptions: 300, Bin: bin, Passes: 1}}
	require.NoError(t, b.start(context.Background(), t.TempDir()))
	defer b.close()
	require.NoError(t, b.fill())
	for i := range b.truth {
		if len(b.truth[i]) > 0 {
			b.truth[i][0] = MaxSubscriptions // in no store
			break
		}
	}
	sides := b.sides()
	for i := range sides {
		require.ErrorIs(t, sides[i].check(), harness.ErrMismatch, sides[i].name())
	}
	for i := range b.truth {
		b.truth[i] = append(b.truth[i], 1, 2, 3, 4, 5, 6, 7, 8)
	}
	for i := range sides {
		_, err := sides[i].pass()
		require.ErrorIs(t, err, harness.ErrMismatch, sides[i].name())
	}
}

func TestSizesAreBounded(t *testing.T) {
	for _, n := range []int{0, -1, MaxSubscriptions + 1} {
		_, err := Run(context.Background(), Config{Workload: "A", Subscriptions: n, Passes: 1})
		require.ErrorIs(t, err, ErrSize)
	}
}
