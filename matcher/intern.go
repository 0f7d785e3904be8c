package matcher

// Attribute names and the strings of filters are held once each, counted. Both
// kinds of record start alike:
//
//	word 0  block | next in the hash chain
//	word 1  references | bytes of text
//
// A name has one more word, the attribute's part of the index:
//
//	word 2  clusters keyed by a value of the attribute | its range cluster, or 0
//
// and then the text.
const (
	internRefs  = 1
	nameIndex   = 2
	nameText    = 3
	stringText  = 2
	queryString = 1 << 31 // marks strings of a query, which are not in the arena
)

// interned is a table of texts that begin textAt words into their record.
type interned struct {
	table
	textAt uint32
}

func (s *Store) textOf(r, textAt uint32) string {
	if r&queryString != 0 {
		return s.query[r&^queryString]
	}
	start := int(r+textAt) * wordBytes
	return view(s.a.b[start : start+int(high(s.a.w[r+internRefs]))])
}

// lookup finds a text, or returns 0.
func (s *Store) lookup(t *interned, h uint64, text string) uint32 {
	r := t.first(&s.a, h)
	for r != 0 && s.textOf(r, t.textAt) != text {
		r = high(s.a.w[r])
	}
	return r
}

// intern finds or adds a text and takes one reference to it.
func (s *Store) intern(t *interned, text string) (uint32, error) {
	h := s.hash.text(text)
	if r := s.lookup(t, h, text); r != 0 {
		s.a.w[r+internRefs]++
		return r, nil
	}
	r, err := s.a.alloc(t.textAt + uint32(len(text)+wordBytes-1)/wordBytes)
	if err != nil {
		return 0, err
	}
	s.a.w[r+internRefs] = pack(1, uint32(len(text)))
	if t == &s.names {
		s.a.w[r+nameIndex] = 0
		s.shape.forget()
	}
	copy(s.a.b[int(r+t.textAt)*wordBytes:], text)
	t.add(&s.a, h, r)
	return r, nil
}

// unref gives one reference back.
func (s *Store) unref(t *interned, r uint32) {
	s.a.w[r+internRefs]--
	if low(s.a.w[r+internRefs]) > 0 {
		return
	}
	if t == &s.names {
		s.shape.forget()
	}
	t.remove(&s.a, s.hash.text(s.textOf(r, t.textAt)), r)
	s.a.free(r)
}
