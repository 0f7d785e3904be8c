package group

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cloudflare/circl/kem/xwing"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// naive is the oracle: who is in the group in which epoch, and the key of each epoch, by nothing but sets.
type naive struct {
	members map[string]bool
	epochs  []map[string]bool // of epoch i+1
	keys    [][32]byte
}

func (n *naive) step(add, remove []string, gk [32]byte) {
	for _, name := range remove {
		delete(n.members, name)
	}
	for _, name := range add {
		n.members[name] = true
	}
	n.epochs, n.keys = append(n.epochs, maps.Clone(n.members)), append(n.keys, gk)
}

// tap is a store that keeps every version of every object, as a host would.
type tap struct {
	*memory
	nodes  []published
	leaves []published
}

type published struct {
	at     place
	object []byte
}

func (p *tap) Put(name string, b []byte) error {
	var at place
	if n, _ := fmt.Sscanf(name, "node-%02x-%08x", &at.level, &at.index); n == 2 {
		if at.level == 0 {
			p.leaves = append(p.leaves, published{at, b})
		} else {
			p.nodes = append(p.nodes, published{at, b})
		}
	}
	return p.memory.Put(name, b)
}

// holding is a key somebody knows, and of which place it is.
type holding struct {
	at  place
	key key
}

// derive is all that a coalition can open of all that was ever published, starting with its private keys
// only (whatever its members ever held follows from them), until nothing more opens.
func (p *tap) derive(s scope, coalition []MemberKey) map[holding]bool {
	known := map[holding]bool{}
	for _, private := range coalition {
		id := s.id(private.Public())
		for _, l := range p.leaves {
			if o, ok := decodeLeaf(l.object); ok && o.id == id {
				secret := xwing.Decapsulate(o.ciphertext, private.seed[:])
				if k, ok := openKey(s.inviteKey(secret, l.at.index, o.epoch, id), &o.box); ok {
					known[holding{l.at, k}] = true
				}
			}
		}
	}
	todo := slices.Collect(maps.Keys(known))
	for len(todo) > 0 {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, n := range p.nodes {
			o, ok := decodeNode(n.object)
			if !ok || n.at != h.at.parent() || !o.children[h.at.index&1].present {
				continue
			}
			k, ok := openKey(s.wrapKey(&h.key, n.at, h.at, o.epoch, o.salt), &o.children[h.at.index&1].wrap)
			if next := (holding{n.at, k}); ok && !known[next] {
				known[next] = true
				todo = append(todo, next)
			}
		}
	}
	return known
}

// Whatever happens to a group, its members of an epoch derive the keeper's key of it, and any coalition of
// others, those that left before and those that came later, does not, with all that was ever published.
func TestGroupAgainstOracle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := newKit(t)
		store := &tap{memory: k.store}
		n := naive{members: map[string]bool{}}
		live := map[string]*Member{}
		names := []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
		for range rapid.IntRange(1, 12).Draw(rt, "epochs") {
			var add, remove []string
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 5, rapid.ID).Draw(rt, "touched") {
				switch in := n.members[name]; {
				case in && rapid.Bool().Draw(rt, "again"):
					add, remove = append(add, name), append(remove, name)
				case in:
					remove = append(remove, name)
				default:
					add = append(add, name)
				}
			}
			require.NoError(rt, k.keeper.Apply(Change{k.newcomers(add...), remove}, k.epoch()))
			if rapid.Bool().Draw(rt, "restart") {
				var err error
				k.keeper, err = LoadKeeper(k.state, fixedRand(fmt.Sprint("again", len(n.epochs))))
				require.NoError(rt, err)
			}
			require.NoError(rt, k.keeper.Publish(store))
			epoch, gk := k.keeper.GroupKey()
			n.step(add, remove, gk)
			require.EqualValues(rt, len(n.epochs), epoch)
			for _, name := range names {
				if live[name] == nil {
					live[name] = k.member(name)
				}
				if rapid.Bool().Draw(rt, "offline") {
					continue
				}
				m := live[name]
				err := m.Refresh(store)
				if !n.members[name] {
					require.ErrorIs(rt, err, ErrNotMember)
					continue
				}
				require.NoError(rt, err)
				got, ok := m.GroupKey(epoch)
				require.True(rt, ok)
				require.Equal(rt, gk, got)
			}
		}
		// A coalition for each epoch: all who were not in the group then.
		for i, members := range n.epochs {
			var outside, inside []MemberKey
			for _, name := range names {
				if members[name] {
					inside = append(inside, k.key(name))
				} else {
					outside = append(outside, k.key(name))
				}
			}
			require.False(rt, opens(store, k.keeper.scope, outside, uint64(i+1), n.keys[i]), "epoch %d opens to those outside", i+1)
			require.Equal(rt, len(inside) > 0, opens(store, k.keeper.scope, inside, uint64(i+1), n.keys[i]))
		}
	})
}

// opens tells whether a coalition comes to the group key of an epoch by any key it derives, of any place.
func opens(p *tap, s scope, coalition []MemberKey, epoch uint64, gk [32]byte) bool {
	for h := range p.derive(s, coalition) {
		if s.groupKey(&h.key, epoch) == gk {
			return true
		}
	}
	return false
}

// No key of the tree seals two different messages: every wrap and invitation ever published has a key of
// its own, also after the keeper went back to an old state and came to the same epoch again.
func TestNoWrapKeyTwice(t *testing.T) {
	k := newKit(t)
	k.change([]string{"a", "b", "c"}, nil)
	old := k.state
	used := map[key]sealed{}
	note := func() {
		for level := 1; level <= len(k.keeper.nodes); level++ {
			for i := range k.keeper.nodes[level-1] {
				at := place{level, uint32(i)}
				n, ok := decodeNode(k.store.objects[at.name()])
				require.True(t, ok)
				for c, ch := range n.children {
					if !ch.present {
						continue
					}
					from := place{level - 1, uint32(2*i + c)}
					under, _, there := k.keeper.keyAt(from)
					require.True(t, there)
					w := k.keeper.wrapKey(under, at, from, n.epoch, n.salt)
					if before, seen := used[w]; seen {
						require.Equal(t, before, ch.wrap)
					}
					used[w] = ch.wrap
				}
			}
		}
	}
	note()
	for i := range 4 {
		var err error
		k.keeper, err = LoadKeeper(old, fixedRand(fmt.Sprint("life ", i)))
		require.NoError(t, err)
		require.NoError(t, k.keeper.Publish(k.store))
		k.change(nil, []string{"b"})
		note()
		require.EqualValues(t, 2, k.keeper.Epoch())
	}
	require.GreaterOrEqual(t, len(used), 5+4*2)
}

// The keys are independent of one another: of the same random stream no key occurs twice in the tree.
func TestKeysAreFresh(t *testing.T) {
	k := newKit(t)
	seen := map[key]bool{}
	k.change([]string{"a", "b", "c", "d"}, nil)
	for range 5 {
		for _, v := range k.keeper.nodes[1] {
			require.False(t, seen[v.key])
			seen[v.key] = true
		}
		k.change(nil, nil)
	}
	require.Len(t, seen, 5)
}
