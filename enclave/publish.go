package enclave

import (
	"slices"

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

// wellFormed reads a copy of the reader to the end.
func wellFormed(r message.PublishReader) bool {
	var h message.Header
	for {
		more, err := r.Next(&h)
		if err != nil || !more {
			return err == nil
		}
	}
}

// header handles one publication: once per sequence, whatever comes of it.
func (c *Core) header(s *session, h *message.Header, ref uint64) error {
	if s.run == nil || s.run.dead || s.run.id != h.Run {
		s.run = s.subject.runOf(h.Run)
	}
	s.subject.touch(s.run)
	a := c.ackOf(s, s.run)
	if h.Counter <= s.run.handled {
		return nil // acknowledged again
	}
	s.run.handled, a.handled = h.Counter, h.Counter
	c.sums.handled++
	if kind := c.judge(s, h); kind != keyx.KindOK {
		c.sums.refused++
		s.refusals = append(s.refusals, message.Refusal{Counter: h.Counter, Kind: kind})
		a.refused++
		return nil
	}
	return c.route(s, h, ref)
}

// ackOf finds or starts the acknowledgement that takes the next header of r.
func (c *Core) ackOf(s *session, r *run) *ack {
	if n := len(s.acks); n > 0 && s.acks[n-1].run == r.id && s.acks[n-1].refused < message.MaxRefusals {
		return &s.acks[n-1]
	}
	if len(s.acks) == 0 {
		c.todo.acking = append(c.todo.acking, s)
	}
	s.acks = append(s.acks, ack{run: r.id, handled: r.handled, first: len(s.refusals)})
	return &s.acks[len(s.acks)-1]
}

// judge decodes the attributes into the scratch event and says whether this
// publisher may publish them.
func (c *Core) judge(s *session, h *message.Header) keyx.Kind {
	switch {
	case h.Counter >= keyx.MaxCounter:
		return keyx.KindKeyExhausted
	case h.Revocation > revocation:
		return keyx.KindStale
	case c.work.event.DecodeBorrow(h.Attrs) != nil:
		return keyx.KindBadEvent
	case s.grant.Publish == nil || !s.grant.Publish.Match(c.work.event):
		return keyx.KindNotAuthorized
	default:
		return keyx.KindOK
	}
}

// route matches the scratch event and gives every session it concerns one
// envelope.
func (c *Core) route(s *session, h *message.Header, ref uint64) error {
	tags := c.store.Match(&c.work.event, c.work.tags[:0])
	c.work.tags = tags
	if len(tags) == 0 {
		return nil
	}
	if !h.Explicit {
		if err := s.keys.Content.Derive(h.Run, h.Counter, &h.CK, &h.Salt); err != nil {
			return broken("derive content key", err)
		}
	}
	e := message.Envelope{
		CK: h.CK, Subject: s.name, Run: h.Run, Counter: h.Counter, GKEpoch: h.GKEpoch,
		Commitment: h.Commitment, AttributeHash: keyx.AttributeHash(&h.Salt, h.Attrs),
	}
	slices.Sort(tags)
	ended := c.sums.ended
	for len(tags) > 0 {
		slot := uint32(tags[0] >> 32)
		ids := c.work.ids[:0]
		for len(tags) > 0 && uint32(tags[0]>>32) == slot {
			ids = append(ids, uint32(tags[0]))
			tags = tags[1:]
		}
		c.work.ids, e.Subscriptions = ids, ids
		if int(slot) >= len(c.sessions) || c.sessions[slot] == nil {
			if c.sums.ended == ended {
				return broken("match names a session that is gone", nil)
			}
			continue // ended by an envelope of this very publication: its key was exhausted
		}
		if err := c.gather(c.sessions[slot], &e, ref); err != nil {
			return err
		}
	}
	return nil
}
