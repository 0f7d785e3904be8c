package matcher

// A node is one distinct filter:
//
//	word 0  block | next in the hash chain
//	word 1  cluster (0 for TRUE and FALSE) | first subscription
//	word 2  next sibling | previous sibling
//	word 3  first child | parent, 0 for a root
//
// and then its entries. A subscription is two words of the vector subs: the
// tag, and next | previous in its node's list. The first one's previous is the
// node, marked by subHead; a free one's is 0, and its next is the next free.
const (
	nodeCluster = 1
	nodeSibling = 2
	nodeFamily  = 3
	nodeEntries = 4
	subWords    = 2
	subHead     = 1 << 31
)

// A cluster is a set of nodes in the index, as a forest:
//
//	word 0  block | next in the hash chain
//	word 1  attribute | sub of the key, or clusterRange
//	word 2  key: all its filters demand that the attribute equals it
//	word 3  first root | number of nodes
//
// A range cluster, for filters without an equality, has no key: all its filters
// need the attribute to exist.
const (
	clusterAttr  = 1
	clusterKey   = 2
	clusterRoots = 3
	clusterWords = 4
	clusterRange = 1 << 31
)

// InsertBudget bounds the filters that one Insert or Remove is compared with.
// What lies beyond is placed flat: correct, but found later and pruned less.
// 256 keeps an operation in the order of ten microseconds, and is more than
// the roots that a cluster of ordinary subscriptions has.
const InsertBudget = 256

func (s *Store) entries(n uint32) []uint64 { return s.a.w[n+nodeEntries : n+s.a.size(n)] }

// trimmed returns the entries without the spare word a block may end with.
func (s *Store) trimmed(n uint32) []uint64 {
	e := s.entries(n)
	end := 0
	for {
		head := e[end]
		end += int(kindOf(head).words())
		if head&entryLast != 0 {
			return e[:end]
		}
	}
}

// sameEntries compares but for the mark of the implied entry.
func sameEntries(a, b []uint64) bool {
	for i := 0; ; {
		head := a[i] &^ entryImplied
		if head != b[i]&^entryImplied {
			return false
		}
		words := int(kindOf(head).words())
		for j := i + 1; j < i+words; j++ {
			if a[j] != b[j] {
				return false
			}
		}
		if head&entryLast != 0 {
			return true
		}
		i += words
	}
}

// hashEntries ignores the mark of the implied entry.
func (s *Store) hashEntries(e []uint64) uint64 {
	x := s.hash.k2
	for i := 0; ; {
		head := e[i] &^ entryImplied
		x = s.hash.pair(head, x)
		words := int(kindOf(head).words())
		for j := i + 1; j < i+words; j++ {
			x = s.hash.pair(e[j], x)
		}
		if head&entryLast != 0 {
			return x
		}
		i += words
	}
}

// findNode returns the node with these entries, or 0.
func (s *Store) findNode(h uint64, e []uint64) uint32 {
	n := s.nodes.first(&s.a, h)
	for n != 0 && !sameEntries(s.entries(n), e) {
		n = high(s.a.w[n])
	}
	return n
}

// newNode makes the node of a filter that has none and puts it in its place. It
// takes over the references that the entries hold.
func (s *Store) newNode(h uint64, e []uint64) (uint32, error) {
	c, implied, err := s.chooseCluster(e)
	if err != nil {
		return 0, err
	}
	n, err := s.a.alloc(nodeEntries + uint32(len(e)))
	if err != nil {
		if c != 0 && s.clusterSize(c) == 0 {
			s.dropCluster(c)
		}
		return 0, err
	}
	w := s.a.w
	w[n+nodeCluster] = uint64(c)
	w[n+nodeSibling], w[n+nodeFamily] = 0, 0
	copy(s.entries(n), e)
	if implied >= 0 {
		w[n+nodeEntries+uint32(implied)] |= entryImplied
	}
	s.nodes.add(&s.a, h, n)
	switch {
	case kindOf(e[0]) == entryTrue:
		s.always = n
	case kindOf(e[0]) == entryFalse:
		s.never = n
	default:
		w[c+clusterRoots] += 1 << 32
		s.place(n)
	}
	return n, nil
}

// dropNode takes out a node without subscriptions; its children move up.
func (s *Store) dropNode(n uint32) {
	e := s.trimmed(n)
	s.nodes.remove(&s.a, s.hashEntries(e), n)
	c := low(s.a.w[n+nodeCluster])
	switch n {
	case s.always:
		s.always = 0
	case s.never:
		s.never = 0
	default:
		s.displace(n)
		s.a.w[c+clusterRoots] -= 1 << 32
		if s.clusterSize(c) == 0 {
			s.dropCluster(c)
		}
	}
	s.release(e)
	s.a.free(n)
}

// list returns the first of parent's children, or of the cluster's roots.
func (s *Store) list(parent, c uint32) uint32 {
	if parent != 0 {
		return low(s.a.w[parent+nodeFamily])
	}
	return low(s.a.w[c+clusterRoots])
}

func (s *Store) setList(parent, c, first uint32) {
	p := c + clusterRoots
	if parent != 0 {
		p = parent + nodeFamily
	}
	s.a.w[p] = withLow(s.a.w[p], first)
}

// link makes n a child of parent, or a root.
func (s *Store) link(n, parent uint32) {
	w := s.a.w
	c := low(w[n+nodeCluster])
	first := s.list(parent, c)
	w[n+nodeSibling] = pack(first, 0)
	if first != 0 {
		w[first+nodeSibling] = withHigh(w[first+nodeSibling], n)
	}
	s.setList(parent, c, n)
	w[n+nodeFamily] = withHigh(w[n+nodeFamily], parent)
	if parent == 0 {
		s.roots++
	}
}

func (s *Store) unlink(n uint32) {
	w := s.a.w
	parent := high(w[n+nodeFamily])
	next, prev := low(w[n+nodeSibling]), high(w[n+nodeSibling])
	if prev != 0 {
		w[prev+nodeSibling] = withLow(w[prev+nodeSibling], next)
	} else {
		s.setList(parent, low(w[n+nodeCluster]), next)
	}
	if next != 0 {
		w[next+nodeSibling] = withHigh(w[next+nodeSibling], prev)
	}
	if parent == 0 {
		s.roots--
	}
}

// place puts a new node below a node that covers it, and what it covers below
// it, as far as the budget goes.
func (s *Store) place(n uint32) {
	budget := InsertBudget
	e := s.entries(n)
	parent := s.descend(e, 0, low(s.a.w[n+nodeCluster]), &budget)
	g := s.list(parent, low(s.a.w[n+nodeCluster]))
	s.link(n, parent)
	for ; g != 0 && budget > 0; budget-- {
		next := low(s.a.w[g+nodeSibling])
		if s.covers(e, s.entries(g)) {
			s.unlink(g)
			s.link(g, n)
		}
		g = next
	}
	s.account(budget)
}

// descend returns the lowest node at or below parent that covers the entries,
// or parent when the budget ends.
func (s *Store) descend(e []uint64, parent, c uint32, budget *int) uint32 {
	for g := s.list(parent, c); g != 0 && *budget > 0; {
		*budget--
		if s.covers(s.entries(g), e) {
			parent = g
			g = s.list(parent, c)
			continue
		}
		g = low(s.a.w[g+nodeSibling])
	}
	return parent
}

func (s *Store) account(left int) {
	s.stats.InsertTests += uint64(InsertBudget - left)
	if left == 0 {
		s.stats.Flat++
	}
}

// displace takes n out of its cluster. Its children settle below a sibling
// that covers them, as far as the budget goes, or where n was. Relinking them is
// linear: a few words each, less than an event that n matches costs.
func (s *Store) displace(n uint32) {
	budget := InsertBudget
	w := s.a.w
	parent, c := high(w[n+nodeFamily]), low(w[n+nodeCluster])
	s.unlink(n)
	for child := low(w[n+nodeFamily]); child != 0; {
		next := low(w[child+nodeSibling])
		s.link(child, s.descend(s.entries(child), parent, c, &budget))
		child = next
	}
	s.account(budget)
}
