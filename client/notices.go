package client

import (
	"fmt"
	"strings"
	"time"
)

// LostError tells how many deliveries were lost at this place in the order:
// withheld by the host, dropped by the router, or dropped here because the inbox
// was full (then Overflow is set). Unknown is set, and N zero, where a session broke
// and another began with the same enclave: what the old one had under way is lost.
// Receive goes on after it.
type LostError struct {
	N        uint64
	Overflow bool
	Unknown  bool
}

// Error tells the number.
func (e *LostError) Error() string {
	if e.Unknown {
		return "scbr: the session broke: an unknown number of deliveries may be lost"
	}
	if e.Overflow {
		return fmt.Sprintf("scbr: %d deliveries lost: the inbox was full", e.N)
	}
	return fmt.Sprintf("scbr: %d deliveries lost on the way", e.N)
}

// RestartedError tells that this session's enclave is not that of the previous
// session: how much was lost in between is unknown. The Client subscribes again by
// itself. Receive goes on after it.
type RestartedError struct{ Previous, Instance [16]byte }

// Error describes it.
func (e *RestartedError) Error() string {
	return "scbr: the enclave restarted: an unknown number of deliveries may be lost"
}

// IntegrityError tells that one delivery was refused because what arrived is not
// what its envelope commits to, or because the envelope is not for us. Nothing of
// it is exposed. Receive goes on after it.
type IntegrityError struct {
	Reason string
	Err    error
}

// Error describes it without naming content.
func (e *IntegrityError) Error() string {
	if e.Err == nil {
		return "scbr: delivery refused: " + e.Reason
	}
	return fmt.Sprintf("scbr: delivery refused: %s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *IntegrityError) Unwrap() error { return e.Err }

// StalledError tells that no heartbeat of the enclave came for For: from here on
// nothing is known about what is withheld. Receive goes on after it; it is told
// once until heartbeats come again. If none comes for as long again, the session
// ends with KindStalled, and everything that waits with ErrUnacknowledged.
type StalledError struct{ For time.Duration }

// Error describes it.
func (e *StalledError) Error() string {
	return fmt.Sprintf("scbr: no heartbeat of the enclave for %v: deliveries may be withheld", e.For)
}

// DisconnectedError tells that the session has ended. What follows belongs to a new
// one, which the Client tries to open until it succeeds or there is no point in it.
// From here to ResumedError deliveries may be missing, if RestartedError or
// LostError with Unknown stands in between. Receive goes on after it.
type DisconnectedError struct {
	Err *Error
	At  time.Time
}

// Error describes it.
func (e *DisconnectedError) Error() string {
	return "scbr: disconnected, trying again: " + strings.TrimPrefix(e.Err.Error(), "scbr: ")
}

// Unwrap returns why the session ended.
func (e *DisconnectedError) Unwrap() error { return e.Err }

// ResumedError tells that the enclave has all subscriptions again: what is
// published from At on is delivered. Receive goes on after it.
type ResumedError struct {
	Instance [16]byte
	At       time.Time
	After    time.Duration // since the end of the session before
	Attempts int           // that it took
}

// Error describes it.
func (e *ResumedError) Error() string {
	return fmt.Sprintf("scbr: connected again after %v, with all subscriptions", e.After.Round(time.Millisecond))
}

// UnsubscribedError tells that a new session refused a subscription that the one
// before had: it has ended. Receive goes on after it.
type UnsubscribedError struct {
	ID   uint32 // Subscription.ID
	Kind Kind
}

// Error describes it.
func (e *UnsubscribedError) Error() string {
	return fmt.Sprintf("scbr: subscription %d has ended: the enclave refuses it now: %v", e.ID, e.Kind)
}

// isOutage says whether a notice is about sessions: when they ended and began.
func isOutage(notice error) bool {
	switch e := notice.(type) { //nolint:errorlint // our own, never wrapped
	case *DisconnectedError, *RestartedError, *ResumedError, *StalledError:
		return true
	case *LostError:
		return e.Unknown
	}
	return false
}

// outageNotices are those of several outages, made one: from the first end of a
// session to the state after the last.
type outageNotices struct {
	disconnected *DisconnectedError
	restarted    *RestartedError
	lost         *LostError
	resumed      *ResumedError // nil while the last outage goes on
	stalled      *StalledError // nil unless nothing came after it
	attempts     int
}

func (o *outageNotices) add(notice error) {
	o.stalled = nil
	switch e := notice.(type) { //nolint:errorlint // our own, never wrapped
	case *DisconnectedError:
		o.resumed = nil
		if o.disconnected == nil {
			o.disconnected = e
		}
	case *RestartedError:
		if o.restarted != nil {
			e = &RestartedError{Previous: o.restarted.Previous, Instance: e.Instance}
		}
		o.restarted = e
	case *LostError:
		o.lost = e
	case *ResumedError:
		o.resumed = e
		o.attempts += e.Attempts
	case *StalledError:
		o.stalled = e
	}
}

func (o *outageNotices) appendTo(items []item) []item {
	if o.disconnected != nil {
		items = append(items, item{notice: o.disconnected})
	}
	switch {
	case o.restarted != nil:
		items = append(items, item{notice: o.restarted})
	case o.lost != nil:
		items = append(items, item{notice: o.lost})
	}
	if e := o.resumed; e != nil {
		all := &ResumedError{Instance: e.Instance, At: e.At, After: e.After, Attempts: o.attempts}
		if o.disconnected != nil {
			all.After = e.At.Sub(o.disconnected.At)
		}
		items = append(items, item{notice: all})
	}
	if o.stalled != nil {
		items = append(items, item{notice: o.stalled})
	}
	return items
}
