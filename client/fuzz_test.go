package client

import (
	"context"
	"testing"
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/router/wire"
)

// Whatever a router sends, and whatever a broken enclave seals, the client neither
// panics nor hangs, and exposes no delivery that nobody published.
func FuzzPeer(f *testing.F) {
	deliver, _ := message.AppendEnvelope(message.BeginDeliver(nil, 0, 0),
		&message.Envelope{Subject: []byte("alice"), Run: 1, Counter: 1, Subscriptions: []uint32{1}})
	if err := message.FinishDeliver(deliver, 1); err != nil {
		f.Fatal(err)
	}
	f.Add(deliver, []byte("payload"), []byte{})
	f.Add(message.AppendHeartbeat(nil, &message.Heartbeat{Delivered: 3, Control: 1}), []byte{}, []byte{})
	f.Add(message.AppendReply(nil, message.Reply{Control: 1, Op: message.TypeSubscribe, ID: 1}), []byte{}, []byte{})
	f.Add([]byte{byte(message.TypeAck)}, []byte{}, wire.AppendRefuse(nil, wire.ShuttingDown))
	f.Add([]byte{}, []byte{}, append(wire.AppendPayloadHead(wire.AppendPayloadsHead(nil, 1, 1), 1), 'x'))
	f.Fuzz(func(t *testing.T, msg, payload, raw []byte) {
		fake := newFake(t)
		fake.cfg.CloseTimeout = 1 // nanosecond: nobody waits for the dead
		c, err := Dial(t.Context(), fake.cfg)
		if err != nil {
			t.Fatal(err)
		}
		s := <-fake.sessions
		if _, err := c.Subscribe(t.Context(), where(t, "TRUE")); err != nil {
			t.Fatal(err)
		}
		s.do(func() {
			var payloads [][]byte
			if len(payload) > 0 {
				payloads = [][]byte{payload}
			}
			s.seal(msg, payloads)
			s.out = append(s.out, raw...)
		})
		c.Close() //nolint:errcheck // any end will do
		for {
			d, err := c.Receive(context.Background())
			if d != nil {
				t.Fatal("a delivery that nobody published")
			}
			if _, ok := err.(*Error); ok { //nolint:errorlint // the end of the session is never wrapped
				return
			}
		}
	})
}

// The same without a session around it, which is a thousand times faster: messages
// of a broken enclave, and frames of a host.
func FuzzMessage(f *testing.F) {
	deliver, _ := message.AppendEnvelope(message.BeginDeliver(nil, 0, 0),
		&message.Envelope{Subject: []byte("alice"), Run: 1, Counter: 1, Subscriptions: []uint32{1}})
	if err := message.FinishDeliver(deliver, 1); err != nil {
		f.Fatal(err)
	}
	early := append(wire.AppendPayloadHead(wire.AppendPayloadsHead(nil, 1, 1), 1), 'x')
	f.Add(deliver, append(early, wire.AppendDelivery(nil, []byte{1}, [][]byte{[]byte("payload")})...))
	f.Add(message.AppendHeartbeat(nil, &message.Heartbeat{Delivered: 3}), wire.AppendDelivery(nil, []byte{1}, nil))
	f.Fuzz(func(t *testing.T, msg, frames []byte) {
		cfg := Config{HeartbeatTimeout: time.Hour}.withDefaults()
		c := &Client{
			cfg: cfg, outbox: newOutbox(keyx.PublicationID{Run: 1}, &cfg),
			commands: newCommands(), inbox: newInbox(1 << 16), memory: newMemory(),
		}
		s := &session{client: c, history: newHistory(0, [32]byte{}), heartbeatTimeout: cfg.HeartbeatTimeout}
		s.watchdog = s.watch()
		defer s.watchdog.stop()
		if _, _, ok := c.commands.add(c.outbox, nil); !ok {
			t.Fatal("no id")
		}
		r := newReceiver(s, nil)
		for len(frames) > 0 {
			frame, rest, err := wire.Next(frames, wire.MaxFrame)
			if err != nil {
				return
			}
			frames = rest
			var end *Error
			switch frame.Type {
			case wire.TypePayloads:
				end = r.payloads.add(&frame)
			case wire.TypeDelivery:
				end = r.message(msg, &frame, 0, &[32]byte{})
			default:
				return
			}
			if end != nil {
				return
			}
		}
		for {
			it, ok, _ := c.inbox.take()
			if !ok {
				break
			}
			if it.delivery != nil {
				t.Fatal("a delivery that nobody published")
			}
		}
		if c.inbox.bytes.Load() != 0 {
			t.Fatal("reserved room was not given back")
		}
	})
}
