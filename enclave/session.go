package enclave

import (
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

// session is one client after message 4.
type session struct {
	conn    uint64
	slot    uint32 // upper half of the tags of its subscriptions
	ended   bool
	grant   keyx.Grant
	name    []byte // grant.Subject, as envelopes carry it
	subject *subject
	runs    []*run // those published under
	run     *run   // the last of them
	denied  denied
	keys    *keyx.Session
	maxSubs int
	// unpadded is the client's own wish, and never the host's: without it what is sealed for the session has the length of its bucket.
	unpadded bool
	subs     handles

	delivered uint64 // envelopes sealed or gathered
	controls  uint64 // acknowledgements and replies sealed
	messages  uint64 // publish messages opened
	batch     batch  // envelopes gathered
	acks      []ack
	refusals  []message.Refusal
}

// batch gathers envelopes until they are sealed: the plaintext of a deliver
// message, and the payload of each envelope.
type batch struct {
	msg  []byte
	refs []uint64
}

// ack is an acknowledgement in the making; its refusals are a part of those of
// the session.
type ack struct {
	run, handled   uint64
	first, refused int
}

// tag is what the store reports for a subscription: the session above, the
// client's id below, so that sorted tags are in the order envelopes need.
func (s *session) tag(id uint32) uint64 { return uint64(s.slot)<<32 | uint64(id) }

// padding is what fills n bytes for the session.
func (s *session) padding(n int) int {
	if s.unpadded {
		return 0
	}
	return keyx.Padding(n)
}

// begin gives a confirmed connection its session.
func (c *Core) begin(cn *conn, g *keyx.Grant, keys *keyx.Session) {
	s := &session{
		conn: cn.number, grant: *g, name: []byte(g.Subject), keys: keys,
		maxSubs: quota(g.Quotas.MaxSubscriptions, c.limits.MaxSubscriptions),
		subject: c.subjects.join(g.Subject, quota(g.Quotas.MaxRuns, c.limits.MaxRuns)),
	}
	if n := len(c.free); n > 0 {
		s.slot = c.free[n-1]
		c.free = c.free[:n-1]
	} else {
		s.slot = uint32(len(c.sessions))
		c.sessions = append(c.sessions, nil)
	}
	c.sessions[s.slot] = s
	if c.live == 0 || g.NotAfter.Before(c.expiry) {
		c.expiry = g.NotAfter
	}
	cn.session = s
	c.live++
	c.resumables.add(keys.Resumption, g, c.now)
}

// end removes a session with its subscriptions; what was pending for it is lost.
func (c *Core) end(s *session) error {
	s.ended = true
	for h := range s.subs.all() {
		if err := c.store.Remove(h); err != nil {
			return broken("remove subscriptions", err)
		}
	}
	c.todo.bytes -= len(s.batch.msg)
	c.recycle(s)
	s.subject.release(s.runs)
	c.subjects.leave(s.subject)
	c.sessions[s.slot] = nil
	c.free = append(c.free, s.slot)
	c.live--
	c.sums.ended++
	s.keys, s.subs, s.acks, s.refusals = nil, handles{}, nil, nil
	s.runs, s.run = nil, nil
	return nil
}

// recycle takes a session's batch back for others.
func (c *Core) recycle(s *session) {
	b := batch{msg: s.batch.msg[:0], refs: s.batch.refs[:0]}
	s.batch = batch{}
	if cap(b.msg) > 0 && cap(b.msg) <= 2*maxDeliverBytes && len(c.todo.spare) < maxSpareBatches {
		c.todo.spare = append(c.todo.spare, b)
	}
}

// data opens a client's blob and acts on the message in it. Whatever the blob
// is, the host is told that its payloads have been handled.
func (c *Core) data(f *abi.Frame) error {
	if f.Count > 0 {
		c.todo.handled = append(c.todo.handled, span{f.Ref, f.Count})
	}
	cn := c.conns[f.Conn]
	if cn == nil || cn.session == nil {
		return c.refuseConn(f.Conn, keyx.KindBadMessage)
	}
	s := cn.session
	msg, skipped, err := s.keys.In.Open(c.work.plain[:0], f.Body)
	if err != nil {
		return c.refuseError(f.Conn, "open blob", err)
	}
	c.work.plain = msg
	if skipped > 0 { // the transport is reliable: only the host leaves a gap
		return c.refuseConn(f.Conn, keyx.KindIntegrity)
	}
	return c.message(s, f, msg)
}

// message acts on an authentic message of a client. A malformed one ends the
// session and changes nothing else.
func (c *Core) message(s *session, f *abi.Frame, msg []byte) error {
	t, err := message.TypeOf(msg)
	if err != nil || (f.Count > 0) != (t == message.TypePublish) {
		return c.refuseConn(s.conn, keyx.KindBadMessage)
	}
	switch t {
	case message.TypePublish:
		return c.publish(s, f, msg)
	case message.TypeSubscribe:
		m, err := message.DecodeSubscribe(msg)
		if err != nil {
			return c.refuseError(s.conn, "subscribe", err)
		}
		return c.subscribe(s, m)
	case message.TypeUnsubscribe:
		id, _, err := message.DecodeUnsubscribe(msg)
		if err != nil {
			return c.refuseError(s.conn, "unsubscribe", err)
		}
		return c.unsubscribe(s, id)
	case message.TypePing:
		if err := message.DecodePing(msg); err != nil {
			return c.refuseError(s.conn, "ping", err)
		}
		return c.heartbeat(s)
	case message.TypeSettings:
		m, err := message.DecodeSettings(msg)
		if err != nil {
			return c.refuseError(s.conn, "settings", err)
		}
		s.unpadded = m.Unpadded
		return nil
	default: // a message that only an enclave sends
		return c.refuseConn(s.conn, keyx.KindBadMessage)
	}
}
