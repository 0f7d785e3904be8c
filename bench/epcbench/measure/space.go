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
	Close() error
	// Limit sets how many pages are resident at most, 0 for no limit.
	Limit(pages int) error
	// Loads returns how many pages were brought back so far.
	Loads() (uint64, error)
}

// memory is the Memory of a store that knows which of its pages are in use.
type memory struct {
	region []byte
	budget int
	end    int
	sink   byte
}

var _ matcher.Memory = (*memory)(nil)

func (m *memory) Region() []byte { return m.region }

func (m *memory) Commit(n int) error {
	if n > m.budget {
		return matcher.ErrBudget
	}
	m.end = n
	return nil
}

func (m *memory) Committed() int64 { return int64(m.end) }

// pages calls yield with the number of each page in use.
func (m *memory) pages(yield func(page int)) {
	for page := range (m.end + pageBytes - 1) / pageBytes {
		yield(page)
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
