package enclave

import (
	"container/list"
	"time"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
)

// resumables are the secrets by which clients that were in a session may begin another without public-key work: one for
// each session, made at its beginning, used once. They are in memory only and die with the instance. What is bounded is
// their number, the oldest making room, and their age.
type resumables struct {
	byID  map[[16]byte]*list.Element
	order *list.List // of *keptSecret, oldest first
	max   int
}

// keptSecret is the secret of one session, and whom it is of.
type keptSecret struct {
	keys  *keyx.Resumption
	grant keyx.Grant
	made  time.Time
}

func newResumables(limit int) resumables {
	return resumables{byID: map[[16]byte]*list.Element{}, order: list.New(), max: limit}
}

// add keeps a secret for a session that has begun.
func (r *resumables) add(keys *keyx.Resumption, grant *keyx.Grant, now time.Time) {
	for r.order.Len() >= r.max {
		r.forget(r.order.Front())
	}
	r.byID[keys.ID()] = r.order.PushBack(&keptSecret{keys: keys, grant: *grant, made: now})
}

// expire forgets those that are too old.
func (r *resumables) expire(now time.Time) {
	for e := r.order.Front(); e != nil; e = r.order.Front() {
		if x, ok := e.Value.(*keptSecret); ok && now.Before(x.made.Add(keyx.ResumeMaxAge)) {
			return
		}
		r.forget(e)
	}
}

func (r *resumables) forget(e *list.Element) {
	x, ok := r.order.Remove(e).(*keptSecret)
	if !ok {
		return
	}
	delete(r.byID, x.keys.ID())
	x.keys.Clear()
}

// take gives the secret that q asks for and proves to hold, with the number of the newest revocation list that who asks
// has verified, and forgets it first; nil if there is none.
func (r *resumables) take(q *keyx.Resume) (x *keptSecret, number uint64) {
	e := r.byID[q.ID()]
	if e == nil {
		return nil, 0
	}
	x, ok := e.Value.(*keptSecret)
	if !ok {
		return nil, 0
	}
	number, err := x.keys.Verify(q)
	if err != nil { // a host that saw the id in an earlier attempt
		return nil, 0
	}
	r.order.Remove(e)
	delete(r.byID, x.keys.ID())
	return x, number
}

// clear forgets all.
func (r *resumables) clear() {
	for e := r.order.Front(); e != nil; e = r.order.Front() {
		r.forget(e)
	}
}

// resume begins a session from the secret of an earlier one. It is false where there is none: then message 1 counts. The
// grant is looked at anew: it may have run out or been taken back, or its sessions be too many.
func (c *Core) resume(number uint64, q *keyx.Resume) (done bool, err error) {
	x, verified := c.resumables.take(q)
	if x == nil {
		return false, nil
	}
	kind := c.admit(&x.grant)
	switch {
	case !c.now.Before(x.grant.NotAfter):
		kind = keyx.KindGrantExpired
	case kind == keyx.KindOK && verified > c.listNumber(): // the client would leave
		kind = keyx.KindStale
	}
	if kind != keyx.KindOK {
		x.keys.Clear()
		return true, c.refuseConn(number, kind)
	}
	c.lastID++
	msg6, keys, err := x.keys.Accept(q, c.lastID, c.announced(&x.grant), c.listNumber(), c.rand)
	if err != nil {
		return true, broken("resume", err)
	}
	cn := &conn{number: number}
	c.conns[number] = cn
	c.begin(cn, &x.grant, keys)
	c.sums.resumed++
	c.out = abi.AppendHandshake(c.out, number, abi.StageConfirm, msg6)
	return true, nil
}
