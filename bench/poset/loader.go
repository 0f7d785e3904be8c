package poset

import (
	"math"
	"slices"
	"strconv"

	"github.com/scbr/scbr/matcher/filter"
)

// Loader fills a Poset as Insert does, byte for byte, in less time: on the way
// through the roots it looks only at those that its filter can cover or be
// covered by. It keeps an index of the roots on the Go heap for that, and is for
// filling a Poset before something is measured; Stats.Compares and what a
// matcher.Toucher is told are not those of Insert.
//
// While a Loader is in use, its Poset must not be inserted into otherwise.
type Loader struct {
	p       *Poset
	unkeyed map[uint64][]int // roots without a point, ascending, by their set of names
	keyed   map[string][]int // roots with one, ascending, under each of theirs
	points  int              // how many have one
	before  map[int]int      // of a root: the root before it, if any
	bits    map[string]int   // by name: its bit in a set
}

// Roots ascend by their offsets: a new one is the last of all blocks and the last
// of the list, and none comes back that was moved below another.

// NewLoader returns a Loader for p, and indexes what p holds already.
func NewLoader(p *Poset) *Loader {
	l := &Loader{p: p, unkeyed: map[uint64][]int{}, keyed: map[string][]int{}, before: map[int]int{}, bits: map[string]int{}}
	last := 0
	for n := p.get(anchor, nodeFirstChild); n != 0; n = p.get(n, nodeNext) {
		l.add(n, last)
		last = n
	}
	return l
}

// Insert has the effects and the errors of Poset.Insert.
func (l *Loader) Insert(preds []filter.Predicate, tag uint64) error {
	f, err := normalise(preds)
	if err != nil {
		return err
	}
	p := l.p
	parent := anchor
	if root := l.root(&f); root != 0 {
		if p.coversNode(&f, root) {
			return p.share(root, tag)
		}
		equal := false
		if parent, equal = p.find(root, &f); equal {
			return p.share(parent, tag)
		}
	}
	if err := p.reserve(f.bytes()); err != nil {
		return err
	}
	n := p.newNode(&f)
	p.newSub(n, tag)
	if parent == anchor {
		l.adopt(n, &f)
		l.add(n, p.get(anchor, nodeLastChild))
	} else {
		p.adopt(parent, n, &f)
	}
	p.append(parent, n)
	p.nodes++
	p.subs++
	return nil
}

// root returns the first root that covers f, or 0.
func (l *Loader) root(f *conjunction) int {
	if f.never { // every root covers it
		return l.p.get(anchor, nodeFirstChild)
	}
	first, all := math.MaxInt, l.names(f.constraints)
	for set, roots := range l.unkeyed {
		if set&^all == 0 {
			first = l.firstCovering(roots, f, first)
		}
	}
	for i := range f.constraints {
		if key, ok := f.constraints[i].key(); ok {
			first = l.firstCovering(l.keyed[key], f, first)
		}
	}
	if first == math.MaxInt {
		return 0
	}
	return first
}

// firstCovering returns the first of roots that covers f, or end where that is not
// before end.
func (l *Loader) firstCovering(roots []int, f *conjunction, end int) int {
	for _, n := range roots {
		if n >= end {
			break
		}
		if l.p.nodeCovers(n, f) {
			return n
		}
	}
	return end
}

// names is the set of a filter's names. The last bit is that of all names beyond
// 63, so that what has fewer names has fewer bits.
func (l *Loader) names(constraints []constraint) (set uint64) {
	for i := range constraints {
		bit, known := l.bits[string(constraints[i].name)]
		if !known {
			bit = min(len(l.bits), 63)
			l.bits[string(constraints[i].name)] = bit
		}
		set |= 1 << bit
	}
	return set
}

// adopt moves the roots that f covers below n, the node of f.
func (l *Loader) adopt(n int, f *conjunction) {
	for _, c := range l.covered(f) {
		l.remove(c)
		l.p.append(n, c)
	}
}

// covered returns the roots that f covers, in their order.
func (l *Loader) covered(f *conjunction) (roots []int) {
	look := func(some []int) {
		for _, c := range some {
			if l.p.coversNode(f, c) {
				roots = append(roots, c)
			}
		}
	}
	for i := range f.constraints {
		if key, ok := f.constraints[i].key(); ok { // what f covers has this point, or is never
			look(l.keyed[key])
			look(l.keyed[neverKey])
			slices.Sort(roots)
			return roots
		}
	}
	if l.points == 0 {
		all := l.names(f.constraints)
		for set, some := range l.unkeyed {
			if all&^set == 0 {
				look(some)
			}
		}
		slices.Sort(roots)
		return roots
	}
	for c := l.p.get(anchor, nodeFirstChild); c != 0; c = l.p.get(c, nodeNext) {
		look([]int{c})
	}
	return roots
}

// neverKey is that of contradictions.
const neverKey = ""

// keys are those that a root is indexed by, and the set of its names.
func (l *Loader) keys(n int) (keys []string, set uint64) {
	p := l.p
	if p.get(n, nodeNever) != 0 {
		return []string{neverKey}, 0
	}
	var all []constraint
	for at := p.get(n, nodeConstraints); at != 0; at = p.get(at, consNext) {
		c := p.constraint(at)
		all = append(all, c)
		if key, ok := c.key(); ok {
			keys = append(keys, key)
		}
	}
	return keys, l.names(all)
}

// add indexes a root that follows last.
func (l *Loader) add(n, last int) {
	if last != 0 {
		l.before[n] = last
	}
	keys, set := l.keys(n)
	if len(keys) == 0 {
		l.unkeyed[set] = append(l.unkeyed[set], n)
		return
	}
	l.points++
	for _, key := range keys {
		l.keyed[key] = append(l.keyed[key], n)
	}
}

// remove takes a root out of the list and the index.
func (l *Loader) remove(n int) {
	last, next := l.before[n], l.p.get(n, nodeNext)
	l.p.unlink(anchor, last, n)
	delete(l.before, n)
	if next != 0 {
		l.before[next] = last
	}
	keys, set := l.keys(n)
	if len(keys) == 0 {
		l.unkeyed[set] = without(l.unkeyed[set], n)
		return
	}
	l.points--
	for _, key := range keys {
		l.keyed[key] = without(l.keyed[key], n)
	}
}

func without(roots []int, n int) []int {
	if i, found := slices.BinarySearch(roots, n); found {
		return slices.Delete(roots, i, i+1)
	}
	return roots
}

// key names the only value that c admits, if there is only one, together with
// its attribute. Equal numbers of both types have one key; different numbers that
// round to the same float64 may.
func (c *constraint) key() (string, bool) {
	switch {
	case c.isText:
		return string(c.name) + "\x00s" + string(c.text), true
	case !c.lo.set() || !c.hi.set() || c.lo.compare(c.hi.value()) != 0:
		return "", false
	}
	v := c.lo.value()
	number := float64(v.Int())
	if v.Type() == filter.TypeFloat {
		number = v.Float()
	}
	return string(c.name) + "\x00n" + strconv.FormatUint(math.Float64bits(number), 16), true
}
