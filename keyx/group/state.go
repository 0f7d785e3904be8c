package group

import (
	"encoding/binary"
	"io"

	"github.com/scbr/scbr/keyx"
)

const formState = 1

// State is the whole keeper, with the newest epoch's objects as long as they are not published, as bytes
// that [LoadKeeper] reads. Whoever has it has every key: the caller encrypts and authenticates it.
//
//	u8 form, lp8 domain, lp8 group, u64 epoch, record hash(32), u64 time, u64 revocation
//	u32 slots, for each: u8 used, if 1: u64 epoch, id(32), key(32), hash(32), lp8 name
//	for each level from 1, for each node: u8 used, if 1: u64 epoch, key(32), salt(16), hash(32)
//	u32 unpublished objects, for each: lp8 name, u16 length, bytes
func (k *Keeper) State() []byte {
	b := make([]byte, 0, k.stateSize())
	b = appendName(append(b, formState), k.domain)
	b = binary.BigEndian.AppendUint64(appendName(b, k.group), k.epoch)
	b = append(b, k.last[:]...)
	b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, k.time), k.revocation)
	b = binary.BigEndian.AppendUint32(b, uint32(len(k.leaves)))
	for i := range k.leaves {
		s := &k.leaves[i]
		if !s.used() {
			b = append(b, 0)
			continue
		}
		b = binary.BigEndian.AppendUint64(append(b, 1), s.epoch)
		b = append(append(append(b, s.id[:]...), s.key[:]...), s.hash[:]...)
		b = appendName(b, s.name)
	}
	for _, row := range k.nodes {
		for i := range row {
			v := &row[i]
			if v.epoch == 0 {
				b = append(b, 0)
				continue
			}
			b = binary.BigEndian.AppendUint64(append(b, 1), v.epoch)
			b = append(append(append(b, v.key[:]...), v.salt[:]...), v.hash[:]...)
		}
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(k.pending)))
	for _, o := range k.pending {
		b = binary.BigEndian.AppendUint16(appendName(b, o.name), uint16(len(o.bytes)))
		b = append(b, o.bytes...)
	}
	return b
}

// stateSize is about how long a state is, so that it is written without being copied on the way.
func (k *Keeper) stateSize() int {
	const perSlot, perNode, rest = 1 + 8 + 3*32 + 1 + 32, 1 + 8 + 32 + saltLen + 32, 1024
	n := rest + perSlot*len(k.leaves)
	for _, row := range k.nodes {
		n += perNode * len(row)
	}
	for _, o := range k.pending {
		n += 64 + len(o.bytes)
	}
	return n
}

// LoadKeeper makes the keeper that State wrote. An epoch that was not known to be published when it was
// written is pending: Publish it first. Errors are BadGroup.
func LoadKeeper(state []byte, rand io.Reader) (*Keeper, error) {
	const op = "load keeper"
	if len(state) > MaxStateBytes {
		return nil, fail(op, errTooLong)
	}
	in := reader{b: state}
	form := in.u8()
	k := &Keeper{scope: scope{in.name(), in.name()}, rand: rand, slots: map[string]int{}, ids: map[hash]string{}}
	k.epoch, k.last, k.time, k.revocation = in.number(), in.hash(), in.number(), in.number()
	slots := int(in.below(uint64(in.u32()), MaxMembers))
	if in.bad || form != formState || slots > len(in.b) || !keyx.ValidName(k.domain) || !keyx.ValidName(k.group) {
		return nil, fail(op, errEncoding)
	}
	k.grow(slots)
	if !k.loadLeaves(&in) || !k.loadNodes(&in) || !k.loadPending(&in) || !in.done() {
		return nil, fail(op, errLoad)
	}
	return k, nil
}

func (k *Keeper) loadLeaves(in *reader) bool {
	for i := range k.leaves {
		if in.below(uint64(in.u8()), 1) == 0 {
			continue
		}
		s := slot{epoch: in.number(), id: in.hash(), key: in.key(), hash: in.hash(), name: in.name()}
		_, named := k.slots[s.name]
		_, known := k.ids[s.id]
		if in.bad || !s.used() || s.epoch > k.epoch || named || known || !keyx.ValidName(s.name) {
			return false
		}
		k.leaves[i], k.slots[s.name], k.ids[s.id] = s, i, s.name
	}
	for i := len(k.leaves) - 1; i >= 0; i-- {
		if !k.leaves[i].used() {
			k.free = append(k.free, uint32(i))
		}
	}
	return !in.bad
}

// loadNodes reads the nodes, of which exactly those with members below them have keys, and the root since
// the first epoch.
func (k *Keeper) loadNodes(in *reader) bool {
	for n, row := range k.nodes {
		for i := range row {
			if in.below(uint64(in.u8()), 1) == 1 {
				row[i] = vertex{epoch: in.number(), key: in.key(), salt: in.salt(), hash: in.hash()}
				if in.bad || row[i].epoch == 0 || row[i].epoch > k.epoch {
					return false
				}
			}
			at := place{n + 1, uint32(i)}
			_, _, left := k.keyAt(place{n, 2 * at.index})
			_, _, right := k.keyAt(place{n, 2*at.index + 1})
			if want := left || right || n == len(k.nodes)-1 && k.epoch > 0; want != (row[i].epoch != 0) {
				return false
			}
		}
	}
	return !in.bad && (k.epoch == 0) == (k.last == hash{}) && (k.epoch == 0 || k.root().epoch == k.epoch)
}

func (k *Keeper) loadPending(in *reader) bool {
	n := int(in.u32())
	if in.bad || n > len(in.b) {
		return false
	}
	for range n {
		o := object{name: in.name()}
		o.bytes = append([]byte(nil), in.take(int(in.below(uint64(in.u16()), MaxObjectBytes)))...)
		if in.bad || !ValidObjectName(o.name) {
			return false
		}
		k.pending = append(k.pending, o)
	}
	return n == 0 || k.pending[n-1].name == RecordName
}
