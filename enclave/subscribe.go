package enclave

import (
	"errors"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

// subscribe adds a subscription if grant, quota and memory allow it, and says so
// in a sealed reply.
func (c *Core) subscribe(s *session, m message.Subscribe) error {
	kind, err := c.insert(s, m)
	if err != nil {
		return err
	}
	return c.reply(s, message.TypeSubscribe, m.ID, kind)
}

func (c *Core) insert(s *session, m message.Subscribe) (keyx.Kind, error) {
	if _, taken := s.subs.get(m.ID); taken {
		return keyx.KindDuplicateSubscription, nil
	}
	if s.subs.count >= s.maxSubs {
		return keyx.KindTooManySubscriptions, nil
	}
	f, err := filter.Decode(m.Filter)
	if err != nil {
		return keyx.KindBadFilter, nil //nolint:nilerr // the client's fault, told to the client
	}
	if s.grant.Subscribe == nil || !s.grant.Subscribe.Covers(f) {
		return keyx.KindNotCovered, nil
	}
	h, err := c.store.Insert(f, s.tag(m.ID))
	if errors.Is(err, matcher.ErrBudget) {
		return keyx.KindEPCBudget, nil
	}
	if err != nil {
		return 0, broken("insert", err)
	}
	s.subs.put(m.ID, h)
	return keyx.KindOK, nil
}

// unsubscribe removes exactly this session's subscription of that id; an equal
// filter of anybody else has its own handle.
func (c *Core) unsubscribe(s *session, id uint32) error {
	h, ok := s.subs.get(id)
	if !ok {
		return c.reply(s, message.TypeUnsubscribe, id, keyx.KindUnknownSubscription)
	}
	if err := c.store.Remove(h); err != nil {
		return broken("remove", err)
	}
	s.subs.remove(id)
	return c.reply(s, message.TypeUnsubscribe, id, keyx.KindOK)
}

func (c *Core) reply(s *session, op message.Type, id uint32, kind keyx.Kind) error {
	if kind != keyx.KindOK {
		c.sums.refused++
	}
	c.work.ctl = message.AppendReply(c.work.ctl[:0], message.Reply{Control: s.controls, Op: op, ID: id, Kind: kind})
	s.controls++
	return c.control(s, c.work.ctl)
}
