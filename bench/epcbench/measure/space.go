package measure

import (
	"github.com/scbr/scbr/bench/epcmodel"
	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/matchtest"
)

// pageBytes is what is paged at a time.
const pageBytes = epcmodel.PageBytes

// Region is memory that a pager serves: package enclave/epc/pager's.
type Region interface {
	epc.Backing
	// Limit sets how many pages are resident at most, 0 for no limit.
	Limit(pages int) error
	// Loads returns how many pages were brought back so far.
	Loads() (uint64, error)
}

// memory is an Arena that knows which of its pages are in use.
type memory struct {
	*epc.Arena
	used []bool // by page
	sink byte
}

var _ matcher.Outside = (*memory)(nil)

func (m *memory) Commit(off, n int) error {
	err := m.Arena.Commit(off, n)
	if err == nil {
		m.mark(off, n, true)
	}
	return err
}

func (m *memory) Release(off, n int) {
	m.Arena.Release(off, n)
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
	region := m.Region()
	m.pages(func(page int) { m.sink += region[page*pageBytes] })
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
