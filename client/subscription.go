package client

import (
	"context"
	"sync"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
)

// maxCommands bounds the commands that wait for their answer; further ones wait
// for a slot.
const maxCommands = 256

// Subscription is one live filter of this session.
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

// commands keeps the commands waiting for an answer and the ids that are live.
type commands struct {
	slots chan struct{}

	mu      sync.Mutex
	nextID  uint32 // ids are never used again within a session
	live    map[uint32]struct{}
	waiting map[commandKey]chan keyx.Kind // bound 1: the answer
}

func newCommands() *commands {
	return &commands{
		slots:   make(chan struct{}, maxCommands),
		nextID:  1,
		live:    make(map[uint32]struct{}),
		waiting: make(map[commandKey]chan keyx.Kind),
	}
}

// add makes a new id. It counts as live at once: deliveries may come before the
// answer does.
func (s *commands) add() (id uint32, answer chan keyx.Kind, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nextID == 0 { // 2^32 subscriptions in one session
		return 0, nil, false
	}
	id = s.nextID
	s.nextID++
	s.live[id] = struct{}{}
	return id, s.await(message.TypeSubscribe, id), true
}

func (s *commands) await(op message.Type, id uint32) chan keyx.Kind {
	answer := make(chan keyx.Kind, 1)
	s.waiting[commandKey{op, id}] = answer
	return answer
}

// remove ends an id; ok is false if it was not live. Deliveries for it are
// dropped from now on.
func (s *commands) remove(id uint32) (answer chan keyx.Kind, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.live[id]; !ok {
		return nil, false
	}
	delete(s.live, id)
	return s.await(message.TypeUnsubscribe, id), true
}

// drop forgets an id whose subscription did not come about.
func (s *commands) drop(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, id)
}

// answered hands an answer to whoever waits for it and frees the slot.
func (s *commands) answered(op message.Type, id uint32, kind keyx.Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := commandKey{op, id}
	answer, ok := s.waiting[key]
	if !ok {
		return
	}
	delete(s.waiting, key)
	if op == message.TypeSubscribe && kind != keyx.KindOK {
		delete(s.live, id)
	}
	answer <- kind
	<-s.slots
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
// enclave has it in its index. The grant's subscribe filter must cover where
// (keyx.KindNotCovered otherwise). When ctx ends first, the subscription is taken
// back; when the session does, the error wraps ErrUnacknowledged.
func (c *Client) Subscribe(ctx context.Context, where filter.Filter) (*Subscription, error) {
	encoded := where.AppendBinary(nil)
	if len(encoded) > message.MaxFilterBytes {
		return nil, &Error{Op: opSubscribe, Kind: KindTooLarge}
	}
	if err := c.slot(ctx, opSubscribe); err != nil {
		return nil, err
	}
	id, answer, ok := c.commands.add()
	if !ok {
		<-c.commands.slots
		return nil, &Error{Op: opSubscribe, Kind: KindFull}
	}
	msg, err := message.AppendSubscribe(nil, message.Subscribe{ID: id, Filter: encoded})
	if err == nil {
		err = c.outbox.command(opSubscribe, msg)
	}
	if err != nil {
		c.commands.answered(message.TypeSubscribe, id, keyx.KindInternal) // takes it back
		return nil, err
	}
	if err := c.answer(ctx, opSubscribe, answer); err != nil {
		if err.Kind == KindCanceled {
			c.commands.drop(id)
			// Best effort: the answer is nobody's, and a session that has ended has no
			// subscriptions.
			_ = c.outbox.command(opUnsubscribe, message.AppendUnsubscribe(nil, id))
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

// Unsubscribe ends the subscription and returns once the enclave has removed it.
// Deliveries for it are dropped from the moment of the call. A second call returns
// an error of keyx.KindUnknownSubscription.
func (s *Subscription) Unsubscribe(ctx context.Context) error {
	c := s.client
	if err := c.slot(ctx, opUnsubscribe); err != nil {
		return err
	}
	answer, ok := c.commands.remove(s.id)
	if !ok {
		<-c.commands.slots
		return &Error{Op: opUnsubscribe, Kind: Kind(keyx.KindUnknownSubscription)}
	}
	if err := c.outbox.command(opUnsubscribe, message.AppendUnsubscribe(nil, s.id)); err != nil {
		c.commands.answered(message.TypeUnsubscribe, s.id, keyx.KindInternal) // takes it back
		return err
	}
	if err := c.answer(ctx, opUnsubscribe, answer); err != nil {
		return err
	}
	return nil
}
