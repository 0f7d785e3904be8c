package trial

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNothingIsExplainedWithoutAnAnnouncement(t *testing.T) {
	w := newWindows(1)
	w.received(0, 1)
	w.received(0, 3)
	require.False(t, w.explain(0, 2, 0))
	require.False(t, w.explain(0, 4, 0))
}

// TestOutageExplains: from the last confirmed sequence of each publisher to the acknowledged re-subscription, and nothing else.
func TestOutageExplains(t *testing.T) {
	w := newWindows(2)
	w.received(0, 1)
	w.received(0, 5)
	w.received(1, 9)
	w.interrupted()
	w.interrupted()
	w.untold()
	require.False(t, w.explain(0, 6, 0), "not over yet")
	w.resumed(time.Second)
	w.received(0, 20)

	require.False(t, w.explain(0, 4, 0), "before the last confirmed one")
	require.False(t, w.explain(0, 5, 0))
	require.True(t, w.explain(0, 6, 0))
	require.True(t, w.explain(0, 21, time.Second-1), "begun before the end: another subscription may have come back earlier")
	require.False(t, w.explain(0, 21, time.Second), "begun after the end")
	require.False(t, w.explain(1, 9, 0))
	require.True(t, w.explain(1, 10, 0))
}

func TestOutageWithoutLossExplainsNothing(t *testing.T) {
	w := newWindows(1)
	w.interrupted()
	w.resumed(time.Second)
	require.False(t, w.explain(0, 1, 0), "nobody said that something may be lost")
	w.untold()
	require.False(t, w.explain(0, 1, 0), "said outside of an outage")
}

// TestCountedLossExplains: as many as counted, between what came before and what came after.
func TestCountedLossExplains(t *testing.T) {
	w := newWindows(2)
	w.received(0, 2)
	w.lost(2)
	w.received(0, 6)
	require.False(t, w.explain(0, 2, 0))
	require.False(t, w.explain(0, 6, 0))
	require.False(t, w.explain(0, 7, 0))
	require.True(t, w.explain(0, 3, 0))
	require.True(t, w.explain(1, 1, 0), "of a publisher that nothing came of since")
	require.False(t, w.explain(0, 4, 0), "two were counted")
}
