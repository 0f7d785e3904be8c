package matcher

import (
	"unsafe"

	"github.com/scbr/scbr/matcher/filter"
)

// Handle names one subscription of a Store. It is never 0. After Remove the
// number may be handed out again, so an owner forgets it then.
type Handle uint32

// Config parameterises a Store.
type Config struct {
	// Seed keys the hash tables. It has to be random and secret where
	// subscribers or publishers are not trusted: whoever knows it can make
	// chains long.
	Seed uint64
}

// Stats describes a Store. The counters run since it was made and count tests
// of one filter against an event or another filter.
type Stats struct {
	Subscriptions int
	Nodes         int   // distinct filters
	Roots         int   // nodes that hang below no other one
	Clusters      int   // values in the equality index
	Names         int   // distinct attribute names
	Strings       int   // distinct strings in filters
	Bytes         int64 // committed memory
	Used          int64 // of which is in use
	Budget        int64 // what Memory says, or else its reservation
	MatchTests    uint64
	MatchTexts    uint64 // of which looked at a string's bytes
	InsertTests   uint64 // by Insert and Remove
	CoverTests    uint64 // by Covered
	Flat          uint64 // operations that used up InsertBudget
}

// Store holds subscriptions: a forest of filters in which each hangs below one
// that covers it, indexed at the roots. All of it is in the Memory; the Go heap
// holds this struct, whose size does not depend on the subscriptions. A Store
// has one owner at a time: also Match and Covered use its scratch space.
type Store struct {
	a        arena
	hash     hasher
	names    interned
	strings  interned
	nodes    table
	clusters table
	subs     vector
	subsEnd  uint32 // first subscription number never handed out
	subsFree uint32
	subsLive int
	roots    int
	always   uint32 // the node of TRUE
	never    uint32 // the node of FALSE
	stats    Stats  // counters only

	enc   encoder
	query []string // strings of the current query that no filter has
	event [filter.MaxAttributes]resolved
	shape shape
	slot  [slots]uint8 // attribute record, low byte: 1 + index in event
	epoch uint64       // number of the current event
	cuts  [cutSlots]cut
}

// New returns an empty Store that lives in mem, which nobody else may touch
// from now on.
func New(mem Memory, cfg Config) (*Store, error) {
	region := mem.Region()
	region = region[:min(len(region), maxRegion)&^(wordBytes-1)]
	if len(region) < commitStep || uintptr(unsafe.Pointer(&region[0]))%wordBytes != 0 { // #nosec G103 -- alignment
		return nil, &Error{Op: "new", Kind: BadMemory}
	}
	s := &Store{hash: newHasher(cfg.Seed), subsEnd: 1}
	s.a = arena{
		mem: mem, b: region, end: 1,
		w: unsafe.Slice((*uint64)(unsafe.Pointer(&region[0])), len(region)/wordBytes), // #nosec G103 -- aligned, same length
	}
	s.enc.s = s
	s.names.textAt, s.strings.textAt = nameText, stringText
	for _, t := range []struct {
		table *table
		hash  func(r uint32) uint64
	}{
		{&s.names.table, func(r uint32) uint64 { return s.hash.text(s.textOf(r, nameText)) }},
		{&s.strings.table, func(r uint32) uint64 { return s.hash.text(s.textOf(r, stringText)) }},
		{&s.nodes, func(n uint32) uint64 { return s.hashEntries(s.entries(n)) }},
		{&s.clusters, func(c uint32) uint64 {
			w := s.a.w
			return s.hashCluster(low(w[c+clusterAttr]), key{w[c+clusterKey], uint16(high(w[c+clusterAttr]))})
		}},
	} {
		if err := t.table.init(&s.a, t.hash); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func view(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b)) // #nosec G103 -- interned text does not change while its record lives
}

// Insert adds a subscription; Match reports its tag. Equal filters share their
// memory. Where the budget has no room it returns an *Error of Kind EPCBudget
// and nothing has changed.
func (s *Store) Insert(f filter.Filter, tag uint64) (Handle, error) {
	i, err := s.newSub()
	if err != nil {
		return 0, err
	}
	if err := s.enc.encode(f); err != nil {
		s.freeSub(i)
		return 0, err
	}
	e := s.enc.words[:s.enc.n]
	h := s.hashEntries(e)
	n := s.findNode(h, e)
	if n != 0 {
		s.release(e)
	} else if n, err = s.newNode(h, e); err != nil {
		s.release(e)
		s.freeSub(i)
		return 0, err
	}
	s.addSub(i, n, tag)
	return Handle(i), nil
}

// Remove takes a subscription out. A handle that names none is refused with
// Kind UnknownHandle.
func (s *Store) Remove(h Handle) error {
	i := uint32(h)
	if i == 0 || i >= s.subsEnd || high(s.a.w[s.subs.at(i*subWords)+1]) == 0 {
		return &Error{Op: "remove", Kind: UnknownHandle}
	}
	if n := s.removeSub(i); n != 0 {
		s.dropNode(n)
	}
	return nil
}

// Covered reports whether some stored filter covers f. It takes no memory, and
// looks at every root in the clusters of f's equalities and attributes.
func (s *Store) Covered(f filter.Filter) bool {
	if s.always != 0 || f.Empty() && s.subsLive > 0 {
		return true
	}
	s.enc.query = true
	_ = s.enc.encode(f) // a query takes nothing, so nothing can fail
	s.enc.query = false
	e := s.enc.words[:s.enc.n]
	found := false
	for i := 0; i < len(e) && !found; i += int(kindOf(e[i]).words()) {
		attr := low(e[i])
		if attr == 0 {
			break
		}
		if kindOf(e[i]) == entryEqual {
			found = s.coveredIn(s.findCluster(attr, key{e[i+1], lowSub(e[i])}), e)
		}
		if kindOf(e[i]) != entryNot && !found {
			found = s.coveredIn(high(s.a.w[attr+nameIndex]), e)
		}
	}
	clear(s.query)
	return found
}

func (s *Store) coveredIn(c uint32, e []uint64) bool {
	if c == 0 {
		return false
	}
	for g := s.list(0, c); g != 0; g = low(s.a.w[g+nodeSibling]) {
		s.stats.CoverTests++
		if s.covers(s.entries(g), e) {
			return true
		}
	}
	return false
}

// Stats describes the Store.
func (s *Store) Stats() Stats {
	st := s.stats
	st.Subscriptions = s.subsLive
	st.Nodes, st.Roots = int(s.nodes.count), s.roots
	for _, n := range []uint32{s.always, s.never} {
		if n != 0 {
			st.Roots++
		}
	}
	st.Clusters, st.Names, st.Strings = int(s.clusters.count), int(s.names.count), int(s.strings.count)
	st.Bytes, st.Used = int64(s.a.committed), int64(s.a.used)*wordBytes
	st.Budget = int64(len(s.a.b))
	if m, ok := s.a.mem.(interface{ Budget() int64 }); ok {
		st.Budget = m.Budget()
	}
	return st
}
