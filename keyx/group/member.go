package group

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/kem/xwing"

	"github.com/scbr/scbr/keyx"
)

// Seen is the newest epoch that a member has verified. It is not secret. A member that keeps it across
// restarts refuses what is older; one that does not begins anew with whatever the host shows.
type Seen struct {
	Epoch uint64
	Hash  [32]byte // of the record
}

// Member is one member's view of a group. It is not for concurrent use.
type Member struct {
	scope
	signers keyx.Domain
	private MemberKey
	id      hash

	seen   Seen
	record Record
	joined bool
	slot   uint32
	path   []step     // own leaf, then the nodes above it to the root; empty before the first Advance
	keys   []epochKey // newest last, at most KeptEpochs
}

// step is what a member knows of one place on its way to the root.
type step struct {
	hash hash // of the place's object
	key  key
}

type epochKey struct {
	epoch uint64
	key   key
}

// NewMember makes a member that knows nothing yet but what it has seen before, if anything. Domain is
// pinned by the caller: its authorities sign the records.
func NewMember(domain keyx.Domain, group string, private MemberKey, seen Seen) (*Member, error) {
	const op = "make member"
	if err := domain.Validate(); err != nil {
		return nil, err
	}
	if !keyx.ValidName(group) {
		return nil, fail(op, errName)
	}
	s := scope{domain.Name, group}
	return &Member{scope: s, signers: domain, private: private, id: s.id(private.Public()), seen: seen}, nil
}

// Format never shows keys.
func (*Member) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("group.Member(" + redacted + ")")) }

// Epoch is the newest epoch whose group key the member has, 0 before the first.
func (m *Member) Epoch() uint64 {
	if len(m.keys) == 0 {
		return 0
	}
	return m.keys[len(m.keys)-1].epoch
}

// Seen is what to give NewMember after a restart.
func (m *Member) Seen() Seen { return m.seen }

// Record is the newest verified record; zero before the first Advance.
func (m *Member) Record() Record { return m.record }

// GroupKey returns the group key of an epoch: one of the newest [KeptEpochs] that the member has taken.
// An epoch that it was not there for, or that it skipped, has none.
func (m *Member) GroupKey(epoch uint64) (gk [32]byte, ok bool) {
	for _, k := range m.keys {
		if k.epoch == epoch {
			return k.key, true
		}
	}
	return gk, false
}

// VerifyRecord reads a record that an authority of the domain signed, and what a member has seen who has seen
// it. Errors are BadGroup.
func VerifyRecord(jws []byte, domain keyx.Domain) (Record, Seen, error) {
	payload, err := keyx.VerifyGroupRecord(jws, domain)
	if err != nil {
		return Record{}, Seen{}, err
	}
	r, ok := decodeRecord(payload)
	if !ok || r.Domain != domain.Name {
		return Record{}, Seen{}, fail("verify record", errEncoding)
	}
	return *r, Seen{r.Epoch, r.hash()}, nil
}

// Refresh fetches the newest record and advances to it.
func (m *Member) Refresh(from Getter) error {
	jws, err := fetch(from, RecordName, keyx.MaxGroupRecordBytes)
	if err != nil {
		return fail("refresh", err)
	}
	return m.Advance(jws, from)
}

// Advance verifies a record and takes its group key. It fetches the nodes from the root down until one is
// as the member knows it, at most [MaxHeight], plus two objects the first time. The record that the member
// is at already is no error. All errors are BadGroup and change nothing.
func (m *Member) Advance(jws []byte, from Getter) error {
	const op = "advance"
	payload, err := keyx.VerifyGroupRecord(jws, m.signers)
	if err != nil {
		return err
	}
	r, ok := decodeRecord(payload)
	if !ok {
		return fail(op, errEncoding)
	}
	h := r.hash()
	if err := m.follows(r, h); err != nil {
		return fail(op, err)
	}
	if r.Epoch == m.Epoch() {
		return nil
	}
	w := m.walk(r, from, m.joined)
	err = w.run()
	if m.joined && errors.Is(err, ErrNotMember) { // it may have been added again since
		w = m.walk(r, from, false)
		err = w.run()
	}
	if err != nil {
		return fail(op, err)
	}
	gk := m.groupKey(&w.path[r.Height].key, r.Epoch)
	if !equal(m.commitment(&gk, r.Epoch), r.Commitment) {
		return fail(op, errCommit)
	}
	m.record, m.seen, m.slot, m.path, m.joined = *r, Seen{r.Epoch, h}, w.slot, w.path, true
	if len(m.keys) == KeptEpochs {
		copy(m.keys, m.keys[1:])
		m.keys = m.keys[:KeptEpochs-1]
	}
	m.keys = append(m.keys, epochKey{r.Epoch, gk})
	return nil
}

// follows compares a record with the newest that was verified.
func (m *Member) follows(r *Record, h hash) error {
	switch {
	case r.Domain != m.domain || r.Group != m.group:
		return errForeign
	case r.Epoch < m.seen.Epoch:
		return ErrOldEpoch
	case r.Epoch == m.seen.Epoch && !equal(h, m.seen.Hash):
		return ErrFork
	case r.Epoch == m.seen.Epoch+1 && !equal(r.Previous, m.seen.Hash):
		return ErrFork
	case r.Revocation < m.record.Revocation || r.Time < m.record.Time || r.Height < m.record.Height:
		return errBack
	}
	return nil
}

// walk is one way from the root to the member's leaf, and the keys back up.
type walk struct {
	m      *Member
	record *Record
	from   Getter
	known  []step // from earlier, in the same slot; empty: none
	slot   uint32
	path   []step
	nodes  [MaxHeight + 1]*node
}

func (m *Member) walk(r *Record, from Getter, goOn bool) *walk {
	w := &walk{m: m, record: r, from: from, path: make([]step, r.Height+1)}
	if goOn {
		w.known, w.slot = m.path, m.slot
	}
	return w
}

func (w *walk) run() error {
	if err := w.locate(); err != nil {
		return err
	}
	known, err := w.down()
	if err != nil {
		return err
	}
	if known < 0 {
		if err := w.join(); err != nil {
			return err
		}
		known = 0
	}
	return w.up(known)
}

// locate finds the member's slot. The host's word for it is checked by what is sealed in the leaf there.
func (w *walk) locate() error {
	if len(w.known) > 0 {
		return nil
	}
	b, err := fetch(w.from, pointerName(w.m.id), pointerBytes)
	if errors.Is(err, ErrNotFound) {
		return ErrNotMember
	}
	if err != nil {
		return err
	}
	if len(b) != pointerBytes {
		return errEncoding
	}
	w.slot = binary.BigEndian.Uint32(b)
	if w.slot>>w.record.Height != 0 {
		return ErrNotMember
	}
	return nil
}

func (w *walk) at(level int) place { return place{level, w.slot >> level} }

// down fetches and checks nodes from the root to the first place that is as the member knows it, and
// returns its level, or -1 if there is none. A leaf that is another one is a member that has left.
func (w *walk) down() (int, error) {
	w.path[w.record.Height].hash = w.record.Root
	for level := w.record.Height; ; level-- {
		if level < len(w.known) && equal(w.path[level].hash, w.known[level].hash) {
			copy(w.path, w.known[:level+1])
			return level, nil
		}
		if level == 0 {
			break
		}
		at := w.at(level)
		b, err := fetch(w.from, at.name(), maxNodeBytes)
		if err != nil {
			return 0, err
		}
		if !equal(nodeHash(at, b), w.path[level].hash) {
			return 0, ErrMixed
		}
		n, ok := decodeNode(b)
		if !ok || n.epoch > w.record.Epoch {
			return 0, errEncoding
		}
		mine := n.children[w.at(level-1).index&1]
		if !mine.present {
			return 0, ErrNotMember
		}
		w.nodes[level], w.path[level-1].hash = n, mine.hash
	}
	if len(w.known) > 0 {
		return 0, ErrNotMember
	}
	return -1, nil
}

// join opens the leaf.
func (w *walk) join() error {
	b, err := fetch(w.from, w.at(0).name(), leafBytes)
	if err != nil {
		return err
	}
	if !equal(leafHash(w.slot, b), w.path[0].hash) {
		return ErrMixed
	}
	l, ok := decodeLeaf(b)
	if !ok || l.epoch > w.record.Epoch {
		return errEncoding
	}
	if !equal(l.id, w.m.id) {
		return ErrNotMember
	}
	secret := xwing.Decapsulate(l.ciphertext, w.m.private.seed[:])
	defer clear(secret)
	if w.path[0].key, ok = openKey(w.m.inviteKey(secret, w.slot, l.epoch, l.id), &l.box); !ok {
		return errWrap
	}
	return nil
}

// up opens the wraps above a level whose key is known.
func (w *walk) up(known int) error {
	for level := known + 1; level <= w.record.Height; level++ {
		at, from, n := w.at(level), w.at(level-1), w.nodes[level]
		under := w.m.wrapKey(&w.path[level-1].key, at, from, n.epoch, n.salt)
		var ok bool
		if w.path[level].key, ok = openKey(under, &n.children[from.index&1].wrap); !ok {
			return errWrap
		}
	}
	return nil
}
