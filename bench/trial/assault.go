package trial

import (
	"context"
	"sync"
	"syscall"
	"time"
)

// Assault is what is done to a running system in the middle of a run: when half of the publications are acknowledged.
type Assault struct {
	// Name says what it is.
	Name string
	// Do does it, once.
	Do func(ctx context.Context, s *System) error
	// Struck says, of the report, whether it had the effect that it must have; nil: it need not have any.
	Struck func(r *Report) bool
}

// KillEnclave kills enclaved: routerd has to notice, and to start another.
func KillEnclave() *Assault {
	return &Assault{
		Name:   "kill-enclave",
		Do:     func(_ context.Context, s *System) error { return s.SignalEnclave(syscall.SIGKILL) },
		Struck: func(r *Report) bool { return r.EnclaveRestarts > 0 },
	}
}

// KillRouter kills routerd, and with it enclaved, and starts it again at the same address, as a service manager would.
func KillRouter() *Assault {
	return &Assault{
		Name:   "kill-router",
		Do:     func(ctx context.Context, s *System) error { return s.Restart(ctx) },
		Struck: func(r *Report) bool { return r.RouterRestarts > 0 },
	}
}

// assault is an Assault of a run, and what came of it.
type assault struct {
	*Assault
	sys  *System
	once sync.Once
	done chan struct{} // closed when it is done
	err  error

	mu      sync.Mutex
	longest time.Duration // outage of a subscriber
}

// newAssault takes nil for a run that is left alone.
func newAssault(a *Assault, sys *System) *assault {
	return &assault{Assault: a, sys: sys, done: make(chan struct{})}
}

// strike is called at each acknowledgement and acts at the middle one.
func (a *assault) strike(ctx context.Context, acknowledged, total int) {
	if a.Assault == nil || acknowledged < (total+1)/2 {
		return
	}
	a.once.Do(func() {
		go func() {
			defer close(a.done)
			a.err = a.Do(ctx, a.sys)
		}()
	})
}

// over waits until it is done.
func (a *assault) over(ctx context.Context) error {
	if a.Assault == nil {
		return nil
	}
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// outage notes how long a subscriber was without all its subscriptions.
func (a *assault) outage(d time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.longest = max(a.longest, d)
}
