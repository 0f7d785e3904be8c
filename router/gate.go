package router

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// holdRefill is how many seconds without holding give a session one second back: in the long run it makes publishers wait a
	// seventeenth of the time.
	holdRefill = 16
	// sharedHolds is how many HoldMax all sessions have together: more would let a few that take turns, or that come anew with
	// a fresh allowance, keep the gate shut.
	sharedHolds = 4
	// sharedRefill is holdRefill of all sessions together: a fifth of the time.
	sharedRefill = 4
)

// gate makes publishers wait while a delivery queue is above its mark, so that an ordinary burst loses nothing. The wait
// is bounded for a frame, which waits at most PauseMax, and for a session, which has HoldMax to hold the gate and gets it back
// slowly, however often it comes below its mark meanwhile. Without allowance a session does not hold: its queue fills and drops.
type gate struct {
	hold time.Duration // allowance of a session
	slow time.Duration // longest time above the mark

	live    atomic.Int32 // holders that count
	mu      sync.Mutex
	holders map[*queue]*holder // the queues above their marks
	spent   spending           // of all sessions together
	opened  chan struct{}      // closed when live becomes 0
}

// holder is a queue above its mark.
type holder struct {
	since  time.Time
	counts bool // makes publishers wait
}

// spending is the part of an allowance that has been used. The zero value is none.
type spending struct {
	used time.Duration
	at   time.Time // when used was true
	on   bool      // it is being used
}

// settle brings used up to date; refill is how much time gives one unit back.
func (s *spending) settle(now time.Time, refill int) time.Duration {
	passed := now.Sub(s.at)
	if s.on {
		s.used += passed
	} else {
		s.used = max(0, s.used-passed/time.Duration(refill))
	}
	s.at = now
	return s.used
}

func newGate(hold, slow time.Duration) *gate {
	return &gate{hold: hold, slow: slow, holders: map[*queue]*holder{}}
}

// close is called by a queue that went above its mark.
func (g *gate) close(q *queue, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holders[q] != nil {
		return
	}
	h := &holder{since: now}
	g.holders[q] = h
	if q.held.settle(now, holdRefill) >= g.hold || g.spent.settle(now, sharedRefill) >= sharedHolds*g.hold {
		return
	}
	h.counts, q.held.on = true, true
	if g.live.Add(1) == 1 {
		g.spent.on = true
		g.opened = make(chan struct{})
	}
}

// open is called by a queue that came well below its mark or ended.
func (g *gate) open(q *queue, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if h := g.holders[q]; h != nil {
		g.release(q, h, now)
		delete(g.holders, q)
	}
}

// expire is called by the ticker: it ends what has used its allowance up, and returns the queues that have been above their marks
// for too long.
func (g *gate) expire(now time.Time) (slow []*queue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	over := g.spent.settle(now, sharedRefill) >= sharedHolds*g.hold
	for q, h := range g.holders {
		if over || q.held.settle(now, holdRefill) >= g.hold {
			g.release(q, h, now)
		}
		if now.Sub(h.since) > g.slow {
			slow = append(slow, q)
		}
	}
	return slow
}

// release ends the holding of a queue.
func (g *gate) release(q *queue, h *holder, now time.Time) {
	if !h.counts {
		return
	}
	q.held.settle(now, holdRefill)
	h.counts, q.held.on = false, false
	if g.live.Add(-1) == 0 {
		g.spent.settle(now, sharedRefill)
		g.spent.on = false
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
