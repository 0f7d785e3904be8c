package matcher

// ids is a table from small numbers, which are handed out again, to what only
// the writer needs to know about them. Number 0 is never handed out.
type ids struct {
	v    vector
	half bool // entries are halves of a word
	idState
}

// idState is what a transaction restores.
type idState struct {
	end  uint32 // first number never handed out
	free uint32 // first of the numbers to hand out again; each entry leads to the next
}

// idFree marks the entry of a number that is free; the rest is the next one.
const idFree = 1 << 30

func (t *ids) place(i uint32) (word uint32, shift int) {
	word, shift = t.word(i)
	return t.v.at(word), shift
}

// growth is how many words the table may take in one operation.
func (t *ids) growth() uint32 {
	if word, _ := t.word(t.end + 2*maxPlaces); word < t.v.words {
		return 0
	}
	return t.v.next() + t.v.next()/2
}

// word returns which word of the table has an entry.
func (t *ids) word(i uint32) (word uint32, shift int) {
	if t.half {
		return i / 2, int(i%2) * 32
	}
	return i, 0
}

func (s *Store) entry(t *ids, i uint32) uint64 {
	word, shift := t.place(i)
	if t.half {
		return uint64(uint32(s.a.w[word] >> shift))
	}
	return s.a.w[word]
}

func (s *Store) setEntry(t *ids, i uint32, v uint64) {
	word, shift := t.place(i)
	if t.half {
		old := s.a.w[word]
		v = old&^(0xffffffff<<shift) | v<<shift
	}
	s.set(word, v)
}

// newID hands out a number; its entry is undefined.
func (s *Store) newID(t *ids) (uint32, error) {
	if i := t.free; i != 0 {
		t.free = uint32(s.entry(t, i)) &^ idFree
		return i, nil
	}
	i := max(t.end, 1)
	if i >= idFree {
		return 0, &Error{Op: s.tx.op, Kind: EPCBudget}
	}
	need, _ := t.word(i)
	for need >= t.v.words {
		if err := t.v.grow(&s.a); err != nil {
			return 0, err
		}
	}
	t.end = i + 1
	return i, nil
}

func (s *Store) freeID(t *ids, i uint32) {
	s.setEntry(t, i, uint64(t.free|idFree))
	t.free = i
}

// known reports whether a number is handed out.
func (s *Store) known(t *ids, i uint32) bool {
	return i > 0 && i < t.end && s.entry(t, i)&(wholeBit|idFree) != idFree
}
