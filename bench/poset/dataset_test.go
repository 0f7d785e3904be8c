package poset

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/scbr/scbr/bench/dataset"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
)

const (
	scbrRoots = 588 // of the sample; no order of insertion changes them
	region    = 1 << 22
)

func readSCBR(t testing.TB) (ids []string, preds [][]filter.Predicate, events []filter.Event) {
	t.Helper()
	ids, preds, events, err := matchtest.Sample(dataset.Subscriptions, dataset.Publications)
	require.NoError(t, err)
	return ids, preds, events
}

// fill inserts preds in the given order, tagged by their index.
func fill(t testing.TB, preds [][]filter.Predicate, order []int) *Poset {
	p, err := New(matcher.NewHeapMemory(region, region))
	require.NoError(t, err)
	for _, i := range order {
		require.NoError(t, p.Insert(preds[i], uint64(i)))
	}
	return p
}

func pairs(p *Poset, ids []string, events []filter.Event) int {
	distinct := map[string]bool{}
	for i := range events {
		for _, tag := range p.Match(&events[i], nil) {
			distinct[strconv.Itoa(i)+" "+ids[tag]] = true
		}
	}
	return len(distinct)
}

// TestSCBRData: the known answer on SCBR's own sample.
func TestSCBRData(t *testing.T) {
	ids, preds, events := readSCBR(t)
	p := fill(t, preds, rand.New(rand.NewPCG(0, 0)).Perm(len(preds)))
	require.Equal(t, dataset.Pairs, pairs(p, ids, events))
	s := p.Stats()
	perSub := float64(s.Bytes-anchor-nodeBytes) / float64(s.Subscriptions)
	t.Logf("%+v, %.0f bytes a subscription, %.0f tests an event", s, perSub, float64(s.Tests)/float64(len(events)))
	require.GreaterOrEqual(t, s.Tests, uint64(scbrRoots*len(events)), "every root is tested")
	require.InDelta(t, 528, perSub, 1, "what the package comment says")
}

// TestSCBROrders: the order of insertion changes neither roots nor answers.
func TestSCBROrders(t *testing.T) {
	ids, preds, events := readSCBR(t)
	some := events[:len(events)/20]
	want := -1
	for seed := range uint64(5) {
		p := fill(t, preds, rand.New(rand.NewPCG(seed, 0)).Perm(len(preds)))
		if want < 0 {
			want = pairs(p, ids, some)
		}
		require.Equal(t, want, pairs(p, ids, some), "seed %d", seed)
		require.Equal(t, scbrRoots, p.Stats().Roots, "seed %d", seed)
		require.Equal(t, len(preds), p.Stats().Subscriptions, "seed %d", seed)
	}
}

// TestDistinctBytes: what one distinct filter on two attributes takes.
func TestDistinctBytes(t *testing.T) {
	p := empty(t)
	before := p.Stats().Bytes
	require.NoError(t, p.Insert([]filter.Predicate{
		{Attr: "symbol", Op: filter.Eq, Value: filter.Int(16)},
		{Attr: "high", Op: filter.Ge, Value: filter.Int(364)},
	}, 0))
	require.Equal(t, 528, p.Stats().Bytes-before, "what the package comment says")
	require.Equal(t, 152, nodeRoom+subRoom, "what the package comment says")
}

func TestMatchDoesNotAllocate(t *testing.T) {
	_, preds, events := readSCBR(t)
	p := fill(t, preds, rand.New(rand.NewPCG(0, 0)).Perm(len(preds)))
	dst := make([]uint64, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(5, func() {
		for i := range events[:100] {
			dst = p.Match(&events[i], dst[:0])
		}
	}))
}

func BenchmarkMatchSCBR(b *testing.B) {
	_, preds, events := readSCBR(b)
	p := fill(b, preds, rand.New(rand.NewPCG(0, 0)).Perm(len(preds)))
	dst := make([]uint64, 0, 1024)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		dst = p.Match(&events[i%len(events)], dst[:0])
		i++
	}
	b.ReportMetric(float64(p.Stats().Tests)/float64(b.N), "tests/op")
}

func BenchmarkInsertSCBR(b *testing.B) {
	_, preds, _ := readSCBR(b)
	order := rand.New(rand.NewPCG(0, 0)).Perm(len(preds))
	for b.Loop() {
		fill(b, preds, order)
	}
}
