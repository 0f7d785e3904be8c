package group

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A loaded keeper is the one that was saved: the same state, and the same members from then on.
func TestStateRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := newKit(t)
		all := names(20)
		for i := range rapid.IntRange(0, 5).Draw(rt, "epochs") {
			if n := len(k.keeper.Members()); n > 0 {
				k.change(nil, k.keeper.Members()[:rapid.IntRange(0, n).Draw(rt, "leave")])
			}
			k.change(all[4*i:4*i+rapid.IntRange(0, 4).Draw(rt, "join")], nil)
		}
		if rapid.Bool().Draw(rt, "pending") {
			require.NoError(rt, k.keeper.Apply(Change{Add: k.newcomers("last")}, k.epoch()))
		}
		state := k.keeper.State()
		again, err := LoadKeeper(state, fixedRand("again"))
		require.NoError(rt, err)
		require.Equal(rt, state, again.State())
		require.Equal(rt, append([]uint32{}, k.keeper.free...), append([]uint32{}, again.free...))
		require.Equal(rt, k.keeper.Members(), again.Members())
		e1, gk1 := k.keeper.GroupKey()
		e2, gk2 := again.GroupKey()
		require.Equal(rt, e1, e2)
		require.Equal(rt, gk1, gk2)
	})
}

// A state cut short anywhere is refused.
func TestStateCut(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a", "b", "c"}, nil)
	k.change(nil, []string{"b"})
	for n := range k.state {
		_, err := LoadKeeper(k.state[:n], nil)
		require.Error(t, err, "%d bytes", n)
	}
	_, err := LoadKeeper(append(bytes.Clone(k.state), 0), nil)
	refuses(t, err, errLoad)
}

func TestStateRefuses(t *testing.T) {
	for name, damage := range map[string]func(*Keeper){
		"a node without members":     func(k *Keeper) { k.leaves[2] = slot{} },
		"members without a node":     func(k *Keeper) { k.nodes[0][1] = vertex{} },
		"a root of another epoch":    func(k *Keeper) { k.root().epoch-- },
		"a leaf from the future":     func(k *Keeper) { k.leaves[0].epoch = 9 },
		"a node from the future":     func(k *Keeper) { k.nodes[0][0].epoch = 9 },
		"a name twice":               func(k *Keeper) { k.leaves[0].name = k.leaves[2].name },
		"a key twice":                func(k *Keeper) { k.leaves[0].id = k.leaves[2].id },
		"a name that is none":        func(k *Keeper) { k.leaves[0].name = "\x00" },
		"an epoch without a record":  func(k *Keeper) { k.last = hash{} },
		"a record without an epoch":  func(k *Keeper) { k.epoch = 0 },
		"an epoch beyond the last":   func(k *Keeper) { k.epoch = MaxEpoch + 1 },
		"pending without a record":   func(k *Keeper) { k.pending = []object{{place{1, 0}.name(), nil}} },
		"an object of another name":  func(k *Keeper) { k.pending = []object{{"../x", nil}, {RecordName, nil}} },
		"an object that is too long": func(k *Keeper) { k.pending = []object{{RecordName, make([]byte, MaxObjectBytes+1)}} },
		"a domain that is none":      func(k *Keeper) { k.domain = "" },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.change([]string{"a", "b", "c"}, nil)
			k.change(nil, nil)
			damage(k.keeper)
			_, err := LoadKeeper(k.keeper.State(), nil)
			require.Error(t, err)
			require.Equal(t, "bad group record", kindOf(t, err).String())
		})
	}
	// More slots than there are bytes are refused before there is memory for them.
	b := append([]byte{formState}, "\x01d\x01g"...)
	b = append(b, make([]byte, 8+32+8+8)...)
	_, err := LoadKeeper(append(b, 0, 15, 0, 0), nil)
	refuses(t, err, errEncoding)
}

func FuzzLoadKeeper(f *testing.F) {
	k := newKit(f)
	f.Add(k.keeper.State())
	k.change([]string{"a", "b", "c"}, nil)
	f.Add(k.state)
	k.change(nil, []string{"b"})
	f.Add(k.keeper.State())
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := LoadKeeper(b, nil); err == nil && !bytes.Equal(k.State(), b) {
			t.Fatal("two encodings of one state")
		}
	})
}

// The decoders of what a host hands out: no panic, and one encoding for each value.
func FuzzObjects(f *testing.F) {
	k := newKit(f)
	k.change([]string{"a", "b", "c"}, nil)
	for _, b := range k.store.objects {
		f.Add(b)
	}
	r := Record{Domain: "d", Group: "g", Epoch: 2, Previous: [32]byte{1}, Height: 3}
	f.Add(r.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, ok := decodeNode(b); ok {
			require.Equal(t, b, n.encode())
		}
		if l, ok := decodeLeaf(b); ok {
			require.Equal(t, b, l.encode())
		}
		if r, ok := decodeRecord(b); ok {
			require.Equal(t, b, r.encode())
		}
	})
}

// A member that is fed anything by its host: it refuses, or it has the keeper's key.
func FuzzMember(f *testing.F) {
	k := newKit(f)
	k.change([]string{"a", "b", "c"}, nil)
	_, gk := k.keeper.GroupKey()
	objects := []string{RecordName, place{2, 0}.name(), place{1, 0}.name(), place{0, 0}.name(), pointerName(k.keeper.id(k.key("a").Public()))}
	for i, name := range objects {
		f.Add(uint8(i), k.store.objects[name])
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		store := k.store.clone()
		store.objects[objects[int(which)%len(objects)]] = b
		m, err := NewMember(k.domain, "desk", k.keys["a"], Seen{})
		require.NoError(t, err)
		err = m.Refresh(store)
		got, ok := m.GroupKey(1)
		require.Equal(t, err == nil, ok)
		if ok {
			require.Equal(t, gk, got)
		}
	})
}

func TestObjectNames(t *testing.T) {
	for _, name := range []string{RecordName, place{0, 0}.name(), place{20, 0}.name(), place{0, MaxMembers - 1}.name(), pointerName(hash{255})} {
		require.True(t, ValidObjectName(name), name)
	}
	for _, name := range []string{"", "records", "node-0-00000000", "node-00-0000000G", "node-00-../../..", "member-", "node-00-000000000", fmt.Sprintf("member-%032d/", 0), "MEMBER-00"} {
		require.False(t, ValidObjectName(name), name)
	}
}
