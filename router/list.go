package router

import (
	"bytes"
	"errors"
	"time"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// MaxListBytes bounds a revocation list: with its header it is one frame of the link.
const MaxListBytes = abi.MaxFrame - abi.HeaderLen

var errListSize = errors.New("a revocation list must have 1 byte to a mebibyte")

// lists are the signed documents that a router hands to enclaves, as frames. Guarded by Router.mu.
type lists struct {
	newest []byte   // as it was given; nil: none
	good   []byte   // the last that an enclave took, for the one after it when the newest is damaged
	asked  [][]byte // offered to the enclave of now, not answered yet

	endorsement []byte // the newest, as a frame; of one key of one enclave
	collateral  []byte // the newest, as a frame
}

// SetRevocationList hands a revocation list, as its authority signed it, to the enclave that runs now and to every one
// that is started from now on, before clients are let in. The router cannot check it: the enclave does, takes none that is
// older than the one it has, and its answer is logged and shown as a metric.
func (r *Router) SetRevocationList(list []byte) error {
	if len(list) == 0 || len(list) > MaxListBytes {
		return &Error{Op: "revocation list", Kind: wire.FrameTooLarge, Err: errListSize}
	}
	frame := abi.AppendTakeList(nil, bytes.Clone(list))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lists.newest = frame
	if l := r.life.Load(); l != nil {
		r.offer(l, frame)
	}
	return nil
}

// offer sends a list. With mu held.
func (r *Router) offer(l *life, frame []byte) {
	r.lists.asked = append(r.lists.asked, frame)
	l.link.control(frame)
}

// offerLists tells a new enclave what the one before knew. With mu held.
func (r *Router) offerLists(l *life) {
	r.lists.asked = nil
	if r.lists.collateral != nil {
		l.link.control(r.lists.collateral)
	}
	if r.lists.endorsement != nil {
		l.link.control(r.lists.endorsement)
	}
	if r.lists.good != nil && !bytes.Equal(r.lists.good, r.lists.newest) {
		r.offer(l, r.lists.good)
	}
	if r.lists.newest != nil {
		r.offer(l, r.lists.newest)
	}
}

// listHeld takes the enclave's answer to a list.
func (r *Router) listHeld(l *life, f *abi.Frame) {
	r.mu.Lock()
	if q := r.lists.asked; len(q) > 0 && r.life.Load() == l {
		if f.Kind == 0 {
			r.lists.good = q[0]
		}
		r.lists.asked = q[1:]
	}
	r.mu.Unlock()
	r.metrics.list.Set(float64(f.List))
	if f.Kind == 0 {
		r.log.Info("revocation list in force", "number", f.List)
		return
	}
	r.metrics.listsRefused.Inc()
	r.log.Error("the enclave refused a revocation list: "+reasonOfList(f.Kind), "kind", f.Kind, "number_in_force", f.List)
}

// reasonOfList says in words what the kinds of an enclave mean for a list.
func reasonOfList(kind uint16) string {
	switch kind {
	case kindStale:
		return "it is older than the one in force"
	case kindWrongDomain:
		return "it is of another domain"
	default:
		return "it is malformed, or no authority of the domain signed it"
	}
}

// MaxEndorsementBytes bounds an endorsement at the router; the enclave has a smaller bound.
const MaxEndorsementBytes = 4096

var errEndorsementSize = errors.New("an endorsement must have 1 to 4096 bytes")

// SetEndorsement hands an endorsement to the enclave that runs now, and to those started from now on, for which it only is by
// chance: each has a key of its own, and waits for an endorsement of its Statement. The enclave checks it.
func (r *Router) SetEndorsement(endorsement []byte) error {
	if len(endorsement) == 0 || len(endorsement) > MaxEndorsementBytes {
		return &Error{Op: "endorsement", Kind: wire.FrameTooLarge, Err: errEndorsementSize}
	}
	r.hand(&r.lists.endorsement, abi.AppendEndorse(nil, endorsement))
	return nil
}

// hand keeps a document, as a frame, for the enclaves to come and gives it to the one that runs now.
func (r *Router) hand(keep *[]byte, frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*keep = frame
	if l := r.life.Load(); l != nil {
		l.link.control(frame)
	}
}

// MaxCollateralBytes bounds collateral; it is the bound of those who verify it.
const MaxCollateralBytes = 40 << 10

var errCollateralSize = errors.New("collateral must have 1 byte to 40 KiB")

// SetCollateral hands the collateral of this machine to the enclave that runs now, and to those started from now on, to be
// stapled to their quotes in place of what the platform itself has. Neither the router nor the enclave reads it: clients do.
func (r *Router) SetCollateral(collateral []byte) error {
	if len(collateral) == 0 || len(collateral) > MaxCollateralBytes {
		return &Error{Op: "collateral", Kind: wire.FrameTooLarge, Err: errCollateralSize}
	}
	r.hand(&r.lists.collateral, abi.AppendStaple(nil, collateral))
	return nil
}

// endorsed takes the enclave's answer to an endorsement.
func (r *Router) endorsed(f *abi.Frame) {
	if f.Kind != 0 {
		r.log.Warn("the enclave waits for an endorsement: the newest one is not of its key, not by an endorser of the domain, or has run out", "kind", f.Kind)
		return
	}
	r.metrics.endorsedUntil.Set(float64(f.Until))
	r.log.Info("endorsed", "until", time.Unix(int64(min(f.Until, maxUnix)), 0).UTC().Format(time.RFC3339))
}

// maxUnix is a time that every time.Time has.
const maxUnix = 1 << 40

// Statement is what the enclave that runs now says of its newest key, for endorsers; nil before it said anything.
func (r *Router) Statement() []byte {
	if s := r.statement.Load(); s != nil {
		return *s
	}
	return nil
}

// Kinds of package keyx that an enclave answers to a list, by their numbers: this side of the link knows no more of them.
const (
	kindWrongDomain = 103
	kindStale       = 113
)
