package router

import (
	"time"

	"github.com/scbr/scbr/enclave/abi"
)

// drainLook is the time between two looks at what is left.
const drainLook = 10 * time.Millisecond

// Draining says that the router takes nothing new any more and ends when what it has is done.
func (r *Router) Draining() bool { return r.draining.Load() }

// drain ends the intake, lets the enclave handle what it was sent, and the sessions take what waits for them, at most for
// Limits.DrainTimeout. It returns how many sessions still had something waiting.
func (r *Router) drain() (cut int) {
	r.draining.Store(true)
	r.admission.leaving.Store(true)
	r.mu.RLock()
	for _, s := range r.sessions {
		s.wakeReader()
	}
	r.mu.RUnlock()
	defer close(r.drained)
	deadline := time.Now().Add(r.limits().DrainTimeout)
	if l := r.life.Load(); l != nil {
		// The Tock behind everything that the sessions sent comes behind all answers.
		for !l.idle() && r.life.Load() == l && time.Now().Before(deadline) {
			time.Sleep(drainLook)
		}
		for asked := l.link.lastTick(abi.AppendTick(nil)); l.tocks.Load() < asked && r.life.Load() == l && time.Now().Before(deadline); {
			time.Sleep(drainLook)
		}
	}
	for r.backlog.bytes.Load() > 0 && time.Now().Before(deadline) {
		time.Sleep(drainLook)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, s := range r.sessions {
		if s.queue.waiting() {
			cut++
		}
	}
	return cut
}

// idle says whether nothing waits for the enclave and nothing that it has to handle.
func (l *life) idle() bool {
	n, _ := l.payloads.counts()
	return n == 0 && l.link.empty()
}
