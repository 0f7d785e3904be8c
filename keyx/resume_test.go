package keyx

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// between is a session that has begun, on both sides.
type between struct{ client, enclave *Session }

func (k *kit) begin(t testing.TB) between {
	i, m1 := k.initiate(t)
	r, m2, err := k.identity.Accept(m1)
	require.NoError(t, err)
	m3, err := i.Respond(m2, testNow)
	require.NoError(t, err)
	_, err = r.Finish(m3, testNow)
	require.NoError(t, err)
	m4, enclave, err := r.Confirm(1, testLimits, 3)
	require.NoError(t, err)
	client, _, err := i.Confirm(m4)
	require.NoError(t, err)
	return between{client, enclave}
}

// resumer begins a handshake that asks to resume b's session.
func (k *kit) resumer(t testing.TB, b between, list uint64) (*Initiator, []byte) {
	cfg := k.config()
	cfg.Resume, cfg.Revocation = b.client.Resumption, list
	i, m5, err := NewInitiator(cfg)
	require.NoError(t, err)
	return i, m5
}

// works has both ends of a session understand each other.
func (b between) works(t testing.TB) {
	t.Helper()
	for _, pair := range [][2]*Session{{b.client, b.enclave}, {b.enclave, b.client}} {
		blob, err := pair[0].Out.Seal(nil, []byte("hello"))
		require.NoError(t, err)
		plain, _, err := pair[1].In.Open(nil, blob)
		require.NoError(t, err)
		require.Equal(t, "hello", string(plain))
	}
	var ck [2][32]byte
	var salt [2][16]byte
	require.NoError(t, b.client.Content.Derive(1, 1, &ck[0], &salt[0]))
	require.NoError(t, b.enclave.Content.Derive(1, 1, &ck[1], &salt[1]))
	require.Equal(t, ck[0], ck[1])
	require.Equal(t, b.client.Resumption.ID(), b.enclave.Resumption.ID())
}

func TestResume(t *testing.T) {
	k := newKit(t)
	b := k.begin(t)
	b.works(t)
	seen := map[[16]byte]bool{}
	for n := range uint64(3) { // each gives the next
		require.False(t, seen[b.client.Resumption.ID()])
		seen[b.client.Resumption.ID()] = true
		held := b.enclave.Resumption
		i, m5 := k.resumer(t, b, 3)
		q, ok := ParseResume(m5)
		require.True(t, ok)
		require.Equal(t, held.ID(), q.ID())
		list, err := held.Verify(q)
		require.NoError(t, err)
		require.EqualValues(t, 3, list)
		m6, enclave, err := held.Accept(q, 7+n, testLimits, 3, k.rand)
		require.NoError(t, err)
		require.True(t, Resumes(m6))
		client, c, err := i.Resume(m6)
		require.NoError(t, err)
		require.Equal(t, Confirmation{SessionID: 7 + n, Limits: testLimits, Revocation: 3, Instance: k.identity.Instance()}, c)
		b = between{client, enclave}
		b.works(t)

		// It is used up on both sides.
		_, err = held.Verify(q)
		requireKind(t, KindIntegrity, err)
		_, _, err = i.Resume(m6)
		requireKind(t, KindInternal, err)
		require.Equal(t, secret32{}, held.secret)
	}
}

// Where the enclave cannot resume, message 1 inside counts, and the handshake is a whole one.
func TestResumeFallsBack(t *testing.T) {
	k := newKit(t)
	i, m5 := k.resumer(t, k.begin(t), 0)
	q, ok := ParseResume(m5)
	require.True(t, ok)
	r, m2, err := k.identity.Accept(q.Hello())
	require.NoError(t, err)
	require.False(t, Resumes(m2))
	m3, err := i.Respond(m2, testNow)
	require.NoError(t, err)
	_, err = r.Finish(m3, testNow)
	require.NoError(t, err)
	m4, _, err := r.Confirm(1, testLimits, 0)
	require.NoError(t, err)
	_, _, err = i.Confirm(m4)
	require.NoError(t, err)
	_, _, err = i.Resume(m4)
	requireKind(t, KindInternal, err)
}

func TestResumeRefused(t *testing.T) {
	k := newKit(t)
	b, other := k.begin(t), k.begin(t)
	i, m5 := k.resumer(t, b, 0)
	q, _ := ParseResume(m5)
	_, err := other.enclave.Resumption.Verify(q)
	requireKind(t, KindIntegrity, err)
	for n := range m5 { // each bit counts, message 1 inside included
		bad := bytes.Clone(m5)
		bad[n] ^= 1
		x, ok := ParseResume(bad)
		if !ok {
			continue
		}
		if _, err := b.enclave.Resumption.Verify(x); n < 1+16 {
			require.NotEqual(t, q.ID(), x.ID())
		} else {
			requireKind(t, KindIntegrity, err)
		}
		_, ok = ParseResume(m5[:n])
		require.False(t, ok)
	}
	_, ok := ParseResume(append(bytes.Clone(m5), 0))
	require.False(t, ok)
	_, ok = ParseResume(make([]byte, MaxMessage+1))
	require.False(t, ok)
	held := *b.enclave.Resumption // a copy, to play on
	m6, _, err := b.enclave.Resumption.Accept(q, 9, testLimits, 0, k.rand)
	require.NoError(t, err)
	for n := range m6 {
		bad := bytes.Clone(m6)
		bad[n] ^= 1
		j := *i
		secret := *i.cfg.Resume
		j.cfg.Resume = &secret
		_, _, err := j.Resume(bad)
		require.Error(t, err)
		require.Contains(t, []Kind{KindIntegrity, KindBadMessage}, kindOf(err))
	}

	// The host reflects, and answers for another message 5 of the same client.
	j := *i
	secret := *i.cfg.Resume
	j.cfg.Resume = &secret
	_, _, err = j.Resume(m5)
	requireKind(t, KindBadMessage, err)
	again := between{client: &Session{Resumption: &Resumption{id: held.id, secret: held.secret, suite: held.suite}}}
	second, _ := k.resumer(t, again, 0)
	_, _, err = second.Resume(m6)
	requireKind(t, KindIntegrity, err)

	_, _, err = i.Resume(m6)
	require.NoError(t, err)
}

// An enclave under a list older than one's own, or than the endorsement allowed, is left.
func TestResumeUnderAnOldList(t *testing.T) {
	k := newKit(t)
	for held, want := range map[uint64]Kind{4: KindStale, 5: KindOK} {
		for _, byEndorsement := range []bool{false, true} {
			b := k.begin(t)
			list := uint64(5)
			if byEndorsement {
				b.client.Resumption.minList, list = 5, 0
			}
			i, m5 := k.resumer(t, b, list)
			q, _ := ParseResume(m5)
			m6, _, err := b.enclave.Resumption.Accept(q, 9, testLimits, held, k.rand)
			require.NoError(t, err)
			_, _, err = i.Resume(m6)
			if want == KindOK {
				require.NoError(t, err)
				continue
			}
			requireKind(t, want, err)
		}
	}
}

// Nothing of the session before, nor of the one after, opens the other.
func TestResumedKeysAreNew(t *testing.T) {
	k := newKit(t)
	b := k.begin(t)
	i, m5 := k.resumer(t, b, 0)
	q, _ := ParseResume(m5)
	m6, enclave, err := b.enclave.Resumption.Accept(q, 1, testLimits, 0, k.rand) // the same session id, which never happens
	require.NoError(t, err)
	client, _, err := i.Resume(m6)
	require.NoError(t, err)
	blob, err := client.Out.Seal(nil, []byte("x"))
	require.NoError(t, err)
	_, _, err = b.enclave.In.Open(nil, blob)
	requireKind(t, KindIntegrity, err)
	_, _, err = enclave.In.Open(nil, blob)
	require.NoError(t, err)
}

func TestCachedStatement(t *testing.T) {
	k := newKit(t)
	first, m1 := k.initiate(t)
	_, full, err := k.identity.Accept(m1)
	require.NoError(t, err)
	_, err = first.Respond(full, testNow)
	require.NoError(t, err)
	require.Equal(t, k.identity.Statement(), first.Statement())

	attempt := func(cached []byte) (*Initiator, *Responder, []byte) {
		cfg := k.config()
		cfg.Cached = cached
		i, m1, err := NewInitiator(cfg)
		require.NoError(t, err)
		r, m2, err := k.identity.Accept(m1)
		require.NoError(t, err)
		return i, r, m2
	}
	i, r, m2 := attempt(first.Statement())
	require.Less(t, len(m2), len(full)/3)
	m3, err := i.Respond(m2, testNow)
	require.NoError(t, err)
	_, err = r.Finish(m3, testNow)
	require.NoError(t, err, "the transcript has the whole statement on both sides")
	m4, _, err := r.Confirm(1, testLimits, 0)
	require.NoError(t, err)
	_, _, err = i.Confirm(m4)
	require.NoError(t, err)
	require.Equal(t, first.Statement(), i.Statement())

	// The evidence is verified anew: what has run out since is refused.
	i, _, m2 = attempt(first.Statement())
	_, err = i.Respond(m2, testNow.AddDate(100, 0, 0))
	requireKind(t, KindEvidenceRefused, err)

	// Another statement than the enclave's is answered in full.
	other := newKit(t)
	other.rand = fixedRand("another")
	other.identity = other.newIdentity(t, supported())
	i, _, m2 = attempt(other.identity.Statement())
	require.Len(t, m2, len(full))
	_, err = i.Respond(m2, testNow)
	require.NoError(t, err)

	// "Unchanged" for somebody who has nothing, and for somebody who has another one.
	_, _, unchanged := attempt(first.Statement())
	i, _, _ = attempt(nil)
	_, err = i.Respond(unchanged, testNow)
	requireKind(t, KindBadMessage, err)
	i, r, m2 = attempt(other.identity.Statement())
	mixed := append(bytes.Clone(unchanged[:len(unchanged)-1120]), m2[len(m2)-1120:]...)
	m3, err = i.Respond(mixed, testNow)
	if err == nil {
		_, err = r.Finish(m3, testNow)
	}
	require.Error(t, err)
}

func FuzzResume(f *testing.F) {
	k := newKit(f)
	b := k.begin(f)
	_, m5 := k.resumer(f, b, 0)
	f.Add(m5)
	f.Add(m5[:60])
	f.Fuzz(func(t *testing.T, m []byte) {
		q, ok := ParseResume(m)
		if !ok {
			return
		}
		require.Equal(t, m, q.m.encode())
		_, err := b.enclave.Resumption.Verify(q)
		require.Equal(t, bytes.Equal(m, m5), err == nil)
	})
}
