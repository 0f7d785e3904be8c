package matcher

import (
	"sync/atomic"
	"unsafe"
)

// A text is an interned attribute name, string, or list of constraints: a leaf
// of a HAMT, held once however often it is used. Its reference is its identity.
//
//	word 1 hash · word 2 next leaf of the same hash | length · word 3 uses | clusters keyed by the name
//	word 4 1 if the name ever keyed a cluster · the bytes
//
// Word 3 is the writer's alone; word 4 is read and written atomically.
const (
	textUses  = 3
	textKeyed = 4
	textBytes = 5
)

func textSize(n int) uint32 { return textBytes + uint32(n+wordBytes-1)/wordBytes }

// text returns the bytes of an interned text, valid as long as it lives.
func (a *arena) text(p uint32) string {
	n := high(a.w[p+leafChain])
	if n == 0 {
		return ""
	}
	return unsafe.String(&a.b[int(p+textBytes)*wordBytes], int(n)) // #nosec G103 -- within the object, which no one changes
}

// lookUp returns the text in a trie, or 0.
func (a *arena) lookUp(t uint32, hash uint64, text string) uint32 {
	for p := a.firstLeaf(t, hash); p != 0; p = a.nextLeaf(p) {
		if a.text(p) == text {
			return p
		}
	}
	return 0
}

// intern returns the text in the trie at t, one use more, and makes it if it is
// not there.
func (s *Store) intern(t, count *uint32, text string) (p uint32, made bool, err error) {
	hash := s.hash.text(text)
	if p = s.a.lookUp(*t, hash, text); p != 0 {
		s.use(p)
		return p, false, nil
	}
	p, err = s.make(textSize(len(text)), classText)
	if err != nil {
		return 0, false, err
	}
	s.a.w[p+leafHash], s.a.w[p+leafChain] = hash, pack(0, uint32(len(text)))
	s.a.w[p+textUses], s.a.w[p+textKeyed] = 1, 0
	copy(s.a.b[int(p+textBytes)*wordBytes:], text)
	root, err := s.trieAdd(*t, p)
	if err != nil {
		return 0, false, err
	}
	*t = root
	*count++
	return p, true, nil
}

func (s *Store) use(p uint32) { s.set(p+textUses, s.a.w[p+textUses]+1) }

// unuse gives up one use of a text, and the text with the last one. A text that
// hides behind another of the same hash stays: it is found again when needed.
func (s *Store) unuse(t, count *uint32, p uint32) (gone bool, err error) {
	s.set(p+textUses, s.a.w[p+textUses]-1)
	if low(s.a.w[p+textUses]) != 0 || s.a.firstLeaf(*t, s.a.w[p+leafHash]) != p {
		return false, nil
	}
	root, err := s.trieCut(*t, p)
	if err != nil {
		return false, err
	}
	*t = root
	*count--
	s.dropLate(p)
	return true, nil
}

func (s *Store) internName(name string) (uint32, error) {
	p, made, err := s.intern(&s.tx.root.names, &s.tx.root.nameCount, name)
	if made {
		s.tx.root.version++
	}
	return p, err
}

func (s *Store) unuseName(p uint32) error {
	gone, err := s.unuse(&s.tx.root.names, &s.tx.root.nameCount, p)
	if gone {
		s.tx.root.version++
	}
	return err
}

func (s *Store) internString(text string) (uint32, error) {
	p, _, err := s.intern(&s.tx.root.strings, &s.tx.root.stringCount, text)
	return p, err
}

func (s *Store) unuseString(p uint32) error {
	_, err := s.unuse(&s.tx.root.strings, &s.tx.root.stringCount, p)
	return err
}

// setKeyed records that a name keys clusters. Readers that do not know yet have
// no use for it: the first cluster becomes visible later.
func (s *Store) setKeyed(name uint32) {
	if high(s.a.w[name+textUses]) == 1 {
		s.tx.root.version++
	}
	atomic.StoreUint64(&s.a.w[name+textKeyed], 1)
}

func (a *arena) keyed(name uint32) bool { return atomic.LoadUint64(&a.w[name+textKeyed]) != 0 }
