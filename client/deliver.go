package client

import (
	"errors"
	"slices"
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/router/wire"
)

// maxNames bounds the publishers' names kept for use again.
const maxNames = 4096

// Reasons of an IntegrityError.
const (
	reasonStale    = "it was sealed under a revocation list older than the one this client has verified"
	reasonMissing  = "its payload did not come"
	reasonSurplus  = "payloads came that no envelope names"
	reasonForeign  = "it names a subscription that was never ours"
	reasonNoGroup  = "it is not under the group key this grant requires"
	reasonGroup    = "it is under a group key we do not hold"
	reasonPayload  = "the payload is not what the enclave's envelope commits to"
	reasonEncoding = "its attributes are malformed"
)

var errTooMuch = errors.New("more payloads than one delivery may have")

// payloads gathers the payloads of one delivery, which may come in frames before
// it (wire.TypePayloads). Nothing about them is authentic yet.
type payloads struct {
	early []byte // copies, one behind the other
	ends  []int
	read  int // how many of ends were read
	rest  wire.Payloads
}

func (p *payloads) count() int { return len(p.ends) }

// add keeps the payloads of a frame that comes before its delivery.
func (p *payloads) add(f *wire.Frame) *Error {
	if len(p.early)+f.PayloadBytes() > wire.MaxDelivery || len(p.ends)+f.Count > message.MaxEnvelopes {
		return protocol(errTooMuch)
	}
	all := f.Payloads()
	for b, ok := all.Next(); ok; b, ok = all.Next() {
		p.early = append(p.early, b...)
		p.ends = append(p.ends, len(p.early))
	}
	return nil
}

func (p *payloads) next() ([]byte, bool) {
	if p.read == len(p.ends) {
		return p.rest.Next()
	}
	start := 0
	if p.read > 0 {
		start = p.ends[p.read-1]
	}
	p.read++
	return p.early[start:p.ends[p.read-1]], true
}

func (p *payloads) reset() {
	if cap(p.early) > wire.MaxFrame {
		p.early = nil // a rare large delivery shall not hold its memory
	}
	p.early, p.ends, p.read, p.rest = p.early[:0], p.ends[:0], 0, wire.Payloads{}
}

// deliver handles one blob of envelopes and the payloads that came with it.
func (r *receiver) deliver(msg []byte, f *wire.Frame) *Error {
	d, err := message.ReadDeliver(msg)
	if err != nil {
		return protocol(err)
	}
	if err := r.list(d.Revocation); err != nil {
		return err
	}
	if d.First < r.next {
		return integrity(errNumbers)
	}
	r.missing(d.First - r.next)
	r.next = d.First + uint64(d.Count())
	r.stale = d.Revocation < r.client.listNumber()
	r.payloads.rest = f.Payloads()
	defer r.payloads.reset()
	now := r.client.cfg.Now()
	for {
		more, err := d.Next(&r.envelope)
		if err != nil {
			return protocol(err)
		}
		if !more {
			break
		}
		sealed, ok := r.payloads.next()
		r.open(sealed, ok, now)
	}
	if _, ok := r.payloads.next(); ok {
		r.refuse(reasonSurplus, nil)
	}
	r.publish()
	return nil
}

// open checks one envelope and its payload and appends what comes of it.
func (r *receiver) open(sealed []byte, present bool, now time.Time) {
	e := &r.envelope
	ids, foreign := r.client.commands.keepLive(e.Subscriptions)
	switch {
	case foreign:
		r.refuse(reasonForeign, nil)
		return
	case len(ids) == 0: // all unsubscribed meanwhile
		return
	case r.stale:
		r.refuse(reasonStale, nil)
		return
	case !present:
		r.refuse(reasonMissing, nil)
		return
	case e.GKEpoch == 0 && r.client.grant.RequireGK:
		r.refuse(reasonNoGroup, nil)
		return
	}
	subject := r.subject(e.Subject)
	if r.memory.duplicates.seen(subject, e.Run, e.Counter) {
		r.memory.repeated.Add(1)
		return
	}
	size := len(sealed) + 4*len(ids) + deliveryOverhead
	if !r.client.inbox.reserve(size) {
		r.memory.overflowed.Add(1)
		r.items = append(r.items, item{notice: &LostError{N: 1, Overflow: true}})
		return
	}
	d, reason, err := r.unseal(subject, sealed, now)
	if reason != "" {
		r.client.inbox.cancel(size)
		r.refuse(reason, err)
		return
	}
	d.Subscriptions, d.Received = slices.Clone(ids), now
	r.memory.duplicates.record(subject, e.Run, e.Counter)
	r.memory.delivered.Add(1)
	r.items = append(r.items, item{delivery: d, size: size})
}

// unseal opens the payload of the envelope at hand; nothing of it is looked at
// before keyx has compared commitment and attribute hash.
func (r *receiver) unseal(subject string, sealed []byte, now time.Time) (*Delivery, string, error) {
	e := &r.envelope
	r.id.Subject, r.id.Run, r.id.Counter, r.id.GKEpoch = subject, e.Run, e.Counter, e.GKEpoch
	var gk *[32]byte // of the envelope's epoch; none of epoch 0
	if e.GKEpoch != 0 {
		k, ok := r.groupKey(e.GKEpoch)
		if !ok {
			return nil, reasonGroup, nil
		}
		gk = &k.Key
	}
	o, err := keyx.OpenSignedPayload(&r.id, &e.CK, gk, &e.Commitment, &e.AttributeHash, sealed)
	if err != nil {
		return nil, reasonPayload, err
	}
	if reason, err := r.signed(&o, now); reason != "" {
		return nil, reason, err
	}
	d := &Delivery{Publisher: subject, Run: e.Run, Counter: e.Counter, Payload: o.Body}
	// The attributes are memory of this delivery that nobody else writes to.
	if err := d.Attributes.DecodeBorrow(o.Attributes); err != nil {
		return nil, reasonEncoding, err
	}
	if o.Signature != nil {
		d.proof = &keyx.Proof{ID: r.id, Attributes: o.Attributes, Body: o.Body, PublicationSignature: *o.Signature}
	}
	return d, "", nil
}

// groupKey is the key of an epoch that an envelope names.
func (r *receiver) groupKey(epoch uint64) (EpochKey, bool) {
	if r.client.cfg.Group == nil {
		return EpochKey{}, false
	}
	return r.client.cfg.Group.Key(epoch)
}

// refuse notes a refused delivery; its notice counts against the inbox like one.
func (r *receiver) refuse(reason string, err error) {
	r.memory.refused.Add(1)
	if !r.client.inbox.reserve(deliveryOverhead) {
		r.memory.overflowed.Add(1)
		r.items = append(r.items, item{notice: &LostError{N: 1, Overflow: true}})
		return
	}
	r.items = append(r.items, item{notice: &IntegrityError{Reason: reason, Err: err}, size: deliveryOverhead})
}

// subject is the name as a string, made once for each publisher.
func (r *receiver) subject(name []byte) string {
	if s, ok := r.memory.names[string(name)]; ok {
		return s
	}
	if len(r.memory.names) >= maxNames {
		clear(r.memory.names)
	}
	s := string(name)
	r.memory.names[s] = s
	return s
}
