package matcher

const (
	// handleRun is how many handles in a row are kept for one owner, and handleRuns for
	// how many owners at a time.
	handleRun  = 64
	handleRuns = 64
)

// run is handles that are kept for an owner, so that those of one who inserts many
// follow each other and whoever remembers them can do so in stretches, also where
// others insert at the same time. Their entries are marked as free.
type run struct{ owner, next, end uint32 }

// newHandle hands out a handle for the owner of a tag: the next one kept for it, or one
// to be used again, or the first of a new run.
func (s *Store) newHandle(tag uint64) (uint32, error) {
	t, o := &s.handles, owner(tag)
	s.tx.runAt = o % handleRuns
	r := &s.runs[s.tx.runAt]
	s.tx.run = *r
	if r.owner != o || r.next == r.end {
		for i := r.end; i > r.next; i-- { // the lowest one is used again first
			s.freeID(t, i-1)
		}
		*r = run{}
		if t.free != 0 {
			return s.newID(t)
		}
		first := max(t.end, 1)
		for i := first; i < first+handleRun; i++ {
			if _, err := s.newID(t); err != nil {
				return 0, err
			}
			s.setEntry(t, i, idFree)
		}
		*r = run{o, first, first + handleRun}
	}
	r.next++
	return r.next - 1, nil
}
