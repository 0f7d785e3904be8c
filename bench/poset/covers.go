package poset

import "bytes"

// cursor walks the constraints of a filter, in the region or not stored yet.
type cursor struct {
	p    *Poset
	at   int          // the next constraint in the region
	rest []constraint // where p is nil
}

func (c *cursor) next() (constraint, bool) {
	if c.p == nil {
		if len(c.rest) == 0 {
			return constraint{}, false
		}
		first := c.rest[0]
		c.rest = c.rest[1:]
		return first, true
	}
	if c.at == 0 {
		return constraint{}, false
	}
	c.p.touch(c.at)
	first := c.p.constraint(c.at)
	c.at = c.p.get(c.at, consNext)
	return first, true
}

// nodeCovers reports whether a node's filter covers f.
func (p *Poset) nodeCovers(n int, f *conjunction) bool {
	p.compares++
	p.touch(n)
	if f.never {
		return true
	}
	return p.get(n, nodeNever) == 0 &&
		coversAll(cursor{p: p, at: p.get(n, nodeConstraints)}, cursor{rest: f.constraints})
}

// coversNode reports whether f covers a node's filter.
func (p *Poset) coversNode(f *conjunction, n int) bool {
	p.compares++
	p.touch(n)
	if p.get(n, nodeNever) != 0 {
		return true
	}
	return !f.never &&
		coversAll(cursor{rest: f.constraints}, cursor{p: p, at: p.get(n, nodeConstraints)})
}

// coversAll reports whether each constraint of wide covers one of narrow.
// Neither is a contradiction.
func coversAll(wide, narrow cursor) bool {
	for {
		w, ok := wide.next()
		if !ok {
			return true
		}
		n, ok := narrow.next()
		for ok && bytes.Compare(n.name, w.name) < 0 {
			n, ok = narrow.next()
		}
		if !ok || !bytes.Equal(n.name, w.name) || !w.covers(&n) {
			return false
		}
	}
}
