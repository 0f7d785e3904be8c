package router

import (
	"errors"

	"github.com/scbr/scbr/router/wire"
)

// Error is what Serve returns when it ends for another reason than its context.
type Error struct {
	// Op names what failed: "config", "listen", "start" (no Ready in time), "link" (the enclave is gone) or "accept".
	Op string
	// Kind is what the sessions were told.
	Kind wire.Kind
	// Err is the cause.
	Err error
}

// Error implements error.
func (e *Error) Error() string { return "router: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

var (
	errBusy      = errors.New("router: busy")
	errNotReady  = errors.New("enclave not ready in time")
	errLinkBye   = errors.New("enclave said goodbye")
	errLinkFrame = errors.New("enclave broke the framing")
	errStopped   = errors.New("router: session or link stopped")
)
