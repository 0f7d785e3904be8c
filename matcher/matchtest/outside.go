package matchtest

import (
	"bytes"
	"errors"
)

// Outside is Memory with a budget that keeps zones outside it, as matcher.Outside
// demands, on the Go heap. What has been moved out is overwritten: whoever reads it
// without having it brought back reads rubbish.
type Outside struct {
	region []byte
	budget int
	full   error
	zones  map[uint32][]byte
}

// rubbish is what is left of what was moved out.
const rubbish = 0xa5

var (
	errNoZone    = errors.New("matchtest: nothing is outside under this number")
	errUnchanged = errors.New("matchtest: said not to have changed, and did")
)

// NewOutside reserves a region; what exceeds the budget is refused with the error full.
func NewOutside(reserve, budget int, full error) *Outside {
	return &Outside{region: make([]byte, reserve), budget: budget, full: full, zones: map[uint32][]byte{}}
}

// Region returns the reservation.
func (m *Outside) Region() []byte { return m.region }

// Budget returns the number of bytes that may be committed at a time.
func (m *Outside) Budget() int64 { return int64(m.budget) }

// Zones returns the number of zones outside.
func (m *Outside) Zones() int { return len(m.zones) }

// Commit implements matcher.Memory.
func (m *Outside) Commit(off, n int) error {
	if n > m.budget-off {
		return m.full
	}
	return nil
}

// Release implements matcher.Memory.
func (m *Outside) Release(off, n int) { fill(m.region[off : off+n]) }

func fill(b []byte) {
	for n := copy(b, []byte{rubbish}); n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// Spill implements matcher.Outside, and checks what it is told.
func (m *Outside) Spill(id uint32, zone []byte, changed bool) error {
	if old, ok := m.zones[id]; !changed && (!ok || !bytes.Equal(old, zone)) {
		return errUnchanged
	}
	m.zones[id] = bytes.Clone(zone)
	fill(zone)
	return nil
}

// Fetch implements matcher.Outside.
func (m *Outside) Fetch(id uint32, zone []byte) error {
	b, ok := m.zones[id]
	if !ok || len(b) != len(zone) {
		return errNoZone
	}
	copy(zone, b)
	return nil
}

// Forget implements matcher.Outside.
func (m *Outside) Forget(id uint32) { delete(m.zones, id) }

// Damage overwrites what is outside under a number.
func (m *Outside) Damage(id uint32) { delete(m.zones, id) }
