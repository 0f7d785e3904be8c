package enclave

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/epc"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher/filter"
)

func withSpill(t testing.TB, budget int64) func(*Config) {
	a, err := epc.New(budget)
	require.NoError(t, err)
	require.NoError(t, a.KeepOutside(rng(9)))
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return func(c *Config) { c.Memory, c.Spill = a, true }
}

// spillWorld is a core most of whose store is outside, and who subscribed to what.
type spillWorld struct {
	*world
	r       *rand.Rand
	clients []*client
	held    []map[uint32]filter.Filter // by client, by id
}

func newSpillWorld(t *testing.T, subscriptions int) *spillWorld {
	s := &spillWorld{world: newWorld(t, withSpill(t, epc.MinBudget)), r: rand.New(rand.NewPCG(1, 2))}
	for i := range 4 {
		s.clients = append(s.clients, s.member(fmt.Sprintf("client-%d", i)))
		s.held = append(s.held, map[uint32]filter.Filter{})
	}
	for i := range subscriptions {
		who := i % len(s.clients)
		require.Equal(t, keyx.KindOK, s.clients[who].subscribe(uint32(i), s.text(who, uint32(i))))
	}
	require.Positive(t, s.core.store.Stats().Spilled, "nothing is outside")
	return s
}

func (s *spillWorld) text(who int, id uint32) string {
	lo := s.r.IntN(900)
	text := fmt.Sprintf("k = %d AND x BETWEEN %d AND %d AND y < %d", s.r.IntN(300), lo, lo+60, s.r.IntN(1000))
	s.held[who][id] = mustParse(text)
	return text
}

func (s *spillWorld) publish(from *client) (publication, filter.Event) {
	attrs := []any{"k", s.r.IntN(300), "x", s.r.IntN(1000), "y", s.r.IntN(1000)}
	return from.publication("payload", attrs...), event(s.t, attrs...)
}

// TestWaiting: publications of several publishers in one Step, with subscriptions coming
// and going between them, reach exactly those who had subscribed when they came, in the
// order of their coming, although a store that spills matches them together.
func TestWaiting(t *testing.T) {
	s := newSpillWorld(t, 26_000)
	alice, bob := s.member("alice"), s.member("bob")
	before := s.core.store.Stats().Fetches
	delivered := 0
	for round := range 12 {
		var frames [][]byte
		want := make([][]receipt, len(s.clients))
		for range 30 {
			from := alice
			if s.r.IntN(2) == 0 {
				from = bob
			}
			var pubs []publication
			for range 1 + s.r.IntN(8) {
				p, e := s.publish(from)
				pubs = append(pubs, p)
				for who := range s.clients {
					if ids := s.matching(who, &e); len(ids) > 0 {
						want[who] = append(want[who], receipt{from.subject, p.header.Counter, ids})
					}
				}
			}
			frames = append(frames, from.publishFrame(pubs...), s.change())
		}
		out := s.step(frames...)
		for who, c := range s.clients {
			got := c.take(out)
			require.Equal(t, keyx.KindOK, got.refused)
			var have []receipt
			for _, d := range got.deliveries {
				have = append(have, receipt{string(d.Subject), d.Counter, slices.Clone(d.Subscriptions)})
			}
			require.Equal(t, want[who], have, "client %d in round %d", who, round)
			delivered += len(have)
		}
		require.Empty(t, alice.take(out).refusals)
		require.Empty(t, bob.take(out).refusals)
	}
	require.Greater(t, delivered, 500)
	require.Greater(t, s.core.store.Stats().Fetches, before)
}

// receipt is one delivery as a client must see it.
type receipt struct {
	publisher     string
	counter       uint64
	subscriptions []uint32
}

func (s *spillWorld) matching(who int, e *filter.Event) (ids []uint32) {
	for id, f := range s.held[who] {
		if f.Match(e) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// change is the frame of a client that subscribes or unsubscribes.
func (s *spillWorld) change() []byte {
	who := s.r.IntN(len(s.clients))
	if s.r.IntN(2) == 0 {
		for id := range s.held[who] {
			delete(s.held[who], id)
			return s.clients[who].unsubscribeFrame(id)
		}
	}
	id := 1_000_000 + s.r.Uint32N(1<<30)
	return s.clients[who].subscribeFrame(id, s.text(who, id))
}

// TestWaitingPublisherLeaves: what somebody published before the connection was closed,
// in the same Step, is delivered.
func TestWaitingPublisherLeaves(t *testing.T) {
	s := newSpillWorld(t, 26_000)
	require.Equal(t, keyx.KindOK, s.clients[0].subscribe(900_000, "z = 1"))
	alice := s.member("alice")
	one, two := alice.publication("1", "z", 1), alice.publication("2", "z", 1)
	out := s.step(alice.publishFrame(one), abi.AppendClose(nil, alice.conn), alice.publishFrame(two))
	got := s.clients[0].take(out)
	require.Len(t, got.deliveries, 1)
	got.deliveries[0].requireOpens(t, s.domain.Name, one)
	bob := s.member("bob")
	three := bob.publication("3", "z", 1)
	frames := [][]byte{bob.publishFrame(three), bob.data([]byte{0xff, 1, 2}, 1)}
	got = s.clients[0].take(s.step(frames...))
	require.Len(t, got.deliveries, 1, "a malformed message ends a session, not what came before")
	got.deliveries[0].requireOpens(t, s.domain.Name, three)
}
