package matcher

// MemoryPage is the unit in which a Store asks for memory: what hardware protects
// and swaps at a time.
const MemoryPage = 4096

// Memory is the room a Store lives in. The region is address space, reserved once,
// that never moves; what of it is backed by real memory is asked for in ranges of
// whole pages and counted against a budget. A region several times the budget lets
// the Store keep what belongs together on pages of its own.
type Memory interface {
	// Region returns the whole reservation. It starts at a multiple of eight
	// bytes and is zero where it was never committed.
	Region() []byte
	// Commit makes n bytes from off on usable, which were not. They read as zero.
	// It returns an error, and changes nothing, when that is beyond the budget.
	Commit(off, n int) error
	// Release gives back n bytes from off on, which were committed.
	Release(off, n int)
}

// HeapMemory is Memory on the Go heap, for tests and offline use. The operating
// system backs only the pages that are touched.
type HeapMemory struct {
	region          []byte
	budget, granted int
}

// NewHeapMemory reserves a region of reserve bytes, of which up to budget may be
// committed. A negative reservation is none; a budget beyond it is cut to it.
func NewHeapMemory(reserve, budget int) *HeapMemory {
	reserve = max(reserve, 0)
	return &HeapMemory{region: make([]byte, reserve), budget: min(budget, reserve)}
}

// Region returns the reservation.
func (m *HeapMemory) Region() []byte { return m.region }

// Commit accepts n bytes as long as they are within the budget.
func (m *HeapMemory) Commit(_, n int) error {
	if n > m.budget-m.granted {
		return &Error{Op: "commit", Kind: EPCBudget}
	}
	m.granted += n
	return nil
}

// Release clears the bytes.
func (m *HeapMemory) Release(off, n int) {
	clear(m.region[off : off+n])
	m.granted -= n
}

// Committed returns the number of bytes committed.
func (m *HeapMemory) Committed() int64 { return int64(m.granted) }

// Budget returns the number of bytes Commit accepts in all. A Store reports it in
// its Stats where the Memory has this method.
func (m *HeapMemory) Budget() int64 { return int64(m.budget) }

// budgetOf returns what a Memory says, or else its reservation.
func budgetOf(m Memory, region int) int64 {
	if b, ok := m.(interface{ Budget() int64 }); ok {
		return b.Budget()
	}
	return int64(region)
}
