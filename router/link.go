package router

import (
	"io"
	"sync"
)

// linkWriter is the swap-buffer writer towards the enclave: whoever has frames appends them under one lock, and the writer
// goroutine sends all that is pending in one call. There is no timer: while one write is going on, the next one fills.
type linkWriter struct {
	w     io.Writer
	bound int
	tap   func([]byte)
	batch func(bytes int)

	mu      sync.Mutex
	work    sync.Cond
	space   sync.Cond
	pending []byte
	waiting int // appenders waiting for space
	ticked  uint64
	err     error
}

func newLinkWriter(w io.Writer, bound int, tap func([]byte), batch func(int)) *linkWriter {
	l := &linkWriter{w: w, bound: bound, tap: tap, batch: batch}
	l.work.L, l.space.L = &l.mu, &l.mu
	return l
}

// append queues whole frames. It waits while the bound is exceeded, until stopped says otherwise (see wake).
func (l *linkWriter) append(frames []byte, stopped func() bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) >= l.bound && l.err == nil && !stopped() {
		l.waiting++
		l.space.Wait()
		l.waiting--
	}
	if l.err != nil {
		return l.err
	}
	if stopped() {
		return errStopped
	}
	l.put(frames)
	return nil
}

// control queues a frame without regard to the bound: a Close, of which there is at most one for each Open, and Opens are bounded
// by append.
func (l *linkWriter) control(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.put(frame)
	}
}

// tick queues a Tick if nothing else is waiting.
func (l *linkWriter) tick(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && len(l.pending) == 0 {
		l.ticked++
		l.put(frame)
	}
}

// lastTick queues a Tick behind whatever is waiting and returns how many were queued in all.
func (l *linkWriter) lastTick(frame []byte) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.ticked++
		l.put(frame)
	}
	return l.ticked
}

// empty says whether nothing waits.
func (l *linkWriter) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) == 0
}

func (l *linkWriter) put(frames []byte) {
	if l.tap != nil {
		l.tap(frames)
	}
	if len(l.pending) == 0 {
		l.work.Signal()
	}
	l.pending = append(l.pending, frames...)
}

// wake lets appenders look at their stopped function again.
func (l *linkWriter) wake() {
	l.mu.Lock()
	l.space.Broadcast()
	l.mu.Unlock()
}

// stop ends run and every waiting appender.
func (l *linkWriter) stop(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
	l.work.Broadcast()
	l.space.Broadcast()
}

// run writes until stop, or until writing fails.
func (l *linkWriter) run() error {
	var spare []byte
	for {
		l.mu.Lock()
		for len(l.pending) == 0 && l.err == nil {
			l.work.Wait()
		}
		if l.err != nil {
			l.mu.Unlock()
			return l.err
		}
		out := l.pending
		l.pending = spare[:0]
		if l.waiting > 0 {
			l.space.Broadcast()
		}
		l.mu.Unlock()

		l.batch(len(out))
		if _, err := l.w.Write(out); err != nil {
			l.stop(err)
			return err
		}
		spare = out
	}
}
