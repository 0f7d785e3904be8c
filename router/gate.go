package router

import (
	"sync"
	"sync/atomic"
	"time"
)

// gate makes publishers wait while a delivery queue is above half of its bound, so that an ordinary burst loses nothing. Both
// sides of the wait are bounded: a frame waits at most PauseMax, and a session holds the gate at most HoldMax before it has
// to come below the mark again.
type gate struct {
	hold time.Duration

	live    atomic.Int32 // holders that still count
	mu      sync.Mutex
	holders map[*queue]time.Time // zero time: held too long, counts no more
	opened  chan struct{}        // closed when live becomes 0
}

func newGate(hold time.Duration) *gate {
	return &gate{hold: hold, holders: map[*queue]time.Time{}}
}

// close is called by a queue that went above its mark.
func (g *gate) close(q *queue, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.holders[q]; ok {
		return
	}
	g.holders[q] = now
	if g.live.Add(1) == 1 {
		g.opened = make(chan struct{})
	}
}

// open is called by a queue that came below its mark or ended.
func (g *gate) open(q *queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	since, ok := g.holders[q]
	delete(g.holders, q)
	if ok && !since.IsZero() {
		g.less()
	}
}

// expire is called by the ticker.
func (g *gate) expire(now time.Time) {
	if g.live.Load() == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for q, since := range g.holders {
		if !since.IsZero() && now.Sub(since) > g.hold {
			g.holders[q] = time.Time{}
			g.less()
		}
	}
}

func (g *gate) less() {
	if g.live.Add(-1) == 0 {
		close(g.opened)
	}
}

// shut says whether publishers have to wait now.
func (g *gate) shut() bool { return g.live.Load() > 0 }

// wait waits until the gate is open, limit has passed or done is closed.
func (g *gate) wait(done <-chan struct{}, limit time.Duration) {
	g.mu.Lock()
	opened := g.opened
	shut := g.shut()
	g.mu.Unlock()
	if !shut {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-opened:
	case <-timer.C:
	case <-done:
	}
}
