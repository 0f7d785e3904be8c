package enclave

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/matcher"
)

// TestHandles compares with a map, for ids and handles that often follow each other.
func TestHandles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h handles
		model := map[uint32]matcher.Handle{}
		id := rapid.OneOf(rapid.Uint32Range(0, 20), rapid.Uint32Range(math.MaxUint32-5, math.MaxUint32))
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			i := id.Draw(t, "id")
			got, ok := h.get(i)
			want, there := model[i]
			require.Equal(t, there, ok)
			require.Equal(t, want, got)
			if there {
				h.remove(i)
				delete(model, i)
			} else {
				x := matcher.Handle(i + 7)
				if rapid.IntRange(0, 4).Draw(t, "elsewhere") == 0 {
					x = matcher.Handle(rapid.Uint32Range(1, 60).Draw(t, "handle"))
				}
				h.put(i, x)
				model[i] = x
			}
			require.Equal(t, len(model), h.count)
			var ids []uint32
			for i := range model {
				ids = append(ids, i)
			}
			slices.Sort(ids)
			var wanted []matcher.Handle
			for _, i := range ids {
				wanted = append(wanted, model[i])
			}
			require.Equal(t, wanted, slices.Collect(h.all()))
			for k := 1; k < len(h.stretches); k++ {
				require.LessOrEqual(t, h.stretches[k-1].end(), uint64(h.stretches[k].id))
			}
		}
	})
}

// TestHandlesInARow: ids and handles that follow each other cost one stretch, whatever
// the order in which they come.
func TestHandlesInARow(t *testing.T) {
	var h handles
	for i := range uint32(1000) {
		h.put(2*i, matcher.Handle(2*i+1))
	}
	require.Len(t, h.stretches, 1000)
	for i := range uint32(1000) {
		h.put(2*i+1, matcher.Handle(2*i+2))
	}
	require.Equal(t, []stretch{{0, 1, 2000}}, h.stretches)
}
