package client

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

// lists signs the first n revocation lists of the fake's domain; the subjects are revoked in the last.
func (f *fake) lists(n int, subjects ...string) [][]byte {
	var all [][]byte
	var last *keyx.RevocationList
	for i := range n {
		var in []string
		if i == n-1 {
			in = subjects
		}
		l := last.Next(f.domain.Name, time.Now(), in...)
		jws, err := keyx.SignRevocationList(l, f.author)
		require.NoError(f.tb, err)
		all, last = append(all, jws), &l
	}
	return all
}

// numbers remembers the list numbers that publications named.
type numbers struct {
	mu   sync.Mutex
	seen []uint64
}

func (n *numbers) judge(h *message.Header) keyx.Kind {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = append(n.seen, h.Revocation)
	return keyx.KindOK
}

func (n *numbers) all() []uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]uint64(nil), n.seen...)
}

// Publications name the newest list that was verified, from the return of UpdateRevocation on.
func TestPublicationsNameTheList(t *testing.T) {
	f := newFake(t)
	lists := f.lists(3)
	var n numbers
	f.judge = n.judge
	f.cfg.Revocation = lists[0]
	f.list.Store(3)
	c, _ := f.dial()
	publish(t, c, "a")
	require.NoError(t, c.UpdateRevocation(lists[2]))
	publish(t, c, "b")
	require.NoError(t, c.UpdateRevocation(lists[1]), "an older one changes nothing")
	requireKind(t, Kind(keyx.KindBadList), c.UpdateRevocation([]byte("{}")))
	publish(t, c, "c")
	require.Equal(t, []uint64{1, 3, 3}, n.all())
	require.NoError(t, c.Close())
}

// What is sent again names the list of now, not that of then.
func TestResendsNameTheListOfNow(t *testing.T) {
	f := lasting(t)
	f.silent = true
	lists := f.lists(2)
	f.list.Store(2)
	f.cfg.Revocation = lists[0]
	c, s := f.dial()
	r, err := c.PublishAsync(t.Context(), quoteEvent(t, "HAL", 49.5), []byte("x"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.handled == 1 }, time.Minute, time.Millisecond)
	var n numbers
	s.mu.Lock()
	f.silent, f.judge = false, n.judge
	s.mu.Unlock()
	require.NoError(t, c.UpdateRevocation(lists[1]))
	s.cut()
	require.NoError(t, r.Wait(t.Context()))
	require.Equal(t, []uint64{2}, n.all())
	require.NoError(t, c.Close())
}

// Nothing is taken from a blob under a list older than the one verified, and the next blob is judged anew.
func TestDeliveriesUnderAnOldList(t *testing.T) {
	f := newFake(t)
	lists := f.lists(2)
	f.list.Store(1)
	c, _ := f.dial()
	_, err := c.Subscribe(t.Context(), where(t, "symbol = 'HAL'"))
	require.NoError(t, err)
	publish(t, c, "one")
	receive(t, c, "one")
	require.NoError(t, c.UpdateRevocation(lists[1]))
	publish(t, c, "two")
	require.Equal(t, reasonStale, notice[*IntegrityError](t, c).Reason)
	f.list.Store(2)
	publish(t, c, "three")
	receive(t, c, "three")
	require.EqualValues(t, 1, c.Stats().IntegrityRefused)
	require.NoError(t, c.Close())
}

func TestEnclaveWithAnOldList(t *testing.T) {
	f := newFake(t)
	lists := f.lists(2)
	f.list.Store(1)
	f.cfg.Revocation = lists[1]
	_, err := Dial(t.Context(), f.cfg)
	requireKind(t, Kind(keyx.KindStale), err)
	f.list.Store(2)
	c, _ := f.dial()
	require.NoError(t, c.Close())
}

// A client whose enclave went back waits for one that has the list, however long that takes.
func TestReconnectsOnlyToANewerList(t *testing.T) {
	f := lasting(t)
	f.cfg.ReconnectMin, f.cfg.ReconnectMax = time.Millisecond, time.Millisecond
	f.list.Store(5)
	c, s := f.dial()
	f.list.Store(4)
	s.cut()
	notice[*DisconnectedError](t, c)
	for range 2 * maxRefusals { // more than a grant that is refused is tried
		<-f.sessions
	}
	f.list.Store(5)
	done := make(chan error, 1)
	go func() { done <- c.Publish(t.Context(), quoteEvent(t, "HAL", 49.5), []byte("again")) }()
	for {
		select {
		case <-f.sessions:
			continue
		case err := <-done:
			require.NoError(t, err)
		}
		break
	}
	require.NoError(t, c.Close())
}

func TestOwnGrantRevoked(t *testing.T) {
	f := newFake(t)
	lists := f.lists(1, "alice")
	f.cfg.Revocation = lists[0]
	_, err := Dial(t.Context(), f.cfg)
	requireKind(t, Kind(keyx.KindGrantRevoked), err)
	f.cfg.Revocation = nil
	f.list.Store(1)
	c, _ := f.dial()
	requireKind(t, Kind(keyx.KindGrantRevoked), c.UpdateRevocation(lists[0]))
	<-c.Done()
	_, err = c.Receive(t.Context())
	requireKind(t, Kind(keyx.KindGrantRevoked), err)
	requireKind(t, Kind(keyx.KindGrantRevoked), c.Publish(t.Context(), quoteEvent(t, "HAL", 1), nil))
	_ = c.Close()
}

// A publisher that is kept ignorant stops by its own clock.
func TestListOfACertainAge(t *testing.T) {
	f := newFake(t)
	f.domain.Revocation.MaxAgeSeconds = 60
	f.cfg.Domain = f.domain
	f.boot()
	f.list.Store(2)
	_, err := Dial(t.Context(), f.cfg)
	requireKind(t, Kind(keyx.KindStale), err)
	require.ErrorIs(t, err, errNoList)
	lists := f.lists(2)
	now := time.Now()
	var mu sync.Mutex
	f.cfg.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	f.cfg.Revocation = lists[0]
	c, _ := f.dial()
	publish(t, c, "fresh")
	mu.Lock()
	now = now.Add(2 * time.Minute)
	mu.Unlock()
	err = c.Publish(t.Context(), quoteEvent(t, "HAL", 1), nil)
	requireKind(t, Kind(keyx.KindStale), err)
	require.ErrorIs(t, err, errOldList)
	_, err = c.PublishAsync(t.Context(), quoteEvent(t, "HAL", 1), nil)
	requireKind(t, Kind(keyx.KindStale), err)
	newer, err := keyx.SignRevocationList(keyx.RevocationList{Domain: f.domain.Name, Number: 2, Issued: now.Truncate(time.Second)}, f.author)
	require.NoError(t, err)
	require.NoError(t, c.UpdateRevocation(newer))
	publish(t, c, "fresh again")
	require.NoError(t, c.Close())
}
