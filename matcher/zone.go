package matcher

import "math/bits"

const (
	// minSlot and MaxZoneBytes bound the address space of a zone, and slotsAtLeast says
	// how many a region is divided into if they allow it.
	minSlot      = 16 << 10
	slotsAtLeast = 64
	// MaxZoneBytes is the most that can be moved out of memory or back at a time.
	MaxZoneBytes = 512 << 10
	// openBytes is when a zone takes no more pages, and crowdedBytes when one of
	// several pages moves out of it. What the budget or the swapping of memory pays
	// for is a zone at a time: smaller ones would cost more in calls and headers,
	// larger ones bring in what nobody asked for.
	openBytes    = 24 << 10
	crowdedBytes = 48 << 10
	// trimPages is how much unused memory at its end a zone gives back.
	trimPages = 3
	// A zone is compacted when its holes are this part of what is in use, and at least
	// so many words.
	holesPart  = 8
	holesLeast = 256
	// roomy is how many times the budget a region has to be for there to be zones:
	// address space that a zone does not use is lost to the common heap.
	roomy = 4
)

// A zone is a heap of its own for the pages of a few clusters, or for one page of
// a large one, with all their blocks: what one event reads lies together, and can
// be moved out of protected memory together. A page whose zone has no room is given
// what it needs by the common heap, which always stays.
//
// The first words of a zone are its bins: whatever changes when something is
// allocated in it changes within it.
type zone struct {
	heap
	open    bool  // it has a slot
	spilled bool  // it is outside
	dirty   bool  // what is outside, if anything, is not the same
	heat    uint8 // visits, as far as they count for keeping it
	pages   int32
}

// zones are the slots at the top of the region. A zone is known by a number from 1
// on; 0 is the common heap. Their list is on the Go heap: a hundred bytes for each
// zone, which holds 24 KiB and more as soon as there are several.
type zones struct {
	shift uint32 // log2 of the words of a slot
	last  uint32 // the highest slot
	floor uint32 // first word of the lowest slot in use
	head  uint32 // words of a zone's bins
	nbins int
	all   []zone
	spare []uint32 // numbers without a slot in use
	fresh []uint32 // opened by this transaction
	small uint32   // the zone that takes small pages
	spill
}

func (z *zones) init(a *arena) {
	slot := min(max(len(a.b)/slotsAtLeast, minSlot), MaxZoneBytes)
	z.shift = uint32(bits.Len(uint(slot))-1) - 3 // a power of two, in words
	slots := uint32(len(a.w)) >> z.shift
	if z.floor = ^uint32(0); slots < 4 || int64(len(a.b)) < roomy*budgetOf(a.mem, len(a.b)) {
		return
	}
	z.last = slots - 1
	z.nbins = binOf(1<<z.shift) + 1
	z.head = uint32((z.nbins+1)/2 + (z.nbins+63)/64)
}

// of returns the zone that a block is in, or 0.
func (z *zones) of(p uint32) uint32 {
	if p < z.floor {
		return 0
	}
	return z.last + 1 - p>>z.shift
}

func (z *zones) at(id uint32) *zone { return &z.all[id-1] }

// isOpen reports whether there is such a zone.
func (z *zones) isOpen(id uint32) bool { return id > 0 && int(id) <= len(z.all) && z.all[id-1].open }

// openZone returns a new zone, or 0 if there is no address space for one.
func (a *arena) openZone() uint32 {
	z := &a.zones
	var id uint32
	if n := len(z.spare); n > 0 {
		id, z.spare = z.spare[n-1], z.spare[:n-1]
	} else {
		id = uint32(len(z.all)) + 1
		if z.nbins == 0 || id > z.last || (z.last+1-id)<<z.shift < a.common.committed {
			return 0
		}
		z.all = append(z.all, zone{})
		z.floor = (z.last + 1 - id) << z.shift
		a.common.limit = z.floor
	}
	start := (z.last + 1 - id) << z.shift
	bins := a.h[2*start:][:z.nbins]
	full := a.w[start+uint32(z.nbins+1)/2:][:(z.nbins+63)/64]
	*z.at(id) = zone{
		heap: heap{start: start, limit: start + 1<<z.shift, end: start + z.head, committed: start, bins: bins, full: full},
		open: true,
	}
	z.fresh = append(z.fresh, id)
	return id
}

// allocIn returns a block in a zone, or 0 if it has no room.
func (a *arena) allocIn(id, n uint32, of class) uint32 {
	if !a.zones.isOpen(id) {
		return 0
	}
	a.need(id)
	h := a.zones.at(id)
	n = roundUp(n)
	p := h.reuse(a.w, n, binScan)
	switch {
	case p != 0:
	case a.extendZone(h, n):
		p = h.push(a.w, n)
	default:
		if p = h.reuse(a.w, n, hardScan); p == 0 {
			return 0
		}
	}
	h.dirty = true
	if of == classPage {
		h.pages++
	}
	a.account(p, of)
	return p
}

// extendZone makes n words beyond the end of a zone usable.
func (a *arena) extendZone(h *zone, n uint32) bool {
	need := h.end + n + slackWords
	return need <= h.limit && (need <= h.committed || a.canGrow(h, need) && a.commit(&h.heap, need) == nil)
}

func (a *arena) freeInZone(id, p uint32, of class) {
	a.need(id)
	h := a.zones.at(id)
	h.dirty = true
	if of == classPage {
		h.pages--
	}
	h.free(a.w, p)
	if h.used == 0 {
		a.closeZone(id)
		return
	}
	a.trim(h)
}

// trim gives back what a zone does not use at its end.
func (a *arena) trim(h *zone) {
	need := (h.end + slackWords + pageWords - 1) / pageWords * pageWords
	if need+trimPages*pageWords > h.committed {
		return
	}
	n := int(h.committed-need) * wordBytes
	a.mem.Release(int(need)*wordBytes, n)
	a.granted -= n
	h.committed = need
}

// closeZone gives up a zone that holds nothing.
func (a *arena) closeZone(id uint32) {
	z := &a.zones
	h := z.at(id)
	if n := int(h.committed-h.start) * wordBytes; n > 0 {
		a.mem.Release(int(h.start)*wordBytes, n)
		a.granted -= n
	}
	z.forget(id)
	h.open = false
	z.spare = append(z.spare, id)
}

// closeUnused gives up the zones that a transaction opened and does not use.
func (a *arena) closeUnused() {
	for _, id := range a.zones.fresh {
		if h := a.zones.at(id); h.open && h.used == 0 {
			a.closeZone(id)
		}
	}
	a.zones.fresh = a.zones.fresh[:0]
}

// extent is the number of words between a zone's beginning and its end.
func (h *zone) extent() uint32 { return h.end - h.start }

// crowded reports whether a page should leave the zone it is in: because that is
// none, or has become large and has other pages.
func (a *arena) crowded(id uint32) bool {
	if !a.zones.isOpen(id) {
		return a.zones.nbins > 0
	}
	h := a.zones.at(id)
	return h.pages > 1 && h.used*wordBytes > crowdedBytes
}

// homeFor returns a zone for a page of so many words: one of its own, or with others
// if it is small; 0 if there is none. not is the zone that it leaves.
func (a *arena) homeFor(words, not uint32) uint32 {
	if words*wordBytes >= openBytes {
		return a.openZone()
	}
	z := &a.zones
	if z.isOpen(z.small) && z.small != not && (z.at(z.small).used+words)*wordBytes <= openBytes {
		return z.small
	}
	if id := a.openZone(); id != 0 {
		z.small = id
		return id
	}
	return 0
}
