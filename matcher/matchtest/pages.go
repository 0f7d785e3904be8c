package matchtest

// PageBytes is what PageCounter takes for a page: the unit in which protected
// memory is swapped.
const PageBytes = 4096

// Memory is what matcher.Memory is: tests inside package matcher use this one.
type Memory interface {
	Region() []byte
	Commit(off, n int) error
	Release(off, n int)
}

// PageCounter is Memory that counts the distinct pages that its owner touches,
// by what the owner says of itself. A matcher that never calls Touch touches no
// pages here: see Touches.
type PageCounter struct {
	Memory
	seen    []uint64 // by page: the period in which it was last touched
	period  uint64
	pages   int
	touches uint64
}

// NewPageCounter counts what is touched in mem.
func NewPageCounter(mem Memory) *PageCounter {
	return &PageCounter{Memory: mem, period: 1}
}

// Touch counts the pages of the n bytes from off on that were not counted since
// Reset. A range of no bytes has no page.
func (c *PageCounter) Touch(off, n int) {
	c.touches++
	if n <= 0 {
		return
	}
	last := (off + n - 1) / PageBytes
	if last >= len(c.seen) {
		c.seen = append(c.seen, make([]uint64, last+1-len(c.seen))...)
	}
	for page := off / PageBytes; page <= last; page++ {
		if c.seen[page] != c.period {
			c.seen[page] = c.period
			c.pages++
		}
	}
}

// Reset forgets which pages were touched.
func (c *PageCounter) Reset() {
	c.period++
	c.pages = 0
}

// Pages returns the number of distinct pages touched since Reset.
func (c *PageCounter) Pages() int { return c.pages }

// Touches returns the number of calls of Touch since the PageCounter was made. It
// is 0 for an owner that does not report what it touches.
func (c *PageCounter) Touches() uint64 { return c.touches }

// Budget returns the budget of the Memory below, or else its reservation.
func (c *PageCounter) Budget() int64 {
	if m, ok := c.Memory.(interface{ Budget() int64 }); ok {
		return m.Budget()
	}
	return int64(len(c.Region()))
}
