package epcmodel

// PageBytes is the size of a page: that of SGX.
const PageBytes = 4096

// MaxPages bounds a Model's number of pages: 1 TiB, twice the largest EPC sold.
const MaxPages = 1 << 28

// Config parameterises a Model.
type Config struct {
	Policy  Policy
	Pages   int  // how many can be resident; 0 is no limit
	Sampled bool // CLOCK's reference bits come from Reference alone
}

// Counters are what happened since the Model was made.
type Counters struct {
	Touches   uint64
	Faults    uint64 // touches of pages that were not resident
	Loads     uint64 // of which had been evicted before
	Evictions uint64
	Minor     uint64 // touches that set a reference bit that was cleared before
}

// state of a page.
type state uint8

const (
	never state = iota // or discarded
	resident
	evicted
)

// entry is a page: its place in the order of eviction if it is resident.
type entry struct {
	before, after uint32 // 1 + page; 0 is none
	state         state
	referenced    bool
}

// Model is the page cache.
type Model struct {
	cfg         Config
	entries     []entry // by page
	first, last uint32  // of the order of eviction, as 1 + page
	resident    int
	counters    Counters
}

// New returns a Model with no page resident. It refuses an unknown policy and a
// number of pages out of bounds with an *Error.
func New(cfg Config) (*Model, error) {
	if cfg.Policy < FIFO || cfg.Policy > LRU {
		return nil, &Error{Op: "new", Kind: BadPolicy}
	}
	m := &Model{cfg: cfg}
	if err := m.Limit(cfg.Pages); err != nil {
		return nil, err
	}
	return m, nil
}

// Limit changes how many pages can be resident, 0 for no limit, and evicts down to it.
func (m *Model) Limit(pages int) error {
	if pages < 0 || pages > MaxPages {
		return &Error{Op: "limit", Kind: BadSize}
	}
	m.cfg.Pages = pages
	for pages > 0 && m.resident > pages {
		m.evict()
	}
	return nil
}

// Touch is an access to a page; it reports whether that was a fault.
func (m *Model) Touch(page uint32) (fault bool) {
	m.counters.Touches++
	e := m.entry(page)
	if e.state == resident {
		m.hit(page, e)
		return false
	}
	m.counters.Faults++
	if e.state == evicted {
		m.counters.Loads++
	}
	if m.cfg.Pages > 0 && m.resident == m.cfg.Pages {
		m.evict()
	}
	e.state = resident
	e.referenced = true
	m.resident++
	m.append(page)
	return true
}

// hit is a touch of a resident page.
func (m *Model) hit(page uint32, e *entry) {
	switch {
	case m.cfg.Policy == LRU:
		m.unlink(page)
		m.append(page)
	case m.cfg.Policy == CLOCK && !m.cfg.Sampled && !e.referenced:
		m.counters.Minor++
		e.referenced = true
	}
}

// TouchBytes is an access to each page of n bytes from offset off on, and returns
// the number of faults. Offsets begin at 0; no bytes are no access.
func (m *Model) TouchBytes(off, n int) (faults int) {
	if n <= 0 {
		return 0
	}
	for page := off / PageBytes; page <= (off+n-1)/PageBytes; page++ {
		if m.Touch(uint32(page)) {
			faults++
		}
	}
	return faults
}

// Reference sets a page's reference bit, as a pager's minor fault does. It does
// nothing for a page that is not resident.
func (m *Model) Reference(page uint32) {
	if e := m.entry(page); e.state == resident && !e.referenced {
		m.counters.Minor++
		e.referenced = true
	}
}

// Discard forgets a page: its next touch is like its first.
func (m *Model) Discard(page uint32) {
	e := m.entry(page)
	if e.state == resident {
		m.unlink(page)
		m.resident--
	}
	*e = entry{}
}

// Resident returns the number of pages that are resident.
func (m *Model) Resident() int { return m.resident }

// Counters returns what happened so far.
func (m *Model) Counters() Counters { return m.counters }

// evict takes one page away. CLOCK's hand is the beginning of the order: a page
// that was referenced goes to its end.
func (m *Model) evict() {
	victim := m.first - 1
	for m.cfg.Policy == CLOCK && m.entries[victim].referenced {
		m.entries[victim].referenced = false
		m.unlink(victim)
		m.append(victim)
		victim = m.first - 1
	}
	m.unlink(victim)
	m.entries[victim].state = evicted
	m.resident--
	m.counters.Evictions++
}

func (m *Model) entry(page uint32) *entry {
	if int(page) >= len(m.entries) {
		m.entries = append(m.entries, make([]entry, int(page)+1-len(m.entries))...)
	}
	return &m.entries[page]
}

// append puts a page at the end of the order.
func (m *Model) append(page uint32) {
	e := &m.entries[page]
	e.before, e.after = m.last, 0
	if m.last != 0 {
		m.entries[m.last-1].after = page + 1
	} else {
		m.first = page + 1
	}
	m.last = page + 1
}

func (m *Model) unlink(page uint32) {
	e := &m.entries[page]
	if e.before != 0 {
		m.entries[e.before-1].after = e.after
	} else {
		m.first = e.after
	}
	if e.after != 0 {
		m.entries[e.after-1].before = e.before
	} else {
		m.last = e.before
	}
	e.before, e.after = 0, 0
}
