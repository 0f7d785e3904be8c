package matcher

import (
	"errors"
	"slices"
)

const (
	// pinned is how many zones stay whatever happens: those used last. No operation
	// holds on to what is in more of them at once.
	pinned = 8
	// maxHeat is how many visits count: what is in use twice as often stays longer,
	// what was in use long ago does not.
	maxHeat = 15
)

// Outside is a Memory that can keep zones outside its budget, in a form that only
// it can read and nobody can change unnoticed.
type Outside interface {
	Memory
	// Budget returns the number of bytes that may be committed at a time.
	Budget() int64
	// Spill takes n committed bytes from off on out of memory and keeps them under a
	// number. If changed is false, what was fetched last under it is the same.
	Spill(id uint32, off, n int, changed bool) error
	// Fetch brings them back. It returns an error that is ErrBudget, and changes
	// nothing, where the budget has no room; any other error says that they are lost.
	Fetch(id uint32, off, n int) error
	// Forget says that nothing under a number will be fetched.
	Forget(id uint32)
}

// spill decides which zones are in memory.
type spill struct {
	out     Outside // nil: all of them
	recent  [pinned]uint32
	hand    uint32 // of the clock
	largest uint32 // words of the largest zone so far
	spilled int    // bytes outside

	fetches, spills, seals uint64
}

// need sees to it that a zone is in memory. What is read of it stays until pinned
// others were needed.
func (a *arena) need(id uint32) {
	if s := &a.zones.spill; s.out != nil && id != s.recent[0] && a.zones.isOpen(id) {
		a.visit(id)
	}
}

// stay is need for the zone that a block is in.
func (a *arena) stay(p uint32) {
	if a.zones.out != nil {
		a.need(a.zones.of(p))
	}
}

func (a *arena) visit(id uint32) {
	s, h := &a.zones.spill, a.zones.at(id)
	i := slices.Index(s.recent[:], id)
	if i < 0 {
		i = pinned - 1
	}
	copy(s.recent[1:i+1], s.recent[:i])
	s.recent[0] = id
	h.heat = min(h.heat+1, maxHeat)
	if h.spilled {
		a.fetch(id, h)
	}
}

// fetch brings a zone back. If what comes back is not what was put out there is
// nothing right to answer any more: the panic is an *Error of Kind Damaged.
func (a *arena) fetch(id uint32, h *zone) {
	off, n := int(h.start)*wordBytes, int(h.committed-h.start)*wordBytes
	for {
		err := a.zones.out.Fetch(id, off, n)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrBudget) {
			panic(&Error{Op: "fetch", Kind: Damaged, Err: err})
		}
		if !a.evict() {
			panic("matcher: no room for a zone")
		}
	}
	h.spilled = false
	a.granted += n
	a.zones.spilled -= n
	a.zones.fetches++
}

// evict moves the zone out that was visited least, or reports that none can go.
// The clock passes each at most maxHeat+1 times, and each time but the last takes
// back a visit.
func (a *arena) evict() bool {
	s := &a.zones.spill
	for range (maxHeat + 1) * len(a.zones.all) {
		if s.hand++; int(s.hand) > len(a.zones.all) {
			s.hand = 1
		}
		h := a.zones.at(s.hand)
		if !h.open || h.spilled || h.used == 0 || slices.Contains(s.recent[:], s.hand) {
			continue
		}
		if h.heat > 0 {
			h.heat--
			continue
		}
		a.moveOut(s.hand, h)
		return true
	}
	return false
}

func (a *arena) moveOut(id uint32, h *zone) {
	off, n := int(h.start)*wordBytes, int(h.committed-h.start)*wordBytes
	if err := a.zones.out.Spill(id, off, n, h.dirty); err != nil {
		panic(&Error{Op: "spill", Kind: Damaged, Err: err})
	}
	if h.dirty {
		a.zones.seals++
	}
	h.spilled, h.dirty = true, false
	a.granted -= n
	a.zones.spilled += n
	a.zones.spills++
}

// forget drops a zone that is given up.
func (z *zones) forget(id uint32) {
	if z.out == nil {
		return
	}
	z.out.Forget(id)
	if i := slices.Index(z.recent[:], id); i >= 0 {
		z.recent[i] = 0
	}
}

// canGrow reports whether a zone may grow to a word, and extend whether the common
// heap may: of what is left beside the common heap, the pinned zones have to fit.
func (a *arena) canGrow(h *zone, need uint32) bool {
	s := &a.zones.spill
	if s.out == nil {
		return true
	}
	words := (need + pageWords - 1) / pageWords * pageWords
	extent := max(words-h.start, s.largest)
	if !s.fits(a.common.committed, extent) {
		return false
	}
	s.largest = extent
	return true
}

func (s *spill) fits(common, largest uint32) bool {
	return s.out == nil || int64(common+(pinned+1)*largest)*wordBytes <= s.out.Budget()
}

// setDirty notes that what is in a block changed.
func (a *arena) setDirty(p uint32) {
	if z := a.zones.of(p); z != 0 {
		a.need(z)
		a.zones.at(z).dirty = true
	}
}
