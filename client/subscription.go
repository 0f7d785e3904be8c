package client

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
)

// maxCommands bounds the commands that wait for their answer; further ones wait
// for a slot.
const maxCommands = 256

// Subscription is one live filter of a Client. It lives through sessions: each new
// one subscribes again, under the same number.
type Subscription struct {
	client *Client
	id     uint32
}

// ID is the number that Delivery.Subscriptions names.
func (s *Subscription) ID() uint32 { return s.id }

// commandKey is what the answer to a command names.
type commandKey struct {
	op message.Type
	id uint32
}

// commands keeps the subscriptions that are live, and the commands of the session
// at hand that wait for an answer.
type commands struct {
	slots chan struct{}

	mu      sync.Mutex
	session *session // whom commands go to; nil between sessions
	nextID  uint32   // ids are never used again within a Client
	live    map[uint32]*liveFilter
	waiting map[commandKey]chan keyx.Kind // bound 1: the answer
	again   []uint32                      // to be subscribed again, in order
	asked   map[uint32]struct{}           // subscribed again, not answered yet
}

// liveFilter is a subscription as the enclave has to know it.
type liveFilter struct {
	encoded []byte
	told    *session // that was asked for it
}

func newCommands() *commands {
	return &commands{
		slots:   make(chan struct{}, maxCommands),
		nextID:  1,
		live:    make(map[uint32]*liveFilter),
		waiting: make(map[commandKey]chan keyx.Kind),
		asked:   make(map[uint32]struct{}),
	}
}

// add makes a new id for a filter and asks for it, in the next session if there is
// none. It counts as live at once: deliveries may come before the answer does.
func (s *commands) add(o *outbox, encoded []byte) (id uint32, answer chan keyx.Kind, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nextID == 0 { // 2^32 subscriptions of one client
		return 0, nil, false
	}
	id = s.nextID
	s.nextID++
	s.live[id] = &liveFilter{encoded: encoded}
	answer = make(chan keyx.Kind, 1)
	s.waiting[commandKey{message.TypeSubscribe, id}] = answer
	s.ask(o, id)
	return id, answer, true
}

// ask sends the Subscribe of a live id, if there is a session. With mu held.
func (s *commands) ask(o *outbox, id uint32) {
	f := s.live[id]
	if s.session == nil {
		return
	}
	f.told = s.session
	msg, err := message.AppendSubscribe(nil, message.Subscribe{ID: id, Filter: f.encoded, Padding: o.pad(len(f.encoded))})
	if err != nil {
		panic("client: a filter within its limits was refused: " + err.Error())
	}
	o.command(s.session, msg)
}

// remove ends an id; ok is false if it was not live. Deliveries for it are dropped
// from now on. A session that knows of it is asked to forget it; another never
// hears of it, and the answer is there at once.
func (s *commands) remove(o *outbox, id uint32) (answer chan keyx.Kind, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.live[id]
	if !ok {
		return nil, false
	}
	delete(s.live, id)
	answer = make(chan keyx.Kind, 1)
	if s.session == nil || f.told != s.session {
		answer <- keyx.KindOK
		<-s.slots
		return answer, true
	}
	s.waiting[commandKey{message.TypeUnsubscribe, id}] = answer
	o.command(s.session, unsubscribe(o, id))
	return answer, true
}

// drop forgets an id whose subscription nobody waits for any more. The answers are
// nobody's.
func (s *commands) drop(o *outbox, id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.live[id]
	if !ok {
		return
	}
	delete(s.live, id)
	if s.session != nil && f.told == s.session {
		o.command(s.session, unsubscribe(o, id))
		return
	}
	if key := (commandKey{message.TypeSubscribe, id}); s.waiting[key] != nil { // no session was asked
		delete(s.waiting, key)
		<-s.slots
	}
}

// unsubscribe is as long as the shortest Subscribe, so that the two look alike.
func unsubscribe(o *outbox, id uint32) []byte {
	padding := message.UnsubscribePadding
	if o.unpadded {
		padding = 0
	}
	return message.AppendUnsubscribe(nil, id, padding)
}

// any says whether there is a subscription.
func (s *commands) any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live) > 0
}

// interrupt ends what the session at hand was asked: subscriptions go on to the
// next one, and what was to be removed is gone with it.
func (s *commands) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session, s.again = nil, nil
	clear(s.asked)
	for key, answer := range s.waiting {
		if _, live := s.live[key.id]; live && key.op == message.TypeSubscribe {
			continue
		}
		delete(s.waiting, key)
		answer <- keyx.KindOK
		<-s.slots
	}
}

// begin asks a new session for every live subscription; done is true when there is
// none.
func (s *commands) begin(o *outbox, to *session) (done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = to
	if o.unpadded {
		o.command(to, message.AppendSettings(nil, message.Settings{Unpadded: true}))
	}
	s.again = slices.Sorted(maps.Keys(s.live))
	s.askAgain(o)
	return len(s.asked) == 0
}

// askAgain keeps a bounded number of repeated subscriptions under way. With mu held.
func (s *commands) askAgain(o *outbox) {
	for len(s.again) > 0 && len(s.asked) < maxCommands {
		id := s.again[0]
		s.again = s.again[1:]
		if f, ok := s.live[id]; ok && f.told != s.session { // it may have been removed meanwhile
			s.asked[id] = struct{}{}
			s.ask(o, id)
		}
	}
}

// answered takes an answer: it hands it to whoever waits for it and frees the slot.
// The answer to a repeated subscription is nobody's: a refusal is left to be told,
// and complete is true with the last of them.
func (s *commands) answered(o *outbox, op message.Type, id uint32, kind keyx.Kind) (refused, complete bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := commandKey{op, id}
	answer, awaited := s.waiting[key]
	_, repeated := s.asked[id]
	repeated = repeated && op == message.TypeSubscribe
	if op == message.TypeSubscribe && kind != keyx.KindOK && (awaited || repeated) {
		_, wasLive := s.live[id]
		refused = wasLive && !awaited
		delete(s.live, id)
	}
	if awaited {
		delete(s.waiting, key)
		answer <- kind
		<-s.slots
	}
	if repeated {
		delete(s.asked, id)
		s.askAgain(o)
		complete = len(s.asked) == 0
	}
	return refused, complete
}

// answered handles a reply of session s and returns what has to be told.
func (c *Client) answered(s *session, reply message.Reply) (notices []item) {
	refused, complete := c.commands.answered(c.outbox, reply.Op, reply.ID, reply.Kind)
	if refused {
		notices = append(notices, item{notice: &UnsubscribedError{ID: reply.ID, Kind: Kind(reply.Kind)}})
	}
	if complete && c.outage.open {
		notices = append(notices, c.resumed(s))
	}
	return notices
}

// keepLive returns those of ids that are live, reusing its memory. foreign is true
// if one of them was never ours.
func (s *commands) keepLive(ids []uint32) (live []uint32, foreign bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	live = ids[:0]
	for _, id := range ids {
		if _, ok := s.live[id]; ok {
			live = append(live, id)
		} else if id == 0 || id >= s.nextID && s.nextID != 0 {
			foreign = true
		}
	}
	return live, foreign
}

// slot waits until one more command may be under way.
func (c *Client) slot(ctx context.Context, op string) error {
	if err := c.outbox.check(op); err != nil {
		return err
	}
	select {
	case c.commands.slots <- struct{}{}:
		return nil
	case <-c.ended:
		return c.sessionError(op)
	case <-ctx.Done():
		return canceled(ctx, op)
	}
}

// Subscribe asks for all publications that satisfy where, and returns once the
// enclave has it in its index; while there is no session it waits for one. The
// grant's subscribe filter must cover where (keyx.KindNotCovered otherwise). When
// ctx ends first, the subscription is taken back; when the Client does, the error
// wraps ErrUnacknowledged.
func (c *Client) Subscribe(ctx context.Context, where filter.Filter) (*Subscription, error) {
	encoded := where.AppendBinary(nil)
	if len(encoded) > message.MaxFilterBytes {
		return nil, &Error{Op: opSubscribe, Kind: KindTooLarge}
	}
	if err := c.slot(ctx, opSubscribe); err != nil {
		return nil, err
	}
	id, answer, ok := c.commands.add(c.outbox, encoded)
	if !ok {
		<-c.commands.slots
		return nil, &Error{Op: opSubscribe, Kind: KindFull}
	}
	if err := c.answer(ctx, opSubscribe, answer); err != nil {
		if err.Kind == KindCanceled {
			c.commands.drop(c.outbox, id)
		}
		return nil, err
	}
	return &Subscription{client: c, id: id}, nil
}

// answer waits for the answer to a command under way.
func (c *Client) answer(ctx context.Context, op string, answer <-chan keyx.Kind) *Error {
	var kind keyx.Kind
	select {
	case kind = <-answer:
	case <-ctx.Done():
		return canceled(ctx, op)
	case <-c.ended:
		select {
		case kind = <-answer: // it came before the end
		default:
			return unanswered(op, c.err)
		}
	}
	if kind != keyx.KindOK {
		return &Error{Op: op, Kind: Kind(kind)}
	}
	return nil
}

// Unsubscribe ends the subscription and returns once the enclave has removed it,
// or no enclave has it.
// Deliveries for it are dropped from the moment of the call. A second call returns
// an error of keyx.KindUnknownSubscription.
func (s *Subscription) Unsubscribe(ctx context.Context) error {
	c := s.client
	if err := c.slot(ctx, opUnsubscribe); err != nil {
		return err
	}
	answer, ok := c.commands.remove(c.outbox, s.id)
	if !ok {
		<-c.commands.slots
		return &Error{Op: opUnsubscribe, Kind: Kind(keyx.KindUnknownSubscription)}
	}
	if err := c.answer(ctx, opUnsubscribe, answer); err != nil {
		return err
	}
	return nil
}
