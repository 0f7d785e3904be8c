package group

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/scbr/scbr/keyx"
)

// Keeper holds the whole key tree of one group. It is not for concurrent use, and one group has one
// keeper at a time: two of them would give an epoch number twice, which members refuse as a fork.
//
// A change goes in two steps. Apply makes the epoch and has its state saved, Publish hands it to the
// store; so an epoch that anybody has seen is in the saved state, and its number is not used again.
type Keeper struct {
	scope
	rand io.Reader

	epoch      uint64 // of the newest record; 0: there is none
	last       hash   // of the newest record
	time       uint64 // of the newest record
	revocation uint64 // of the newest record

	leaves  []slot          // level 0
	nodes   [][]vertex      // levels 1 and up; the last one has the root
	free    []uint32        // slots without a member, lowest last
	slots   map[string]int  // by member name
	ids     map[hash]string // member names by key
	pending []object        // of the newest epoch, the record last, until they are published
	dead    bool            // a change is in memory that is not in the saved state
}

// slot is a leaf of the tree. A slot without a member is zero.
type slot struct {
	name  string
	epoch uint64
	id    hash
	key   key
	hash  hash
}

func (s *slot) used() bool { return s.epoch != 0 }

// vertex is a node above the leaves. One without members below it is zero, except the root.
type vertex struct {
	epoch uint64
	key   key
	salt  salt
	hash  hash
}

// Change is what one epoch does to a group. Removals come first: a member in both lists gets a new key.
// An empty change makes a new group key for the same members.
type Change struct {
	Add    []Newcomer
	Remove []string
}

// Newcomer is a member to be added, with its public key ([MemberKey.Public]).
type Newcomer struct {
	Name   string
	Public []byte
}

// Epoch is what an epoch is made with.
type Epoch struct {
	Authority  keyx.Authority
	Now        time.Time // a clock that went back counts as standing
	Revocation uint64    // number of the revocation list that the change follows; it never goes back
	// Save keeps the state that it is given, a secret, durably, before anything of the epoch is published.
	// What it returns is the end of the keeper if it is an error: load the saved state again.
	Save func(state []byte) error
}

// NewKeeper makes a group without members and without an epoch: the first Apply gives epoch 1.
func NewKeeper(domain, group string, rand io.Reader) (*Keeper, error) {
	if !keyx.ValidName(domain) || !keyx.ValidName(group) {
		return nil, fail("make keeper", errName)
	}
	k := &Keeper{scope: scope{domain, group}, rand: rand, slots: map[string]int{}, ids: map[hash]string{}}
	k.grow(0)
	return k, nil
}

// Format never shows keys.
func (*Keeper) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("group.Keeper(" + redacted + ")")) }

// Domain returns the names of domain and group.
func (k *Keeper) Domain() (domain, group string) { return k.domain, k.group }

// Epoch is the number of the newest epoch, 0 before the first.
func (k *Keeper) Epoch() uint64 { return k.epoch }

// Revocation is the number of the revocation list that the newest epoch follows.
func (k *Keeper) Revocation() uint64 { return k.revocation }

// Seen is the newest epoch and its record's hash, as members see it.
func (k *Keeper) Seen() Seen { return Seen{k.epoch, k.last} }

// Members returns the members' names in alphabetical order.
func (k *Keeper) Members() []string {
	names := make([]string, 0, len(k.slots))
	for name := range k.slots {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Pending reports whether the newest epoch is not published yet.
func (k *Keeper) Pending() bool { return k.pending != nil }

// GroupKey returns the number and the group key of the newest epoch, for a keeper that publishes itself.
func (k *Keeper) GroupKey() (uint64, [32]byte) {
	if k.epoch == 0 {
		return 0, [32]byte{}
	}
	return k.epoch, k.groupKey(&k.root().key, k.epoch)
}

func (k *Keeper) root() *vertex { return &k.nodes[len(k.nodes)-1][0] }

// grow makes room for a number of slots.
func (k *Keeper) grow(slots int) {
	for len(k.leaves) < slots {
		k.leaves = append(k.leaves, slot{})
	}
	for len(k.nodes) < heightOf(len(k.leaves)) {
		k.nodes = append(k.nodes, nil)
	}
	for i := range k.nodes {
		want := max(1, (len(k.leaves)+(2<<i)-1)>>(i+1))
		for len(k.nodes[i]) < want {
			k.nodes[i] = append(k.nodes[i], vertex{})
		}
	}
}

// keyAt gives key and hash of a place, and whether there is a key.
func (k *Keeper) keyAt(at place) (*key, hash, bool) {
	if at.level == 0 {
		if int(at.index) >= len(k.leaves) {
			return nil, hash{}, false
		}
		s := &k.leaves[at.index]
		return &s.key, s.hash, s.used()
	}
	row := k.nodes[at.level-1]
	if int(at.index) >= len(row) {
		return nil, hash{}, false
	}
	v := &row[at.index]
	return &v.key, v.hash, v.epoch != 0
}

// Publish hands the newest epoch to the store, wraps first and the record last, so that a record never
// stands for what is not there. It may be repeated; after an error it has to be.
func (k *Keeper) Publish(to Store) error {
	if k.dead {
		return fail("publish", errDead)
	}
	for _, o := range k.pending {
		if err := to.Put(o.name, o.bytes); err != nil {
			return fail("publish", err)
		}
	}
	k.pending = nil
	return nil
}
