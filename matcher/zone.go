package matcher

import "math/bits"

const (
	// minSlot and MaxZoneBytes bound the address space of a zone, and slotsAtLeast says
	// how many a region is divided into if they allow it.
	minSlot      = 16 << 10
	slotsAtLeast = 64
	// MaxZoneBytes is the most that can be moved out of memory or back at a time.
	MaxZoneBytes = 512 << 10
	// MaxZones is how many zones there can be at most.
	MaxZones = maxRegion / MaxZoneBytes
	// openBytes is when a zone takes no more pages, and crowdedBytes when one of
	// several pages moves out of it. What the budget or the swapping of memory pays
	// for is a zone at a time: smaller ones would cost more in calls and headers,
	// larger ones bring in what nobody asked for.
	openBytes    = 24 << 10
	crowdedBytes = 48 << 10
	// trimPages is how much unused memory at its end a zone keeps, and scarcePages
	// where a quarter of the budget is left, or zones spill: giving memory back and taking it again costs
	// more than most insertions.
	trimPages   = 8
	scarcePages = 1
	// A zone is compacted when its holes are this part of what is in use, and at least
	// so many words.
	holesPart  = 12
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
// allocated in it changes within it. Its blocks are known by numbers of its slot.
// Where zones can be outside, a slot is only numbers, and shift leads from them to
// where the zone is; elsewhere a slot is address space, and its zone is there.
type zone struct {
	heap
	base    uint32 // where it is: first word
	shift   uint32 // from the number of a block to where it is, modulo 2^32
	open    bool   // it has a slot
	spilled bool   // it is outside
	dirty   bool   // what is outside, if anything, is not the same
	heat    uint8  // visits, as far as they count for keeping it
	pages   int32
}

// zones are the slots. A zone is known by a number from 1 on; 0 is the common heap.
// Their list is on the Go heap: a hundred bytes for each zone, which holds 24 KiB and
// more as soon as there are several.
type zones struct {
	shift uint32 // log2 of the words of a slot
	last  uint32 // the highest slot
	floor uint32 // first number of the lowest slot in use
	head  uint32 // words of a zone's bins
	nbins int
	// Where slots are smaller than usual, so is what goes into a zone.
	openBytes, crowdedBytes uint32

	all   []zone
	spare []uint32 // numbers without a slot in use
	fresh []uint32 // opened by this transaction
	small uint32   // the zone that takes small pages
	spill
}

func (z *zones) init(a *arena) {
	z.floor = ^uint32(0)
	slot := min(max(len(a.b)/slotsAtLeast, minSlot), MaxZoneBytes)
	slots := len(a.b) / slot
	if z.out != nil {
		slot, slots = MaxZoneBytes, maxRegion/MaxZoneBytes
	} else if int64(len(a.b)) < roomy*budgetOf(a.mem, len(a.b)) {
		return
	}
	z.shift = uint32(bits.Len(uint(slot))-1) - 3 // a power of two, in words
	if z.out == nil {
		slots = len(a.w) >> z.shift
	}
	z.last = uint32(slots) - 1
	z.openBytes = min(openBytes, uint32(slot)/8, uint32(len(a.b)/slotsAtLeast))
	z.crowdedBytes = 2 * z.openBytes
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

// first returns the first number of a zone's slot.
func (z *zones) first(id uint32) uint32 { return (z.last + 1 - id) << z.shift }

// isOpen reports whether there is such a zone.
func (z *zones) isOpen(id uint32) bool { return id > 0 && int(id) <= len(z.all) && z.all[id-1].open }

// openZone returns a new zone, or 0 if there is no slot for one.
func (a *arena) openZone() uint32 {
	z := &a.zones
	var id uint32
	if n := len(z.spare); n > 0 {
		id, z.spare = z.spare[n-1], z.spare[:n-1]
	} else {
		id = uint32(len(z.all)) + 1
		if z.nbins == 0 || id > z.last || z.first(id) < a.common.committed || z.out != nil && z.first(id) < uint32(len(a.w)) {
			return 0
		}
		z.all = append(z.all, zone{})
		z.floor = z.first(id)
		a.common.limit = min(a.common.limit, z.floor)
	}
	h := z.at(id)
	*h = zone{heap: heap{start: z.head, end: z.head, limit: 1 << z.shift}, open: true}
	a.settleAt(id, h, z.first(id))
	z.fresh = append(z.fresh, id)
	return id
}

// settleAt notes where a zone is.
func (a *arena) settleAt(id uint32, h *zone, base uint32) {
	h.base, h.shift = base, base-a.zones.first(id)
	if a.zones.out != nil && h.committed == 0 {
		return // nowhere yet
	}
	n := a.zones.nbins
	h.bins = a.h[2*base:][:n]
	h.full = a.w[base+uint32(n+1)/2:][:(n+63)/64]
}

// words is the memory of a zone.
func (a *arena) words(h *zone) []uint64 { return a.w[h.base:][:h.committed] }

// allocIn returns a block in a zone, or 0 if it has no room.
func (a *arena) allocIn(id, n uint32, of class) uint32 {
	if !a.zones.isOpen(id) {
		return 0
	}
	a.need(id)
	h := a.zones.at(id)
	n = roundUp(n)
	if h.committed == 0 && !a.extendZone(id, h, n) {
		return 0 // not even its bins have memory
	}
	p := h.reuse(a.words(h), n, binScan)
	switch {
	case p != 0:
	case a.extendZone(id, h, n):
		p = h.push(a.words(h), n)
	default:
		if p = h.reuse(a.words(h), n, hardScan); p == 0 {
			return 0
		}
	}
	h.dirty = true
	if of == classPage {
		h.pages++
	}
	p += a.zones.first(id)
	a.account(p, of)
	return p
}

// extendZone makes n words beyond the end of a zone usable. The zone stays where it is,
// unless it has no place yet.
func (a *arena) extendZone(id uint32, h *zone, n uint32) bool {
	need := h.end + n + slackWords
	if need <= h.committed {
		return true
	}
	if need > h.limit || a.zones.out != nil && !a.grow(id, h, pagesOf(need)) {
		return false
	}
	return a.commit(&h.heap, h.base, need) == nil
}

func (a *arena) freeInZone(id, p uint32, of class) {
	h := a.zones.at(id)
	h.dirty = true
	if of == classPage {
		h.pages--
	}
	h.free(a.words(h), p-a.zones.first(id))
	if h.used == 0 {
		a.closeZone(id)
		return
	}
	a.trim(h)
}

// trim gives back what a zone does not use at its end.
func (a *arena) trim(h *zone) {
	keep := uint32(trimPages)
	if budget := budgetOf(a.mem, len(a.b)); a.zones.out != nil || int64(a.granted) > budget-budget/4 {
		keep = scarcePages
	}
	if need := pagesOf(h.end + slackWords); need+keep*pageWords < h.committed {
		a.release(h, need)
	}
}

// release gives back what a zone has from a word on.
func (a *arena) release(h *zone, from uint32) {
	n := int(h.committed-from) * wordBytes
	switch {
	case n == 0:
	case a.zones.out == nil:
		a.mem.Release(int(h.base+from)*wordBytes, n)
	case from > 0:
		a.zones.frames[a.zones.frameOf(h)].words = from
	}
	a.granted -= n
	h.committed = from
}

// closeZone gives up a zone that holds nothing.
func (a *arena) closeZone(id uint32) {
	z := &a.zones
	h := z.at(id)
	a.release(h, 0)
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

// crowded reports whether a page should leave the zone it is in: because that is
// none, or has become large and has other pages.
func (a *arena) crowded(id uint32) bool {
	if !a.zones.isOpen(id) {
		return a.zones.nbins > 0
	}
	h := a.zones.at(id)
	return h.pages > 1 && h.used*wordBytes > a.zones.crowdedBytes
}

// homeFor returns a zone for a page of so many words: one of its own, or with others
// if it is small; 0 if there is none. not is the zone that it leaves.
func (a *arena) homeFor(words, not uint32) uint32 {
	z := &a.zones
	if words*wordBytes >= z.openBytes {
		return a.openZone()
	}
	if z.isOpen(z.small) && z.small != not && (z.at(z.small).used+words)*wordBytes <= z.openBytes {
		return z.small
	}
	if id := a.openZone(); id != 0 {
		z.small = id
		return id
	}
	return 0
}
