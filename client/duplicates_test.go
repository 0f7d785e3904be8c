package client

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The window agrees with a set, for everything within its reach.
func TestDuplicatesAgreeWithASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, set := newDuplicates(), map[uint64]bool{}
		var top uint64
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			var counter uint64
			if rapid.Bool().Draw(t, "forward") {
				counter = top + rapid.SampledFrom([]uint64{1, 2, 63, 64, 65, 5000, duplicateWindow, duplicateWindow + 100}).Draw(t, "jump")
			} else {
				counter = top - min(top, rapid.Uint64Range(0, duplicateWindow-1).Draw(t, "back"))
			}
			if got := d.seen("p", 1, counter); got != set[counter] {
				t.Fatalf("counter %d, top %d: seen %v, want %v", counter, top, got, set[counter])
			}
			if !set[counter] {
				d.record("p", 1, counter)
				set[counter] = true
			}
			top = max(top, counter)
		}
	})
}

func TestDuplicatesForgetTheRunSilentLongest(t *testing.T) {
	d := newDuplicates()
	for run := range uint64(maxRuns) {
		d.record("p", run, 1)
	}
	d.record("p", 0, 2)
	d.record("q", 0, 1)
	require.Len(t, d.runs, maxRuns)
	require.True(t, d.seen("p", 0, 1))
	require.False(t, d.seen("p", 1, 1), "forgotten")
	require.True(t, d.seen("p", 2, 1))
	require.False(t, d.seen("p", 2, 2))
	d.record("p", 2, duplicateWindow+2)
	require.True(t, d.seen("p", 2, 2), "too far back to tell: taken as seen")
}
