package matcher

import (
	"github.com/scbr/scbr/matcher/filter"
)

const (
	// wholeBit marks a handle's entry that is a whole: a subscription of several
	// lanes, or of none.
	wholeBit = 1 << 31
	// maxReplicas is how many values an IN may have to be indexed by each of
	// them; with more, one place among the filters without equality is cheaper.
	maxReplicas = 16
	// maxPlaces bounds the places of one filter, and so what its insertion and its
	// removal cost at most: as many as it may have conjunctions.
	maxPlaces = filter.MaxConjunctions
)

// A whole is what the parts of one subscription have in common:
//
//	word 1  tag
//	halves  its handle, number of parts, handle of each
const (
	wholeTag    = 1
	wholeHandle = 4 // half
	wholeParts  = 5 // half
)

// Insert adds a subscription; Match reports its tag. Where the budget has no
// room it returns an *Error of Kind EPCBudget, where the tag's owner, its upper
// half, has as many subscriptions as Config.MaxPerOwner allows, one of Kind
// OwnerQuota; then nothing has changed.
func (s *Store) Insert(f filter.Filter, tag uint64) (Handle, error) {
	if s.maxPerOwner > 0 && s.owners[owner(tag)] >= s.maxPerOwner {
		return 0, &Error{Op: "insert", Kind: OwnerQuota}
	}
	h, err := s.tryInsert(&f, tag)
	if err != nil && s.limboHead < len(s.limbo) { // what readers have left may do
		s.reclaim()
		h, err = s.tryInsert(&f, tag)
	}
	if err != nil {
		return 0, err
	}
	if s.maxPerOwner > 0 {
		s.owners[owner(tag)]++
	}
	s.wholes[len(s.work.parts)]++
	return Handle(h), nil
}

func owner(tag uint64) uint32 { return uint32(tag >> 32) }

func (s *Store) tryInsert(f *filter.Filter, tag uint64) (uint32, error) {
	s.begin("insert")
	reserve := s.a.reserve
	h, err := s.insert(f, tag)
	if err == nil {
		err = s.keepReserve()
	}
	if err == nil {
		err = s.commit()
	}
	if err != nil {
		s.a.reserve = reserve
		s.abandon()
		return 0, err
	}
	return h, nil
}

// keepReserve sees to it that whatever is removed next finds the memory for the
// objects that a removal makes before it frees others: those of one place for
// each place of the filter that has the most, and the one list of pages that can
// be long, of the filters without equality.
func (s *Store) keepReserve() error {
	parts := len(s.work.parts)
	for i := len(s.wholes) - 1; i > parts; i-- {
		if s.wholes[i] > 0 {
			parts = i
		}
	}
	path := min(s.maxPath, trieDepth*nodeWords(trieFan))
	s.a.reserve = uint32(1+parts)*(s.maxBlock+s.maxPage+s.maxCluster+path+rootWords) + s.maxRanges
	return s.a.extend(rootWords)
}

// insert puts a filter's conjunctions where they belong. The names are held
// until the end, whatever comes and goes meanwhile.
func (s *Store) insert(f *filter.Filter, tag uint64) (uint32, error) {
	w := &s.work
	w.names, w.parts = w.names[:0], w.parts[:0]
	for i := range f.Len() {
		c := f.At(i)
		for j := range c.Len() {
			name, err := s.internName(c.At(j).Attr())
			if err != nil {
				return 0, err
			}
			w.names = append(w.names, name)
		}
	}
	names := w.names
	for i := range f.Len() {
		n := f.At(i).Len()
		w.left = f.Len() - i - 1 // conjunctions that need a place each
		s.choosePlaces(f.At(i), names[:n])
		names = names[n:]
	}
	h, err := s.insertParts(tag)
	if err != nil {
		return 0, err
	}
	for _, name := range w.names {
		if err := s.unuseName(name); err != nil {
			return 0, err
		}
	}
	s.tx.root.subs++
	return h, nil
}

// part is one place where a conjunction is to be.
type part struct {
	c       *filter.Conjunction
	names   []uint32
	place   place
	implied int // constraint that the place implies, or -1
}

// choosePlaces appends the places of a conjunction: of its equalities the one
// with the fewest filters, and among equals that whose attribute has the most
// clusters, because such an attribute has many values; without equality, each
// value of a short IN; without that, the place of filters without equality.
func (s *Store) choosePlaces(c *filter.Conjunction, names []uint32) {
	w := &s.work
	best := part{c: c, names: names, implied: -1}
	var bestSize int
	var bestSpread uint32
	for j := range c.Len() {
		if c.At(j).Kind() != filter.Point {
			continue
		}
		k := s.placeOf(names[j], c.At(j).Point())
		found, taken := s.a.lookCluster(s.tx.root.clusters, &k)
		if taken {
			continue
		}
		size, spread := 0, high(s.a.w[names[j]+textUses])
		if found != 0 {
			size = s.a.clusterLanes(found)
		}
		if best.implied < 0 || size < bestSize || size == bestSize && spread > bestSpread {
			best.place, best.implied, bestSize, bestSpread = k, j, size, spread
		}
	}
	if best.implied >= 0 {
		w.parts = append(w.parts, best)
		return
	}
	for j := range c.Len() {
		if c.At(j).Kind() == filter.Set && s.replicate(&best, c.At(j), names[j]) {
			return
		}
	}
	best.place = place{mark: valueRange}
	w.parts = append(w.parts, best)
}

// replicate appends a part for each value of a short set.
func (s *Store) replicate(best *part, c *filter.Constraint, name uint32) bool {
	if c.Members() > maxReplicas || len(s.work.parts)+c.Members() > maxPlaces-s.work.left {
		return false
	}
	for i := range c.Members() {
		p := *best
		p.place = s.placeOf(name, c.MemberAt(i))
		s.work.parts = append(s.work.parts, p)
	}
	return true
}

func (s *Store) insertParts(tag uint64) (uint32, error) {
	parts := s.work.parts
	h, err := s.newHandle(tag)
	if err != nil {
		return 0, err
	}
	if len(parts) == 1 {
		return h, s.insertPart(&parts[0], &lane{tag: tag, handle: h})
	}
	whole, err := s.make(uint32(wholeParts+len(parts)+2)/2, classIndex)
	if err != nil {
		return 0, err
	}
	s.a.w[whole+wholeTag] = tag
	s.a.h[2*whole+wholeHandle], s.a.h[2*whole+wholeParts] = h, uint32(len(parts))
	s.setEntry(&s.handles, h, uint64(wholeBit|whole))
	for i := range parts {
		id, err := s.newID(&s.handles)
		if err != nil {
			return 0, err
		}
		s.a.h[int(2*whole)+wholeParts+1+i] = id
		if err := s.insertPart(&parts[i], &lane{tag: uint64(whole), handle: id, part: true}); err != nil {
			return 0, err
		}
	}
	return h, nil
}

// insertPart inserts a lane where its part is to be. A place whose hash another
// one has by now cannot be found: the lane goes where there is no equality.
func (s *Store) insertPart(p *part, l *lane) error {
	c, taken := s.tx.root.ranges, false
	if p.place.mark != valueRange {
		c, taken = s.a.lookCluster(s.tx.root.clusters, &p.place)
	}
	if taken {
		p.place, p.implied = place{mark: valueRange}, -1
		c = s.tx.root.ranges
	}
	terms := s.work.terms[:0]
	for j := range p.c.Len() {
		if j != p.implied {
			terms = append(terms, term{p.names[j], p.c.At(j)})
		}
	}
	s.work.terms = terms
	if compact := s.fill(l, terms); !compact {
		list, err := s.internList(terms)
		if err != nil {
			return err
		}
		l.list = list
	}
	l.setOrder()
	if c == 0 {
		var err error
		if c, err = s.newCluster(&p.place); err != nil {
			return err
		}
	}
	_, err := s.put(c, l)
	return err
}
