package poset

import (
	"encoding/binary"

	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	word = 8
	// blockAlign and blockHeader are those of malloc on 64-bit machines.
	blockAlign  = 16
	blockHeader = 16 // the block's size, then a word for the allocator
	// commitStep is the granularity of Memory.Commit: one page.
	commitStep = 4096
	// inlineText is what a std::string holds without a block of its own, its
	// capacity and pointer included: shorter text saves nothing.
	inlineText = 24
)

// A node: links, counts and the room that SCBR's node has for its vectors of
// parents and children and for the head of its map of predicates.
const (
	nodeParent      = blockHeader + word*iota // 0 in the anchor alone
	nodeNext                                  // sibling
	nodeFirstChild                            //
	nodeLastChild                             //
	nodeConstraints                           // first, ascending by name
	nodeFirstSub                              //
	nodeLastSub                               //
	nodeNever                                 // 1: a contradiction
	nodeFieldsEnd
	nodeBytes = 192
)

// A subscriber, with the room of the std::string that names it in SCBR.
const (
	subNext = blockHeader + word*iota
	subNode
	subTag
	subFieldsEnd
	subBytes = 80
)

// A constraint: fixed fields, then the name, then the string it compares with,
// each with at least inlineText bytes.
const (
	consNext     = blockHeader + word*iota
	consNameLen  //
	consTextLen  // isText as well, shifted by 32
	consLowKind  // type, and openEnd
	consLow      //
	consHighKind //
	consHigh     //
	consName
)

const (
	openEnd = 1 << 8
	isText  = 1 << 32
)

// The room is what is left.
const (
	nodeRoom = nodeBytes - nodeFieldsEnd
	subRoom  = subBytes - subFieldsEnd
)

func align(n, to int) int { return (n + to - 1) / to * to }

func inline(text []byte) int { return align(max(len(text), inlineText), word) }

func consBytes(c *constraint) int {
	return align(consName+inline(c.name)+inline(c.text), blockAlign)
}

// bytes is what a filter takes that has a node of its own and one subscriber.
func (f *conjunction) bytes() int {
	size := nodeBytes + subBytes
	for i := range f.constraints {
		size += consBytes(&f.constraints[i])
	}
	return size
}

func (p *Poset) get(off, field int) int { return int(p.word(off, field)) }

func (p *Poset) word(off, field int) uint64 {
	return binary.NativeEndian.Uint64(p.region[off+field:])
}

func (p *Poset) put(off, field int, v uint64) {
	binary.NativeEndian.PutUint64(p.region[off+field:], v)
}

func (p *Poset) link(off, field, to int) { p.put(off, field, uint64(to)) }

// touch reports that the block at off is read or written.
func (p *Poset) touch(off int) {
	if p.toucher != nil {
		p.toucher.Touch(off, p.get(off, 0))
	}
}

// reserve makes n bytes beyond end usable, or changes nothing.
func (p *Poset) reserve(n int) error {
	need := p.end + n
	if need <= p.committed {
		return nil
	}
	if need > len(p.region) {
		return &matcher.Error{Op: "allocate", Kind: matcher.EPCBudget}
	}
	step := min(align(need, commitStep), len(p.region))
	err := p.mem.Commit(p.committed, step-p.committed)
	if err != nil && step != need { // the budget may end inside the last step
		step = need
		err = p.mem.Commit(p.committed, step-p.committed)
	}
	if err != nil {
		return &matcher.Error{Op: "allocate", Kind: matcher.EPCBudget, Err: err}
	}
	p.committed = step
	return nil
}

// block takes n zero bytes that were reserved.
func (p *Poset) block(n int) int {
	off := p.end
	p.end += n
	clear(p.region[off:p.end])
	p.put(off, 0, uint64(n))
	p.touch(off)
	return off
}

// newNode writes a node with the constraints of f and no subscriber.
func (p *Poset) newNode(f *conjunction) int {
	n := p.block(nodeBytes)
	if f.never {
		p.put(n, nodeNever, 1)
	}
	from, field := n, nodeConstraints
	for i := range f.constraints {
		c := p.newConstraint(&f.constraints[i])
		p.link(from, field, c)
		from, field = c, consNext
	}
	return n
}

func (p *Poset) newConstraint(c *constraint) int {
	off := p.block(consBytes(c))
	text := uint64(len(c.text))
	if c.isText {
		text |= isText
	}
	p.put(off, consNameLen, uint64(len(c.name)))
	p.put(off, consTextLen, text)
	p.put(off, consLowKind, c.lo.kind())
	p.put(off, consLow, c.lo.bits)
	p.put(off, consHighKind, c.hi.kind())
	p.put(off, consHigh, c.hi.bits)
	copy(p.region[off+consName:], c.name)
	copy(p.region[off+consName+inline(c.name):], c.text)
	return off
}

// list says which fields make a list: of the owner its first and last block, of
// each block the next one.
type list struct{ first, last, next int }

// push appends a block to a list of owner.
func (p *Poset) push(owner int, of list, block int) {
	p.touch(owner)
	if last := p.get(owner, of.last); last != 0 {
		p.touch(last)
		p.link(last, of.next, block)
	} else {
		p.link(owner, of.first, block)
	}
	p.link(owner, of.last, block)
}

// newSub appends a subscriber to a node's list.
func (p *Poset) newSub(n int, tag uint64) {
	s := p.block(subBytes)
	p.link(s, subNode, n)
	p.put(s, subTag, tag)
	p.push(n, list{nodeFirstSub, nodeLastSub, subNext}, s)
}

// name is the attribute of a stored constraint.
func (p *Poset) name(off int) []byte {
	return p.region[off+consName:][:p.get(off, consNameLen)]
}

// constraint reads a stored constraint; its texts alias the region.
func (p *Poset) constraint(off int) constraint {
	c := constraint{name: p.name(off)}
	if text := p.word(off, consTextLen); text&isText != 0 {
		c.isText = true
		c.text = p.region[off+consName+inline(c.name):][:text&^isText]
		return c
	}
	c.lo = boundOf(p.word(off, consLowKind), p.word(off, consLow))
	c.hi = boundOf(p.word(off, consHighKind), p.word(off, consHigh))
	return c
}

func (b bound) kind() uint64 {
	if b.open {
		return uint64(b.typ) | openEnd
	}
	return uint64(b.typ)
}

func boundOf(kind, bits uint64) bound {
	return bound{bits: bits, typ: filter.Type(kind), open: kind&openEnd != 0}
}
