package router

import (
	"math/bits"
	"sync"

	"github.com/scbr/scbr/router/wire"
)

const (
	// shareBytes is the size from which a payload has its own memory, shared by all queues it waits in. Smaller ones are
	// copied into each queue: that costs less than a reference, and a queued payload never keeps a neighbour's memory alive.
	shareBytes = 4 << 10
	// pageSlots is the number of references a page covers: one full publish frame.
	pageSlots = wire.MaxPayloads
	// slotBytes is what a payload costs beside its bytes (its slot, and the slab of a frame with one payload): empty payloads
	// are not free.
	slotBytes = 128
	// maxSparePages bounds the empty pages kept for reuse (32 KiB each).
	maxSparePages = 16
	// slabClasses covers slabs of 1 B .. MaxFrame by powers of two.
	slabClasses = 21
)

// payloads is the host memory of sealed payloads between a publish frame and the enclave's Handled. Each has a reference from
// a counter that never repeats.
type payloads struct {
	bound int // bytes of all sessions
	each  int // payloads of one session

	mu      sync.Mutex
	space   sync.Cond
	next    uint64
	pages   map[uint64]*page
	spare   []*page
	bytes   int
	live    int
	ended   []*owner // ended sessions with payloads left
	waiting int

	slabs [slabClasses]sync.Pool
}

type page struct {
	slots [pageSlots]slot
	live  int
}

type slot struct {
	b []byte
	f *slab // nil: free
}

// slab is the memory of one frame's small payloads.
type slab struct {
	b     []byte
	live  int
	owner *owner
}

// owner is the session that published; guarded by payloads.mu.
type owner struct {
	live  int
	ended bool
	age   int // sweeps since the end
}

// newPayloads makes a store whose first reference is first.
func newPayloads(bound, each int, first uint64) *payloads {
	p := &payloads{bound: bound, each: each, next: first, pages: map[uint64]*page{}}
	p.space.L = &p.mu
	return p
}

// firstOfNext is a reference above all that were given, on a page of its own.
func (p *payloads) firstOfNext() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return (p.next/pageSlots + 1) * pageSlots
}

// cost is what the payloads of a frame count.
func cost(f *wire.Frame) int { return f.PayloadBytes() + f.Count*slotBytes }

// room says whether a frame with count payloads and n bytes fits. A single frame always fits into an empty store.
func (p *payloads) room(o *owner, count, n int) bool {
	return (p.bytes == 0 || p.bytes+n <= p.bound) && (o.live == 0 || o.live+count <= p.each)
}

// tryReserve takes n bytes of the bound if they are free.
func (p *payloads) tryReserve(o *owner, count, n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.room(o, count, n) {
		return false
	}
	p.bytes += n
	return true
}

// reserve takes n bytes of the bound, and waits for them until stopped. The caller must not keep back frames whose payloads are
// in the store: nobody else would free them.
func (p *payloads) reserve(o *owner, count, n int, stopped func() bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.room(o, count, n) && !stopped() {
		p.waiting++
		p.space.Wait()
		p.waiting--
	}
	if stopped() {
		return errStopped
	}
	p.bytes += n
	return nil
}

// store copies the payloads of a frame, whose cost has been reserved, and returns the first of their references.
func (p *payloads) store(o *owner, f *wire.Frame) (ref uint64) {
	s := p.newSlab(smallBytes(f))
	s.owner = o
	at := 0
	var own [][]byte
	for it := f.Payloads(); ; {
		b, ok := it.Next()
		if !ok {
			break
		}
		if len(b) >= shareBytes {
			own = append(own, append(make([]byte, 0, len(b)), b...))
			continue
		}
		at += copy(s.b[at:], b)
	}
	return p.insert(s, f, own)
}

// insert gives the copied payloads their references.
func (p *payloads) insert(s *slab, f *wire.Frame, own [][]byte) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	ref, at := p.next, 0
	for it := f.Payloads(); ; {
		b, ok := it.Next()
		if !ok {
			break
		}
		var kept []byte
		if len(b) >= shareBytes {
			kept, own = own[0], own[1:]
		} else {
			kept, at = s.b[at:at+len(b):at+len(b)], at+len(b)
		}
		pg := p.page(p.next)
		pg.slots[p.next%pageSlots] = slot{b: kept, f: s}
		pg.live++
		p.next++
	}
	s.live = f.Count
	s.owner.live += f.Count
	p.live += f.Count
	return ref
}

// page returns the page of the newest reference, which may be a new one.
func (p *payloads) page(ref uint64) *page {
	key := ref / pageSlots
	pg := p.pages[key]
	if pg == nil {
		if n := len(p.spare); n > 0 {
			pg, p.spare = p.spare[n-1], p.spare[:n-1]
		} else {
			pg = new(page)
		}
		p.pages[key] = pg
		p.retire(key - 1)
	}
	return pg
}

// retire gives up a page that is empty and gets no new references.
func (p *payloads) retire(key uint64) {
	pg := p.pages[key]
	if pg == nil || pg.live > 0 || key == p.next/pageSlots {
		return
	}
	delete(p.pages, key)
	if len(p.spare) < maxSparePages {
		p.spare = append(p.spare, pg)
	}
}

// lookup appends the payloads of n references to dst; ok is false when any is unknown. The slices of small payloads are valid until
// the caller, which is the only one to call free, frees them.
func (p *payloads) lookup(dst [][]byte, n int, ref func(i int) uint64) (_ [][]byte, bytes int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var pg *page
	have := ^uint64(0)
	for i := range n {
		r := ref(i)
		if key := r / pageSlots; key != have {
			pg, have = p.pages[key], key
		}
		if pg == nil || pg.slots[r%pageSlots].f == nil {
			return dst, 0, false
		}
		b := pg.slots[r%pageSlots].b
		bytes += len(b)
		dst = append(dst, b)
	}
	return dst, bytes, true
}

// free gives up the references ref .. ref+n-1 and returns how many of them were known.
func (p *payloads) free(ref uint64, n int) (known int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := ref; r < ref+uint64(n); r++ {
		pg := p.pages[r/pageSlots]
		if pg == nil || pg.slots[r%pageSlots].f == nil {
			continue
		}
		known++
		s := p.drop(pg, int(r%pageSlots))
		if s.live == 0 {
			p.recycle(s)
		}
		p.retire(r / pageSlots)
	}
	if p.waiting > 0 && known > 0 {
		p.space.Broadcast()
	}
	return known
}

// drop empties one slot.
func (p *payloads) drop(pg *page, i int) *slab {
	s := pg.slots[i].f
	p.bytes -= len(pg.slots[i].b) + slotBytes
	pg.slots[i] = slot{}
	pg.live--
	p.live--
	s.live--
	s.owner.live--
	return s
}

// end marks the end of a session: what the enclave does not handle until the grace has passed is freed by sweep.
func (p *payloads) end(o *owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o.ended = true
	if o.live > 0 {
		p.ended = append(p.ended, o)
	}
}

// sweep ages ended sessions and frees the payloads of those older than grace sweeps. Their memory is left to the garbage collector:
// the dispatcher may be reading it.
func (p *payloads) sweep(grace int) (freed int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := false
	left := p.ended[:0]
	for _, o := range p.ended {
		o.age++
		due = due || o.age > grace
		if o.live > 0 && o.age <= grace {
			left = append(left, o)
		}
	}
	clear(p.ended[len(left):])
	p.ended = left
	if !due {
		return 0
	}
	for key, pg := range p.pages {
		for i := range pg.slots {
			if s := pg.slots[i].f; s != nil && s.owner.ended && s.owner.age > grace {
				p.drop(pg, i)
				freed++
			}
		}
		p.retire(key)
	}
	p.space.Broadcast()
	return freed
}

// wake lets waiting readers look at their stopped function again.
func (p *payloads) wake() {
	p.mu.Lock()
	p.space.Broadcast()
	p.mu.Unlock()
}

func (p *payloads) counts() (live, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live, p.bytes
}

func smallBytes(f *wire.Frame) int {
	n := 0
	for it := f.Payloads(); ; {
		b, ok := it.Next()
		if !ok {
			return n
		}
		if len(b) < shareBytes {
			n += len(b)
		}
	}
}

// newSlab takes memory of the next power of two, reused if possible.
func (p *payloads) newSlab(n int) *slab {
	class := bits.Len(uint(max(n, 1) - 1))
	if s, ok := p.slabs[class].Get().(*slab); ok {
		return s
	}
	return &slab{b: make([]byte, 1<<class)}
}

func (p *payloads) recycle(s *slab) {
	s.owner = nil
	p.slabs[bits.Len(uint(len(s.b)-1))].Put(s)
}
