package matcher_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
)

const (
	scbrPairs = 17517 // the known answer of shared data
	scbrSubs  = "../bench/dataset/s1k.txt"
	scbrPubs  = "../bench/dataset/p10k.txt"
)

func readSCBR(t testing.TB) (ids []string, preds [][]filter.Predicate, events []filter.Event) {
	t.Helper()
	subs, err := os.ReadFile(scbrSubs)
	require.NoError(t, err)
	pubs, err := os.ReadFile(scbrPubs)
	require.NoError(t, err)
	ids, preds, events, err = matchtest.Sample(string(subs), string(pubs))
	require.NoError(t, err)
	return ids, preds, events
}

func fill(t testing.TB, preds [][]filter.Predicate) (*matcher.Store, []matcher.Handle) {
	s, err := matcher.New(matcher.NewHeapMemory(1<<26, 1<<24), matcher.Config{Seed: 1})
	require.NoError(t, err)
	var handles []matcher.Handle
	for i, p := range preds {
		f, err := filter.New(p...)
		require.NoError(t, err)
		h, err := s.Insert(f, uint64(i))
		require.NoError(t, err)
		handles = append(handles, h)
	}
	return s, handles
}

// TestSCBRData: the store gives the known answer on SCBR's own sample, also
// after half of it was removed and inserted again, and is empty in the end.
func TestSCBRData(t *testing.T) {
	ids, preds, events := readSCBR(t)
	s, handles := fill(t, preds)
	pairs := func() int {
		distinct := map[string]bool{}
		for i := range events {
			for _, tag := range s.Match(&events[i], nil) {
				distinct[strconv.Itoa(i)+" "+ids[tag]] = true
			}
		}
		return len(distinct)
	}
	require.Equal(t, scbrPairs, pairs())
	full := s.Stats()
	require.Less(t, len(s.Roots(nil)), full.Subscriptions)
	for range 3 {
		for i := 0; i < len(handles); i += 2 {
			require.NoError(t, s.Remove(handles[i]))
		}
		require.Less(t, pairs(), scbrPairs)
		for i := 0; i < len(handles); i += 2 {
			f, err := filter.New(preds[i]...)
			require.NoError(t, err)
			handles[i], err = s.Insert(f, uint64(i))
			require.NoError(t, err)
		}
		require.Equal(t, scbrPairs, pairs())
	}
	require.LessOrEqual(t, s.Stats().Bytes, full.Bytes+full.Bytes/10, "memory is reused")
	for _, h := range handles {
		require.NoError(t, s.Remove(h))
	}
	empty := s.Stats()
	require.Zero(t, empty.Filters+empty.Pages+empty.Blocks+empty.Names+empty.Strings+empty.Clusters+empty.Subscriptions)
}

// TestMatchPrunes: covering and the index leave few filters to look at.
func TestMatchPrunes(t *testing.T) {
	_, preds, events := readSCBR(t)
	s, _ := fill(t, preds)
	for i := range events {
		s.Match(&events[i], nil)
	}
	perEvent := float64(s.Stats().MatchTests) / float64(len(events))
	require.Less(t, perEvent, 10.0, "a linear matcher looks at 1000, SCBR's at 588 roots")
}

func TestMatchDoesNotAllocate(t *testing.T) {
	_, preds, events := readSCBR(t)
	s, _ := fill(t, preds)
	dst := make([]uint64, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(5, func() {
		for i := range events {
			dst = s.Match(&events[i], dst[:0])
		}
	}))
}

func BenchmarkMatchSCBR(b *testing.B) {
	_, preds, events := readSCBR(b)
	s, _ := fill(b, preds)
	dst := make([]uint64, 0, 1024)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		dst = s.Match(&events[i%len(events)], dst[:0])
		i++
	}
	st := s.Stats()
	b.ReportMetric(float64(st.MatchTests)/float64(b.N), "tests/op")
	b.ReportMetric(float64(st.Bytes)/float64(st.Subscriptions), "B/subscription")
}

func BenchmarkInsertRemoveSCBR(b *testing.B) {
	_, preds, _ := readSCBR(b)
	s, handles := fill(b, preds)
	var filters []filter.Filter
	for _, p := range preds {
		f, err := filter.New(p...)
		require.NoError(b, err)
		filters = append(filters, f)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		j := i % len(handles)
		i++
		if err := s.Remove(handles[j]); err != nil {
			b.Fatal(err)
		}
		var err error
		if handles[j], err = s.Insert(filters[j], uint64(j)); err != nil {
			b.Fatal(err)
		}
	}
}
