package enclave

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher"
)

// tick lets a second pass and returns the encoded statistics of the host.
func (w *world) tick(clients ...*client) []byte {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	var all [][]byte
	out := w.step(abi.AppendTick(nil))
	for _, c := range clients {
		c.take(out)
	}
	for _, f := range out {
		if f.Type == abi.Stats {
			s := f.Stats()
			all = append(all, abi.AppendStats(nil, &s))
		}
	}
	require.Len(w.t, all, 1)
	return all[0]
}

// TestStatsDoNotTellEqualFilters: a host with a client of its own guesses the
// filter of another client; right or wrong, the statistics are the same bytes.
func TestStatsDoNotTellEqualFilters(t *testing.T) {
	// So many filters that other ones take a page more.
	const filters = 60
	text := func(c string, i int) string {
		return fmt.Sprintf("symbol = '%s%d' AND price < %d AND volume > 7", c, i, i)
	}
	told := map[string][][]byte{}
	kept := map[string]matcher.Stats{}
	for name, guess := range map[string]string{"right": "x", "wrong": "y"} {
		w := newWorld(t)
		victim, insider := w.member("victim"), w.member("insider")
		for i := range filters {
			require.Equal(t, keyx.KindOK, victim.subscribe(uint32(i), text("x", i)))
		}
		told[name] = append(told[name], w.tick(victim, insider))
		for i := range filters {
			require.Equal(t, keyx.KindOK, insider.subscribe(uint32(i), text(guess, i)))
			told[name] = append(told[name], w.tick(victim, insider))
		}
		kept[name] = w.core.store.Stats()
	}
	require.Less(t, kept["right"].Clusters, kept["wrong"].Clusters, "the store does keep equal filters together")
	require.Less(t, kept["right"].Bytes, kept["wrong"].Bytes, "and the exact size shows it")
	require.Equal(t, told["right"], told["wrong"])
	require.NotEqual(t, told["right"][0], told["right"][1], "subscriptions are counted")
}

// TestStatsOfAFullStore: rounding up never claims more than there is.
func TestStatsOfAFullStore(t *testing.T) {
	const budget = abi.StoreStep + 4096
	w := newWorld(t, func(c *Config) { c.Memory = matcher.NewHeapMemory(budget, budget) })
	alice := w.member("alice")
	kind, id := keyx.KindOK, uint32(0)
	for ; kind == keyx.KindOK; id++ {
		kind = alice.subscribe(id+1, "a = '"+strings.Repeat("x", 900)+strings.Repeat("y", int(id))+"'")
	}
	require.Equal(t, keyx.KindEPCBudget, kind)
	f, _, err := abi.Next(w.tick(alice))
	require.NoError(t, err)
	require.EqualValues(t, budget, f.Stats().StoreBytes)
	require.EqualValues(t, budget, f.Stats().BudgetBytes)
}
