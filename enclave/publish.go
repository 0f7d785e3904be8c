package enclave

import (
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

// publish handles a batch of headers. The batch is read to its end before the
// first header counts, so that a malformed one changes nothing.
func (c *Core) publish(s *session, f *abi.Frame, msg []byte) error {
	r, err := message.ReadPublish(msg)
	if err != nil || r.Count() != int(f.Count) || !wellFormed(r) {
		return c.refuseConn(s.conn, keyx.KindBadMessage)
	}
	if s.keys.Content, err = s.keys.Content.ForMessage(s.messages); err != nil {
		return broken("content keys", err)
	}
	s.messages++
	var h message.Header
	for ref := f.Ref; ; ref++ {
		more, err := r.Next(&h)
		if err != nil {
			return broken("publish", err)
		}
		if !more {
			return nil
		}
		if err := c.header(s, &h, ref); err != nil {
			return err
		}
		if s.ended { // it was its own subscriber, and its key is exhausted
			return nil
		}
	}
}

// wellFormed reads a copy of the reader to the end. Counters start at 1: nothing of
// a run is handled at 0.
func wellFormed(r message.PublishReader) bool {
	var h message.Header
	for {
		more, err := r.Next(&h)
		if err != nil || !more {
			return err == nil
		}
		if h.Counter == 0 {
			return false
		}
	}
}

// header handles one publication: once per sequence, whatever comes of it.
func (c *Core) header(s *session, h *message.Header, ref uint64) error {
	r := s.runOf(h.Run)
	if r == nil {
		c.sums.refused++
		c.answer(s, h, keyx.KindTooManyRuns)
		return nil
	}
	if h.Counter <= r.handled {
		c.answer(s, h, r.refused.outcome(h.Counter))
		return nil
	}
	r.handled = h.Counter
	c.sums.handled++
	kind := c.judge(s, h)
	c.answer(s, h, kind)
	if kind != keyx.KindOK {
		c.sums.refused++
		r.refused.add(h.Counter, kind)
		return nil
	}
	return c.route(s, h, ref)
}

// answer notes for the next acknowledgement what became of a publication. The
// watermark told to a session is that of what came in this session: a resend must
// not be told of what it has not asked about yet.
func (c *Core) answer(s *session, h *message.Header, kind keyx.Kind) {
	a := c.ackOf(s, h, kind)
	a.handled = max(a.handled, h.Counter)
	if kind != keyx.KindOK {
		s.refusals = append(s.refusals, message.Refusal{Counter: h.Counter, Kind: kind})
		a.refused++
	}
}

// ackOf finds or starts the acknowledgement that takes the outcome of h: one has
// its refusals in order, and a bounded number of them.
func (c *Core) ackOf(s *session, h *message.Header, kind keyx.Kind) *ack {
	if n := len(s.acks); n > 0 && s.acks[n-1].run == h.Run && s.acks[n-1].refused < message.MaxRefusals {
		a := &s.acks[n-1]
		if kind == keyx.KindOK || a.refused == 0 || s.refusals[len(s.refusals)-1].Counter < h.Counter {
			return a
		}
	}
	if len(s.acks) == 0 {
		c.todo.acking = append(c.todo.acking, s)
	}
	s.acks = append(s.acks, ack{run: h.Run, first: len(s.refusals)})
	return &s.acks[len(s.acks)-1]
}

// judge decodes the attributes into the scratch event and says whether this
// publisher may publish them.
func (c *Core) judge(s *session, h *message.Header) keyx.Kind {
	switch {
	case h.Counter >= keyx.MaxCounter:
		return keyx.KindKeyExhausted
	case h.Revocation > c.listNumber():
		return keyx.KindStale
	case s.grant.Quotas.MaxHeaderBytes > 0 && len(h.Attrs) > int(s.grant.Quotas.MaxHeaderBytes):
		return keyx.KindHeaderTooLarge
	case s.grant.Quotas.MaxRate > 0 && !s.subject.bucket.take(s.grant.Quotas.MaxRate, c.now):
		return keyx.KindTooFast
	case c.work.event.DecodeBorrow(h.Attrs) != nil:
		return keyx.KindBadEvent
	case s.grant.Publish == nil || !s.grant.Publish.Match(&c.work.event):
		return keyx.KindNotAuthorized
	default:
		return keyx.KindOK
	}
}

// route matches the scratch event and gives every session it concerns one
// envelope.
func (c *Core) route(s *session, h *message.Header, ref uint64) error {
	var tags []uint64
	if !c.spills {
		if tags = c.store.Match(&c.work.event, c.work.tags[:0]); len(tags) == 0 {
			return nil
		}
		c.work.tags = tags
	}
	if !h.Explicit {
		if err := s.keys.Content.Derive(h.Run, h.Counter, &h.CK, &h.Salt); err != nil {
			return broken("derive content key", err)
		}
	}
	if c.spills {
		return c.wait(s, h, ref)
	}
	return c.envelopes(s, h, ref, tags, c.sums.ended)
}

func attributeHash(h *message.Header) [32]byte { return keyx.AttributeHash(&h.Salt, h.Attrs) }
