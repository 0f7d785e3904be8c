package group

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
)

// names is n names of members.
func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("member-%05d", i)
	}
	return out
}

// failing is a store that cannot be reached.
type failing struct{}

func (failing) Get(string) ([]byte, error) { return nil, errDisk }

func TestMemberFollows(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a", "b", "c"}, nil)
	m := k.member("a")
	_, ok := m.GroupKey(1)
	require.False(t, ok)
	require.Zero(t, m.Epoch())
	for i := range KeptEpochs + 3 {
		require.NoError(t, m.Refresh(k.store))
		require.NoError(t, m.Refresh(k.store), "the same record again")
		epoch, gk := k.keeper.GroupKey()
		require.EqualValues(t, i+1, epoch)
		got, ok := m.GroupKey(epoch)
		require.True(t, ok)
		require.Equal(t, gk, got)
		require.Equal(t, epoch, m.Epoch())
		k.list += 2
		k.change(nil, nil)
	}
	_, ok = m.GroupKey(3)
	require.False(t, ok, "beyond the kept epochs")
	_, ok = m.GroupKey(4)
	require.True(t, ok)
	require.EqualValues(t, 2*(KeptEpochs+2), m.Record().Revocation)
	require.EqualValues(t, testNow.Unix(), m.Record().Time)
}

// TestCatchUpCost: a member that missed 100 epochs fetches the record and its path, and nothing else.
func TestCatchUpCost(t *testing.T) {
	k := newKit(t)
	all := names(64)
	k.change(all, nil)
	m := k.member(all[63])
	require.NoError(t, m.Refresh(k.store))
	for i := range 50 {
		k.change(nil, all[i:i+1])
		k.change([]string{fmt.Sprint("new ", i)}, nil)
	}
	k.store.reset()
	require.NoError(t, m.Refresh(k.store))
	require.EqualValues(t, 101, m.Epoch())
	require.LessOrEqual(t, k.store.gets, 1+6)
	require.LessOrEqual(t, k.store.got, len(k.record())+6*maxNodeBytes)
	// An epoch whose change is far away costs less: only what is shared of the two paths.
	k.change(nil, []string{"new 0"}) // slot 0, in the other half
	k.store.reset()
	require.NoError(t, m.Refresh(k.store))
	require.Equal(t, 2, k.store.gets, "record and root")
}

// A member that left is told so, and may come back, into another slot.
func TestMemberLeavesAndReturns(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a", "b", "c"}, nil)
	m := k.member("a")
	require.NoError(t, m.Refresh(k.store))
	k.change(nil, []string{"a"})
	refuses(t, m.Refresh(k.store), ErrNotMember)
	require.EqualValues(t, 1, m.Epoch())
	k.change([]string{"d"}, nil) // takes the slot
	refuses(t, m.Refresh(k.store), ErrNotMember)
	k.change([]string{"a"}, nil)
	require.NoError(t, m.Refresh(k.store))
	require.EqualValues(t, 4, m.Epoch())
	for _, missed := range []uint64{2, 3} {
		_, ok := m.GroupKey(missed)
		require.False(t, ok)
	}
}

// A tree that grows has the old root as a node.
func TestGroupGrows(t *testing.T) {
	k := newKit(t)
	all := names(40)
	k.change(all[:1], nil)
	m := k.member(all[0])
	for i := 1; i < len(all); i += i {
		require.NoError(t, m.Refresh(k.store))
		k.change(all[i:min(2*i, len(all))], nil)
	}
	require.NoError(t, m.Refresh(k.store))
	last := k.member(all[39])
	require.NoError(t, last.Refresh(k.store))
	a, _ := m.GroupKey(m.Epoch())
	b, _ := last.GroupKey(m.Epoch())
	require.Equal(t, a, b)
	require.Equal(t, 6, m.Record().Height)
}

// TestMemberRefuses: what a host, or an authority that errs, may show, by what is refused about it. The
// group has a and b, member a stands at epoch 2, and the true record is that of epoch 3.
func TestMemberRefuses(t *testing.T) {
	type world struct {
		*kit
		m     *Member
		store *memory // to be damaged
		first []byte  // the record of epoch 1
		at    []byte  // of epoch 2
	}
	record := func(change func(*Record)) func(*world) []byte {
		return func(w *world) []byte { return w.resign(change) }
	}
	genuine := func(w *world) []byte { return w.record() }
	rootName := place{1, 0}.name()
	for _, tt := range []struct {
		name  string
		jws   func(*world) []byte
		cause error
	}{
		{"an older record", func(w *world) []byte { return w.first }, ErrOldEpoch},
		{"another record of the epoch", func(w *world) []byte {
			return w.resign(func(r *Record) { r.Epoch, r.Commitment = 2, [32]byte{1} })
		}, ErrFork},
		{"a record that follows another", record(func(r *Record) { r.Previous = [32]byte{1} }), ErrFork},
		{"another group", record(func(r *Record) { r.Group = "other" }), errForeign},
		{"another domain", record(func(r *Record) { r.Domain = "other" }), errForeign},
		{"a list number that goes back", record(func(r *Record) { r.Revocation-- }), errBack},
		{"a time that goes back", record(func(r *Record) { r.Time-- }), errBack},
		{"another commitment", record(func(r *Record) { r.Commitment[0] ^= 1 }), errCommit},
		{"another root", record(func(r *Record) { r.Root[0] ^= 1 }), ErrMixed},
		{"no height", record(func(r *Record) { r.Height = 0 }), errEncoding},
		{"too high", record(func(r *Record) { r.Height = MaxHeight + 1 }), errEncoding},
		{"epoch beyond the last", record(func(r *Record) { r.Epoch = MaxEpoch + 1 }), errEncoding},
		{"no epoch", record(func(r *Record) { r.Epoch, r.Previous = 0, [32]byte{} }), errEncoding},
		{"nothing before a later epoch", record(func(r *Record) { r.Previous = [32]byte{} }), errEncoding},
		{"a name that is none", record(func(r *Record) { r.Group = "a\nb" }), errEncoding},
		{"bytes left over", func(w *world) []byte {
			payload, err := keyx.VerifyGroupRecord(w.record(), w.domain)
			require.NoError(t, err)
			jws, err := keyx.SignGroupRecord(append(payload, 0), w.authority)
			require.NoError(t, err)
			return jws
		}, errEncoding},
		{"a root that is missing", func(w *world) []byte { delete(w.store.objects, rootName); return w.record() }, ErrNotFound},
		{"a root of another epoch", func(w *world) []byte {
			b := w.store.objects[rootName]
			b[7]--
			return w.record()
		}, ErrMixed},
		{"a root that is too long", func(w *world) []byte {
			w.store.objects[rootName] = make([]byte, maxNodeBytes+1)
			return w.record()
		}, errTooLong},
		{"a signed root that does not decode", func(w *world) []byte {
			b := append(w.store.objects[rootName], 0)
			w.store.objects[rootName] = b[1:]
			return w.resign(func(r *Record) { r.Root = nodeHash(place{1, 0}, b[1:]) })
		}, errEncoding},
		{"a signed root from the future", func(w *world) []byte {
			b := w.store.objects[rootName]
			binary.BigEndian.PutUint64(b, 4)
			return w.resign(func(r *Record) { r.Root = nodeHash(place{1, 0}, b) })
		}, errEncoding},
		{"a signed wrap that does not open", func(w *world) []byte {
			b := w.store.objects[rootName]
			b[8+saltLen+1] ^= 1
			return w.resign(func(r *Record) { r.Root = nodeHash(place{1, 0}, b) })
		}, errWrap},
		{"a wrap for the other place", func(w *world) []byte {
			n, ok := decodeNode(w.store.objects[rootName])
			require.True(t, ok)
			n.children[0].wrap, n.children[1].wrap = n.children[1].wrap, n.children[0].wrap
			b := n.encode()
			w.store.objects[rootName] = b
			return w.resign(func(r *Record) { r.Root = nodeHash(place{1, 0}, b) })
		}, errWrap},
		{"a group without the member", func(w *world) []byte {
			n, ok := decodeNode(w.store.objects[rootName])
			require.True(t, ok)
			n.children[0] = child{}
			b := n.encode()
			w.store.objects[rootName] = b
			return w.resign(func(r *Record) { r.Root = nodeHash(place{1, 0}, b) })
		}, ErrNotMember},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{kit: newKit(t)}
			w.t = t
			w.change([]string{"a", "b"}, nil)
			w.m, w.first = w.member("a"), w.record()
			w.list = 5
			w.change(nil, nil)
			require.NoError(t, w.m.Refresh(w.kit.store))
			w.at = w.record()
			w.change(nil, nil)
			w.store = w.kit.store.clone()
			for name, b := range w.store.objects {
				w.store.objects[name] = bytes.Clone(b)
			}
			before := *w.m
			before.path, before.keys = slices.Clone(w.m.path), slices.Clone(w.m.keys)
			refuses(t, w.m.Advance(tt.jws(w), w.store), tt.cause)
			require.Equal(t, before, *w.m)
			require.NoError(t, w.m.Advance(w.at, failing{}), "the record it stands at")
			require.NoError(t, w.m.Advance(genuine(w), w.kit.store))
			require.EqualValues(t, 3, w.m.Epoch())
		})
	}
}

// TestNewMemberRefuses: what a host may show a member that comes for the first time.
func TestNewMemberRefuses(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a", "b", "c"}, nil)
	pointer := pointerName(k.keeper.id(k.key("a").Public()))
	at := func(slot uint32) func(*memory) {
		return func(m *memory) { m.objects[pointer] = binary.BigEndian.AppendUint32(nil, slot) }
	}
	for _, tt := range []struct {
		name   string
		damage func(*memory)
		cause  error
	}{
		{"no record", func(m *memory) { delete(m.objects, RecordName) }, ErrNotFound},
		{"a record that is too long", func(m *memory) { m.objects[RecordName] = make([]byte, keyx.MaxGroupRecordBytes+1) }, errTooLong},
		{"no pointer", func(m *memory) { delete(m.objects, pointer) }, ErrNotMember},
		{"a pointer to somebody else", at(1), ErrNotMember},
		{"a pointer to nobody", at(3), ErrNotMember},
		{"a pointer out of the tree", at(4), ErrNotMember},
		{"a pointer far out of the tree", at(1 << 31), ErrNotMember},
		{"a short pointer", func(m *memory) { m.objects[pointer] = []byte{0} }, errEncoding},
		{"a long pointer", func(m *memory) { m.objects[pointer] = make([]byte, 5) }, errTooLong},
		{"no leaf", func(m *memory) { delete(m.objects, place{0, 0}.name()) }, ErrNotFound},
		{"the leaf of another", func(m *memory) { m.objects[place{0, 0}.name()] = m.objects[place{0, 1}.name()] }, ErrMixed},
		{"a changed leaf", func(m *memory) { m.objects[place{0, 0}.name()][100] ^= 1 }, ErrMixed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newMemory()
			for name, b := range k.store.objects {
				store.objects[name] = bytes.Clone(b)
			}
			m := k.member("a")
			tt.damage(store)
			refuses(t, m.Refresh(store), tt.cause)
			require.Zero(t, m.Epoch())
			require.Equal(t, Seen{}, m.Seen())
			require.NoError(t, m.Refresh(k.store))
		})
	}
}

// No object and no record bears a changed byte.
func TestEveryByteCounts(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a", "b", "c"}, nil)
	own := []string{RecordName, place{2, 0}.name(), place{1, 0}.name(), place{0, 0}.name()}
	for _, name := range own {
		for i := range k.store.objects[name] {
			if name == RecordName && i%17 != 0 || name == own[3] && i%7 != 0 {
				continue // a signature and a ciphertext are long
			}
			store := k.store.clone()
			b := bytes.Clone(store.objects[name])
			b[i] ^= 1
			store.objects[name] = b
			m := k.member("a")
			err := m.Refresh(store)
			require.Error(t, err, "%s byte %d", name, i)
			require.Equal(t, keyx.KindBadGroup, kindOf(t, err))
			require.Zero(t, m.Epoch())
		}
	}
}

// A record of another authority, and one signed as something else, are refused.
func TestRecordSignature(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a"}, nil)
	payload, err := keyx.VerifyGroupRecord(k.record(), k.domain)
	require.NoError(t, err)
	other, err := keyx.NewAuthority(fixedRand("other"))
	require.NoError(t, err)
	jws, err := keyx.SignGroupRecord(payload, other)
	require.NoError(t, err)
	require.Equal(t, keyx.KindBadGroup, kindOf(t, k.member("a").Advance(jws, k.store)))
	as := bytes.Replace(k.record(), []byte(`"protected":"`), []byte(`"protected":"x`), 1)
	require.Equal(t, keyx.KindBadGroup, kindOf(t, k.member("a").Advance(as, k.store)))
	_, err = keyx.SignGroupRecord(payload, keyx.Authority{})
	require.Equal(t, keyx.KindBadGroup, kindOf(t, err))
	_, err = keyx.SignGroupRecord(make([]byte, keyx.MaxGroupRecordBytes), other)
	require.Equal(t, keyx.KindBadGroup, kindOf(t, err))
}

// A leaf from the future, and a tree that became lower, are refused although an authority signed them.
func TestSignedAndWrong(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a", "b", "c"}, nil)
	m := k.member("a")
	require.NoError(t, m.Refresh(k.store))
	lower := k.resign(func(r *Record) { r.Epoch, r.Previous, r.Height = 2, m.seen.Hash, 1 })
	refuses(t, m.Advance(lower, k.store), errBack)

	l, ok := decodeLeaf(k.store.objects[place{0, 0}.name()])
	require.True(t, ok)
	l.epoch = 2
	b := l.encode()
	k.store.objects[place{0, 0}.name()] = b
	h := leafHash(0, b)
	for level := 1; level <= 2; level++ {
		n, ok := decodeNode(k.store.objects[place{level, 0}.name()])
		require.True(t, ok)
		n.children[0].hash = h
		k.store.objects[place{level, 0}.name()] = n.encode()
		h = nodeHash(place{level, 0}, n.encode())
	}
	refuses(t, k.member("a").Advance(k.resign(func(r *Record) { r.Root = h }), k.store), errEncoding)
}

// A member that was started again with what it had seen takes nothing older, and no other record.
func TestSeenOutlivesRestarts(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a", "b"}, nil)
	first := k.store.clone()
	k.change(nil, nil)
	m := k.member("a")
	require.NoError(t, m.Refresh(k.store))
	again, err := NewMember(k.domain, "desk", k.key("a"), m.Seen())
	require.NoError(t, err)
	refuses(t, again.Refresh(first), ErrOldEpoch)
	refuses(t, again.Advance(k.resign(func(r *Record) { r.Time++ }), k.store), ErrFork)
	require.NoError(t, again.Refresh(k.store))
	gk, ok := again.GroupKey(2)
	require.True(t, ok)
	_, want := k.keeper.GroupKey()
	require.Equal(t, want, gk)
}

func TestMemberKeyFiles(t *testing.T) {
	k, err := NewMemberKey(fixedRand("key"))
	require.NoError(t, err)
	again, err := ParseMemberKey(k.PEM())
	require.NoError(t, err)
	require.Equal(t, k, again)
	public, err := ParsePublicKey(k.PublicPEM())
	require.NoError(t, err)
	require.Equal(t, k.Public(), public)
	for _, bad := range [][]byte{nil, k.PublicPEM(), append(k.PEM(), k.PEM()...), make([]byte, maxPEMBytes+1)} {
		_, err = ParseMemberKey(bad)
		refuses(t, err, errKey)
	}
	for _, bad := range [][]byte{nil, k.PEM(), append(k.PublicPEM(), '-')} {
		_, err = ParsePublicKey(bad)
		refuses(t, err, errKey)
	}
	_, err = NewMemberKey(bytes.NewReader(nil))
	require.Equal(t, keyx.KindInternal, kindOf(t, err))
}

// Nothing that is printed has a key in it.
func TestNothingPrintsKeys(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a"}, nil)
	m := k.member("a")
	require.NoError(t, m.Refresh(k.store))
	for _, v := range []any{k.keeper, m, k.key("a"), k.key("a").seed, *k.keeper.root(), k.keeper.leaves[0], m.path, m.keys} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
			require.Contains(t, fmt.Sprintf(verb, v), redacted)
		}
	}
}

// VerifyRecord takes what members take, and says what they have seen.
func TestVerifyRecord(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a"}, nil)
	m := k.member("a")
	require.NoError(t, m.Refresh(k.store))
	r, seen, err := VerifyRecord(k.record(), k.domain)
	require.NoError(t, err)
	require.Equal(t, m.Record(), r)
	require.Equal(t, m.Seen(), seen)
	require.Equal(t, k.keeper.Seen(), seen)
	_, _, err = VerifyRecord(k.resign(func(r *Record) { r.Domain = "other" }), k.domain)
	refuses(t, err, errEncoding)
	_, _, err = VerifyRecord([]byte("{}"), k.domain)
	require.Equal(t, keyx.KindBadGroup, kindOf(t, err))
}

func TestMemberConfiguration(t *testing.T) {
	k := newKit(t)
	_, err := NewMember(keyx.Domain{}, "desk", k.key("a"), Seen{})
	require.Error(t, err)
	_, err = NewMember(k.domain, "", k.key("a"), Seen{})
	refuses(t, err, errName)
	require.True(t, errors.Is(k.member("a").Refresh(failing{}), errDisk))
}
