package client

import (
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

// attach begins a session: what is not acknowledged is sent again first, in order,
// and whoever waits to publish goes on. An error is permanent.
//
// What is sent again are the bytes sealed before, under the same sequence, with
// content key and salt in the header; what is new is sealed under the content keys
// of this session. So no key seals two messages: a counter is sealed once in its
// life, in one session, and sessions have different keys.
func (o *outbox) attach(s *session, content *keyx.ContentKeys, lim keyx.Limits) *Error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	o.session, o.content = s, content
	o.messages = uint64(len(o.batches)) // which are sent again before anything new
	o.maxHeaders, o.maxPlain = limit(message.MaxHeaders, lim.MaxHeaders), limit(keyx.MaxPlaintext, lim.MaxBlobBytes)
	o.taken = 0
	o.sealed.Store(o.handled)
	for _, b := range o.batches {
		if err := o.explicit(b); err != nil {
			return &Error{Op: opPublish, Kind: kindOf(err), Err: err}
		}
		if len(b.ends) > o.maxHeaders || len(b.plain) > o.maxPlain {
			return &Error{Op: opPublish, Kind: KindTooLarge, Err: errShrunk}
		}
		o.stats.Resent += uint64(len(b.ends))
	}
	o.release()
	o.work.Signal()
	return nil
}

// detach ends a session.
func (o *outbox) detach(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.session != s {
		return
	}
	o.session, o.content = nil, nil
	clear(o.commands)
	o.commands = o.commands[:0]
	o.work.Broadcast()
}

// explicit rewrites a batch so that any session can send it: without what is
// acknowledged, and with the content key and salt in every header. With mu held.
func (o *outbox) explicit(b *batch) error {
	if err := message.FinishPublish(b.plain, len(b.ends)); err != nil {
		return err
	}
	r, err := message.ReadPublish(b.plain)
	if err != nil {
		return err
	}
	o.bytes -= b.bytes()
	plain := message.BeginPublish(make([]byte, 0, len(b.plain)+len(b.ends)*(message.ExplicitHeaderBytes-message.HeaderBytes)))
	kept := 0 // how many headers
	var h message.Header
	for {
		more, err := r.Next(&h)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if h.Counter <= o.handled {
			continue
		}
		if !h.Explicit {
			if err := b.content.Derive(h.Run, h.Counter, &h.CK, &h.Salt); err != nil {
				return err
			}
			h.Explicit = true
		}
		if plain, err = message.AppendHeader(plain, &h); err != nil {
			return err
		}
		kept++
	}
	b.drop(len(b.ends) - kept)
	b.plain, b.content = plain, nil
	o.bytes += b.bytes()
	return nil
}

// drop removes the first n sealed payloads.
func (b *batch) drop(n int) {
	if n == 0 {
		return
	}
	cut := b.ends[n-1]
	b.body = b.body[:copy(b.body, b.body[cut:])]
	b.ends = b.ends[:copy(b.ends, b.ends[n:])]
	for i := range b.ends {
		b.ends[i] -= cut
	}
}
