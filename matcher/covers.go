package matcher

// interval is an entry's set of keys; for strings it is only their class.
type interval struct {
	lo, hi key
	kind   entryKind
	ends   uint64 // entryStrings: word 1
}

func readInterval(words []uint64) interval {
	head := words[0]
	v := interval{kind: kindOf(head), lo: key{key: keyNegInf}, hi: key{key: keyPosInf}}
	switch v.kind {
	case entryEqual:
		v.lo = key{words[1], lowSub(head)}
		v.hi = v.lo
	case entryLow:
		v.lo = key{words[1], lowSub(head)}
	case entryHigh:
		v.hi = key{words[1], highSub(head)}
	case entryBetween:
		v.lo, v.hi = key{words[1], lowSub(head)}, key{words[2], highSub(head)}
	case entryStrings:
		v.ends = words[1]
		v.lo.sub, v.hi.sub = lowSub(head), highSub(head)
		if head&entryPrefix != 0 {
			v.hi.sub = 1
		}
	default: // no ends
	}
	return v
}

// covers reports whether the filter with entries f covers the one with
// entries g, exactly as filter.Filter.Covers does.
func (s *Store) covers(f, g []uint64) bool {
	if kindOf(f[0]) == entryTrue || kindOf(g[0]) == entryFalse {
		return true
	}
	if kindOf(f[0]) == entryFalse || kindOf(g[0]) == entryTrue {
		return false
	}
	for {
		attr := low(f[0])
		for low(g[0]) != attr {
			if low(g[0]) > attr || g[0]&entryLast != 0 {
				return false
			}
			g = g[kindOf(g[0]).words():]
		}
		if !s.entryCovers(f, g) {
			return false
		}
		if f[0]&entryLast != 0 {
			return true
		}
		f = f[kindOf(f[0]).words():]
	}
}

// entryCovers compares entry f[0] with everything g says about its attribute;
// g starts at the attribute's main entry.
func (s *Store) entryCovers(f, g []uint64) bool {
	switch kindOf(f[0]) {
	case entryAny:
		return true
	case entryNot:
		return !s.admits(g, key{f[1], lowSub(f[0])})
	default:
	}
	a, b := readInterval(f), readInterval(g)
	if b.kind == entryAny {
		return false
	}
	if a.kind == entryStrings {
		return s.stringsCover(a, b)
	}
	if b.kind == entryStrings {
		return false
	}
	return !b.lo.less(a.lo) && !a.hi.less(b.hi)
}

// admits reports whether what g says about its first entry's attribute lets
// value k through.
func (s *Store) admits(g []uint64, k key) bool {
	v := readInterval(g)
	switch v.kind {
	case entryAny:
		return true
	case entryStrings:
		if k.key < keyString || !s.insideStrings(v.ends, v.lo.sub, v.hi.sub, s.stringOf(k.key)) {
			return false
		}
	default:
		if k.less(v.lo) || v.hi.less(k) {
			return false
		}
	}
	for g[0]&entryLast == 0 {
		g = g[kindOf(g[0]).words():]
		if kindOf(g[0]) != entryNot {
			break
		}
		if g[1] == k.key && lowSub(g[0]) == k.sub {
			return false
		}
	}
	return true
}

func (s *Store) stringOf(k uint64) string { return s.textOf(uint32(k), stringText) }

// insideStrings tests a string against the ends of an interval.
func (s *Store) insideStrings(ends uint64, loOpen, hiOpen uint16, text string) bool {
	if r := low(ends); r != 0 {
		if end := s.textOf(r, stringText); text < end || loOpen != 0 && text == end {
			return false
		}
	}
	if r := high(ends); r != 0 {
		if end := s.textOf(r, stringText); text > end || hiOpen != 0 && text == end {
			return false
		}
	}
	return true
}

func (s *Store) stringsCover(a, b interval) bool {
	if b.kind == entryEqual {
		return b.lo.key >= keyString && s.insideStrings(a.ends, a.lo.sub, a.hi.sub, s.stringOf(b.lo.key))
	}
	if b.kind != entryStrings {
		return false
	}
	if r := low(a.ends); r != 0 {
		q := low(b.ends)
		if q == 0 {
			return false
		}
		x, y := s.textOf(r, stringText), s.textOf(q, stringText)
		if y < x || y == x && a.lo.sub > b.lo.sub {
			return false
		}
	}
	if r := high(a.ends); r != 0 {
		q := high(b.ends)
		if q == 0 {
			return false
		}
		x, y := s.textOf(r, stringText), s.textOf(q, stringText)
		if y > x || y == x && a.hi.sub > b.hi.sub {
			return false
		}
	}
	return true
}
