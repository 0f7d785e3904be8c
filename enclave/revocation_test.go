package enclave

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
)

// list signs the list after another one.
func (w *world) list(after *keyx.RevocationList, subjects ...string) (keyx.RevocationList, []byte) {
	w.t.Helper()
	l := after.Next(w.domain.Name, w.now, subjects...)
	jws, err := keyx.SignRevocationList(l, w.authority)
	require.NoError(w.t, err)
	return l, jws
}

// held is what the core answered to a list.
func held(t *testing.T, frames []abi.Frame) (number uint64, kind keyx.Kind) {
	t.Helper()
	for _, f := range frames {
		if f.Type == abi.ListHeld {
			return f.List, keyx.Kind(f.Kind)
		}
	}
	require.Fail(t, "no answer")
	return 0, 0
}

func (w *world) take(jws []byte) (uint64, keyx.Kind) {
	w.t.Helper()
	t, ok := w.t.(*testing.T)
	require.True(w.t, ok)
	return held(t, w.step(abi.AppendTakeList(nil, jws)))
}

func TestListsOnlyGrow(t *testing.T) {
	w := newWorld(t)
	l1, one := w.list(nil, "alice")
	l2, two := w.list(&l1, "bob")
	_, three := w.list(&l2)
	for _, x := range []struct {
		list   []byte
		number uint64
		kind   keyx.Kind
	}{
		{two, 2, keyx.KindOK},
		{two, 2, keyx.KindOK},
		{one, 2, keyx.KindStale},
		{[]byte("{}"), 2, keyx.KindBadList},
		{nil, 2, keyx.KindBadList},
		{three, 3, keyx.KindOK},
		{two, 3, keyx.KindStale},
	} {
		number, kind := w.take(x.list)
		require.Equal(t, x.number, number)
		require.Equal(t, x.kind, kind)
	}
	other := newWorld(t)
	other.domain.Name = "another"
	_, foreign := other.list(&l2, "bob")
	number, kind := w.take(foreign)
	require.EqualValues(t, 3, number)
	require.Equal(t, keyx.KindWrongDomain, kind, "the same authority's, for another domain")
	var err error
	other.authority, err = keyx.NewAuthority(rng(77))
	require.NoError(t, err)
	other.domain.Name = w.domain.Name
	_, forged := other.list(&l2, "bob")
	number, kind = w.take(forged)
	require.EqualValues(t, 3, number)
	require.Equal(t, keyx.KindBadList, kind)
}

func TestRevokedSessionsEnd(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	require.Equal(t, keyx.KindOK, bob.subscribe(1, "TRUE"))
	l1, one := w.list(nil, "alice")
	frames := w.step(abi.AppendTakeList(nil, one))
	require.Equal(t, keyx.KindGrantRevoked, alice.take(frames).refused)
	require.Equal(t, keyx.KindOK, bob.take(frames).refused)
	require.Equal(t, 1, w.core.store.Stats().Subscriptions, "with its subscriptions")

	// The same grant is refused from now on; one made after the list is not.
	_, conn, msg3 := w.handshake(grantFor("alice"))
	out := w.step(abi.AppendFinish(nil, conn, msg3))
	require.Equal(t, abi.Refuse, out[0].Type)
	require.Equal(t, keyx.KindGrantRevoked, keyx.Kind(out[0].Kind))
	again := grantFor("alice")
	again.Revocation = l1.Number
	require.EqualValues(t, 1, w.connect(again).conf.Revocation, "told in message 4")

	// One that was made under a list that the enclave does not have yet waits.
	again.Revocation = l1.Number + 1
	_, conn, msg3 = w.handshake(again)
	out = w.step(abi.AppendFinish(nil, conn, msg3))
	require.Equal(t, keyx.KindStale, keyx.Kind(out[0].Kind))
}

// A publication that names a list which the host withholds is delivered to nobody.
func TestWithheldList(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	h := bob.publication("secret", "x", 1)
	h.header.Revocation = 1
	frames := w.step(bob.publishFrame(h))
	g := bob.take(frames)
	require.Len(t, g.refusals, 1)
	require.Equal(t, keyx.KindStale, g.refusals[0].Kind)
	require.Empty(t, alice.take(frames).deliveries)

	// The list comes: what was refused stays refused, the next passes, and alice is gone.
	_, one := w.list(nil, "alice")
	frames = w.step(abi.AppendTakeList(nil, one), bob.publishFrame(h))
	require.Equal(t, keyx.KindGrantRevoked, alice.take(frames).refused)
	g = bob.take(frames)
	require.Equal(t, keyx.KindStale, g.refusals[0].Kind)
	h2 := bob.publication("secret", "x", 1)
	h2.header.Revocation = 1
	frames = w.step(bob.publishFrame(h2))
	require.Empty(t, bob.take(frames).refusals)
	require.Empty(t, alice.take(frames).deliveries)
}

// In one step: what was matched before the list is sealed under the old number, what comes after under the
// new one, each to those who may have it.
func TestListBetweenPublications(t *testing.T) {
	w := newWorld(t)
	alice, carol, bob := w.member("alice"), w.member("carol"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	require.Equal(t, keyx.KindOK, carol.subscribe(1, "TRUE"))
	_, one := w.list(nil, "alice")
	before, after := bob.publication("a", "x", 1), bob.publication("b", "x", 2)
	after.header.Revocation = 1
	frames := w.step(bob.publishFrame(before), abi.AppendTakeList(nil, one), bob.publishFrame(after))
	a, c := alice.take(frames), carol.take(frames)
	require.Len(t, a.deliveries, 1)
	require.Equal(t, before.header.Counter, a.deliveries[0].Counter)
	require.Equal(t, keyx.KindGrantRevoked, a.refused)
	require.Equal(t, []uint64{0, 1}, c.lists, "one blob under each number")
	require.Len(t, c.deliveries, 2)
}

// The domain bounds the age of lists: nobody is served without one, nor under an old one, and a host that
// sets its clock back does not change what a signed time has shown.
func TestListOfACertainAge(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Domain.Revocation.MaxAgeSeconds = 3600 })
	w.domain.Revocation.MaxAgeSeconds = 3600
	refused := func() keyx.Kind {
		_, conn, msg3 := w.handshake(grantFor("alice"))
		out := w.step(abi.AppendFinish(nil, conn, msg3))
		require.Equal(t, abi.Refuse, out[0].Type)
		return keyx.Kind(out[0].Kind)
	}
	require.Equal(t, keyx.KindStale, refused())
	l1, one := w.list(nil)
	_, kind := w.take(one)
	require.Equal(t, keyx.KindOK, kind)
	alice := w.member("alice")
	w.now = w.now.Add(time.Hour - time.Second)
	require.Equal(t, keyx.KindOK, alice.take(w.step(abi.AppendTick(nil))).refused)
	w.now = w.now.Add(time.Second)
	require.Equal(t, keyx.KindStale, alice.take(w.step(abi.AppendTick(nil))).refused)
	require.Equal(t, keyx.KindStale, refused())
	w.now = w.now.Add(-time.Hour)
	require.Equal(t, keyx.KindStale, refused(), "a clock that goes back")
	w.now = epoch.Add(2 * time.Hour)
	_, two := w.list(&l1)
	w.now = epoch // the host's clock is far behind the authority's
	_, kind = w.take(two)
	require.Equal(t, keyx.KindOK, kind)
	require.Equal(t, epoch.Add(2*time.Hour), w.core.now)
}

// Signed time is time: grants end by it, whatever the host's clock says.
func TestListAdvancesTime(t *testing.T) {
	w := newWorld(t)
	alice := w.member("alice") // until epoch + 24 h
	w.now = epoch.Add(24 * time.Hour)
	_, one := w.list(nil)
	w.now = epoch
	require.Equal(t, keyx.KindGrantExpired, alice.take(w.step(abi.AppendTakeList(nil, one))).refused)
	_, conn, msg3 := w.handshake(grantFor("alice"))
	out := w.step(abi.AppendFinish(nil, conn, msg3))
	require.Equal(t, keyx.KindGrantExpired, keyx.Kind(out[0].Kind))
}
