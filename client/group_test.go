package client

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/group"
	"github.com/scbr/scbr/keyx/message"
)

// groupStore is a store in memory, whose holder may do anything with it.
type groupStore struct {
	mu      sync.Mutex
	objects map[string][]byte
	gets    int
	stale   int // so many looks at a node find it changed
}

func (s *groupStore) Get(name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets++
	b, ok := s.objects[name]
	if !ok {
		return nil, group.ErrNotFound
	}
	if s.stale > 0 && name != group.RecordName {
		s.stale--
		b = append(bytes.Clone(b[:len(b)-1]), ^b[len(b)-1])
	}
	return b, nil
}

func (s *groupStore) Put(name string, b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = b
	return nil
}

func (s *groupStore) looks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets
}

// keeper is a group in the fake's domain.
type keeper struct {
	f      *fake
	keeper *group.Keeper
	store  *groupStore
	list   uint64
}

func (f *fake) group() *keeper {
	k, err := group.NewKeeper(f.domain.Name, "desk", rand.Reader)
	require.NoError(f.tb, err)
	return &keeper{f: f, keeper: k, store: &groupStore{objects: map[string][]byte{}}}
}

func (k *keeper) change(c group.Change) {
	err := k.keeper.Apply(c, group.Epoch{
		Authority: k.f.author, Now: time.Now(), Revocation: k.list, Save: func([]byte) error { return nil },
	})
	require.NoError(k.f.tb, err)
	require.NoError(k.f.tb, k.keeper.Publish(k.store))
}

// member adds a member.
func (k *keeper) member(name string) *GroupMember {
	private, err := group.NewMemberKey(rand.Reader)
	require.NoError(k.f.tb, err)
	k.change(group.Change{Add: []group.Newcomer{{Name: name, Public: private.Public()}}})
	m, err := group.NewMember(k.f.domain, "desk", private, group.Seen{})
	require.NoError(k.f.tb, err)
	g := NewGroupMember(m, k.store)
	require.NoError(k.f.tb, g.Refresh())
	return g
}

// epochs remembers the epochs that publications named.
type epochs struct {
	mu   sync.Mutex
	seen []uint64
}

func (n *epochs) judge(h *message.Header) keyx.Kind {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = append(n.seen, h.GKEpoch)
	return keyx.KindOK
}

// Members publish under the newest epoch and read; a grant that requires the group key is served; a member
// that is behind fetches the epoch that it is named; what was sealed under an earlier epoch still opens.
func TestGroupMembersPublishAndRead(t *testing.T) {
	f := newFake(t, func(g *keyx.Grant) { g.RequireGK = true })
	var n epochs
	f.judge = n.judge
	k := f.group()
	publisher, subscriber := k.member("publisher"), k.member("subscriber")
	require.NoError(t, publisher.Refresh())
	f.cfg.Group = split{publisher, subscriber}
	c, _, _ := subscribed(t, f)
	publish(t, c, "two")
	receive(t, c, "two")
	k.change(group.Change{})
	publish(t, c, "still two")
	receive(t, c, "still two")
	require.NoError(t, publisher.Refresh())
	publish(t, c, "three")
	receive(t, c, "three") // the subscriber looked at the store by itself
	require.Equal(t, []uint64{2, 2, 3}, n.seen)
	newest, ok := publisher.Newest()
	require.True(t, ok)
	require.EqualValues(t, 3, newest.Epoch)
	behind, ok := subscriber.Key(3)
	require.True(t, ok)
	require.Equal(t, newest, behind)
	old, ok := subscriber.Key(2)
	require.True(t, ok)
	require.NotEqual(t, newest.Key, old.Key)
}

// The key of an epoch ends some minutes after the next epoch was taken; the newest one has no end.
func TestGroupKeysEnd(t *testing.T) {
	k := newFake(t).group()
	m := k.member("a")
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	m.now = func() time.Time { return now }
	now = now.Add(1000 * time.Hour)
	_, ok := m.Key(1)
	require.True(t, ok)
	k.change(group.Change{})
	require.NoError(t, m.Refresh())
	now = now.Add(epochGrace - 1)
	_, ok = m.Key(1)
	require.True(t, ok)
	now = now.Add(1)
	_, ok = m.Key(1)
	require.False(t, ok)
	_, ok = m.Key(2)
	require.True(t, ok)
}

// split is a group whose holder publishes under one epoch and reads with the keys of another member.
type split struct{ publish, read GroupKeys }

func (s split) Newest() (EpochKey, bool)      { return s.publish.Newest() }
func (s split) Key(e uint64) (EpochKey, bool) { return s.read.Key(e) }

// forged claims to have another key for every epoch.
type forged struct{}

func (forged) Newest() (EpochKey, bool)      { return EpochKey{Epoch: 1}, true }
func (forged) Key(e uint64) (EpochKey, bool) { return EpochKey{Epoch: e, Key: [32]byte{1}}, true }

// Who was matched and is not in the group, or left it, reads nothing; what was published before still opens.
func TestGroupOutsidersReadNothing(t *testing.T) {
	f := newFake(t)
	k := f.group()
	publisher, leaver := k.member("publisher"), k.member("leaver")
	require.NoError(t, publisher.Refresh())
	f.cfg.Group = split{publisher, leaver}
	c, _, _ := subscribed(t, f)
	publish(t, c, "before")
	receive(t, c, "before")
	k.change(group.Change{Remove: []string{"leaver"}})
	require.NoError(t, publisher.Refresh())
	publish(t, c, "after")
	require.Equal(t, reasonGroup, receiveError[*IntegrityError](t, c).Reason)
	require.ErrorIs(t, leaver.Refresh(), group.ErrNotMember)
	require.NoError(t, c.Close())

	f.cfg.Group = split{publisher, forged{}}
	c, _, _ = subscribed(t, f)
	publish(t, c, "after")
	require.Equal(t, reasonPayload, receiveError[*IntegrityError](t, c).Reason)
	require.NoError(t, c.Close())

	f.cfg.Group = split{publisher, f.group().member("other")}
	c, _, _ = subscribed(t, f)
	publish(t, c, "after")
	require.Equal(t, reasonGroup, receiveError[*IntegrityError](t, c).Reason)
}

// Without a key nothing is published; nor under an epoch that follows an older list than one's own.
func TestGroupRefusesToPublish(t *testing.T) {
	f := newFake(t)
	k := f.group()
	none, err := group.NewMember(f.domain, "desk", group.MemberKey{}, group.Seen{})
	require.NoError(t, err)
	f.cfg.Group = NewGroupMember(none, k.store)
	c, _ := f.dial()
	requireKind(t, Kind(keyx.KindBadGroup), c.Publish(t.Context(), quoteEvent(t, "HAL", 1), nil))
	require.ErrorIs(t, f.cfg.Group.(*GroupMember).Refresh(), group.ErrNotFound)
	require.NoError(t, c.Close())

	lists := f.lists(2)
	f.list.Store(2)
	f.cfg.Revocation = lists[0]
	k.list = 1
	m := k.member("a")
	f.cfg.Group = m
	c, _ = f.dial()
	publish(t, c, "one")
	require.NoError(t, c.UpdateRevocation(lists[1]))
	err = c.Publish(t.Context(), quoteEvent(t, "HAL", 1), nil)
	requireKind(t, Kind(keyx.KindStale), err)
	require.ErrorIs(t, err, ErrGroupLags)
	k.list = 2
	k.change(group.Change{})
	require.NoError(t, m.Refresh())
	publish(t, c, "two")
	require.NoError(t, c.Close())
}

// What is sent again has the epoch and the bytes it was sealed with, whatever the group's newest epoch is.
func TestGroupResends(t *testing.T) {
	f := lasting(t)
	f.silent = true
	k := f.group()
	m := k.member("a")
	f.cfg.Group = m
	var n epochs
	c, s := f.dial()
	r, err := c.PublishAsync(t.Context(), quoteEvent(t, "HAL", 49.5), []byte("x"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.handled == 1 }, time.Minute, time.Millisecond)
	k.change(group.Change{})
	require.NoError(t, m.Refresh())
	s.do(func() { f.silent, f.judge = false, n.judge })
	s.cut()
	require.NoError(t, r.Wait(t.Context()))
	require.Equal(t, []uint64{1}, n.seen)
}

// An epoch that somebody invents costs a look at the record and no more; objects that change while the
// keeper publishes are looked at again.
func TestGroupMemberLooks(t *testing.T) {
	f := newFake(t)
	k := f.group()
	m := k.member("a")
	before := k.store.looks()
	for i := range uint64(5) {
		_, ok := m.Key(1000 + i)
		require.False(t, ok)
	}
	require.Equal(t, before+5, k.store.looks())
	_, ok := m.Key(0)
	require.False(t, ok)
	k.change(group.Change{})
	k.store.stale = 2
	require.NoError(t, m.Refresh())
	k.change(group.Change{})
	k.store.stale = 100
	err := m.Refresh()
	require.ErrorIs(t, err, group.ErrMixed)
	require.EqualValues(t, 2, m.Seen().Epoch)
	k.store.stale = 0
	for range group.KeptEpochs {
		k.change(group.Change{})
		require.NoError(t, m.Refresh())
	}
	_, ok = m.Key(2)
	require.False(t, ok)
	newest, _ := m.Newest()
	_, ok = m.Key(newest.Epoch - group.KeptEpochs + 1)
	require.True(t, ok)
	require.Contains(t, fmt.Sprintf("%+v %#v", m, newest), "redacted")
	require.NotContains(t, fmt.Sprintf("%v %x", newest, newest), fmt.Sprint(newest.Key)[1:12])
}
