package workload

import "github.com/scbr/scbr/matcher/filter"

// ChunkFilters is how many filters EachChunk makes at a time: on the heap they are ten
// times larger than in a store, and ten million of them would not fit.
const ChunkFilters = 1 << 14

// EachChunk calls yield with the filters 0..n-1 of the default seed, some at a time: first is the number of the first of
// them. The slice is reused after yield returns, the filters are not.
func EachChunk(name string, n int, yield func(first int, filters []filter.Filter) error) error {
	chunk := make([]filter.Filter, 0, min(n, ChunkFilters))
	err := EachFilter(name, n, DefaultSeed, func(i int, preds []filter.Predicate) error {
		f, err := filter.New(preds...)
		if err != nil {
			return err
		}
		chunk = append(chunk, f)
		if len(chunk) < cap(chunk) {
			return nil
		}
		err = yield(i+1-len(chunk), chunk)
		chunk = chunk[:0]
		return err
	})
	if err != nil || len(chunk) == 0 {
		return err
	}
	return yield(n-len(chunk), chunk)
}
