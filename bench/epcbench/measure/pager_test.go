//go:build linux

package measure

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/scbr/scbr/bench/ownpager"
	"github.com/scbr/scbr/enclave/epc/pager"
)

// TestMain is the pager of another run of this binary as well.
func TestMain(m *testing.M) {
	if asked, err := ownpager.Serve(os.Args); asked {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func startPager(size int) (Region, error) {
	return ownpager.Start(pager.FIFO.String(), size)
}

// loadsPerEvent fills a store, limits it and counts what some events bring back after
// as many others.
func loadsPerEvent(t *testing.T, start func(size int) (Region, error), layout string, some int, bytes, epc int64) float64 {
	s, err := Open(Config{Policy: epcmodel.FIFO, Start: start, ModelCostUs: 1, Pass: time.Minute})
	require.NoError(t, err)
	f, err := newFeed("A")
	require.NoError(t, err)
	defer f.stop()
	g := &series{Session: s, feed: f, job: &Job{Workload: "A", Layout: layout, Overflow: Pager, Points: []Point{{Bytes: bytes}}}}
	require.NoError(t, g.open())
	defer func() { require.NoError(t, g.close()) }()
	require.NoError(t, g.fill(g.job.Points[0]))
	found := 0
	warm, p := matching(f.window(0, some), 1, &found), matching(f.window(some, some), 1, &found)
	if g.trace != nil {
		n, err := g.trace.loads(s.Policy, epc, warm.do, p.do)
		require.NoError(t, err)
		return float64(n) / float64(some)
	}
	require.NoError(t, g.t.limit(0))
	require.NoError(t, g.t.limit(epc))
	require.NoError(t, warm.do(g.t.store))
	_, loads, err := g.t.timed(p, 0)
	require.NoError(t, err)
	return loads
}

// TestPagerAndModel: what a pager counts, and what the model does on what the store
// says it touches, are nearly the same: a store says whole blocks, and reads parts of
// them.
func TestPagerAndModel(t *testing.T) {
	if err := pager.Supported(); err != nil {
		t.Skipf("no userfaultfd: %v", err)
	}
	const epc = 1 << 20
	for layout, some := range map[string]int{Contrast: 3, Ours: 500} {
		counted := loadsPerEvent(t, startPager, layout, some, 2*epc, epc)
		modelled := loadsPerEvent(t, nil, layout, some, 2*epc, epc)
		t.Logf("%s: %.2f pages an event by the pager, %.2f by the model", layout, counted, modelled)
		require.Positive(t, counted)
		require.InEpsilon(t, counted, modelled, 0.15, layout)
	}
}

// TestSpillNeedsNoPager: a store that keeps to its budget takes no fault of the pager.
func TestSpillNeedsNoPager(t *testing.T) {
	if err := pager.Supported(); err != nil {
		t.Skipf("no userfaultfd: %v", err)
	}
	const epc = 1 << 20
	s, err := Open(Config{Policy: epcmodel.FIFO, Start: startPager, Pass: time.Minute})
	require.NoError(t, err)
	f, err := newFeed("A")
	require.NoError(t, err)
	defer f.stop()
	g := &series{Session: s, feed: f, job: &Job{Workload: "A", Layout: Ours, Overflow: Spill, EPC: []int64{epc}, Points: []Point{{Bytes: 2 * epc}}}}
	require.NoError(t, g.open())
	defer func() { require.NoError(t, g.close()) }()
	require.NoError(t, g.fill(g.job.Points[0]))
	require.NoError(t, f.check(g.t.store))
	require.Positive(t, g.t.spilled.Stats().Fetches)
	loads, err := g.t.region.Loads()
	require.NoError(t, err)
	require.Zero(t, loads, "pages of the region that the limit took away")
}
