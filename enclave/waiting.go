package enclave

import (
	"slices"

	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

// waiting is a publication that was accepted and is matched together with others of the
// Step: a store that is partly outside brings each part in once for all of them. Whatever
// is not a publication waits for them, so that nobody can tell, but by the time.
type waiting struct {
	from    *session
	header  message.Header // with its content key; Attrs are kept elsewhere
	attrs   int            // where they begin in pending.attrs
	attrEnd int
	ref     uint64
}

// wait keeps a publication whose content key is known.
func (c *Core) wait(s *session, h *message.Header, ref uint64) error {
	if c.todo.waiting == nil {
		c.todo.waiting = make([]waiting, 0, matcher.MaxBatch) // never moved: content keys would be left behind
	}
	at := len(c.todo.attrs)
	c.todo.attrs = append(c.todo.attrs, h.Attrs...)
	c.todo.waiting = append(c.todo.waiting, waiting{s, *h, at, len(c.todo.attrs), ref})
	if len(c.todo.waiting) < matcher.MaxBatch {
		return nil
	}
	return c.matchWaiting()
}

// matchWaiting matches what waits and gathers its envelopes, in the order in which it
// came.
func (c *Core) matchWaiting() error {
	all := c.todo.waiting
	if len(all) == 0 {
		return nil
	}
	c.todo.waiting = nil // who ends meanwhile finds nothing waiting
	var first error
	ended := c.sums.ended
	c.store.MatchBatch(len(all), func(i int) *filter.Event {
		err := c.work.event.DecodeBorrow(c.todo.attrs[all[i].attrs:all[i].attrEnd])
		if err != nil && first == nil { // it was decoded before it was accepted
			first = broken("decode again", err)
		}
		return &c.work.event
	}, func(i int, tags []uint64) {
		if first != nil || len(tags) == 0 {
			return
		}
		w := &all[i]
		w.header.Attrs = c.todo.attrs[w.attrs:w.attrEnd]
		c.work.tags = append(c.work.tags[:0], tags...)
		first = c.envelopes(w.from, &w.header, w.ref, c.work.tags, ended)
	})
	clear(all) // content keys
	c.todo.waiting, c.todo.attrs = all[:0], c.todo.attrs[:0]
	return first
}

// envelopes gives every session that has one of the tags one envelope. ended is how many
// sessions had ended when the tags were found.
func (c *Core) envelopes(s *session, h *message.Header, ref uint64, tags []uint64, ended uint64) error {
	e := message.Envelope{
		CK: h.CK, Subject: s.name, Run: h.Run, Counter: h.Counter, GKEpoch: h.GKEpoch,
		Commitment: h.Commitment, AttributeHash: attributeHash(h),
	}
	slices.Sort(tags)
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
			continue // ended by an envelope of this very publication, or of one before: its key was exhausted
		}
		if err := c.gather(c.sessions[slot], &e, ref); err != nil {
			return err
		}
	}
	return nil
}
