package measure

import (
	"bytes"
	"crypto/rand"
	"time"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	// sessions share the subscriptions, at every size, so that the envelopes of an event do not become more with it; one session's
	// quota would not hold them.
	sessions = 8
	// MaxSubscriptions is what they may have together.
	MaxSubscriptions = sessions * message.MaxMatches
	// subscribeBatch is how many subscribe messages are sent at a time.
	subscribeBatch = 256
)

// party is the clients of one enclave.
type party struct {
	peer peer
	cfg  client.Config
	subs [sessions]session
	pub  session

	run, counter uint64 // of the publisher
	ref          uint64 // next payload reference of the host
}

// session is a client's end of one.
type session struct {
	conn uint64
	keys *keyx.Session
}

// newParty opens all sessions.
func newParty(p peer, cfg client.Config) (*party, error) {
	a := &party{peer: p, cfg: cfg, run: 1}
	for i := range a.subs {
		if err := a.connect(&a.subs[i], uint64(i)+1); err != nil {
			return nil, err
		}
	}
	return a, a.connect(&a.pub, sessions+1)
}

// connect does a whole attested handshake.
func (a *party) connect(s *session, conn uint64) error {
	i, msg1, err := keyx.NewInitiator(keyx.InitiatorConfig{
		Domain: a.cfg.Domain, Router: a.cfg.Router, Policy: a.cfg.Policy, Grant: a.cfg.Grant, Key: a.cfg.Key, Rand: rand.Reader,
	})
	if err != nil {
		return err
	}
	msg2, err := a.answer(conn, abi.AppendOpen(nil, conn, msg1))
	if err != nil {
		return err
	}
	msg3, err := i.Respond(msg2, time.Now())
	if err != nil {
		return err
	}
	msg4, err := a.answer(conn, abi.AppendFinish(nil, conn, msg3))
	if err != nil {
		return err
	}
	s.conn = conn
	s.keys, _, err = i.Confirm(msg4)
	return err
}

// answer is the enclave's to a message of the handshake.
func (a *party) answer(conn uint64, frame []byte) (msg []byte, err error) {
	err = a.peer.exchange(frame, func(f *abi.Frame) (bool, error) {
		switch {
		case f.Type == abi.Refuse:
			return true, refused("handshake", keyx.Kind(f.Kind))
		case f.Type != abi.Handshake || f.Conn != conn:
			return false, nil
		}
		msg = bytes.Clone(f.Body)
		return true, nil
	})
	return msg, err
}

// subscribe adds a chunk of filters under the tags first, first+1... Tag t is subscription t/sessions of session t%sessions.
func (a *party) subscribe(first int, filters []filter.Filter) error {
	for len(filters) > 0 {
		n := min(len(filters), subscribeBatch)
		var out, msg []byte
		for i := range filters[:n] {
			tag := first + i
			s := &a.subs[tag%sessions]
			encoded := filters[i].AppendBinary(nil)
			var err error
			msg, err = message.AppendSubscribe(msg[:0], message.Subscribe{
				ID: uint32(tag / sessions), Filter: encoded, Padding: keyx.Padding(len(encoded)), // #nosec G115 -- at most MaxMatches
			})
			if err != nil {
				return err
			}
			blob, err := s.keys.Out.Seal(nil, msg)
			if err != nil {
				return err
			}
			out = abi.AppendData(out, s.conn, a.ref, 0, blob)
		}
		if err := a.replies(out, n); err != nil {
			return err
		}
		first, filters = first+n, filters[n:]
	}
	return nil
}

// replies waits for n of them, each of them a yes.
func (a *party) replies(out []byte, n int) error {
	return a.peer.exchange(out, func(f *abi.Frame) (bool, error) {
		msg, err := a.open(f)
		if err != nil || msg == nil {
			return n == 0, err
		}
		if typ, err := message.TypeOf(msg); err != nil || typ != message.TypeReply {
			return n == 0, err
		}
		r, err := message.DecodeReply(msg)
		if err != nil {
			return false, err
		}
		if r.Kind != keyx.KindOK {
			return false, refused("subscribe", r.Kind)
		}
		n--
		return n == 0, nil
	})
}

// open opens what a frame brings a subscriber; nil: nothing.
func (a *party) open(f *abi.Frame) ([]byte, error) {
	switch {
	case f.Type == abi.Refuse:
		return nil, refused("session", keyx.Kind(f.Kind))
	case f.Type != abi.Deliver || f.Conn < 1 || f.Conn > sessions:
		return nil, nil
	}
	msg, _, err := a.subs[f.Conn-1].keys.In.Open(nil, f.Body) // what was left unopened in a timed pass is skipped
	return msg, err
}

// batch is a Data frame of publications.
type batch struct {
	frame []byte
	ref   uint64
}

// publications seals events, some to a frame, as the SDK does: attributes padded, content keys derived by the enclave.
func (a *party) publications(events []filter.Event, each int) ([]batch, error) {
	var all []batch
	var msg []byte
	for len(events) > 0 {
		n := min(each, len(events))
		msg = message.BeginPublish(msg[:0])
		for i := range events[:n] {
			a.counter++
			h := message.Header{Run: a.run, Counter: a.counter, Attrs: events[i].AppendBinary(nil)}
			h.Padding = keyx.Padding(len(h.Attrs))
			var err error
			if msg, err = message.AppendHeader(msg, &h); err != nil {
				return nil, err
			}
		}
		if err := message.FinishPublish(msg, n); err != nil {
			return nil, err
		}
		blob, err := a.pub.keys.Out.Seal(nil, msg)
		if err != nil {
			return nil, err
		}
		all = append(all, batch{abi.AppendData(nil, a.pub.conn, a.ref, uint16(n), blob), a.ref}) // #nosec G115 -- at most MaxHeaders
		a.ref += uint64(n)
		events = events[n:]
	}
	return all, nil
}

// send hands over one batch after the other, each when the one before is handled, and returns how many envelopes came of them.
func (a *party) send(all []batch) (envelopes int, err error) {
	for i := range all {
		ref := all[i].ref
		err := a.peer.exchange(all[i].frame, func(f *abi.Frame) (bool, error) {
			switch f.Type {
			case abi.Deliver:
				envelopes += int(f.Count)
			case abi.Refuse:
				return false, refused("publish", keyx.Kind(f.Kind))
			case abi.Handled:
				return f.Ref == ref, nil
			default:
			}
			return false, nil
		})
		if err != nil {
			return envelopes, err
		}
	}
	return envelopes, nil
}

// matches sends batches and returns, for each event, the tags of the subscriptions named in its opened envelopes.
func (a *party) matches(all []batch, first uint64, events int) ([][]uint64, error) {
	tags := make([][]uint64, events)
	for i := range all {
		ref := all[i].ref
		err := a.peer.exchange(all[i].frame, func(f *abi.Frame) (bool, error) {
			msg, err := a.open(f)
			if err == nil && msg != nil && f.Count > 0 {
				err = collect(msg, f.Conn-1, first, tags)
			}
			return f.Type == abi.Handled && f.Ref == ref, err
		})
		if err != nil {
			return nil, err
		}
	}
	return tags, nil
}

// collect notes the subscriptions of a session that a blob of envelopes names.
func collect(msg []byte, session, first uint64, tags [][]uint64) error {
	r, err := message.ReadDeliver(msg)
	if err != nil {
		return err
	}
	var e message.Envelope
	for {
		more, err := r.Next(&e)
		if err != nil || !more {
			return err
		}
		at := e.Counter - first
		if at >= uint64(len(tags)) {
			return unexpected("an envelope of no publication")
		}
		for _, id := range e.Subscriptions {
			tags[at] = append(tags[at], uint64(id)*sessions+session)
		}
	}
}
