package client

import (
	"context"

	"github.com/scbr/scbr/keyx"
)

// flight is what the receipts of one blob of publications share: the blob's
// counters first..first+n-1 and their common fate. Everything but done is written
// before done is closed and read after it.
type flight struct {
	first   uint64
	n       int
	handled uint64 // every counter up to this one was handled
	refused []refusal
	err     *Error // the Client's end, if it came before the last acknowledgement
	done    chan struct{}
}

type refusal struct {
	counter uint64
	kind    keyx.Kind
}

func (f *flight) last() uint64 { return f.first + uint64(f.n) - 1 }

func (f *flight) outcome(counter uint64) error {
	for _, r := range f.refused {
		if r.counter == counter {
			return &Error{Op: opPublish, Kind: Kind(r.kind)}
		}
	}
	if f.err != nil && counter > f.handled {
		return unacknowledged(opPublish, f.err)
	}
	return nil
}

// Receipt stands for one publication under way.
type Receipt struct {
	run     uint64
	counter uint64
	flight  *flight
}

// Sequence is the publication's sequence: unique for the publisher's subject.
func (r *Receipt) Sequence() (run, counter uint64) { return r.run, r.counter }

// Wait returns nil once the enclave has acknowledged the publication: opened,
// authorised, matched and handed to delivery. An *Error with the enclave's kind
// means that it was refused and reached nobody; one that wraps ErrUnacknowledged
// that the session ended first. When ctx ends first the publication goes on, and
// Wait may be called again.
func (r *Receipt) Wait(ctx context.Context) error {
	select {
	case <-r.flight.done:
		return r.flight.outcome(r.counter)
	default:
	}
	select {
	case <-r.flight.done:
		return r.flight.outcome(r.counter)
	case <-ctx.Done():
		return &Error{Op: opPublish, Kind: KindCanceled, Err: context.Cause(ctx)}
	}
}
