package client

import (
	"context"
	"sync"
	"sync/atomic"
)

// deliveryOverhead is about what a waiting delivery costs beyond its payload and
// attributes: the Delivery, its slices and its place in the queue.
const deliveryOverhead = 256

// maxOutageNotices bounds the notices about sessions that stand next to each other:
// those of a few outages.
const maxOutageNotices = 16

// item is a delivery or a notice, in the order of arrival.
type item struct {
	delivery *Delivery
	notice   error
	size     int // bytes reserved for it
}

// inbox is the queue between the reader goroutine, which never waits, and
// Receive. It is bounded in bytes; what does not fit is dropped and told.
type inbox struct {
	max   int64
	bytes atomic.Int64  // reserved
	wake  chan struct{} // a hint of new items; bound 1 is enough for a hint
	done  chan struct{} // closed after the last push

	taking sync.Mutex // guards front; held by Receive only
	front  []item
	next   int

	mu   sync.Mutex // guards back; held for moments
	back []item
	err  error // set before done is closed
}

func newInbox(maxBytes int) *inbox {
	return &inbox{max: int64(maxBytes), wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// reserve claims room for a delivery of n bytes, before the work of opening it.
func (in *inbox) reserve(n int) bool {
	if in.bytes.Add(int64(n)) > in.max {
		in.bytes.Add(-int64(n))
		return false
	}
	return true
}

// cancel gives reserved room back.
func (in *inbox) cancel(n int) { in.bytes.Add(-int64(n)) }

// push appends what came in one frame. Losses next to each other become one
// notice, and so do all while the inbox is full: notices cannot outgrow it.
func (in *inbox) push(items []item) {
	if len(items) == 0 {
		return
	}
	in.mu.Lock()
	for _, it := range items {
		if !in.merge(it) {
			in.back = append(in.back, it)
		}
		in.squeeze()
	}
	in.mu.Unlock()
	in.signal()
}

func (in *inbox) merge(it item) bool {
	lost, ok := it.notice.(*LostError) //nolint:errorlint // our own item, never wrapped
	if !ok || lost.Unknown || len(in.back) == 0 {
		return false
	}
	last, ok := in.back[len(in.back)-1].notice.(*LostError) //nolint:errorlint // as above
	if !ok || last.Unknown {
		return false
	}
	last.N += lost.N
	last.Overflow = last.Overflow || lost.Overflow
	return true
}

// squeeze makes one outage of many that stand next to each other: a Client that
// nobody takes notices from must not keep all of them. With mu held.
func (in *inbox) squeeze() {
	n := len(in.back)
	for n > 0 && isOutage(in.back[n-1].notice) {
		n--
	}
	if len(in.back)-n < maxOutageNotices {
		return
	}
	var o outageNotices
	for _, it := range in.back[n:] {
		o.add(it.notice)
	}
	clear(in.back[n:])
	in.back = o.appendTo(in.back[:n])
}

func (in *inbox) signal() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// close ends the queue: what is in it can still be taken, then err is told.
func (in *inbox) close(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.err == nil {
		in.err = err
		close(in.done)
	}
}

// take removes the oldest item; more tells whether others wait behind it.
func (in *inbox) take() (it item, ok, more bool) {
	in.taking.Lock()
	defer in.taking.Unlock()
	if in.next == len(in.front) {
		in.mu.Lock()
		in.front, in.back = in.back, in.front[:0]
		in.mu.Unlock()
		in.next = 0
	}
	if in.next == len(in.front) {
		return item{}, false, false
	}
	it = in.front[in.next]
	in.front[in.next] = item{}
	in.next++
	in.bytes.Add(-int64(it.size))
	return it, true, in.next < len(in.front) || in.waiting()
}

// waiting says whether something was pushed since front and back were swapped: its hint may have merged with an older one.
func (in *inbox) waiting() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.back) > 0
}

// pop waits for the oldest item.
func (in *inbox) pop(ctx context.Context) (*Delivery, error) {
	if ctx.Err() != nil {
		return nil, canceled(ctx, opReceive)
	}
	if it, ok, _ := in.take(); ok {
		return it.delivery, it.notice
	}
	for {
		var ended bool
		select {
		case <-in.wake:
		case <-in.done:
			ended = true
		case <-ctx.Done():
			return nil, canceled(ctx, opReceive)
		}
		it, ok, more := in.take()
		switch {
		case ok && more:
			in.signal() // another Receive may be waiting; the hint was for all
			return it.delivery, it.notice
		case ok:
			return it.delivery, it.notice
		case ended:
			return nil, in.err
		}
	}
}
