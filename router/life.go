package router

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scbr/scbr/router/wire"
)

// Enclave is one running enclave. Its Read, Write and Close are the link; the rest concerns the process behind it.
type Enclave interface {
	io.ReadWriteCloser
	// Look says what the process does right now. It is called by one goroutine, a few times a second while the enclave is silent.
	Look() Activity
	// End waits so long for the process to end by itself, kills it after that, whatever state it is in, and says how it ended. It is called
	// once, after Close.
	End(patience time.Duration) error
}

// Activity is what a process does.
type Activity int

const (
	// Unknown says that this system does not tell.
	Unknown Activity = iota
	// Working says that the process ran since the last look, or would if it were given a processor.
	Working
	// Waiting says that the process did not run and does not want to: it waits, or was stopped.
	Waiting
)

// Hopeless marks errors of Config.Start and Enclave.End that another start cannot mend.
type Hopeless interface {
	error
	Hopeless() bool
}

// life is one enclave from its start to its end, with everything that waits on either side of its link. Nothing of a life is seen by
// another: sessions belong to one, references of payloads never repeat, and the numbers of connections do not either.
type life struct {
	enclave  Enclave
	link     *linkWriter
	payloads *payloads
	settled  time.Time     // from when on publications pass
	heard    chan struct{} // a hint that the link brought something; bound 1

	tocks   atomic.Uint64 // answered Ticks
	loops   sync.WaitGroup
	lost    chan error    // one message of each goroutine of the link
	greeted chan struct{} // closed at the enclave's Ready
	greet   sync.Once
}

// begin starts the two goroutines of a link.
func (r *Router) begin(e Enclave, firstRef uint64) *life {
	var tap func([]byte)
	if r.tap != nil {
		tap = func(b []byte) { r.tap(TapToEnclave, b) }
	}
	l := &life{
		enclave:  e,
		link:     newLinkWriter(e, r.limits().LinkBytes, tap, func(n int) { r.metrics.batchBytes.Observe(float64(n)) }),
		payloads: newPayloads(r.limits().PayloadBytes, r.limits().UnhandledItems, firstRef),
		heard:    make(chan struct{}, 1), lost: make(chan error, 2), greeted: make(chan struct{}),
	}
	l.loops.Go(func() { l.lost <- l.link.run() })
	l.loops.Go(func() { l.lost <- (&dispatcher{r: r, life: l}).run(e) })
	return l
}

// noteHeard is called by the dispatcher for everything that the link brings.
func (l *life) noteHeard() {
	select {
	case l.heard <- struct{}{}:
	default:
	}
}

// takeHeard says whether the link brought something since the last call.
func (l *life) takeHeard() bool {
	select {
	case <-l.heard:
		return true
	default:
		return false
	}
}

// end ends the link and the process and waits for both; the error says how the process ended.
func (l *life) end(patience time.Duration) error {
	l.link.stop(errStopped)
	_ = l.enclave.Close()
	err := l.enclave.End(patience)
	l.loops.Wait()
	return err
}

// oneLife makes Config.Enclave an enclave that there is only once.
type oneLife struct{ io.ReadWriteCloser }

func (oneLife) Look() Activity          { return Unknown }
func (oneLife) End(time.Duration) error { return nil }

// watchdog judges the silence of an enclave. It counts its own looks, so that time in which the router itself did not run is not held
// against the enclave.
type watchdog struct {
	limits  *Limits
	silent  int // looks in a row with nothing heard
	waiting int // of them, in a row, with a process that could answer and does not
}

// look is called once in Limits.WatchInterval; stalled is true when the enclave has to be given up.
func (w *watchdog) look(heard bool, activity func() Activity) (stalled bool) {
	if heard {
		w.silent, w.waiting = 0, 0
		return false
	}
	w.silent++
	if activity() == Waiting {
		w.waiting++
	} else {
		w.waiting = 0
	}
	return w.waiting >= w.limits.StallLooks || time.Duration(w.silent)*w.limits.WatchInterval >= w.limits.HangTimeout
}

// lose ends a life: its sessions are told Unavailable.
func (r *Router) lose(l *life, patience time.Duration) error {
	r.mu.Lock()
	r.life.Store(nil)
	r.admission.away.Store(true)
	all := make([]*session, 0, len(r.sessions))
	for _, s := range r.sessions {
		if s.life == l {
			all = append(all, s)
		}
	}
	r.mu.Unlock()
	l.link.stop(errStopped)
	for _, s := range all {
		s.stop(wire.Unavailable)
	}
	err := l.end(patience)
	r.metrics.settle()
	return err
}

// endPatience is what a process gets to end by itself after its link did: what it says by its exit code is worth it.
const endPatience = 500 * time.Millisecond

var errStalled = errors.New("enclave does not answer")
