package group

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
)

var testNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fixedRand is the same endless stream for the same seed. Tests only.
func fixedRand(seed string) io.Reader { return rand.NewChaCha8(sha256.Sum256([]byte(seed))) }

// memory is a store that counts.
type memory struct {
	objects    map[string][]byte
	gets, puts int
	got, put   int // bytes
	failPut    int // the put that fails, counted from 1; 0: none
}

var errDisk = errors.New("disk full")

func newMemory() *memory { return &memory{objects: map[string][]byte{}} }

func (m *memory) Get(name string) ([]byte, error) {
	m.gets++
	b, ok := m.objects[name]
	if !ok {
		return nil, ErrNotFound
	}
	m.got += len(b)
	return bytes.Clone(b), nil
}

func (m *memory) Put(name string, b []byte) error {
	m.puts++
	if m.puts == m.failPut {
		return errDisk
	}
	m.put += len(b)
	m.objects[name] = bytes.Clone(b)
	return nil
}

func (m *memory) reset() { m.gets, m.puts, m.got, m.put = 0, 0, 0, 0 }

func (m *memory) clone() *memory { return &memory{objects: maps.Clone(m.objects)} }

// kit is a group with its authority and store.
type kit struct {
	t         testing.TB
	authority keyx.Authority
	domain    keyx.Domain
	keeper    *Keeper
	store     *memory
	state     []byte // as saved last
	keys      map[string]MemberKey
	list      uint64
}

func newKit(t testing.TB) *kit {
	seed := sha256.Sum256([]byte("authority"))
	k := &kit{t: t, authority: keyx.Ed25519Authority(ed25519.NewKeyFromSeed(seed[:])), store: newMemory(), keys: map[string]MemberKey{}}
	k.domain = keyx.Domain{Name: "example", Authorities: []keyx.AuthorityKey{k.authority.Public()}}
	var err error
	k.keeper, err = NewKeeper("example", "desk", fixedRand("keeper"))
	require.NoError(t, err)
	return k
}

func (k *kit) epoch() Epoch {
	return Epoch{Authority: k.authority, Now: testNow, Revocation: k.list, Save: func(b []byte) error {
		k.state = bytes.Clone(b)
		return nil
	}}
}

// key is a member's key, made of its name.
func (k *kit) key(name string) MemberKey {
	if _, ok := k.keys[name]; !ok {
		var err error
		k.keys[name], err = NewMemberKey(fixedRand("member " + name))
		require.NoError(k.t, err)
	}
	return k.keys[name]
}

func (k *kit) newcomers(names ...string) []Newcomer {
	out := make([]Newcomer, len(names))
	for i, n := range names {
		out[i] = Newcomer{Name: n, Public: k.key(n).Public()}
	}
	return out
}

func (k *kit) change(add, remove []string) {
	require.NoError(k.t, k.keeper.Apply(Change{Add: k.newcomers(add...), Remove: remove}, k.epoch()))
	require.NoError(k.t, k.keeper.Publish(k.store))
}

func (k *kit) member(name string) *Member {
	m, err := NewMember(k.domain, "desk", k.key(name), Seen{})
	require.NoError(k.t, err)
	return m
}

// record is the newest record in the store.
func (k *kit) record() []byte { return k.store.objects[RecordName] }

// resign signs a changed record.
func (k *kit) resign(change func(*Record)) []byte {
	payload, err := keyx.VerifyGroupRecord(k.record(), k.domain)
	require.NoError(k.t, err)
	r, ok := decodeRecord(payload)
	require.True(k.t, ok)
	change(r)
	jws, err := keyx.SignGroupRecord(r.encode(), k.authority)
	require.NoError(k.t, err)
	return jws
}

func kindOf(t testing.TB, err error) keyx.Kind {
	e, ok := errors.AsType[*keyx.Error](err)
	require.True(t, ok, "%v is no *keyx.Error", err)
	return e.Kind
}

// refuses checks that an error is a BadGroup with that cause.
func refuses(t testing.TB, err, cause error) {
	t.Helper()
	require.ErrorIs(t, err, cause)
	require.Equal(t, keyx.KindBadGroup, kindOf(t, err))
}
