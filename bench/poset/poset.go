package poset

import (
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

// anchor is the node whose children are the roots. It has no filter and is
// never tested; that it is not at 0 lets 0 be no link.
const anchor = 64

// Poset is the structure. Everything that grows is in its Memory.
type Poset struct {
	mem       matcher.Memory
	region    []byte
	toucher   matcher.Toucher // nil: nobody counts
	end       int             // first byte never handed out
	committed int

	nodes, subs     int
	tests, compares uint64
}

// Stats describes a Poset.
type Stats struct {
	Nodes         int
	Roots         int
	Subscriptions int
	Bytes         int    // of the region in use, the anchor and its 64 bytes included
	Tests         uint64 // filters evaluated by all Match so far
	Compares      uint64 // filters compared by all Insert so far, refused ones included
}

// New returns an empty Poset in mem, which it owns from now on. It returns a
// *matcher.Error of Kind EPCBudget where not even that fits.
func New(mem matcher.Memory) (*Poset, error) {
	p := &Poset{mem: mem, region: mem.Region(), end: anchor}
	p.toucher, _ = mem.(matcher.Toucher)
	if err := p.reserve(nodeBytes); err != nil {
		return nil, err
	}
	p.block(nodeBytes)
	return p, nil
}

// Insert adds a subscription with a filter that is the conjunction of preds.
// It returns an *Error for a filter it does not take, and a *matcher.Error of
// Kind EPCBudget where the memory ends; then nothing was changed.
func (p *Poset) Insert(preds []filter.Predicate, tag uint64) error {
	f, err := normalise(preds)
	if err != nil {
		return err
	}
	parent, equal := p.find(anchor, &f)
	if equal {
		return p.share(parent, tag)
	}
	if err := p.reserve(f.bytes()); err != nil {
		return err
	}
	n := p.newNode(&f)
	p.newSub(n, tag)
	p.adopt(parent, n, &f)
	p.append(parent, n)
	p.nodes++
	p.subs++
	return nil
}

// share adds a subscriber to a node.
func (p *Poset) share(n int, tag uint64) error {
	if err := p.reserve(subBytes); err != nil {
		return err
	}
	p.newSub(n, tag)
	p.subs++
	return nil
}

// find descends from parent, which is the anchor or covers f, to the node below
// which f belongs, or to one that is equal.
func (p *Poset) find(parent int, f *conjunction) (at int, equal bool) {
	p.touch(parent)
	for n := p.get(parent, nodeFirstChild); n != 0; {
		if !p.nodeCovers(n, f) {
			n = p.get(n, nodeNext)
			continue
		}
		if p.coversNode(f, n) {
			return n, true
		}
		parent, n = n, p.get(n, nodeFirstChild)
	}
	return parent, false
}

// adopt moves those children of parent that f covers below n, the node of f,
// which is not in a list yet.
func (p *Poset) adopt(parent, n int, f *conjunction) {
	before := 0
	for c := p.get(parent, nodeFirstChild); c != 0; {
		next := p.get(c, nodeNext)
		if !p.coversNode(f, c) {
			before, c = c, next
			continue
		}
		p.unlink(parent, before, c)
		p.append(n, c)
		c = next
	}
}

// unlink takes c, which follows before or is the first, out of parent's children.
func (p *Poset) unlink(parent, before, c int) {
	next := p.get(c, nodeNext)
	if before != 0 {
		p.link(before, nodeNext, next)
	} else {
		p.link(parent, nodeFirstChild, next)
	}
	if next == 0 {
		p.link(parent, nodeLastChild, before)
	}
}

// append makes n the last child of parent.
func (p *Poset) append(parent, n int) {
	p.link(n, nodeParent, parent)
	p.link(n, nodeNext, 0)
	p.push(parent, list{nodeFirstChild, nodeLastChild, nodeNext}, n)
}

// Match appends the tags of the subscriptions that e satisfies to dst, each as
// often as it was inserted, in no order that means anything. It does not
// allocate where dst has room.
func (p *Poset) Match(e *filter.Event, dst []uint64) []uint64 {
	p.touch(anchor)
	for n := p.get(anchor, nodeFirstChild); n != 0; {
		next := 0
		if p.admits(n, e) {
			dst = p.tags(n, dst)
			next = p.get(n, nodeFirstChild)
		}
		for next == 0 && n != anchor {
			if next = p.get(n, nodeNext); next == 0 {
				n = p.get(n, nodeParent)
				p.touch(n)
			}
		}
		n = next
	}
	return dst
}

// admits evaluates a node's filter. Constraints and attributes ascend by name.
func (p *Poset) admits(n int, e *filter.Event) bool {
	p.tests++
	p.touch(n)
	if p.get(n, nodeNever) != 0 {
		return false
	}
	i := 0
	for at := p.get(n, nodeConstraints); at != 0; at = p.get(at, consNext) {
		p.touch(at)
		name := p.name(at)
		for i < e.Len() && e.At(i).Name < string(name) {
			i++
		}
		if i == e.Len() || e.At(i).Name != string(name) {
			return false
		}
		c := p.constraint(at)
		if !c.admits(e.At(i).Value) {
			return false
		}
	}
	return true
}

func (p *Poset) tags(n int, dst []uint64) []uint64 {
	for s := p.get(n, nodeFirstSub); s != 0; s = p.get(s, subNext) {
		p.touch(s)
		dst = append(dst, p.word(s, subTag))
	}
	return dst
}

// Stats counts the roots and returns that with the counters. It touches nothing.
func (p *Poset) Stats() Stats {
	s := Stats{Nodes: p.nodes, Subscriptions: p.subs, Bytes: p.end, Tests: p.tests, Compares: p.compares}
	for n := p.get(anchor, nodeFirstChild); n != 0; n = p.get(n, nodeNext) {
		s.Roots++
	}
	return s
}
