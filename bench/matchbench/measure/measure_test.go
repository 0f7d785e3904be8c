package measure

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/harness"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

func TestMedian(t *testing.T) {
	require.Equal(t, 2.0, median([]float64{9, 1, 2}))
	require.Equal(t, 2.5, median([]float64{9, 1, 2, 3}))
	require.Equal(t, 7.0, median([]float64{7}))
	require.True(t, math.IsNaN(median(nil)))
}

func TestRounded(t *testing.T) {
	require.Equal(t, 1.234, rounded(1.23449))
	require.Equal(t, 1.235, rounded(1.2351))
	require.Equal(t, 0.0, rounded(0.0004))
}

// TestRoundsFill: a pass takes its time, but its repetitions are bounded where
// the clock stands still.
func TestRoundsFill(t *testing.T) {
	require.Equal(t, 1, roundsFor(time.Second))
	require.Equal(t, 2, roundsFor(passTime-1))
	require.Equal(t, 30, roundsFor(passTime/30))
	require.Equal(t, maxRounds, roundsFor(1))
	require.Equal(t, maxRounds, roundsFor(0))
	require.Equal(t, maxRounds, roundsFor(-time.Second))
}

// TestTimedDoesEachItem: every pass does all items, in order.
func TestTimedDoesEachItem(t *testing.T) {
	done, next := 0, 0
	got := timed(1000, func(from, to int) {
		require.True(t, from == next || from == 0)
		next = to
		done += to - from
	})
	require.Equal(t, 1000, got.items)
	require.Zero(t, done%1000)
	require.GreaterOrEqual(t, done, (1+passes)*1000)
	require.Equal(t, timing{}, timed(0, func(int, int) { t.Fatal("nothing to do") }))
}

// TestCalibrationIsThatOfTheText: the result proves that the steps were taken.
func TestCalibrationIsThatOfTheText(t *testing.T) {
	want := uint64(6364136223846793005 + 1)
	for steps := 1; steps < 5; steps++ {
		ns, got := calibrate(steps)
		require.Equal(t, want, got)
		require.GreaterOrEqual(t, ns, 0.0)
		want = want*6364136223846793005 + 1
	}
}

// TestCellIsWhole: a small cell has every figure, and the keys of the contract.
func TestCellIsWhole(t *testing.T) {
	var steps []string
	cell, err := Run(Config{Workload: "A", Subscriptions: 300, Progress: func(what string) { steps = append(steps, what) }})
	require.NoError(t, err)
	require.Len(t, steps, 6)
	require.Positive(t, cell.NsPerEvent)
	require.Positive(t, cell.MatchesPerEvent)
	require.Positive(t, cell.InsertNs)
	require.Positive(t, cell.RemoveNs)
	require.Positive(t, cell.CoveredNs)
	require.Positive(t, cell.CalibrationNs)
	require.Positive(t, cell.PairsChecked)
	require.Equal(t, events, cell.Events)
	require.Greater(t, *cell.PagesPerEvent, 1.0)
	require.Greater(t, cell.BytesPerSubscription, 40.0, "less than a filter can take")
	require.Less(t, cell.BytesPerSubscription, 1000.0)
	for _, b := range []Baseline{cell.Baselines.Linear, cell.Baselines.Poset, cell.Baselines.Expr} {
		require.Positive(t, *b.NsPerEvent)
		require.Positive(t, *b.BytesPerSubscription)
		require.Empty(t, b.Reason)
		require.Greater(t, *b.NsPerEvent, cell.NsPerEvent, "a baseline that evaluates every filter cannot be faster")
	}
	var keys map[string]any
	text, err := json.Marshal(cell)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &keys))
	for _, key := range []string{
		"workload", "subscriptions", "ns_per_event", "matches_per_event", "bytes_per_subscription", "insert_ns", "remove_ns",
		"covered_ns", "pages_per_event", "llc_misses_per_event", "calibration_ns", "baselines",
	} {
		require.Contains(t, keys, key)
	}
}

// TestBaselinesSayWhyTheyAreMissing: beyond their sizes they are null, with a reason.
func TestBaselinesSayWhyTheyAreMissing(t *testing.T) {
	cell, err := Run(Config{Workload: "e100a1", Subscriptions: 10_001})
	require.NoError(t, err)
	for _, b := range []Baseline{cell.Baselines.Poset, cell.Baselines.Expr} {
		require.Nil(t, b.NsPerEvent)
		require.Nil(t, b.BytesPerSubscription)
		require.NotEmpty(t, b.Reason)
	}
	require.NotNil(t, cell.Baselines.Linear.NsPerEvent)
}

// liar is a store that answers wrongly in one way.
type liar struct {
	*matcher.Store
	match   func(tags []uint64) []uint64
	covered func(yes bool) bool
	remove  func(h matcher.Handle) error
}

func (l *liar) Match(e *filter.Event, dst []uint64) []uint64 {
	dst = l.Store.Match(e, dst)
	if l.match != nil {
		dst = l.match(dst)
	}
	return dst
}

func (l *liar) Covered(f filter.Filter) bool {
	yes := l.Store.Covered(f)
	if l.covered != nil {
		yes = l.covered(yes)
	}
	return yes
}

func (l *liar) Remove(h matcher.Handle) error {
	if l.remove != nil {
		return l.remove(h)
	}
	return l.Store.Remove(h)
}

// TestLiarsAreFound: no figure comes of a store whose answers are wrong.
func TestLiarsAreFound(t *testing.T) {
	for name, l := range map[string]liar{
		"leaves a match out":  {match: func(tags []uint64) []uint64 { return tags[:max(len(tags)-1, 0)] }},
		"makes a match up":    {match: func(tags []uint64) []uint64 { return append(tags, 5) }},
		"covers everything":   {covered: func(bool) bool { return true }},
		"covers the contrary": {covered: func(yes bool) bool { return !yes }},
		"removes nothing":     {remove: func(matcher.Handle) error { return nil }},
	} {
		_, err := Run(Config{Workload: "A", Subscriptions: 300, NewStore: func(mem matcher.Memory) (Store, error) {
			s, err := matcher.New(mem, matcher.Config{})
			l.Store = s
			return &l, err
		}})
		require.ErrorIs(t, err, harness.ErrMismatch, name)
		require.ErrorContains(t, err, "A", name)
	}
	_, err := Run(Config{Workload: "nonsense", Subscriptions: 10})
	require.Error(t, err)
}
