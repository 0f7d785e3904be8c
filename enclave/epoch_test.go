package enclave

import (
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/keyx"
)

// countingPlatform counts quotes, and gives none while it is broken.
type countingPlatform struct {
	platform.Platform
	quotes int
	broken bool
}

func (p *countingPlatform) Quote(data [64]byte) (quote, collateral []byte, err error) {
	if p.broken {
		return nil, nil, errors.New("no quote today")
	}
	p.quotes++
	return p.Platform.Quote(data)
}

// endorsed is a world whose domain has an endorser.
type endorsed struct {
	*world
	endorser ed25519.PrivateKey
}

func newEndorsed(t *testing.T, change ...func(*Config)) *endorsed {
	x := &endorsed{endorser: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	list := []ed25519.PublicKey{x.endorser.Public().(ed25519.PublicKey)}
	x.world = newWorld(t, append(change, func(c *Config) { c.Domain.Endorsers = list })...)
	x.domain.Endorsers = list
	x.statement = decode(t, x.core.Ready(nil))[1].Body
	return x
}

// endorsement is one of the newest statement.
func (x *endorsed) endorsement(change ...func(*keyx.Endorsement)) []byte {
	x.t.Helper()
	claim, err := keyx.ParseClaim(x.statement, x.domain)
	require.NoError(x.t, err)
	m := machine().Info().Measurement
	e := keyx.Endorsement{
		Router: routerName, Measurement: m[:], KeyHash: claim.KeyHash, Bind: claim.Bind,
		Issued: x.now, NotAfter: x.now.Add(time.Hour),
	}
	for _, f := range change {
		f(&e)
	}
	b, err := keyx.SignEndorsement(e, x.endorser)
	require.NoError(x.t, err)
	return b
}

func (x *endorsed) give(b []byte) (until uint64, kind keyx.Kind, frames []abi.Frame) {
	x.t.Helper()
	frames = x.step(abi.AppendEndorse(nil, b))
	for _, f := range frames {
		if f.Type == abi.Endorsed {
			return f.Until, keyx.Kind(f.Kind), frames
		}
	}
	require.Fail(x.t, "no answer")
	return 0, 0, nil
}

// refusedAt is how an attempt to open a session is refused at message 1.
func (x *endorsed) refusedAt() keyx.Kind {
	x.t.Helper()
	_, msg1 := x.initiate(grantFor("alice"))
	out := x.step(abi.AppendOpen(nil, x.newConn(), msg1))
	if out[0].Type == abi.Handshake {
		return keyx.KindOK
	}
	require.Equal(x.t, abi.Refuse, out[0].Type)
	return keyx.Kind(out[0].Kind)
}

func TestNobodyIsServedUnendorsed(t *testing.T) {
	x := newEndorsed(t)
	require.Equal(t, keyx.KindNotEndorsed, x.refusedAt())
	for name, b := range map[string][]byte{
		"nothing":         nil,
		"another router":  x.endorsement(func(e *keyx.Endorsement) { e.Router = "r2" }),
		"another program": x.endorsement(func(e *keyx.Endorsement) { e.Measurement = make([]byte, 32) }),
		"another key":     x.endorsement(func(e *keyx.Endorsement) { e.KeyHash[0] ^= 1 }),
		"another bind":    x.endorsement(func(e *keyx.Endorsement) { e.Bind[0] ^= 1 }),
		"past": x.endorsement(func(e *keyx.Endorsement) {
			e.Issued, e.NotAfter = x.now.Add(-2*time.Hour), x.now
		}),
	} {
		until, kind, _ := x.give(b)
		require.Zero(t, until, name)
		require.Equal(t, keyx.KindNotEndorsed, kind, name)
		require.Equal(t, keyx.KindNotEndorsed, x.refusedAt(), name)
	}
	until, kind, _ := x.give(x.endorsement())
	require.Equal(t, keyx.KindOK, kind)
	require.EqualValues(t, x.now.Add(time.Hour).Unix(), until)
	alice := x.member("alice")

	// Past its end no new session begins; those that are go on.
	x.now = x.now.Add(time.Hour)
	alice.take(x.step(abi.AppendTick(nil)))
	require.Equal(t, keyx.KindNotEndorsed, x.refusedAt())
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	_, kind, _ = x.give(x.endorsement())
	require.Equal(t, keyx.KindOK, kind)
	x.member("bob")
}

// The endorsement's minimum holds for everybody, also for sessions that were there before.
func TestEndorsedMinimumHolds(t *testing.T) {
	x := newEndorsed(t)
	_, kind, _ := x.give(x.endorsement())
	require.Equal(t, keyx.KindOK, kind)
	alice := x.member("alice")
	x.now = x.now.Add(time.Second)
	_, _, frames := x.give(x.endorsement(func(e *keyx.Endorsement) { e.MinList = 1 }))
	require.Equal(t, keyx.KindStale, alice.take(frames).refused)
	_, conn, msg3 := x.handshake(grantFor("alice"))
	out := x.step(abi.AppendFinish(nil, conn, msg3))
	require.Equal(t, keyx.KindStale, keyx.Kind(out[0].Kind))
	_, one := x.list(nil)
	x.take(one)
	x.member("alice")

	// It does not go back with a later endorsement.
	x.now = x.now.Add(time.Second)
	_, kind, _ = x.give(x.endorsement(func(e *keyx.Endorsement) { e.MinList = 0 }))
	require.Equal(t, keyx.KindOK, kind)
	require.EqualValues(t, 1, x.core.minList)
}

// A host that sets the clock back does not make an endorsement last: its time is signed.
func TestEndorsementAdvancesTime(t *testing.T) {
	x := newEndorsed(t)
	late := x.now.Add(30 * time.Hour)
	_, kind, frames := x.give(x.endorsement(func(e *keyx.Endorsement) { e.Issued, e.NotAfter = late, late.Add(time.Hour) }))
	require.Equal(t, keyx.KindOK, kind)
	require.NotEmpty(t, frames)
	require.Equal(t, late, x.core.now)
	_, conn, msg3 := x.handshake(grantFor("alice")) // valid for 24 h from the beginning
	out := x.step(abi.AppendFinish(nil, conn, msg3))
	require.Equal(t, keyx.KindGrantExpired, keyx.Kind(out[0].Kind))
}

// A new key each epoch, one quote for each of them and none for a session; handshakes that began under the old key
// end well, and the old key is erased when none can be left.
func TestKeyEpochs(t *testing.T) {
	p := &countingPlatform{Platform: machine()}
	w := newWorld(t, func(c *Config) {
		c.Platform = p
		c.Limits = Limits{EpochLength: time.Hour, HandshakeTimeout: 10 * time.Second}
	})
	for range 20 {
		w.member("alice")
	}
	require.Equal(t, 1, p.quotes)
	first := w.core.keys.now
	w.now = w.now.Add(time.Hour - time.Second)
	w.step(abi.AppendTick(nil))
	require.Empty(t, w.statement)

	i, conn, msg3 := w.handshake(grantFor("bob"))
	w.now = w.now.Add(time.Second)
	w.step(abi.AppendTick(nil))
	require.NotEmpty(t, w.statement)
	require.Equal(t, 2, p.quotes)
	require.EqualValues(t, 2, w.core.keys.now.Epoch())
	require.Equal(t, first.Instance(), w.core.keys.now.Instance(), "clients see no restart")
	out := w.step(abi.AppendFinish(nil, conn, msg3))
	require.Equal(t, abi.Handshake, out[0].Type)
	_, _, err := i.Confirm(out[0].Body)
	require.NoError(t, err)
	w.member("carol")

	require.Len(t, w.core.keys.retired, 1)
	w.now = w.now.Add(10 * time.Second)
	w.step(abi.AppendTick(nil))
	require.Empty(t, w.core.keys.retired)
	_, msg1 := w.initiate(grantFor("x"))
	r, _, err := first.Accept(msg1)
	require.NoError(t, err)
	_, err = r.Finish(msg3, w.now)
	var e *keyx.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, keyx.KindInternal, e.Kind, "its key is gone")

	// No quote to be had: the key of now goes on, and it is tried again.
	p.broken = true
	w.now = w.now.Add(time.Hour)
	w.step(abi.AppendTick(nil))
	require.EqualValues(t, 2, w.core.keys.now.Epoch())
	w.member("dave")
	p.broken = false
	w.now = w.now.Add(epochRetry)
	w.step(abi.AppendTick(nil))
	require.EqualValues(t, 3, w.core.keys.now.Epoch())
	require.Equal(t, 3, p.quotes)
}

// With endorsers the old key serves until the new one is endorsed, as long as its own endorsement is good.
func TestKeyEpochsWithEndorsers(t *testing.T) {
	p := &countingPlatform{Platform: machine()}
	x := newEndorsed(t, func(c *Config) {
		c.Platform = p
		c.Limits = Limits{EpochLength: 30 * time.Minute}
	})
	_, kind, _ := x.give(x.endorsement())
	require.Equal(t, keyx.KindOK, kind)
	old := x.statement
	x.now = x.now.Add(30 * time.Minute)
	x.step(abi.AppendTick(nil))
	require.NotEqual(t, old, x.statement, "told to endorsers before it serves")
	require.EqualValues(t, 1, x.core.keys.now.Epoch())
	x.member("alice")
	x.now = x.now.Add(30 * time.Minute)
	require.Equal(t, keyx.KindNotEndorsed, x.refusedAt(), "the old one's has run out")
	require.Equal(t, 2, p.quotes, "while one waits no other is made")
	_, kind, _ = x.give(x.endorsement())
	require.Equal(t, keyx.KindOK, kind)
	require.EqualValues(t, 2, x.core.keys.now.Epoch())
	x.member("bob")
}

func TestShutdownErasesEveryKey(t *testing.T) {
	x := newEndorsed(t, func(c *Config) { c.Limits = Limits{EpochLength: 30 * time.Minute} })
	x.give(x.endorsement())
	x.now = x.now.Add(30 * time.Minute)
	x.step(abi.AppendTick(nil))
	ids := []*keyx.Identity{x.core.keys.now, x.core.keys.next}
	require.NotNil(t, ids[1])
	x.step(abi.AppendShutdown(nil))
	for _, id := range ids {
		_, msg1 := x.initiate(grantFor("x"))
		r, _, err := id.Accept(msg1)
		require.NoError(t, err)
		_, err = r.Finish(make([]byte, 1300), x.now)
		require.Error(t, err)
	}
}
