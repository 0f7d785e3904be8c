package matcher

// Memory is the room a Store lives in. The region is reserved once and never
// moves; how much of it is backed by real memory grows by Commit.
type Memory interface {
	// Region returns the whole reservation. It starts at a multiple of eight
	// bytes and is zero where it was never committed.
	Region() []byte
	// Commit makes the first n bytes usable. It returns an error, and changes
	// nothing, when that is beyond the budget.
	Commit(n int) error
}

// HeapMemory is Memory on the Go heap, for tests and offline use. The operating
// system backs only the pages that are touched.
type HeapMemory struct {
	region []byte
	budget int
}

// NewHeapMemory reserves a region of reserve bytes, of which up to budget may be
// committed. A negative reservation is none; a budget beyond it is cut to it.
func NewHeapMemory(reserve, budget int) *HeapMemory {
	reserve = max(reserve, 0)
	return &HeapMemory{region: make([]byte, reserve), budget: min(budget, reserve)}
}

// Region returns the reservation.
func (m *HeapMemory) Region() []byte { return m.region }

// Commit accepts any n within the budget.
func (m *HeapMemory) Commit(n int) error {
	if n > m.budget {
		return &Error{Op: "commit", Kind: EPCBudget}
	}
	return nil
}

// Budget returns the number of bytes Commit accepts. A Store reports it in its
// Stats where the Memory has this method.
func (m *HeapMemory) Budget() int64 { return int64(m.budget) }
