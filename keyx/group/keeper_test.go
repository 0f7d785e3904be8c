package group

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
)

// wraps counts what a change publishes.
func wraps(objects []object) (wraps, bytes int) {
	for _, o := range objects {
		bytes += len(o.bytes)
		if n, ok := decodeNode(o.bytes); ok && o.name != RecordName && len(o.bytes) <= maxNodeBytes {
			for _, c := range n.children {
				if c.present {
					wraps++
				}
			}
		}
	}
	return wraps, bytes
}

// TestCostOfOneRemoval: one of n = 2^h members leaves a full tree for 2h-1 wraps in h objects: the lowest
// of its nodes has one child left, each other one two. A removal after that takes as many.
func TestCostOfOneRemoval(t *testing.T) {
	for _, height := range []int{1, 2, 5, 9} {
		k := newKit(t)
		all := names(1 << height)
		k.change(all, nil)
		require.NoError(t, k.keeper.Apply(Change{Remove: all[:1]}, k.epoch()))
		n, size := wraps(k.keeper.pending)
		require.Equal(t, 2*height-1, n)
		require.Len(t, k.keeper.pending, height+1)
		record := len(k.keeper.pending[height].bytes)
		require.LessOrEqual(t, size, record+height*maxNodeBytes)
	}
}

// A new group key for the same members costs the root: two wraps.
func TestCostOfRotation(t *testing.T) {
	k := newKit(t)
	k.change(names(32), nil)
	require.NoError(t, k.keeper.Apply(Change{}, k.epoch()))
	n, _ := wraps(k.keeper.pending)
	require.Equal(t, 2, n)
	require.Len(t, k.keeper.pending, 2)
}

// A batch costs each node above it once, however many members below it changed.
func TestCostOfBatch(t *testing.T) {
	k := newKit(t)
	all := names(64)
	k.change(all, nil)
	require.NoError(t, k.keeper.Apply(Change{Remove: all[:32]}, k.epoch()))
	n, _ := wraps(k.keeper.pending)
	require.Equal(t, 1, n, "half of the tree is gone: the root for the other half")
	require.NoError(t, k.keeper.Publish(k.store))
	require.NoError(t, k.keeper.Apply(Change{Add: k.newcomers(all[:32]...)}, k.epoch()))
	n, _ = wraps(k.keeper.pending)
	require.Equal(t, 2*31+2, n, "all nodes of the half, and the root")
}

// Slots are used again, the lowest first, so that a tree is as high as its most members ever.
func TestSlotsAreUsedAgain(t *testing.T) {
	k := newKit(t)
	k.change(names(8), nil)
	for i := range 20 {
		k.change(nil, k.keeper.Members()[:3])
		k.change([]string{fmt.Sprint("x", i), fmt.Sprint("y", i), fmt.Sprint("z", i)}, nil)
	}
	require.Len(t, k.keeper.leaves, 8)
	require.Len(t, k.keeper.Members(), 8)
	require.EqualValues(t, 41, k.keeper.Epoch())
}

// An empty group goes on: it has epochs, and keys that nobody is given.
func TestEmptyGroup(t *testing.T) {
	k := newKit(t)
	epoch, gk := k.keeper.GroupKey()
	require.Zero(t, epoch)
	require.Zero(t, gk)
	k.change(nil, nil)
	k.change([]string{"a"}, nil)
	k.change(nil, []string{"a"})
	refuses(t, k.member("a").Refresh(k.store), ErrNotMember)
	k.change([]string{"b", "c"}, nil)
	m := k.member("c")
	require.NoError(t, m.Refresh(k.store))
	require.EqualValues(t, 4, m.Epoch())
	require.Equal(t, []string{"b", "c"}, k.keeper.Members())
}

func TestApplyRefuses(t *testing.T) {
	k := newKit(t)
	k.list = 7
	k.change([]string{"a", "b"}, nil)
	who := func(names ...string) []Newcomer { return k.newcomers(names...) }
	stolen := []Newcomer{{Name: "x", Public: k.key("a").Public()}}
	twice := []Newcomer{{Name: "x", Public: k.key("x").Public()}, {Name: "y", Public: k.key("x").Public()}}
	for _, tt := range []struct {
		name   string
		change Change
		epoch  func(*Epoch)
		cause  error
	}{
		{"added twice", Change{Add: who("a")}, nil, ErrMember},
		{"removed and not there", Change{Remove: []string{"c"}}, nil, ErrMember},
		{"removed twice", Change{Remove: []string{"a", "a"}}, nil, errTwice},
		{"added twice at once", Change{Add: who("c", "c")}, nil, errTwice},
		{"one key for two", Change{Add: twice}, nil, errTwice},
		{"another's key", Change{Add: stolen}, nil, errTwice},
		{"no name", Change{Add: []Newcomer{{Public: k.key("x").Public()}}}, nil, errName},
		{"a short key", Change{Add: []Newcomer{{Name: "x", Public: k.key("x").Public()[1:]}}}, nil, errKey},
		{"a key that is none", Change{Add: []Newcomer{{Name: "x", Public: bytes.Repeat([]byte{255}, PublicKeyBytes)}}}, nil, errKey},
		{"too many", Change{Remove: make([]string, MaxBatch+1)}, nil, errBatch},
		{"a list number that goes back", Change{}, func(e *Epoch) { e.Revocation = 6 }, errBack},
		{"a list number that is none", Change{}, func(e *Epoch) { e.Revocation = MaxEpoch + 1 }, errBack},
		{"before 1970", Change{}, func(e *Epoch) { e.Now = time.Unix(-1, 0) }, errBack},
		{"no authority", Change{}, func(e *Epoch) { e.Authority = keyx.Authority{} }, errKey},
		{"nowhere to save", Change{}, func(e *Epoch) { e.Save = nil }, errKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := k.keeper.State()
			e := k.epoch()
			if tt.epoch != nil {
				tt.epoch(&e)
			}
			refuses(t, k.keeper.Apply(tt.change, e), tt.cause)
			require.Equal(t, before, k.keeper.State())
		})
	}
	// A key goes to another name when its owner leaves in the same change.
	require.NoError(t, k.keeper.Apply(Change{Add: stolen, Remove: []string{"a"}}, k.epoch()))
	refuses(t, k.keeper.Apply(Change{}, k.epoch()), ErrUnpublished)
	require.True(t, k.keeper.Pending())
	require.NoError(t, k.keeper.Publish(k.store))
	k.keeper.epoch = MaxEpoch
	refuses(t, k.keeper.Apply(Change{}, k.epoch()), errEpochs)
	_, err := NewKeeper("", "g", nil)
	refuses(t, err, errName)
}

// An epoch that could not be saved does not exist: the keeper is dead, nothing was published, and the one
// that is loaded again gives the number to another change.
func TestSaveBeforePublish(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a", "b"}, nil)
	saved := k.state
	e := k.epoch()
	e.Save = func([]byte) error { return errDisk }
	puts := k.store.puts
	err := k.keeper.Apply(Change{Remove: []string{"b"}}, e)
	require.ErrorIs(t, err, errDisk)
	require.Equal(t, keyx.KindInternal, kindOf(t, err))
	refuses(t, k.keeper.Publish(k.store), errDead)
	refuses(t, k.keeper.Apply(Change{}, k.epoch()), errDead)
	require.Equal(t, puts, k.store.puts)
	k.keeper, err = LoadKeeper(saved, fixedRand("next"))
	require.NoError(t, err)
	require.NoError(t, k.keeper.Publish(k.store), "the first epoch again")
	k.change([]string{"c"}, nil)
	require.EqualValues(t, 2, k.keeper.Epoch())
	require.Equal(t, []string{"a", "b", "c"}, k.keeper.Members())
}

// Randomness that ends is the end of the keeper, not an epoch with keys that somebody knows.
func TestRandomnessThatEnds(t *testing.T) {
	for _, left := range []int{0, 31, 32, 95, 96, 140} {
		k := newKit(t)
		k.keeper.rand = bytes.NewReader(bytes.Repeat([]byte{7}, left))
		err := k.keeper.Apply(Change{Add: k.newcomers("a", "b")}, k.epoch())
		require.Equal(t, keyx.KindInternal, kindOf(t, err))
		refuses(t, k.keeper.Publish(k.store), errDead)
		require.Zero(t, k.store.puts)
	}
}

// However far a publication came before the power failed, publishing again from the saved state makes it
// whole, and until then no member takes a part of it.
func TestPublishIsRepeated(t *testing.T) {
	for cut := 1; cut <= 8; cut++ {
		k := newKit(t)
		k.change(names(8), nil)
		m := k.member(names(8)[5])
		require.NoError(t, m.Refresh(k.store))
		require.NoError(t, k.keeper.Apply(Change{Add: k.newcomers("new"), Remove: names(1)}, k.epoch()))
		k.store.failPut = k.store.puts + cut
		err := k.keeper.Publish(k.store)
		if cut > len(k.keeper.pending) && err == nil {
			return
		}
		require.ErrorIs(t, err, errDisk)
		if err := m.Refresh(k.store); err != nil {
			refuses(t, err, ErrMixed)
		}
		require.EqualValues(t, 1, m.Epoch())
		k.keeper, err = LoadKeeper(k.state, fixedRand("restarted"))
		require.NoError(t, err)
		require.True(t, k.keeper.Pending())
		require.NoError(t, k.keeper.Publish(k.store))
		require.NoError(t, m.Refresh(k.store))
		require.EqualValues(t, 2, m.Epoch())
		fresh := k.member("new")
		require.NoError(t, fresh.Refresh(k.store))
	}
	t.Fatal("a change of this size has fewer objects")
}

// A clock that went back counts as standing still: no record is older than the one before.
func TestClockGoesBack(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a"}, nil)
	m := k.member("a")
	require.NoError(t, m.Refresh(k.store))
	e := k.epoch()
	e.Now = testNow.Add(-time.Hour)
	require.NoError(t, k.keeper.Apply(Change{}, e))
	require.NoError(t, k.keeper.Publish(k.store))
	require.NoError(t, m.Refresh(k.store))
	require.EqualValues(t, testNow.Unix(), m.Record().Time)
}

// A group of an authority with two keys has records with two signatures, within the bound.
func TestHybridAuthority(t *testing.T) {
	k := newKit(t)
	long := string(bytes.Repeat([]byte("n"), keyx.MaxNameBytes))
	a, err := keyx.NewAuthority(fixedRand("hybrid"))
	require.NoError(t, err)
	k.authority = a
	k.domain = keyx.Domain{Name: long, Authorities: []keyx.AuthorityKey{a.Public()}}
	k.keeper, err = NewKeeper(long, long, fixedRand("keeper"))
	require.NoError(t, err)
	k.change([]string{"a"}, nil)
	m, err := NewMember(k.domain, long, k.key("a"), Seen{})
	require.NoError(t, err)
	require.NoError(t, m.Refresh(k.store))
	require.LessOrEqual(t, len(k.record()), keyx.MaxGroupRecordBytes)
}
