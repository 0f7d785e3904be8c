package measure

import (
	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/matchtest"
)

// pageBytes is what is paged at a time.
const pageBytes = epcmodel.PageBytes

// Region is memory that a pager serves: package enclave/epc/pager's.
type Region interface {
	Bytes() []byte
	// Discard gives up whole pages, which read as zero afterwards.
	Discard(off, n int) error
	Close() error
	// Limit sets how many pages are resident at most, 0 for no limit.
	Limit(pages int) error
	// Loads returns how many pages were brought back so far.
	Loads() (uint64, error)
}

// spare is how many times the memory that a store may use there is of address space:
// the matcher keeps what belongs together on pages of its own.
const spare = 16

// memory is the Memory of a store that knows which of its pages are in use.
type memory struct {
	region  []byte
	discard func(off, n int) error // nil: what is given back is cleared
	budget  int
	granted int
	used    []bool // by page
	sink    byte
}

var _ matcher.Memory = (*memory)(nil)

func (m *memory) Region() []byte { return m.region }

func (m *memory) Commit(off, n int) error {
	if n > m.budget-m.granted {
		return matcher.ErrBudget
	}
	m.granted += n
	m.mark(off, n, true)
	return nil
}

func (m *memory) Release(off, n int) {
	if m.discard == nil || m.discard(off, n) != nil {
		clear(m.region[off : off+n])
	}
	m.granted -= n
	m.mark(off, n, false)
}

func (m *memory) mark(off, n int, used bool) {
	last := (off + n + pageBytes - 1) / pageBytes
	if last > len(m.used) {
		m.used = append(m.used, make([]bool, last-len(m.used))...)
	}
	for page := off / pageBytes; page < last; page++ {
		m.used[page] = used
	}
}

func (m *memory) Budget() int64 { return int64(m.budget) }

func (m *memory) Committed() int64 { return int64(m.granted) }

// pages calls yield with the number of each page in use.
func (m *memory) pages(yield func(page int)) {
	for page, used := range m.used {
		if used {
			yield(page)
		}
	}
}

// loadAll touches every page in use.
func (m *memory) loadAll() {
	m.pages(func(page int) { m.sink += m.region[page*pageBytes] })
}

// traced is Memory that is told what is touched in it: distinct pages, and the
// faults of a model.
type traced struct {
	*matchtest.PageCounter
	below *memory
	model *epcmodel.Model // nil: nobody's
	on    bool
}

// Touch counts while it is on.
func (t *traced) Touch(off, n int) {
	if !t.on {
		return
	}
	t.PageCounter.Touch(off, n)
	if t.model != nil {
		t.model.TouchBytes(off, n)
	}
}
