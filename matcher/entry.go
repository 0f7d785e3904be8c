package matcher

import "github.com/scbr/scbr/matcher/filter"

// A filter is held as a run of entries, ordered by attribute record. An entry
// is a head word and up to two more:
//
//	bits  0-31  attribute record
//	bits 32-35  kind
//	bit  36     last entry of the filter
//	bit  37     implied by the cluster the filter is in
//	bit  38     entryStrings only: the strings that begin with the low end
//	bits 40-51  sub of the low end
//	bits 52-63  sub of the high end; with bit 38 the bytes of the low one
const (
	entryLast    = 1 << 36
	entryImplied = 1 << 37
	entryPrefix  = 1 << 38
	lowSubShift  = 40
	highSubShift = 52
	// maxEntryWords bounds a filter: the predicate that takes most is != of a
	// string, an interval of two words and an exclusion of two.
	maxEntryWords = 4 * filter.MaxPredicates
)

type entryKind uint64

const (
	entryTrue    entryKind = iota // the whole filter is TRUE; no attribute
	entryFalse                    // the whole filter is FALSE; no attribute
	entryAny                      // the attribute exists
	entryNumber                   // any number; what is left out follows
	entryEqual                    // word 1: key
	entryLow                      // word 1: key; a number not below it
	entryHigh                     // word 1: key; a number not above it
	entryBetween                  // words 1 and 2: keys
	entryStrings                  // word 1: strings | of the interval's ends, 0 if unbounded; sub 1 if open
	entryNot                      // word 1: key; follows the attribute's main entry
)

// entryWords holds the length of an entry of each kind, four bits each.
const entryWords = 0x2232221111

func (k entryKind) words() uint32 { return uint32(uint64(entryWords)>>(k*4)) & 15 }

func kindOf(head uint64) entryKind { return entryKind(head >> 32 & 15) }
func lowSub(head uint64) uint16    { return uint16(head >> lowSubShift & subMax) }
func highSub(head uint64) uint16   { return uint16(head >> highSubShift) }

func entryHead(attr uint32, kind entryKind, lo, hi uint16) uint64 {
	return uint64(attr) | uint64(kind)<<32 | uint64(lo)<<lowSubShift | uint64(hi)<<highSubShift
}

// encoder turns a filter into entries in its own storage.
type encoder struct {
	s      *Store
	query  bool // look up only: nothing is interned, unknown names are left out
	words  [maxEntryWords]uint64
	n      int
	order  [filter.MaxPredicates]ordered
	orders int
	err    error
}

type ordered struct {
	attr uint32
	i    int
}

// encode fills the encoder. Unless it is a query, the entries hold references
// to names and strings, which release gives back; after an error they have
// been given back.
func (x *encoder) encode(f filter.Filter) error {
	x.n, x.orders, x.err = 0, 0, nil
	x.s.query = x.s.query[:0]
	switch {
	case f.Empty():
		x.put(entryHead(0, entryFalse, 0, 0))
	case f.Len() == 0:
		x.put(entryHead(0, entryTrue, 0, 0))
	}
	for i := 0; i < f.Len() && x.err == nil; i++ {
		x.name(f.At(i).Attr(), i)
	}
	done := 0
	for ; done < x.orders && x.err == nil; done++ {
		x.constraint(x.order[done].attr, f.At(x.order[done].i))
	}
	if x.err != nil {
		x.s.releaseStrings(x.words[:x.n])
		for i := range x.orders {
			x.s.unref(&x.s.names, x.order[i].attr)
		}
		return x.err
	}
	if x.n == 0 { // a query whose every name is unknown asks like TRUE
		x.put(entryHead(0, entryTrue, 0, 0))
	}
	x.words[x.lastHead()] |= entryLast
	return nil
}

// name resolves a name and inserts it into the order of records.
func (x *encoder) name(name string, i int) {
	var attr uint32
	if x.query {
		if attr = x.s.lookup(&x.s.names, x.s.hash.text(name), name); attr == 0 {
			return
		}
	} else if attr, x.err = x.s.intern(&x.s.names, name); x.err != nil {
		return
	}
	j := x.orders
	for ; j > 0 && x.order[j-1].attr > attr; j-- {
		x.order[j] = x.order[j-1]
	}
	x.order[j] = ordered{attr, i}
	x.orders++
}

func (x *encoder) put(word uint64) {
	x.words[x.n] = word
	x.n++
}

func (x *encoder) lastHead() int {
	last := 0
	for i := 0; i < x.n; i += int(kindOf(x.words[i]).words()) {
		last = i
	}
	return last
}

// text is the record of a filter's string, 0 after an error.
func (x *encoder) text(text string) uint32 {
	if x.err != nil {
		return 0
	}
	if !x.query {
		var r uint32
		r, x.err = x.s.intern(&x.s.strings, text)
		return r
	}
	if r := x.s.lookup(&x.s.strings, x.s.hash.text(text), text); r != 0 {
		return r
	}
	x.s.query = append(x.s.query, text)
	return queryString | uint32(len(x.s.query)-1)
}

func (x *encoder) key(v filter.Value) key {
	if v.Type() != filter.TypeString {
		return scalarKey(v)
	}
	return key{key: keyString | uint64(x.text(v.Str()))}
}

func (x *encoder) constraint(attr uint32, c filter.Constraint) {
	switch c.Kind() {
	case filter.Any:
		x.put(entryHead(attr, entryAny, 0, 0))
	case filter.Point:
		x.keyed(attr, entryEqual, c.Point())
	case filter.Numbers:
		x.numbers(attr, c.Low(), c.High())
	case filter.Strings:
		x.strings(attr, c.Low(), c.High(), c.IsPrefix())
	}
	for i := 0; i < c.Excluded() && x.err == nil; i++ {
		x.keyed(attr, entryNot, c.ExcludedAt(i))
	}
}

func (x *encoder) keyed(attr uint32, kind entryKind, v filter.Value) {
	if k := x.key(v); x.err == nil {
		x.put(entryHead(attr, kind, k.sub, k.sub))
		x.put(k.key)
	}
}

func (x *encoder) numbers(attr uint32, lo, hi filter.Bound) {
	l, h := key{key: keyNegInf}, key{key: keyPosInf}
	kind := entryNumber
	if lo.Set {
		kind, l = entryLow, scalarKey(lo.Value)
		if lo.Open {
			l = l.above()
		}
	}
	if hi.Set {
		kind, h = entryHigh, scalarKey(hi.Value)
		if hi.Open {
			h = h.below()
		}
	}
	if lo.Set && hi.Set {
		kind = entryBetween
	}
	x.put(entryHead(attr, kind, l.sub, h.sub))
	if lo.Set {
		x.put(l.key)
	}
	if hi.Set {
		x.put(h.key)
	}
}

func (x *encoder) strings(attr uint32, lo, hi filter.Bound, prefix bool) {
	at := x.n
	head := entryHead(attr, entryStrings, openSub(lo), openSub(hi))
	if prefix {
		head = entryPrefix | entryHead(attr, entryStrings, 0, uint16(len(lo.Value.Str())))
	}
	x.put(head)
	x.put(0)
	if lo.Set {
		x.words[at+1] = withLow(x.words[at+1], x.text(lo.Value.Str()))
	}
	if hi.Set {
		x.words[at+1] = withHigh(x.words[at+1], x.text(hi.Value.Str()))
	}
}

func openSub(b filter.Bound) uint16 {
	if b.Open {
		return 1
	}
	return 0
}

// releaseStrings gives back the strings of a run of entries. A half-built
// interval of strings holds 0 where it has none.
func (s *Store) releaseStrings(words []uint64) {
	for len(words) > 0 {
		kind := kindOf(words[0])
		switch {
		case kind == entryStrings:
			if r := low(words[1]); r != 0 {
				s.unref(&s.strings, r)
			}
			if r := high(words[1]); r != 0 {
				s.unref(&s.strings, r)
			}
		case (kind == entryEqual || kind == entryNot) && words[1] >= keyString:
			s.unref(&s.strings, low(words[1]))
		}
		words = words[kind.words():]
	}
}

// release gives back everything a filter's entries refer to.
func (s *Store) release(words []uint64) {
	s.releaseStrings(words)
	for len(words) > 0 {
		kind := kindOf(words[0])
		if attr := low(words[0]); attr != 0 && kind != entryNot {
			s.unref(&s.names, attr)
		}
		words = words[kind.words():]
	}
}
