package matcher

func (s *Store) clusterSize(c uint32) uint32 { return high(s.a.w[c+clusterRoots]) }

func (s *Store) hashCluster(attr uint32, k key) uint64 {
	return s.hash.pair(uint64(attr)|uint64(k.sub)<<32, k.key)
}

// findCluster returns the cluster of filters with attr = k, or 0.
func (s *Store) findCluster(attr uint32, k key) uint32 {
	w := s.a.w
	c := s.clusters.first(&s.a, s.hashCluster(attr, k))
	for c != 0 && (w[c+clusterKey] != k.key || w[c+clusterAttr] != pack(attr, uint32(k.sub))) {
		c = high(w[c])
	}
	return c
}

// chooseCluster picks a filter's cluster, or makes it: of the clusters of its
// equalities the one with the fewest nodes, and among equals that of the
// attribute with the most clusters, because such an attribute has many values.
// A filter without equality goes to the smallest range cluster of its
// attributes. It returns where the implied entry is, or -1.
func (s *Store) chooseCluster(e []uint64) (c uint32, implied int, err error) {
	if kind := kindOf(e[0]); kind == entryTrue || kind == entryFalse {
		return 0, -1, nil
	}
	implied = -1
	var best, bestSpread uint32
	for i := 0; i < len(e); i += int(kindOf(e[i]).words()) {
		if kindOf(e[i]) != entryEqual {
			continue
		}
		attr, size := low(e[i]), uint32(0)
		found := s.findCluster(attr, key{e[i+1], lowSub(e[i])})
		if found != 0 {
			size = s.clusterSize(found)
		}
		spread := low(s.a.w[attr+nameIndex])
		if implied < 0 || size < best || size == best && spread > bestSpread {
			c, implied, best, bestSpread = found, i, size, spread
		}
	}
	if implied < 0 {
		c, err = s.chooseRange(e)
		return c, -1, err
	}
	if c == 0 {
		c, err = s.newKeyed(low(e[implied]), key{e[implied+1], lowSub(e[implied])})
	}
	return c, implied, err
}

func (s *Store) newKeyed(attr uint32, k key) (uint32, error) {
	c, err := s.a.alloc(clusterWords)
	if err != nil {
		return 0, err
	}
	w := s.a.w
	w[c+clusterAttr] = pack(attr, uint32(k.sub))
	w[c+clusterKey] = k.key
	w[c+clusterRoots] = 0
	s.clusters.add(&s.a, s.hashCluster(attr, k), c)
	w[attr+nameIndex]++
	return c, nil
}

func (s *Store) chooseRange(e []uint64) (uint32, error) {
	w := s.a.w
	attr, best := uint32(0), uint32(0)
	for i := 0; i < len(e); i += int(kindOf(e[i]).words()) {
		size := uint32(0)
		if c := high(w[low(e[i])+nameIndex]); c != 0 {
			size = s.clusterSize(c)
		}
		if attr == 0 || size < best {
			attr, best = low(e[i]), size
		}
	}
	if c := high(w[attr+nameIndex]); c != 0 {
		return c, nil
	}
	c, err := s.a.alloc(clusterWords)
	if err != nil {
		return 0, err
	}
	w[c+clusterAttr] = pack(attr, clusterRange)
	w[c+clusterKey], w[c+clusterRoots] = 0, 0
	w[attr+nameIndex] = withHigh(w[attr+nameIndex], c)
	return c, nil
}

// dropCluster takes out an empty cluster.
func (s *Store) dropCluster(c uint32) {
	w := s.a.w
	attr, mark := low(w[c+clusterAttr]), high(w[c+clusterAttr])
	if mark == clusterRange {
		w[attr+nameIndex] = withHigh(w[attr+nameIndex], 0)
	} else {
		k := key{w[c+clusterKey], uint16(mark)}
		s.clusters.remove(&s.a, s.hashCluster(attr, k), c)
		w[attr+nameIndex]--
	}
	s.a.free(c)
}
