package matcher

import (
	"sort"

	"github.com/scbr/scbr/matcher/filter"
)

// A cluster is the filters that share one equality, or the filters without any:
// a leaf of the HAMT of clusters that leads to pages in the order of their lanes.
//
//	word 1  hash
//	word 2  unused | number of the cluster
//	word 3  the value: its key, or the reference of a string
//	word 4  attribute's name | what word 3 is
//	word 5  pages | lanes
//	2 words for each page: order of its first lane; reference | number
//	with more than one page: reference of their bounds
const (
	clusterValue = 3
	clusterAttr  = 4
	clusterSize  = 5
	clusterPages = 6

	// What word 3 is: up to subMax the sub of a key.
	valueString = 1 << 16
	valueRange  = 1 << 17 // nothing: the cluster of filters without equality
)

// place is a value that keys a cluster.
type place struct {
	attr  uint32
	value uint64
	mark  uint32
	hash  uint64
	text  string // valueString
}

func (s *Store) placeOf(attr uint32, v filter.Value) place {
	if v.Type() == filter.TypeString {
		h := s.hash.text(v.Str())
		return place{attr: attr, mark: valueString, hash: s.hash.pair(uint64(attr)|valueString<<32, h), text: v.Str()}
	}
	k := scalarKey(v)
	return place{attr: attr, value: k.key, mark: uint32(k.sub), hash: s.hash.pair(uint64(attr)|uint64(k.sub)<<32, k.key)}
}

// lookCluster returns the cluster of a place, or 0. taken says that another one
// has its hash.
func (a *arena) lookCluster(trie uint32, k *place) (c uint32, taken bool) {
	c = a.descend(trie, k.hash)
	if c == 0 || a.w[c+leafHash] != k.hash {
		return 0, false
	}
	if a.w[c+clusterAttr] != pack(k.attr, k.mark) {
		return 0, true
	}
	if k.mark == valueString {
		if a.text(uint32(a.w[c+clusterValue])) != k.text {
			return 0, true
		}
		return c, false
	}
	if a.w[c+clusterValue] != k.value {
		return 0, true
	}
	return c, false
}

func (a *arena) clusterPages(c uint32) int { return int(low(a.w[c+clusterSize])) }
func (a *arena) clusterLanes(c uint32) int { return int(high(a.w[c+clusterSize])) }
func (a *arena) clusterID(c uint32) uint32 { return high(a.w[c+leafChain]) }

func (a *arena) clusterPage(c uint32, i int) uint32 {
	return low(a.w[int(c)+clusterPages+2*i+1])
}

// findPage returns the place of the page in which a lane of an order belongs.
func (a *arena) findPage(c uint32, order uint64) int {
	n := a.clusterPages(c)
	w := a.w[int(c)+clusterPages:]
	return max(sort.Search(n, func(i int) bool { return w[2*i] > order })-1, 0)
}

func clusterWords(pages int) uint32 {
	words := clusterPages + 2*uint32(pages)
	if pages > 1 {
		words++
	}
	return words
}

// pageAt returns the place of a page.
func (a *arena) pageAt(c, ref uint32) int {
	for i := range a.clusterPages(c) {
		if a.clusterPage(c, i) == ref {
			return i
		}
	}
	panic("matcher: page is not in its cluster")
}

// newCluster makes the cluster of a place, without pages and not yet findable.
func (s *Store) newCluster(k *place) (uint32, error) {
	id, err := s.newID(&s.clusters)
	if err != nil {
		return 0, err
	}
	c, err := s.make(clusterPages, classIndex)
	if err != nil {
		return 0, err
	}
	w := s.a.w
	w[c+leafHash], w[c+leafChain] = k.hash, pack(0, id)
	w[c+clusterValue], w[c+clusterAttr], w[c+clusterSize] = k.value, pack(k.attr, k.mark), 0
	s.setEntry(&s.clusters, id, uint64(c))
	if k.mark == valueRange {
		s.tx.root.ranges = c
		return c, nil
	}
	if k.mark == valueString {
		text, err := s.internString(k.text)
		if err != nil {
			return 0, err
		}
		w[c+clusterValue] = uint64(text)
	}
	s.set(k.attr+textUses, w[k.attr+textUses]+1+1<<32)
	s.setKeyed(k.attr)
	if s.tx.root.clusters, err = s.trieAdd(s.tx.root.clusters, c); err != nil {
		return 0, err
	}
	s.tx.root.clusterCount++
	return c, nil
}

// splice is a copy of a cluster with pages of its own: in the place of cut
// pages from i on there are those of the drafts.
func (s *Store) splice(c uint32, i, cut int, with ...*draft) (uint32, error) {
	old := s.a.clusterPages(c)
	n := old - cut + len(with)
	if n == 0 {
		return 0, s.dropCluster(c)
	}
	words := clusterWords(n)
	q, err := s.make(words, classIndex)
	if err != nil {
		return 0, err
	}
	if longest := words + boundsWords(n); high(s.a.w[c+clusterAttr]) == valueRange {
		s.maxRanges = max(s.maxRanges, longest)
	} else {
		s.maxCluster = max(s.maxCluster, longest)
	}
	w := s.a.w
	copy(w[q+1:], w[c+1:int(c)+clusterPages+2*i])
	at := int(q) + clusterPages + 2*i
	for _, t := range with {
		w[at], w[at+1] = t.seps[0], pack(t.old, t.id)
		at += 2
	}
	copy(w[at:], w[int(c)+clusterPages+2*(i+cut):int(c)+clusterPages+2*old])
	w[q+clusterSize] = pack(uint32(n), uint32(s.a.clusterLanes(c)))
	if err := s.spliceBounds(c, q, i, cut, len(with)); err != nil {
		return 0, err
	}
	return q, s.replaceCluster(c, q)
}

// patchCluster is a cluster with another page in place i, or with that page
// changed: the same one if it may be changed, or else a copy. hull is the bounds of
// the page's block that changed.
func (s *Store) patchCluster(c uint32, i int, ref uint32, hull *hull) (uint32, error) {
	q := c
	w := s.a.w
	words := clusterWords(s.a.clusterPages(c))
	if !s.inPlace(c) {
		var err error
		if q, err = s.make(words, classIndex); err != nil {
			return 0, err
		}
		copy(w[q+1:q+words], w[c+1:c+words])
	}
	p := s.a.page(ref)
	at := q + clusterPages + 2*uint32(i)
	s.edit(q, at, w[p.seps])
	s.edit(q, at+1, pack(ref, s.a.pageID(ref)))
	if words > clusterWords(1) {
		if err := s.widenBounds(q, i, &p, hull); err != nil {
			return 0, err
		}
	}
	if q == c {
		return q, nil
	}
	return q, s.replaceCluster(c, q)
}

func (s *Store) replaceCluster(c, q uint32) error {
	s.setEntry(&s.clusters, s.a.clusterID(q), uint64(q))
	if high(s.a.w[q+clusterAttr])&valueRange != 0 {
		s.tx.root.ranges = q
	} else {
		root, err := s.trieSwap(s.tx.root.clusters, q)
		if err != nil {
			return err
		}
		s.tx.root.clusters = root
	}
	s.drop(c)
	return nil
}

// dropCluster takes out a cluster that has no pages any more.
func (s *Store) dropCluster(c uint32) error {
	w := s.a.w
	s.freeID(&s.clusters, s.a.clusterID(c))
	attr, mark := low(w[c+clusterAttr]), high(w[c+clusterAttr])
	if mark == valueRange {
		s.tx.root.ranges = 0
		s.drop(c)
		return nil
	}
	root, err := s.trieCut(s.tx.root.clusters, c)
	if err != nil {
		return err
	}
	s.tx.root.clusters = root
	s.tx.root.clusterCount--
	if mark == valueString {
		if err := s.unuseString(uint32(w[c+clusterValue])); err != nil {
			return err
		}
	}
	s.set(attr+textUses, w[attr+textUses]-1<<32)
	s.drop(c)
	return s.unuseName(attr)
}

// addLanes changes the number of lanes of a cluster that may be changed.
func (s *Store) addLanes(c uint32, n int) {
	s.edit(c, c+clusterSize, s.a.w[c+clusterSize]+uint64(n)<<32)
	s.tx.root.lanes += uint32(n)
}
