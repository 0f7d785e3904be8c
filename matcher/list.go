package matcher

import (
	"encoding/binary"
	"slices"

	"github.com/scbr/scbr/matcher/filter"
)

// A constraint list says exactly what a conjunction demands where rows cannot:
// u32 name, u16 length and the constraint's canonical encoding for each. It is
// interned, so that equal lists are held once, and holds one use of each name.
const listHeader = 4 + 2

// term is one constraint with its name's record.
type term struct {
	name uint32 // 0 in a query about a name that no filter mentions
	c    *filter.Constraint
}

func appendList(dst []byte, terms []term) []byte {
	for _, t := range terms {
		at := len(dst)
		dst = binary.LittleEndian.AppendUint32(dst, t.name)
		dst = append(dst, 0, 0)
		dst = t.c.AppendBinary(dst)
		binary.LittleEndian.PutUint16(dst[at+4:], uint16(len(dst)-at-listHeader))
	}
	return dst
}

// nextTerm takes the first constraint off a list.
func nextTerm(list []byte) (name uint32, constraint, rest []byte) {
	n := listHeader + int(binary.LittleEndian.Uint16(list[4:]))
	return binary.LittleEndian.Uint32(list), list[listHeader:n], list[n:]
}

// decodeList appends what appendList took.
func decodeList(dst []term, list []byte) []term {
	for len(list) > 0 {
		name, b, rest := nextTerm(list)
		c, _, err := filter.DecodeConstraint(b)
		if err != nil {
			panic("matcher: constraint list is damaged")
		}
		dst, list = append(dst, term{name, &c}), rest
	}
	return dst
}

func (a *arena) list(p uint32) []byte { return bytesOf(a.text(p)) }

// internList returns the record of a list with one use more.
func (s *Store) internList(terms []term) (uint32, error) {
	s.work.list = appendList(s.work.list[:0], terms)
	p, made, err := s.intern(&s.tx.root.strings, &s.tx.root.stringCount, view(s.work.list))
	if err != nil || !made {
		return p, err
	}
	for _, t := range terms {
		s.use(t.name)
	}
	return p, nil
}

// unuseList gives up one use of a list.
func (s *Store) unuseList(p uint32) error {
	var names [filter.MaxPredicates]uint32
	n := 0
	for list := s.a.list(p); len(list) > 0; n++ {
		names[n], _, list = nextTerm(list)
	}
	gone, err := s.unuse(&s.tx.root.strings, &s.tx.root.stringCount, p)
	if err != nil || !gone {
		return err
	}
	for _, name := range names[:n] {
		if err := s.unuseName(name); err != nil {
			return err
		}
	}
	return nil
}

// fill makes rows of terms, the narrowest first. Without a list it is to have
// one exactly if the rows do not say everything.
func (s *Store) fill(l *lane, terms []term) (compact bool) {
	rows := s.work.rows[:0]
	compact, complete := len(terms) <= maxRows, true
	for _, t := range terms {
		r := s.newRow(t.name, t.c)
		compact = compact && r.compact
		complete = complete && r.complete
		rows = append(rows, r)
	}
	s.work.rows = rows
	slices.SortStableFunc(rows, func(a, b row) int { return int(a.selectable) - int(b.selectable) })
	l.n = copy(l.rows[:], rows)
	l.inexact = !complete || len(terms) > maxRows
	return compact
}
