//go:build linux

package epcmodel

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

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

// startPager returns memory of so many pages behind a real pager.
func startPager(t *testing.T, policy Policy, pages int) *ownpager.Region {
	if err := pager.Supported(); err != nil {
		t.Skipf("no userfaultfd: %v", err)
	}
	r, err := ownpager.Start(policy.String(), pages*PageBytes)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// traces have what stores have: loops, a few hot pages among many, and a limit that
// changes.
func traces(pages int) map[string][]uint32 {
	r := rand.New(rand.NewPCG(1, 2))
	all := map[string][]uint32{}
	for i := range 3 * pages {
		all["a loop"] = append(all["a loop"], uint32(i%pages))
		all["at random"] = append(all["at random"], uint32(r.IntN(pages)))
		hot := r.IntN(pages) * r.IntN(pages) / pages
		all["some hot"] = append(all["some hot"], uint32(hot*r.IntN(pages)/pages))
	}
	return all
}

// TestCountsAreThePagers: on one trace of one thread, with reads and writes, a pager
// and the model count the same.
func TestCountsAreThePagers(t *testing.T) {
	const pages, epc = 200, 64
	for name, trace := range traces(pages) {
		for _, policy := range []Policy{FIFO, CLOCK} {
			t.Run(policy.String()+", "+name, func(t *testing.T) { samePager(t, policy, pages, epc, trace) })
		}
	}
}

func samePager(t *testing.T, policy Policy, pages, epc int, trace []uint32) {
	region := startPager(t, policy, pages)
	m := newModel(t, Config{Policy: policy})
	touched := region.Bytes()
	for i, limit := range []int{0, epc, epc / 2, 2 * epc} {
		require.NoError(t, region.Limit(limit))
		require.NoError(t, m.Limit(limit))
		for j, page := range trace {
			m.Touch(page)
			if at := int(page) * PageBytes; (i+j)%3 == 0 {
				touched[at]++
			} else {
				require.LessOrEqual(t, int(touched[at]), 255) // a read
			}
		}
		got, err := region.Counters()
		require.NoError(t, err)
		want := m.Counters()
		require.Equal(t, want.Faults, got.Faults, "faults with %d pages", limit)
		require.Equal(t, want.Loads, got.Loads, "loads with %d pages", limit)
		require.Equal(t, want.Evictions, got.Evictions, "evictions with %d pages", limit)
		require.Equal(t, want.Minor, got.Minor, "samples of CLOCK with %d pages", limit)
		require.Positive(t, got.Faults)
	}
}
