package matcher

import (
	"cmp"
	"fmt"
	"slices"
)

const (
	// pinned is how many zones stay where they are whatever happens: those used last.
	// No operation holds on to what is in more of them at once.
	pinned = 4
	// maxHeat is how many visits count: what is in use twice as often stays longer,
	// what was in use long ago does not.
	maxHeat = 15
	// commonRoom is what the common heap finds free when an operation begins, beside
	// what its tables grow by.
	commonRoom = 32 * pageWords
)

// Outside is a Memory that can keep zones outside its budget, in a form that only
// it can read and nobody can change unnoticed. The budget is the beginning of its
// region.
type Outside interface {
	Memory
	// Budget returns the number of bytes that may be committed at a time.
	Budget() int64
	// Spill keeps a copy of a zone under a number. If changed is false, it is what was
	// fetched last under it.
	Spill(id uint32, zone []byte, changed bool) error
	// Fetch fills zone with that copy. An error says that it is lost.
	Fetch(id uint32, zone []byte) error
	// Forget says that nothing under a number will be fetched.
	Forget(id uint32)
}

// spill decides which zones are in memory, and where. They lie from the end of the
// region downwards, with gaps; the common heap grows towards them.
type spill struct {
	out     Outside // nil: all zones are where their slots are
	frames  []frame // of the zones in memory, ascending
	recent  [pinned]uint32
	hand    uint32 // of the clock
	kept    uint32 // word up to which the common heap may grow in this operation
	largest uint32 // words of the largest zone so far
	spilled int    // bytes outside

	fetches, spills, seals uint64
}

// frame is where a zone is.
type frame struct{ base, words, id uint32 }

func byBase(f frame, base uint32) int { return cmp.Compare(f.base, base) }

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

func (s *spill) isPinned(id uint32) bool { return slices.Contains(s.recent[:], id) }

// fetch brings a zone back. If what comes back is not what was put out there is
// nothing right to answer any more: the panic is an *Error of Kind Damaged.
func (a *arena) fetch(id uint32, h *zone) {
	if !a.place(id, h, h.committed) {
		panic("matcher: no room for a zone")
	}
	if err := a.zones.out.Fetch(id, a.bytes(h)); err != nil {
		panic(&Error{Op: "fetch", Kind: Damaged, Err: err})
	}
	h.spilled = false
	n := len(a.bytes(h))
	a.granted += n
	a.zones.spilled -= n
	a.zones.fetches++
}

func (a *arena) bytes(h *zone) []byte {
	return a.b[int(h.base)*wordBytes:][:int(h.committed)*wordBytes]
}

// place finds room for a zone that is nowhere, and moves others out as long as there
// is none.
func (a *arena) place(id uint32, h *zone, words uint32) bool {
	for {
		if base, i, ok := a.zones.gap(uint32(len(a.w)), a.bottom(), words); ok {
			a.zones.frames = slices.Insert(a.zones.frames, i, frame{base, words, id})
			a.settleAt(id, h, base)
			return true
		}
		if !a.evict() {
			return false
		}
	}
}

// gap returns the place between two ends that fits so many words best, and where its
// frame belongs.
func (s *spill) gap(top, bottom, words uint32) (base uint32, at int, ok bool) {
	least := ^uint32(0)
	for i := len(s.frames); i >= 0; i-- {
		from := bottom
		if i > 0 {
			from = max(s.frames[i-1].base+s.frames[i-1].words, bottom)
		}
		if top >= from && top-from >= words && top-from < least {
			base, at, ok, least = top-words, i, true, top-from
		}
		if i > 0 {
			top = s.frames[i-1].base
		}
	}
	return base, at, ok
}

// frameOf returns the index of a zone's frame.
func (s *spill) frameOf(h *zone) int {
	i, _ := slices.BinarySearchFunc(s.frames, h.base, byBase)
	return i
}

// grow gives a zone a frame of so many words where it is; one that had none gets one.
func (a *arena) grow(id uint32, h *zone, words uint32) bool {
	s := &a.zones.spill
	if !s.fits(a.bottom(), words) {
		return false
	}
	s.largest = max(s.largest, words)
	if h.committed == 0 {
		if !a.place(id, h, words) || a.commit(&h.heap, h.base, a.zones.head) != nil {
			return false
		}
		a.settleAt(id, h, h.base)
		clear(h.bins)
		clear(h.full)
		return true
	}
	i := s.frameOf(h)
	end := uint32(len(a.w))
	if i+1 < len(s.frames) {
		end = s.frames[i+1].base
	}
	if end-h.base < words {
		return false
	}
	s.frames[i].words = max(s.frames[i].words, words)
	return true
}

// makeRoom gives a zone a frame with room for n words more, if that is possible, and
// moves it for that. Whoever calls it holds on to nothing in the zone.
func (a *arena) makeRoom(id, n uint32) {
	if a.zones.out == nil || !a.zones.isOpen(id) {
		return
	}
	a.need(id)
	s, h := &a.zones.spill, a.zones.at(id)
	words := min(pagesOf(h.end+n+slackWords), h.limit)
	if a.grow(id, h, words) || h.committed == 0 || !s.fits(a.bottom(), words) {
		return
	}
	fresh := *h
	if !a.place(id, &fresh, words) { // the old one is pinned meanwhile
		return
	}
	s.largest = max(s.largest, words)
	copy(a.w[fresh.base:], a.words(h))
	i := s.frameOf(h)
	s.frames = slices.Delete(s.frames, i, i+1)
	a.settleAt(id, h, fresh.base)
}

// shrink takes back what makeRoom gave a zone and was not used.
func (a *arena) shrink(id uint32) {
	if a.zones.out == nil || !a.zones.isOpen(id) {
		return
	}
	if h := a.zones.at(id); !h.spilled && h.committed > 0 {
		a.zones.frames[a.zones.frameOf(h)].words = h.committed
	}
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
		if !h.open || h.spilled || h.committed == 0 || s.isPinned(s.hand) {
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
	if err := a.zones.out.Spill(id, a.bytes(h), h.dirty); err != nil {
		panic(fmt.Sprintf("matcher: a zone cannot be put outside: %v", err))
	}
	s, n := &a.zones.spill, len(a.bytes(h))
	if h.dirty {
		s.seals++
	}
	i := s.frameOf(h)
	s.frames = slices.Delete(s.frames, i, i+1)
	h.spilled, h.dirty = true, false
	a.granted -= n
	s.spilled += n
	s.spills++
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
	if i := slices.IndexFunc(z.frames, func(f frame) bool { return f.id == id }); i >= 0 {
		z.frames = slices.Delete(z.frames, i, i+1)
	}
}

// clear takes zones away below a word, for the common heap. Between operations all of
// them can move; within one the pinned ones are in the way.
func (a *arena) clear(below uint32, between bool) bool {
	s := &a.zones.spill
	if s.out == nil || len(s.frames) == 0 || s.frames[0].base >= below {
		return s.fits(below, s.largest)
	}
	if !s.fits(below, s.largest) {
		return false
	}
	if between {
		s.recent = [pinned]uint32{}
	}
	for len(s.frames) > 0 && s.frames[0].base < below {
		id := s.frames[0].id
		if s.isPinned(id) {
			return false
		}
		a.moveOut(id, a.zones.at(id))
	}
	return true
}

// prepare sees to it, between operations, that the common heap can grow by what an
// operation takes.
func (a *arena) prepare(tables [idTables]*ids) {
	if a.zones.out == nil {
		return
	}
	room := uint32(commonRoom) + a.reserve
	for _, t := range tables {
		room += t.growth()
	}
	a.zones.kept = min(pagesOf(a.common.end+room), a.zones.most(a.zones.largest))
	a.clear(a.bottom(), true)
}

// bottom is where zones begin: above what the common heap may take in this operation.
func (a *arena) bottom() uint32 { return max(pagesOf(a.common.committed), a.zones.kept) }

// fits reports whether beside so many words, whole pages, the pinned zones have room
// wherever others are, each as large as the largest.
func (s *spill) fits(common, largest uint32) bool {
	return s.out == nil || common <= s.most(largest)
}

// most is the largest number of words that fits beside such zones.
func (s *spill) most(largest uint32) uint32 {
	words, zones := uint32(s.out.Budget()/wordBytes), (2*pinned+1)*largest
	return (words - min(zones, words)) / pageWords * pageWords
}

// setDirty notes that what is in a block changes.
func (a *arena) setDirty(p uint32) {
	if z := a.zones.of(p); z != 0 {
		a.need(z)
		a.zones.at(z).dirty = true
	}
}
