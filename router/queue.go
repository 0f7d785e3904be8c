package router

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scbr/scbr/router/wire"
)

const (
	// tinyChunk follows a shared payload: usually only the head of the next one goes into it.
	tinyChunk = 1 << 10
	// smallChunk is the first chunk of an empty queue: most answers to a waiting client fit.
	smallChunk = 4 << 10
	// largeChunk is every other chunk, and with it the size of a coalesced write: about 45 packets, more than one GSO send.
	largeChunk = 64 << 10
)

// verdict says what became of a blob given to a queue.
type verdict int

const (
	queued verdict = iota
	dropFull
	dropEnded
	dropLarge
	dropMemory
	overflow // the session has to be disconnected
	dropSlow // likewise, by the policy
	dropOldest
)

// queue is what waits for one session, already encoded as frames in the order of the enclave, in chunks that the session's
// writer takes all at once.
type queue struct {
	limits *Limits
	gate   *gate
	chunks *chunkPool
	all    *backlog
	slow   func()   // ends the session as a slow consumer
	held   spending // guarded by the gate

	mu      sync.Mutex
	work    sync.Cond
	pending []chunk
	bytes   int // with what the writer is writing
	items   int
	above   bool // went above its mark, and is not yet well below it
	idle    bool // the writer waits
	ended   bool // takes nothing more
	last    wire.Kind
}

// backlog is what waits in all queues together. Only the dispatcher makes it grow.
type backlog struct {
	bytes  atomic.Int64
	queues atomic.Int64 // that are not empty
}

// chunk is a piece of the byte stream.
type chunk struct {
	b       []byte
	items   int
	shared  bool // a payload that other queues hold as well
	control bool // holds control frames: a client that misses one ends its session, so it is never dropped
	full    bool // takes nothing more
	inside  bool // begins in the middle of a delivery
}

func newQueue(l *Limits, g *gate, p *chunkPool, all *backlog, slow func()) *queue {
	q := &queue{limits: l, gate: g, chunks: p, all: all, slow: slow}
	q.work.L = &q.mu
	return q
}

// control queues a frame of the key exchange, or a blob without payloads; enc appends it, n is its size or a little more.
func (q *queue) control(n int, enc func(dst []byte) []byte) verdict {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return dropEnded
	}
	if q.bytes+n > q.limits.QueueBytes+q.limits.ControlReserve {
		return overflow
	}
	// Of a client that is behind, control frames stand in chunks of their own, so that the deliveries around them can be dropped.
	behind := len(q.pending) > 1
	if behind {
		q.pending[len(q.pending)-1].full = true
	}
	c := q.room(n)
	before := len(c.b)
	c.b = enc(c.b)
	c.control, c.full = true, behind
	q.grow(len(c.b)-before, 0)
	return queued
}

// deliver queues a blob and the payloads of its envelopes, of payloadBytes together; all or nothing. dropped is how many older envelopes
// made room for it.
func (q *queue) deliver(blob []byte, payloads [][]byte, payloadBytes int) (_ verdict, dropped int) {
	if payloadBytes > wire.MaxDelivery {
		return dropLarge, 0
	}
	n := wire.DataOverhead + len(blob) + wire.PayloadOverhead*len(payloads) + payloadBytes
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return dropEnded, 0
	}
	if !q.fits(n, len(payloads)) {
		if q.limits.SlowConsumer == Disconnect {
			return dropSlow, 0
		}
		if dropped = q.makeRoom(n, len(payloads)); !q.fits(n, len(payloads)) {
			return dropFull, dropped
		}
	}
	// What one queue may hold is what is left for all: the longest ones reach it first, and the total is never exceeded. A
	// short one finds the less room the more of the long ones there are, until SlowMax or WriteTimeout ends those.
	if int64(q.bytes+n) > int64(q.limits.TotalQueueBytes)-q.all.bytes.Load() {
		return dropMemory, dropped
	}
	q.append(n, blob, payloads, payloadBytes)
	if q.limits.SlowConsumer == BlockPublisher && !q.above && q.beyond(2) {
		q.above = true
		q.gate.close(q, time.Now())
	}
	return queued, dropped
}

// append puts a delivery of n bytes behind what is pending. One that does not fit into the last chunk begins a new one, and what comes behind
// one that needs several does as well, so that whole deliveries can be dropped with whole chunks.
func (q *queue) append(n int, blob []byte, payloads [][]byte, payloadBytes int) {
	if k := len(q.pending); k > 0 {
		last := &q.pending[k-1]
		last.full = last.full || last.inside || cap(last.b)-len(last.b) < n
	}
	begin := len(q.pending)
	for wire.DataSize(len(blob), len(payloads), payloadBytes) > wire.MaxFrame && len(payloads) > 0 {
		k, size := leading(payloads)
		c := q.room(wire.HeaderBytes + 2)
		c.b = wire.AppendPayloadsHead(c.b, k, size)
		q.grow(wire.HeaderBytes+2, 0)
		q.put(payloads[:k])
		payloads, payloadBytes = payloads[k:], payloadBytes-size
	}
	c := q.room(wire.DataOverhead + len(blob))
	c.b = wire.AppendDeliveryHead(c.b, blob, len(payloads), payloadBytes)
	q.grow(wire.DataOverhead+len(blob), 0)
	q.put(payloads)
	if begin > 0 && !q.pending[begin-1].full && !q.pending[begin-1].shared {
		begin-- // it began in the last chunk
	}
	for i := begin + 1; i < len(q.pending); i++ {
		q.pending[i].inside = true
	}
}

// fits says whether n bytes with so many envelopes are within the session's bounds.
func (q *queue) fits(n, items int) bool {
	return q.bytes+n <= q.limits.QueueBytes && q.items+items <= q.limits.QueueItems
}

// makeRoom drops the oldest deliveries that the writer has not taken, whole chunks of them, until n bytes with so many envelopes fit; nothing,
// if all of them were not enough. It returns how many envelopes went.
func (q *queue) makeRoom(n, items int) (dropped int) {
	type run struct{ from, to int }
	var runs []run // nearly always one
	bytes, count := q.bytes+n-q.limits.QueueBytes, q.items+items-q.limits.QueueItems
	for i := 0; i < len(q.pending) && (bytes > 0 || count > 0); {
		from, free := i, true
		for i++; i < len(q.pending) && q.pending[i].inside; i++ {
		}
		for _, c := range q.pending[from:i] {
			free = free && !c.control
		}
		if !free {
			continue
		}
		for _, c := range q.pending[from:i] {
			bytes -= len(c.b)
			count -= c.items
		}
		runs = append(runs, run{from, i})
	}
	if bytes > 0 || count > 0 {
		return 0
	}
	for _, r := range slices.Backward(runs) {
		for _, c := range q.pending[r.from:r.to] {
			dropped += c.items
			q.forget(c)
		}
		q.pending = slices.Delete(q.pending, r.from, r.to)
	}
	return dropped
}

// beyond says whether the queue holds more than a part'th of what it may: of its own bound, or of an equal share of
// the total when that part of the total is in use.
func (q *queue) beyond(part int) bool {
	if q.bytes > q.limits.QueueBytes/part {
		return true
	}
	room := int64(q.limits.TotalQueueBytes / part)
	return q.all.bytes.Load() > room && int64(q.bytes) > room/max(1, q.all.queues.Load())
}

// leading is how many payloads fit into a frame of their own.
func leading(payloads [][]byte) (k, size int) {
	room := wire.MaxFrame - wire.HeaderBytes
	for _, p := range payloads {
		room -= wire.PayloadOverhead + len(p)
		if room < 0 {
			break
		}
		k, size = k+1, size+len(p)
	}
	return k, size
}

// put appends payloads: small ones by copy, large ones by reference.
func (q *queue) put(payloads [][]byte) {
	for _, p := range payloads {
		if len(p) < shareBytes {
			c := q.room(wire.PayloadOverhead + len(p))
			c.b = append(wire.AppendPayloadHead(c.b, len(p)), p...)
			c.items++
		} else {
			c := q.room(wire.PayloadOverhead)
			c.b = wire.AppendPayloadHead(c.b, len(p))
			q.pending = append(q.pending, chunk{b: p, items: 1, shared: true})
		}
		q.grow(wire.PayloadOverhead+len(p), 1)
	}
}

// room returns a chunk with space for n bytes.
func (q *queue) room(n int) *chunk {
	if k := len(q.pending); k > 0 {
		if c := &q.pending[k-1]; !c.shared && !c.full && cap(c.b)-len(c.b) >= n {
			return c
		}
	}
	size := largeChunk
	switch k := len(q.pending); {
	case k == 0:
		size = smallChunk
	case q.pending[k-1].shared:
		size = tinyChunk
	}
	q.pending = append(q.pending, chunk{b: q.chunks.get(max(size, n))})
	return &q.pending[len(q.pending)-1]
}

func (q *queue) grow(bytes, items int) {
	if q.bytes == 0 && bytes > 0 {
		q.all.queues.Add(1)
	}
	q.bytes += bytes
	q.items += items
	q.all.bytes.Add(int64(bytes))
}

// waiting says whether something was not written yet.
func (q *queue) waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes > 0
}

// wake starts the writer if it waits for work.
func (q *queue) wake() {
	q.mu.Lock()
	if q.idle {
		q.work.Signal()
	}
	q.mu.Unlock()
}

// end makes the writer send what is pending and a refusal of that kind (0: none), and stop.
func (q *queue) end(kind wire.Kind) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return
	}
	q.ended, q.last = true, kind
	q.gate.open(q, time.Now())
	q.above = false
	q.work.Signal()
}

// take waits for work and takes all of it; at the end it returns nothing and the last word.
func (q *queue) take(spare []chunk) (work []chunk, last wire.Kind, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pending) == 0 && !q.ended {
		q.idle = true
		q.work.Wait()
		q.idle = false
	}
	work, q.pending = q.pending, spare[:0]
	return work, q.last, q.ended && len(work) == 0
}

// forget takes a chunk out of the counts.
func (q *queue) forget(c chunk) {
	q.bytes -= len(c.b)
	q.items -= c.items
	q.all.bytes.Add(-int64(len(c.b)))
	if q.bytes == 0 && len(c.b) > 0 {
		q.all.queues.Add(-1)
	}
}

// done is called by the writer for each chunk it wrote or gave up.
func (q *queue) done(c chunk) {
	q.mu.Lock()
	q.forget(c)
	// Well below the mark only: a reader that follows closely would open and close the gate with every chunk.
	if q.above && !q.beyond(4) {
		q.above = false
		q.gate.open(q, time.Now())
	}
	q.mu.Unlock()
	if !c.shared {
		q.chunks.put(c.b)
	}
}

// chunkPool keeps chunks of the three sizes.
type chunkPool struct{ tiny, small, large sync.Pool }

func (p *chunkPool) get(n int) []byte {
	var b *[]byte
	switch {
	case n <= tinyChunk:
		b, _ = p.tiny.Get().(*[]byte)
		n = tinyChunk
	case n <= smallChunk:
		b, _ = p.small.Get().(*[]byte)
		n = smallChunk
	case n <= largeChunk:
		b, _ = p.large.Get().(*[]byte)
		n = largeChunk
	}
	if b != nil {
		return (*b)[:0]
	}
	return make([]byte, 0, n)
}

func (p *chunkPool) put(b []byte) {
	switch cap(b) {
	case tinyChunk:
		p.tiny.Put(&b)
	case smallChunk:
		p.small.Put(&b)
	case largeChunk:
		p.large.Put(&b)
	}
}
