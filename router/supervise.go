package router

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/scbr/scbr/router/wire"
)

// EnclaveState is what an operator has to know about the enclave.
type EnclaveState struct {
	Up       bool
	Restarts int  // since the router started
	Circuit  bool // open: it is not started again for a while
	// Reason says why it is not up, and for an open circuit also why it ended so often.
	Reason string
}

// EnclaveState tells how the enclave is.
func (r *Router) EnclaveState() EnclaveState {
	if s := r.state.Load(); s != nil {
		return *s
	}
	return EnclaveState{Reason: "not started yet"}
}

// keeper keeps an enclave running: it notices the end of one and starts the next, after a pause that grows, and gives up for a while when
// they end too often.
type keeper struct {
	r        *Router
	restarts int
	ends     []time.Time // of lives, the newest of Limits.CrashLimit
	failures uint        // in a row without a life as long as Limits.CrashWindow
}

// first starts the first enclave, whose failure is the operator's to see.
func (k *keeper) first(ctx context.Context) (*life, error) {
	l, err := k.start(ctx, 0)
	if err != nil {
		return nil, err
	}
	var settle time.Duration
	if k.r.cfg.Successor {
		settle = k.r.limits().SettleStart
	}
	k.up(l, settle)
	return l, nil
}

// start starts an enclave and waits until it is ready.
func (k *keeper) start(ctx context.Context, firstRef uint64) (*life, error) {
	r := k.r
	e, err := r.cfg.Start(ctx)
	if err != nil {
		return nil, &Error{Op: "start", Kind: wire.Unavailable, Err: err}
	}
	l := r.begin(e, firstRef)
	timer := time.NewTimer(r.limits().StartTimeout)
	defer timer.Stop()
	select {
	case <-l.greeted:
		return l, nil
	case <-ctx.Done():
		err = ctx.Err()
	case err = <-l.lost:
		err = &Error{Op: "link", Kind: wire.Unavailable, Err: err}
	case <-timer.C:
		err = &Error{Op: "start", Kind: wire.Unavailable, Err: errNotReady}
	}
	if end := l.end(endPatience); end != nil && ctx.Err() == nil {
		// The end of the link is a symptom; how the process ended is the cause.
		err = &Error{Op: "start", Kind: wire.Unavailable, Err: end}
	}
	return nil, err
}

// up lets clients in, and their publications a little later.
func (k *keeper) up(l *life, settle time.Duration) {
	r := k.r
	l.settled = time.Now().Add(settle)
	r.state.Store(&EnclaveState{Up: true, Restarts: k.restarts})
	r.mu.Lock()
	r.offerLists(l)
	r.life.Store(l)
	r.admission.away.Store(false)
	r.mu.Unlock()
}

// run keeps l and its successors running until ctx ends, which gives nil, or until there is no successor.
func (k *keeper) run(ctx context.Context, l *life) error {
	for {
		began := time.Now()
		cause := k.watch(ctx, l)
		if cause == nil {
			return nil
		}
		patience := endPatience
		if errors.Is(cause, errStalled) {
			patience = 0
		}
		if end := k.r.lose(l, patience); end != nil {
			cause = fmt.Errorf("%w (%w)", end, cause)
		}
		k.r.metrics.ended(cause)
		if k.r.cfg.Enclave != nil {
			return &Error{Op: "link", Kind: wire.Unavailable, Err: cause}
		}
		k.r.log.Error("enclave ended", "cause", cause, "lived", time.Since(began).Round(time.Millisecond).String())
		if time.Since(began) >= k.r.limits().CrashWindow {
			k.failures = 0
		}
		if l = k.again(ctx, cause, l.payloads.firstOfNext()); l == nil {
			return nil
		}
	}
}

// watch waits for the end of a life and returns its cause, or nil when ctx ends first.
func (k *keeper) watch(ctx context.Context, l *life) error {
	t := time.NewTicker(k.r.limits().WatchInterval)
	defer t.Stop()
	dog := watchdog{limits: k.r.limits()}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-l.lost:
			return err
		case <-t.C:
			if dog.look(l.takeHeard(), l.enclave.Look) {
				k.r.metrics.stalls.Inc()
				return errStalled
			}
		}
	}
}

// again starts enclaves until one is ready, or returns nil at the end of ctx.
func (k *keeper) again(ctx context.Context, cause error, firstRef uint64) *life {
	for {
		if !sleep(ctx, k.pause(cause)) {
			return nil
		}
		k.restarts++
		k.r.metrics.restarts.Inc()
		l, err := k.start(ctx, firstRef)
		if err == nil {
			k.r.log.Info("enclave restarted", "restarts", k.restarts)
			k.up(l, k.r.limits().Settle)
			return l
		}
		if ctx.Err() != nil {
			return nil
		}
		cause = err
		k.r.metrics.ended(cause)
		k.r.log.Error("enclave did not start", "cause", cause)
	}
}

// pause notes an end and says how long to wait before the next start: longer each time, with jitter, and much longer when the circuit
// opens.
func (k *keeper) pause(cause error) time.Duration {
	l := k.r.limits()
	now := time.Now()
	k.ends = append(k.ends, now)
	if n := len(k.ends) - l.CrashLimit; n > 0 {
		k.ends = k.ends[n:]
	}
	k.failures++
	d := l.RestartMax
	if b := l.RestartMin << (k.failures - 1); k.failures <= 32 && b > 0 && b < d {
		d = b
	}
	d = d/2 + jitter(d/2)
	often := len(k.ends) == l.CrashLimit && now.Sub(k.ends[0]) < l.CrashWindow
	var h Hopeless
	hopeless := errors.As(cause, &h) && h.Hopeless()
	if !often && !hopeless {
		k.r.state.Store(&EnclaveState{Restarts: k.restarts, Reason: "enclave restarting: " + cause.Error()})
		return d
	}
	reason := fmt.Sprintf("circuit open: %d ends of the enclave within %v, the last: %v", len(k.ends), l.CrashWindow, cause)
	if hopeless {
		reason = fmt.Sprintf("circuit open: starting the enclave again cannot help: %v", cause)
	}
	k.r.log.Error("circuit open: the enclave is not started for a while", "for", l.CircuitOpen.String(), "cause", cause)
	k.r.state.Store(&EnclaveState{Restarts: k.restarts, Circuit: true, Reason: reason})
	return l.CircuitOpen
}

// jitter is drawn between nothing and d; nothing, if there is no randomness.
func jitter(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d)+1))
	if err != nil {
		return 0
	}
	return time.Duration(n.Int64())
}

// sleep waits, and is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
