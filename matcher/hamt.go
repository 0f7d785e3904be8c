package matcher

import "math/bits"

// A HAMT is a persistent hash trie (Bagwell 2001): a change copies the nodes on
// one path, so that whoever holds the old root sees the old set. Leaves are
// objects whose word 1 is their hash; word 2, low half, links leaves of the
// same hash. A reference is a word number, with leafBit if it is a leaf.
//
// A node is the arena's word, a half with the bitmap, and a half for each child.
const (
	leafBit    = 1 << 31
	trieBits   = 5
	trieFan    = 1 << trieBits
	trieDepth  = (64 + trieBits - 1) / trieBits
	leafHash   = 1 // word
	leafChain  = 2 // word; its low half
	nodeBitmap = 2 // half, from the object's first
	nodeChild  = 3 // half
)

func nodeWords(children int) uint32 { return uint32(nodeChild+children+1) / 2 }

func trieSlot(hash uint64, level int) uint32 {
	return uint32(hash>>(level*trieBits)) & (trieFan - 1)
}

// descend follows a hash to the only leaf that can have it, or 0.
func (a *arena) descend(t uint32, hash uint64) uint32 {
	for t != 0 && t&leafBit == 0 {
		bit := uint32(1) << (uint32(hash) & (trieFan - 1))
		hash = bits.RotateLeft64(hash, -trieBits)
		n := a.h[2*t+nodeBitmap:]
		bitmap := n[0]
		if bitmap&bit == 0 {
			return 0
		}
		t = n[1+bits.OnesCount32(bitmap&(bit-1))]
	}
	return t &^ leafBit
}

// firstLeaf returns the first leaf with a hash, or 0; nextLeaf leads to the others.
func (a *arena) firstLeaf(t uint32, hash uint64) uint32 {
	p := a.descend(t, hash)
	if p != 0 && a.w[p+leafHash] != hash {
		return 0
	}
	return p
}

func (a *arena) nextLeaf(p uint32) uint32 { return low(a.w[p+leafChain]) }

// trieAdd returns the trie with leaf p, whose hash is set. A leaf of the same
// hash is put behind p.
func (s *Store) trieAdd(t uint32, p uint32) (uint32, error) {
	before := len(s.tx.fresh)
	root, err := s.trieInsert(t, p, s.a.w[p+leafHash], 0)
	path := nodeWords(trieFan) // a node that another path made larger meanwhile
	for _, q := range s.tx.fresh[min(before, len(s.tx.fresh)):] {
		path += s.a.size(q)
	}
	s.maxPath = max(s.maxPath, path)
	return root, err
}

func (s *Store) trieInsert(t, p uint32, hash uint64, level int) (uint32, error) {
	switch {
	case t == 0:
		s.a.w[p+leafChain] = withLow(s.a.w[p+leafChain], 0)
		return p | leafBit, nil
	case t&leafBit != 0:
		return s.trieFork(t, p, hash, level)
	}
	h := s.a.h[2*t:]
	bitmap, slot := h[nodeBitmap], trieSlot(hash, level)
	count, at := bits.OnesCount32(bitmap), bits.OnesCount32(bitmap&(1<<slot-1))
	if bitmap&(1<<slot) == 0 {
		q, err := s.make(nodeWords(count+1), classIndex)
		if err != nil {
			return 0, err
		}
		s.a.w[p+leafChain] = withLow(s.a.w[p+leafChain], 0)
		g := s.a.h[2*q:]
		g[nodeBitmap] = bitmap | 1<<slot
		copy(g[nodeChild:], h[nodeChild:nodeChild+at])
		g[nodeChild+at] = p | leafBit
		copy(g[nodeChild+at+1:], h[nodeChild+at:nodeChild+count])
		s.drop(t)
		return q, nil
	}
	child, err := s.trieInsert(h[nodeChild+at], p, hash, level+1)
	if err != nil {
		return 0, err
	}
	return s.trieWith(t, count, at, child)
}

// trieWith is node t with another child in a place.
func (s *Store) trieWith(t uint32, count, at int, child uint32) (uint32, error) {
	q, err := s.make(nodeWords(count), classIndex)
	if err != nil {
		return 0, err
	}
	copy(s.a.h[2*q+nodeBitmap:], s.a.h[2*t+nodeBitmap:2*t+uint32(nodeChild+count)])
	s.a.h[2*q+nodeChild+uint32(at)] = child
	s.drop(t)
	return q, nil
}

// trieFork makes a trie of the leaf t and the new leaf p.
func (s *Store) trieFork(t, p uint32, hash uint64, level int) (uint32, error) {
	other := s.a.w[t&^leafBit+leafHash]
	if other == hash {
		s.a.w[p+leafChain] = withLow(s.a.w[p+leafChain], t&^leafBit)
		return p | leafBit, nil
	}
	a, b := trieSlot(other, level), trieSlot(hash, level)
	if a == b {
		child, err := s.trieFork(t, p, hash, level+1)
		if err != nil {
			return 0, err
		}
		q, err := s.make(nodeWords(1), classIndex)
		if err != nil {
			return 0, err
		}
		s.a.h[2*q+nodeBitmap], s.a.h[2*q+nodeChild] = 1<<a, child
		return q, nil
	}
	q, err := s.make(nodeWords(2), classIndex)
	if err != nil {
		return 0, err
	}
	s.a.w[p+leafChain] = withLow(s.a.w[p+leafChain], 0)
	h := s.a.h[2*q:]
	h[nodeBitmap] = 1<<a | 1<<b
	h[nodeChild], h[nodeChild+1] = t, p|leafBit
	if b < a {
		h[nodeChild], h[nodeChild+1] = h[nodeChild+1], h[nodeChild]
	}
	return q, nil
}

// trieCut returns the trie without leaf p, which is the first with its hash; p
// itself is not dropped.
func (s *Store) trieCut(t, p uint32) (uint32, error) {
	return s.trieEdit(t, s.a.w[p+leafHash], 0, s.a.nextLeaf(p))
}

// trieSwap returns the trie with leaf q in the place of the only leaf of its hash.
func (s *Store) trieSwap(t, q uint32) (uint32, error) {
	return s.trieEdit(t, s.a.w[q+leafHash], 0, q)
}

// trieEdit puts leaf, or nothing, in the place of the first leaf with a hash.
func (s *Store) trieEdit(t uint32, hash uint64, level int, leaf uint32) (uint32, error) {
	if t&leafBit != 0 {
		if leaf == 0 {
			return 0, nil
		}
		return leaf | leafBit, nil
	}
	h := s.a.h[2*t:]
	bitmap, slot := h[nodeBitmap], trieSlot(hash, level)
	count, at := bits.OnesCount32(bitmap), bits.OnesCount32(bitmap&(1<<slot-1))
	child, err := s.trieEdit(h[nodeChild+at], hash, level+1, leaf)
	if err != nil {
		return 0, err
	}
	if child != 0 && (count > 1 || child&leafBit == 0) {
		return s.trieWith(t, count, at, child)
	}
	if child != 0 || count == 1 { // a node that leads to one leaf is that leaf
		s.drop(t)
		return child, nil
	}
	if count == 2 && h[nodeChild+1-at]&leafBit != 0 {
		other := h[nodeChild+1-at]
		s.drop(t)
		return other, nil
	}
	q, err := s.make(nodeWords(count-1), classIndex)
	if err != nil {
		return 0, err
	}
	g := s.a.h[2*q:]
	g[nodeBitmap] = bitmap &^ (1 << slot)
	copy(g[nodeChild:], h[nodeChild:nodeChild+at])
	copy(g[nodeChild+at:], h[nodeChild+at+1:nodeChild+count])
	s.drop(t)
	return q, nil
}
