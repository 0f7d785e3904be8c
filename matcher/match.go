package matcher

import "github.com/scbr/scbr/matcher/filter"

// slots is the size of the table from attribute record to place in the event;
// an event has at most 64 attributes.
const slots = 256

// resolved is an attribute of the current event that some filter mentions.
type resolved struct {
	key  key
	attr uint32
	next uint8 // 1 + index of the next one in the same slot
	text string
}

// Match appends the tags of all subscriptions whose filter matches the event,
// in no particular order, and returns the extended slice. It allocates only
// where dst has to grow.
func (s *Store) Match(e *filter.Event, dst []uint64) []uint64 {
	n := s.resolve(e)
	s.epoch++
	if s.always != 0 {
		dst = s.collect(s.always, dst)
	}
	w := s.a.w
	for i := range n {
		x := &s.event[i]
		index := w[x.attr+nameIndex]
		if low(index) != 0 {
			if c := s.findCluster(x.attr, x.key); c != 0 {
				dst = s.scan(low(w[c+clusterRoots]), dst)
			}
		}
		if c := high(index); c != 0 {
			dst = s.scan(low(w[c+clusterRoots]), dst)
		}
	}
	for i := range n {
		s.slot[uint8(s.event[i].attr)] = 0
	}
	return dst
}

// resolve finds the records of the event's names, each hashed at most once,
// and the keys of its values.
func (s *Store) resolve(e *filter.Event) int {
	n := 0
	for i := range e.Len() {
		a := e.At(i)
		attr, ok := s.shape.get(i, a.Name)
		if !ok {
			attr = s.lookup(&s.names, s.hash.text(a.Name), a.Name)
			s.shape.put(i, a.Name, attr)
		}
		if attr == 0 {
			continue
		}
		x := &s.event[n]
		x.attr = attr
		if a.Value.Type() == filter.TypeString {
			x.text = a.Value.Str()
			x.key = key{key: keyString | uint64(s.lookup(&s.strings, s.hash.text(x.text), x.text))}
		} else {
			x.key = scalarKey(a.Value)
		}
		x.next = s.slot[uint8(attr)]
		n++
		s.slot[uint8(attr)] = uint8(n)
	}
	return n
}

// scan walks a forest: below a filter that does not match nothing matches.
func (s *Store) scan(n uint32, dst []uint64) []uint64 {
	w := s.a.w
	tests := uint64(0)
	for n != 0 {
		tests++
		if s.satisfied(n + nodeEntries) {
			dst = s.collect(n, dst)
			if child := low(w[n+nodeFamily]); child != 0 {
				n = child
				continue
			}
		}
		next := low(w[n+nodeSibling])
		for next == 0 {
			if n = high(w[n+nodeFamily]); n == 0 {
				break
			}
			next = low(w[n+nodeSibling])
		}
		n = next
	}
	s.stats.MatchTests += tests
	return dst
}

// collect appends the tags of a node's subscriptions.
func (s *Store) collect(n uint32, dst []uint64) []uint64 {
	w := s.a.w
	for i := high(w[n+nodeCluster]); i != 0; {
		p := s.subs.at(i * subWords)
		dst = append(dst, w[p])
		i = low(w[p+1])
	}
	return dst
}

// satisfied evaluates the entries from word p on against the event.
func (s *Store) satisfied(p uint32) bool {
	w := s.a.w
	for {
		head := w[p]
		if head&entryImplied == 0 && !s.holds(head, p) {
			return false
		}
		if head&entryLast != 0 {
			return true
		}
		p += kindOf(head).words()
	}
}

// holds evaluates one entry.
func (s *Store) holds(head uint64, p uint32) bool {
	i := s.slot[uint8(head)]
	for i != 0 && s.event[i-1].attr != low(head) {
		i = s.event[i-1].next
	}
	if i == 0 {
		return false
	}
	x := &s.event[i-1]
	w := s.a.w
	switch kindOf(head) {
	case entryEqual:
		return x.key == key{w[p+1], lowSub(head)}
	case entryLow:
		return !x.key.less(key{w[p+1], lowSub(head)}) && x.key.key <= keyPosInf
	case entryHigh:
		return !key{w[p+1], highSub(head)}.less(x.key) && x.key.key >= keyNegInf
	case entryBetween:
		return !x.key.less(key{w[p+1], lowSub(head)}) && !key{w[p+2], highSub(head)}.less(x.key)
	case entryNot:
		return x.key != key{w[p+1], lowSub(head)}
	case entryAny:
		return true
	case entryNumber:
		return isNumber(x.key.key)
	case entryStrings:
		return x.key.key >= keyString && s.holdsStrings(head, w[p+1], i-1)
	default: // TRUE and FALSE are in no cluster
		return false
	}
}
