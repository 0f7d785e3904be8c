package group

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/cloudflare/circl/kem/xwing"

	"github.com/scbr/scbr/keyx"
)

const (
	keyLen  = 32
	hashLen = sha256.Size
	saltLen = 16
	boxLen  = keyLen + 16 // a sealed key with its tag

	leafBytes    = 8 + hashLen + xwing.CiphertextSize + boxLen
	maxNodeBytes = 8 + saltLen + 1 + 2*(boxLen+hashLen)
	pointerBytes = 4

	formRecord = 1

	recordLabel = "scbr/group-record/v1"
	nodeLabel   = "scbr/group-node/v1"
	leafLabel   = "scbr/group-leaf/v1"
	idLabel     = "scbr/group-member/v1"
)

type hash [hashLen]byte

// place is a node of the tree: level 0 are the leaves, the parent of (l, i) is (l+1, i/2).
type place struct {
	level int
	index uint32
}

func (p place) parent() place { return place{p.level + 1, p.index / 2} }

func (p place) bytes() []byte { return binary.BigEndian.AppendUint32([]byte{byte(p.level)}, p.index) }

// name is where a store has the object.
func (p place) name() string { return fmt.Sprintf("node-%02x-%08x", p.level, p.index) }

// RecordName is where a store has the newest record.
const RecordName = "record"

// pointerName is where a store has a member's slot.
func pointerName(id hash) string { return fmt.Sprintf("member-%x", id[:16]) }

// heightOf is the height of a tree with that many slots. A tree has a root above its leaves.
func heightOf(slots int) int { return max(1, bits.Len(uint(max(slots, 1)-1))) }

// reader takes an encoding apart front to back; a read beyond the end sets bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return make([]byte, min(n, 8)) // zeros for the integers; hashes and keys are copied
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() byte        { return r.take(1)[0] }
func (r *reader) u16() uint16     { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32     { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64     { return binary.BigEndian.Uint64(r.take(8)) }
func (r *reader) hash() (h hash)  { copy(h[:], r.take(hashLen)); return h }
func (r *reader) key() (k key)    { copy(k[:], r.take(keyLen)); return k }
func (r *reader) name() string    { return string(r.take(int(r.u8()))) }
func (r *reader) done() bool      { return !r.bad && len(r.b) == 0 }
func (r *reader) number() uint64  { return r.below(r.u64(), MaxEpoch) }
func (r *reader) salt() (s salt)  { copy(s[:], r.take(saltLen)); return s }
func (r *reader) box() (b sealed) { copy(b[:], r.take(boxLen)); return b }

// below refuses what exceeds a limit.
func (r *reader) below(v, limit uint64) uint64 {
	if v > limit {
		r.bad = true
		return 0
	}
	return v
}

type (
	salt   [saltLen]byte
	sealed [boxLen]byte
)

func appendName(dst []byte, s string) []byte { return append(append(dst, byte(len(s))), s...) }

// Record says what an epoch of a group is. A Record that a [Member] returns was signed by an authority of
// the domain.
type Record struct {
	Domain, Group string
	Epoch         uint64 // 1 for the first
	Previous      [32]byte
	Revocation    uint64 // number of the revocation list that the group follows
	Time          uint64 // seconds since 1970, by the keeper's clock
	Height        int    // levels above the leaves
	Root          [32]byte
	Commitment    [32]byte // of the epoch's group key
}

// encode is u8 form, lp8 domain, lp8 group, u64 epoch, previous(32), u64 revocation, u64 time, u8 height,
// root(32), commitment(32).
func (r *Record) encode() []byte {
	b := appendName([]byte{formRecord}, r.Domain)
	b = binary.BigEndian.AppendUint64(appendName(b, r.Group), r.Epoch)
	b = binary.BigEndian.AppendUint64(append(b, r.Previous[:]...), r.Revocation)
	b = append(binary.BigEndian.AppendUint64(b, r.Time), byte(r.Height))
	return append(append(b, r.Root[:]...), r.Commitment[:]...)
}

// decodeRecord takes exactly what encode gives.
func decodeRecord(b []byte) (*Record, bool) {
	in := reader{b: b}
	form := in.u8()
	r := Record{Domain: in.name(), Group: in.name(), Epoch: in.number(), Previous: in.hash(), Revocation: in.number(), Time: in.number()}
	r.Height = int(in.u8())
	r.Root, r.Commitment = in.hash(), in.hash()
	if !in.done() || form != formRecord || r.Epoch == 0 || r.Height < 1 || r.Height > MaxHeight ||
		!keyx.ValidName(r.Domain) || !keyx.ValidName(r.Group) || (r.Previous == [32]byte{}) != (r.Epoch == 1) {
		return nil, false
	}
	return &r, true
}

// hash names the record: it is over what is signed, since a signed document has more than one spelling.
func (r *Record) hash() hash { return hashOf(recordLabel, r.encode()) }

// hashOf is SHA-256 over the fields label and parts.
func hashOf(label string, parts ...[]byte) hash {
	b := keyx.AppendField(nil, []byte(label))
	for _, p := range parts {
		b = keyx.AppendField(b, p)
	}
	return sha256.Sum256(b)
}

// node is the object of a node above the leaves: its key under the key of each child that there is.
type node struct {
	epoch    uint64 // in which its key was made
	salt     salt
	children [2]child
}

type child struct {
	present bool
	wrap    sealed
	hash    hash
}

// encode is u64 epoch, salt(16), u8 children (bit 0 left, bit 1 right), and for each child that there is
// wrap(48) and hash(32).
func (n *node) encode() []byte {
	b := append(binary.BigEndian.AppendUint64(make([]byte, 0, maxNodeBytes), n.epoch), n.salt[:]...)
	at := len(b)
	b = append(b, 0)
	for i, c := range n.children {
		if c.present {
			b[at] |= 1 << i
			b = append(append(b, c.wrap[:]...), c.hash[:]...)
		}
	}
	return b
}

func decodeNode(b []byte) (*node, bool) {
	in := reader{b: b}
	n := node{epoch: in.number(), salt: in.salt()}
	flags := in.u8()
	for i := range n.children {
		if flags>>i&1 == 1 {
			n.children[i] = child{true, in.box(), in.hash()}
		}
	}
	return &n, in.done() && flags < 4 && n.epoch > 0
}

func nodeHash(at place, object []byte) hash { return hashOf(nodeLabel, at.bytes(), object) }

// leaf is the object of a member: its leaf key, sealed to its public key.
type leaf struct {
	epoch      uint64 // in which it was added
	id         hash   // of the member's public key
	ciphertext []byte // X-Wing
	box        sealed
}

// encode is u64 epoch, id(32), ciphertext(1120), box(48).
func (l *leaf) encode() []byte {
	b := append(binary.BigEndian.AppendUint64(make([]byte, 0, leafBytes), l.epoch), l.id[:]...)
	return append(append(b, l.ciphertext...), l.box[:]...)
}

func decodeLeaf(b []byte) (*leaf, bool) {
	in := reader{b: b}
	l := leaf{epoch: in.number(), id: in.hash(), ciphertext: in.take(xwing.CiphertextSize), box: in.box()}
	return &l, in.done() && l.epoch > 0
}

func leafHash(slot uint32, object []byte) hash {
	return hashOf(leafLabel, place{0, slot}.bytes(), object)
}
