package matcher

// maxSubs leaves the top bit of a subscription's number to subHead.
const maxSubs = subHead / subWords

// newSub reserves a subscription number.
func (s *Store) newSub() (uint32, error) {
	if i := s.subsFree; i != 0 {
		s.subsFree = low(s.a.w[s.subs.at(i*subWords)+1])
		return i, nil
	}
	if s.subsEnd == maxSubs {
		return 0, &Error{Op: "insert", Kind: EPCBudget}
	}
	if (s.subsEnd+1)*subWords > s.subs.words {
		if err := s.subs.grow(&s.a); err != nil {
			return 0, err
		}
	}
	i := s.subsEnd
	s.subsEnd++
	return i, nil
}

// freeSub gives a number back that is in no list.
func (s *Store) freeSub(i uint32) {
	p := s.subs.at(i * subWords)
	s.a.w[p], s.a.w[p+1] = 0, pack(s.subsFree, 0)
	s.subsFree = i
}

// addSub puts a reserved subscription into a node's list.
func (s *Store) addSub(i, n uint32, tag uint64) {
	w := s.a.w
	p := s.subs.at(i * subWords)
	first := high(w[n+nodeCluster])
	w[p], w[p+1] = tag, pack(first, n|subHead)
	if first != 0 {
		q := s.subs.at(first * subWords)
		w[q+1] = withHigh(w[q+1], i)
	}
	w[n+nodeCluster] = withHigh(w[n+nodeCluster], i)
	s.subsLive++
}

// removeSub takes a subscription out and returns its node if that has no other.
func (s *Store) removeSub(i uint32) uint32 {
	w := s.a.w
	p := s.subs.at(i * subWords)
	next, prev := low(w[p+1]), high(w[p+1])
	s.freeSub(i)
	s.subsLive--
	if next != 0 {
		q := s.subs.at(next * subWords)
		w[q+1] = withHigh(w[q+1], prev)
	}
	if prev&subHead == 0 {
		q := s.subs.at(prev * subWords)
		w[q+1] = withLow(w[q+1], next)
		return 0
	}
	n := prev &^ subHead
	w[n+nodeCluster] = withHigh(w[n+nodeCluster], next)
	if next != 0 {
		return 0
	}
	return n
}
