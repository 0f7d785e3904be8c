package enclave

import (
	"time"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
)

// open starts a handshake: message 1 in, message 2 out; or resumes a session: message 5 in, message 6 out. Before the public-key
// work comes the bound on half-open handshakes.
func (c *Core) open(number uint64, msg1 []byte) error {
	if number == abi.NoConn || c.conns[number] != nil {
		// A number in use twice: what it stands for is unclear, so it ends.
		return c.refuseConn(number, keyx.KindReplayed)
	}
	if c.halfOpen.Len() >= c.limits.MaxHalfOpen {
		c.refuse(number, keyx.KindTooManySessions)
		return nil
	}
	if !c.keys.now.Endorsed(c.now) {
		c.refuse(number, keyx.KindNotEndorsed)
		return nil
	}
	if q, ok := keyx.ParseResume(msg1); ok {
		if done, err := c.resume(number, q); done || err != nil {
			return err
		}
		msg1 = q.Hello()
	}
	responder, msg2, err := c.keys.now.Accept(msg1)
	if err != nil {
		return c.refuseError(number, "accept", err)
	}
	cn := &conn{number: number, responder: responder, deadline: c.now.Add(c.limits.HandshakeTimeout)}
	cn.place = c.halfOpen.PushBack(cn)
	c.conns[number] = cn
	c.out = abi.AppendHandshake(c.out, number, abi.StageAnswer, msg2)
	return nil
}

// finishHandshake ends a handshake: message 3 in, a session and message 4 out.
func (c *Core) finishHandshake(number uint64, msg3 []byte) error {
	cn := c.conns[number]
	if cn == nil || cn.session != nil {
		return c.refuseConn(number, keyx.KindReplayed)
	}
	c.halfOpen.Remove(cn.place)
	cn.place = nil
	grant, err := cn.responder.Finish(msg3, c.now)
	if err != nil {
		return c.refuseError(number, "finish", err)
	}
	if kind := c.admit(&grant); kind != keyx.KindOK {
		return c.refuseConn(number, kind)
	}
	c.lastID++
	msg4, keys, err := cn.responder.Confirm(c.lastID, c.announced(&grant), c.listNumber())
	if err != nil {
		return c.refuseError(number, "confirm", err)
	}
	cn.responder = nil
	c.begin(cn, &grant, keys)
	c.out = abi.AppendHandshake(c.out, number, abi.StageConfirm, msg4)
	return nil
}

// admit says whether a session for this grant may begin.
func (c *Core) admit(g *keyx.Grant) keyx.Kind {
	switch {
	case g.Revocation > c.listNumber(), !c.listServes():
		return keyx.KindStale
	case c.list.Revokes(g):
		return keyx.KindGrantRevoked
	case int(c.live) >= c.limits.MaxSessions:
		return keyx.KindTooManySessions
	case c.subjects.sessions(g.Subject) >= quota(g.Quotas.MaxSessions, c.limits.MaxSessions):
		return keyx.KindTooManySessions
	default:
		return keyx.KindOK
	}
}

// expire drops the handshakes whose time is over. They all have the same time,
// so the list is in order of deadlines. The kind is that of the bound which they
// would otherwise use up.
func (c *Core) expire() {
	for e := c.halfOpen.Front(); e != nil; e = c.halfOpen.Front() {
		cn, ok := e.Value.(*conn)
		if !ok || c.now.Before(cn.deadline) {
			return
		}
		c.halfOpen.Remove(e)
		delete(c.conns, cn.number)
		c.refuse(cn.number, keyx.KindTooManySessions)
	}
}

// expireGrants ends the sessions whose grant has run out. It comes before anything
// else of a Step, so that none of them publishes, subscribes or is given a key in it.
func (c *Core) expireGrants() error {
	if c.live == 0 || c.now.Before(c.expiry) {
		return nil
	}
	var next time.Time
	for _, s := range c.sessions {
		switch {
		case s == nil:
		case !c.now.Before(s.grant.NotAfter):
			if err := c.refuseConn(s.conn, keyx.KindGrantExpired); err != nil {
				return err
			}
		case next.IsZero() || s.grant.NotAfter.Before(next):
			next = s.grant.NotAfter
		}
	}
	c.expiry = next
	return nil
}

// refuseError refuses a connection for an error of keyx. Failed randomness or
// misuse is the core's own fault.
func (c *Core) refuseError(number uint64, op string, err error) error {
	kind := kindOf(err)
	if kind == keyx.KindInternal {
		return broken(op, err)
	}
	return c.refuseConn(number, kind)
}

// refuseConn ends whatever the number stands for and tells the host.
func (c *Core) refuseConn(number uint64, kind keyx.Kind) error {
	if err := c.drop(number); err != nil {
		return err
	}
	c.refuse(number, kind)
	return nil
}

// drop forgets a connection, its session and its pending output.
func (c *Core) drop(number uint64) error {
	cn := c.conns[number]
	if cn == nil {
		return nil
	}
	if err := c.matchWaiting(); err != nil { // what it published
		return err
	}
	delete(c.conns, number)
	if cn.place != nil {
		c.halfOpen.Remove(cn.place)
	}
	if cn.session != nil {
		return c.end(cn.session)
	}
	return nil
}
