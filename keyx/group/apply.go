package group

import (
	"encoding/binary"
	"io"
	"slices"

	"github.com/scbr/scbr/keyx"
)

// Apply makes the next epoch, signs its record and has the state saved. On errors about the change (BadGroup)
// nothing has changed. After any other error the keeper is dead: nothing of the epoch has left it, and it is
// to be loaded from what was saved last.
func (k *Keeper) Apply(c Change, e Epoch) error {
	const op = "apply"
	if err := k.check(c, e); err != nil {
		return fail(op, err)
	}
	k.dead = true // until all of it is done and saved
	if err := k.apply(c, e); err != nil {
		return internal(op, err)
	}
	if err := e.Save(k.State()); err != nil {
		return internal(op, err)
	}
	k.dead = false
	return nil
}

// check refuses what Apply cannot do, before anything is changed.
func (k *Keeper) check(c Change, e Epoch) error {
	switch {
	case k.dead:
		return errDead
	case k.pending != nil:
		return ErrUnpublished
	case k.epoch >= MaxEpoch:
		return errEpochs
	case e.Revocation < k.revocation || e.Revocation > MaxEpoch || e.Now.Unix() < 0 || e.Now.Unix() > MaxEpoch:
		return errBack
	case len(c.Add)+len(c.Remove) > MaxBatch:
		return errBatch
	case len(k.slots)+len(c.Add)-len(c.Remove) > MaxMembers:
		return errFull
	case e.Authority.Public() == nil || e.Save == nil || k.rand == nil:
		return errKey
	}
	return k.checkMembers(c)
}

func (k *Keeper) checkMembers(c Change) error {
	leaving := map[string]bool{}
	for _, name := range c.Remove {
		if _, there := k.slots[name]; !there {
			return ErrMember
		}
		if leaving[name] {
			return errTwice
		}
		leaving[name] = true
	}
	names, ids := map[string]bool{}, map[hash]bool{}
	for _, n := range c.Add {
		if !keyx.ValidName(n.Name) {
			return errName
		}
		if !validPublic(n.Public) {
			return errKey
		}
		if _, there := k.slots[n.Name]; there && !leaving[n.Name] {
			return ErrMember
		}
		id := k.id(n.Public)
		if owner, there := k.ids[id]; names[n.Name] || ids[id] || there && !leaving[owner] {
			return errTwice
		}
		names[n.Name], ids[id] = true, true
	}
	return nil
}

func (k *Keeper) apply(c Change, e Epoch) error {
	epoch := k.epoch + 1
	var out []object
	dirty := make([]uint32, 0, len(c.Add)+len(c.Remove))
	for _, name := range c.Remove {
		dirty = append(dirty, k.leave(name))
	}
	slices.SortFunc(k.free, func(a, b uint32) int { return int(b) - int(a) })
	for _, n := range c.Add {
		at := k.takeSlot()
		objects, err := k.join(n, at, epoch)
		if err != nil {
			return err
		}
		dirty, out = append(dirty, at), append(out, objects...)
	}
	objects, err := k.renew(dirty, epoch)
	if err != nil {
		return err
	}
	record, err := k.sign(epoch, e)
	if err != nil {
		return err
	}
	k.pending = append(append(out, objects...), object{RecordName, record})
	return nil
}

// leave empties a member's slot.
func (k *Keeper) leave(name string) uint32 {
	at := k.slots[name]
	delete(k.slots, name)
	delete(k.ids, k.leaves[at].id)
	k.leaves[at] = slot{}
	k.free = append(k.free, uint32(at))
	return uint32(at)
}

// takeSlot gives the lowest free slot, or a new one.
func (k *Keeper) takeSlot() uint32 {
	if n := len(k.free); n > 0 {
		at := k.free[n-1]
		k.free = k.free[:n-1]
		return at
	}
	k.grow(len(k.leaves) + 1)
	return uint32(len(k.leaves) - 1)
}

// join puts a newcomer into a slot and gives its objects.
func (k *Keeper) join(n Newcomer, at uint32, epoch uint64) ([]object, error) {
	s := slot{name: n.Name, epoch: epoch}
	if _, err := io.ReadFull(k.rand, s.key[:]); err != nil {
		return nil, err
	}
	l, err := k.invite(k.rand, n.Public, &s.key, at, epoch)
	if err != nil {
		return nil, err
	}
	b := l.encode()
	s.id, s.hash = l.id, leafHash(at, b)
	k.leaves[at] = s
	k.slots[n.Name], k.ids[s.id] = int(at), n.Name
	pointer := binary.BigEndian.AppendUint32(nil, at)
	return []object{{place{0, at}.name(), b}, {pointerName(s.id), pointer}}, nil
}

// renew gives every node above the slots, and the root, a new key, from the leaves up, so that each is
// wrapped under the new keys of children that have changed as well.
func (k *Keeper) renew(slots []uint32, epoch uint64) ([]object, error) {
	var out []object
	row := slots
	for level := 1; level <= len(k.nodes); level++ {
		above := make([]uint32, 0, len(row)+1)
		for _, i := range row {
			above = append(above, i/2)
		}
		if level == len(k.nodes) {
			above = append(above, 0)
		}
		slices.Sort(above)
		row = slices.Compact(above)
		for _, i := range row {
			b, err := k.rekey(place{level, i}, epoch)
			if err != nil {
				return nil, err
			}
			if b != nil {
				out = append(out, object{place{level, i}.name(), b})
			}
		}
	}
	return out, nil
}

// rekey gives one node a new random key and returns its object, or forgets a node that has no member
// below it any more.
func (k *Keeper) rekey(at place, epoch uint64) ([]byte, error) {
	v := &k.nodes[at.level-1][at.index]
	*v = vertex{}
	fresh := vertex{epoch: epoch}
	if _, err := io.ReadFull(k.rand, fresh.key[:]); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(k.rand, fresh.salt[:]); err != nil {
		return nil, err
	}
	n := node{epoch: epoch, salt: fresh.salt}
	members := false
	for i := range n.children {
		from := place{at.level - 1, 2*at.index + uint32(i)}
		under, h, there := k.keyAt(from)
		if !there {
			continue
		}
		members = true
		n.children[i] = child{true, sealKey(k.wrapKey(under, at, from, epoch, fresh.salt), &fresh.key), h}
	}
	if !members && at.level < len(k.nodes) {
		return nil, nil
	}
	b := n.encode()
	fresh.hash = nodeHash(at, b)
	*v = fresh
	return b, nil
}

// sign makes the record of the epoch and signs it.
func (k *Keeper) sign(epoch uint64, e Epoch) ([]byte, error) {
	root := k.root()
	gk := k.groupKey(&root.key, epoch)
	defer clear(gk[:])
	r := Record{
		Domain: k.domain, Group: k.group, Epoch: epoch, Previous: k.last, Revocation: e.Revocation,
		Time: max(k.time, uint64(e.Now.Unix())), Height: len(k.nodes), Root: root.hash,
		Commitment: k.commitment(&gk, epoch),
	}
	signed, err := keyx.SignGroupRecord(r.encode(), e.Authority)
	if err != nil {
		return nil, err
	}
	k.epoch, k.last, k.time, k.revocation = epoch, r.hash(), r.Time, r.Revocation
	return signed, nil
}
