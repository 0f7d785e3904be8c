package enclave

import (
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

// gather adds an envelope to a session's batch, and seals what is full: the
// session's, or, when all of them together hold too much, everybody's.
func (c *Core) gather(s *session, e *message.Envelope, ref uint64) error {
	b := &s.batch
	if len(b.refs) == 0 {
		if n := len(c.todo.spare); n > 0 && cap(b.msg) == 0 {
			*b = c.todo.spare[n-1]
			c.todo.spare = c.todo.spare[:n-1]
		}
		b.msg = message.BeginDeliver(b.msg[:0], c.listNumber(), s.delivered)
		c.todo.bytes += len(b.msg)
		c.todo.delivering = append(c.todo.delivering, s)
	}
	e.Padding = s.padding(len(e.Subject) + 4*len(e.Subscriptions))
	before := len(b.msg)
	msg, err := message.AppendEnvelope(b.msg, e)
	if err != nil {
		return broken("envelope", err)
	}
	b.msg = msg
	b.refs = append(b.refs, ref)
	s.delivered++
	c.sums.matched++
	c.todo.bytes += len(msg) - before
	if c.todo.bytes >= maxPendingBytes {
		return c.sealDeliveries()
	}
	if len(b.msg) >= maxDeliverBytes || len(b.refs) >= message.MaxEnvelopes {
		return c.deliver(s)
	}
	return nil
}

// sealDeliveries seals every batch. A session may stand in the list again after
// it was sealed early; its batch is empty then.
func (c *Core) sealDeliveries() error {
	for i := 0; i < len(c.todo.delivering); i++ {
		s := c.todo.delivering[i]
		if err := c.deliver(s); err != nil {
			return err
		}
		if !s.ended {
			c.recycle(s)
		}
	}
	clear(c.todo.delivering)
	c.todo.delivering = c.todo.delivering[:0]
	return nil
}

// deliver seals a session's batch, if it has one, with its payload references.
func (c *Core) deliver(s *session) error {
	if s.ended || len(s.batch.refs) == 0 {
		return nil
	}
	msg, refs := s.batch.msg, s.batch.refs
	s.batch.msg, s.batch.refs = msg[:0], refs[:0]
	c.todo.bytes -= len(msg)
	if err := message.FinishDeliver(msg, len(refs)); err != nil {
		return broken("deliver", err)
	}
	return c.seal(s, refs, msg)
}

// control seals a message without payloads, after the envelopes that came
// before it.
func (c *Core) control(s *session, msg []byte) error {
	if err := c.deliver(s); err != nil {
		return err
	}
	if s.ended {
		return nil
	}
	return c.seal(s, nil, msg)
}

// seal writes one Deliver frame. A key at the end of its life ends the session.
func (c *Core) seal(s *session, refs []uint64, msg []byte) error {
	start := len(c.out)
	out, mark := abi.BeginDeliver(c.out, s.conn, refs)
	out, err := s.keys.Out.Seal(out, msg)
	if err == nil {
		c.out = abi.EndDeliver(out, mark)
		return c.emitFrom(maxOutBytes)
	}
	c.out = out[:start]
	if kindOf(err) != keyx.KindKeyExhausted {
		return broken("seal", err)
	}
	return c.refuseConn(s.conn, keyx.KindKeyExhausted)
}

// sealAcks acknowledges what the publishers sent in this Step.
func (c *Core) sealAcks() error {
	for i := 0; i < len(c.todo.acking); i++ {
		s := c.todo.acking[i]
		for j := 0; j < len(s.acks) && !s.ended; j++ {
			if err := c.acknowledge(s, s.acks[j]); err != nil {
				return err
			}
		}
		s.acks, s.refusals = s.acks[:0], s.refusals[:0]
		if cap(s.refusals) > message.MaxRefusals { // one large Step is no reason to keep its memory
			s.acks, s.refusals = nil, nil
		}
	}
	clear(c.todo.acking)
	c.todo.acking = c.todo.acking[:0]
	return nil
}

func (c *Core) acknowledge(s *session, a ack) error {
	m := message.Ack{Control: s.controls, Run: a.run, Handled: a.handled}
	s.controls++
	m.CmdCount, m.CmdChain = s.keys.In.Chain()
	m.Padding = s.padding(10 * a.refused)
	msg, err := message.AppendAck(c.work.ctl[:0], &m, s.refusals[a.first:a.first+a.refused])
	if err != nil {
		return broken("acknowledge", err)
	}
	c.work.ctl = msg
	return c.control(s, msg)
}

// beat sends every session a heartbeat and the host the statistics.
func (c *Core) beat() error {
	for _, s := range c.sessions {
		if s == nil {
			continue
		}
		if err := c.heartbeat(s); err != nil {
			return err
		}
	}
	stats := c.stats()
	c.out = abi.AppendStats(c.out, &stats)
	return nil
}

// heartbeat tells a session how much it should have seen, this blob excluded.
func (c *Core) heartbeat(s *session) error {
	if err := c.deliver(s); err != nil || s.ended {
		return err
	}
	m := message.Heartbeat{Revocation: c.listNumber(), Delivered: s.delivered, Control: s.controls}
	m.CmdCount, m.CmdChain = s.keys.In.Chain()
	m.EvCount, m.EvChain = s.keys.Out.Chain()
	c.work.ctl = message.AppendHeartbeat(c.work.ctl[:0], &m)
	return c.control(s, c.work.ctl)
}
