package matcher

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
)

// check walks everything that a store holds and compares it with its counters,
// its tables and its arena. It is for a store that no reader looks at.
func check(t require.TestingT, s *Store) {
	require.Equal(t, s.limboHead, len(s.limbo), "something is kept for nobody")
	c := &checker{t: t, s: s, root: s.readRoot(s.root.Load()), uses: map[uint32]uint32{}, owned: map[uint32]bool{s.root.Load(): true}}
	c.texts()
	c.trie(c.root.clusters, func(p uint32) { c.cluster(p, true) })
	if c.root.ranges != 0 {
		c.cluster(c.root.ranges, false)
	}
	c.handles()
	require.Equal(t, [5]uint32{c.root.lanes, c.root.pageCount, c.root.blockCount, c.root.clusterCount, c.root.subs},
		[5]uint32{c.lanes, c.pages, c.blocks, c.clusters, c.subs}, "lanes, pages, blocks, clusters, subscriptions")
	c.ids()
	c.keyed()
	for p, n := range c.uses {
		require.Equal(t, n, low(s.a.w[p+textUses]), "uses of a text")
	}
	c.arena()
}

type checker struct {
	t     require.TestingT
	s     *Store
	root  root
	uses  map[uint32]uint32 // of texts
	owned map[uint32]bool

	lanes, pages, blocks, clusters, subs uint32
}

// trie visits the leaves.
func (c *checker) trie(r uint32, visit func(p uint32)) {
	h := c.s.a.h
	switch {
	case r == 0:
	case r&leafBit != 0:
		for p := r &^ leafBit; p != 0; p = c.s.a.nextLeaf(p) {
			visit(p)
		}
	default:
		require.False(c.t, c.owned[r], "a node in two places")
		c.owned[r] = true
		n := uint32(bits.OnesCount32(h[2*r+nodeBitmap]))
		require.False(c.t, n == 1 && h[2*r+nodeChild]&leafBit != 0, "a node that is only the way to a leaf")
		for i := range n {
			c.trie(h[2*r+nodeChild+i], visit)
		}
	}
}

func (c *checker) texts() {
	a := &c.s.a
	names, strings := uint32(0), uint32(0)
	for root, count := range map[uint32]*uint32{c.root.names: &names, c.root.strings: &strings} {
		c.trie(root, func(p uint32) {
			c.owned[p], c.uses[p] = true, 0
			require.Equal(c.t, c.s.hash.text(a.text(p)), a.w[p+leafHash])
			*count++
		})
	}
	require.Equal(c.t, [2]uint32{c.root.nameCount, c.root.stringCount}, [2]uint32{names, strings}, "names, strings")
}

func (c *checker) cluster(p uint32, keyed bool) {
	s := c.s
	a := &s.a
	c.owned[p] = true
	require.Equal(c.t, uint64(p), s.entry(&s.clusters, a.clusterID(p)))
	attr, mark := low(a.w[p+clusterAttr]), high(a.w[p+clusterAttr])
	require.Equal(c.t, keyed, mark != valueRange)
	if keyed {
		c.clusters++
		c.uses[attr]++
	}
	if mark == valueString {
		c.uses[uint32(a.w[p+clusterValue])]++
	}
	before, last := c.lanes, uint64(0)
	require.NotZero(c.t, a.clusterPages(p), "an empty cluster")
	for i := range a.clusterPages(p) {
		c.pages++
		ref := a.clusterPage(p, i)
		sep := a.w[int(p)+clusterPages+2*i]
		require.GreaterOrEqual(c.t, sep, last, "pages out of order")
		last = sep
		require.Equal(c.t, pack(ref, a.clusterID(p)), s.entry(&s.pages, a.pageID(ref)))
		c.page(ref, sep)
	}
	require.Equal(c.t, a.clusterLanes(p), int(c.lanes-before), "lanes of a cluster")
	c.bounds(p)
}

// bounds checks those of a cluster's pages against the bounds of their blocks.
func (c *checker) bounds(p uint32) {
	a := &c.s.a
	all := a.clusterBounds(p)
	if all == nil {
		return
	}
	n := a.clusterPages(p)
	c.owned[uint32(a.w[int(p)+clusterPages+2*n])] = true
	for i := range n {
		b := readBounds(all[boundsEntry*i:])
		page := a.page(a.clusterPage(p, i))
		for j := range page.n {
			hull := page.hullAt(a, j)
			require.True(c.t, b.name == 0 || b.admits(a, &page, &hull), "bounds of a page")
		}
		if b.name != 0 {
			var d dict
			a.readDict(&page, &d)
			require.Equal(c.t, d.scale[d.slot(b.name)], b.scale, "scale of a page's bounds")
		}
	}
}

func (c *checker) page(ref uint32, sep uint64) {
	s := c.s
	a := &s.a
	c.owned[ref] = true
	p := a.page(ref)
	var d dict
	a.readDict(&p, &d)
	for _, name := range d.name[:d.n] {
		c.uses[name]++
	}
	require.Equal(c.t, sep, a.w[p.seps])
	require.NotZero(c.t, p.n, "an empty page")
	before := c.lanes
	for i := range p.n {
		c.blocks++
		q := a.h[p.refs+i]
		require.Contains(c.t, []uint32{0, a.homeOf(ref)}, a.zones.of(q), "a block in another page's zone")
		require.Equal(c.t, pack(q, a.pageID(ref)), s.entry(&s.blocks, a.blockID(q)))
		require.True(c.t, i == 0 || a.w[p.seps+i-1] <= a.w[p.seps+i], "blocks out of order")
		c.block(&p, i)
	}
	require.Equal(c.t, low(a.w[a.page(ref).at+2]), c.lanes-before, "lanes of a page")
}

// block checks a block's lanes against its bounds and the handles.
func (c *checker) block(p *page, i int) {
	s := c.s
	a := &s.a
	b := a.block(a.h[p.refs+i])
	c.owned[b.ref] = true
	require.True(c.t, b.n > 0 && b.n <= blockLanes && b.m > 0)
	c.hull(&b, p.hullAt(a, i))
	for lane := range b.n {
		c.lanes++
		handle := a.h[b.handles+lane]
		require.Equal(c.t, uint64(a.blockID(b.ref)), s.entry(&s.handles, handle))
	}
	if b.flags&blockGeneral == 0 {
		return
	}
	for lane := range b.n {
		c.uses[a.h[b.values+min(lane, b.m-1)]]++
	}
}

// hull checks that every lane of a block lies within its bounds.
func (c *checker) hull(b *block, h hull) {
	a := &c.s.a
	for _, x := range h {
		if x[0] == noSlot {
			require.Equal(c.t, hullRow{noSlot, 0, cellTop}, x)
			continue
		}
		for i := range b.m {
			within := false
			for j := range b.r {
				v := a.b[b.rows+3*j*b.m+i:]
				within = within || v[0] == x[0] && x[1] <= v[b.m] && v[2*b.m] <= x[2]
			}
			require.True(c.t, within, "bounds of a block")
		}
	}
}

// handles counts the subscriptions, and the lists' names once for each list.
func (c *checker) handles() {
	s := c.s
	for h := range s.each() {
		c.subs++
		if e := uint32(s.entry(&s.handles, h)); e&wholeBit != 0 {
			c.owned[e&^wholeBit] = true
			require.Equal(c.t, h, s.a.h[2*(e&^wholeBit)+wholeHandle])
		}
	}
	lists := map[uint32]bool{}
	c.eachBlock(func(b *block) {
		if b.flags&blockGeneral != 0 {
			for _, p := range s.a.h[b.values : b.values+b.m] {
				lists[p] = true
			}
		}
	})
	for p := range lists {
		for list := s.a.list(p); len(list) > 0; {
			var name uint32
			name, _, list = nextTerm(list)
			c.uses[name]++
		}
	}
}

func (c *checker) eachBlock(visit func(b *block)) {
	s := c.s
	for id := uint32(1); id < s.blocks.end; id++ {
		if s.known(&s.blocks, id) && c.owned[low(s.entry(&s.blocks, id))] {
			b := s.a.block(low(s.entry(&s.blocks, id)))
			visit(&b)
		}
	}
}

// ids checks that no number is handed out that nothing has, nor kept when it goes.
func (c *checker) ids() {
	s := c.s
	ranges := uint32(0)
	if c.root.ranges != 0 {
		ranges = 1
	}
	for name, x := range map[string]struct {
		table *ids
		want  uint32
	}{"blocks": {&s.blocks, c.blocks}, "pages": {&s.pages, c.pages}, "clusters": {&s.clusters, c.clusters + ranges}} {
		n := uint32(0)
		for i := uint32(1); i < x.table.end; i++ {
			if s.known(x.table, i) {
				n++
			}
		}
		require.Equal(c.t, x.want, n, "numbers of %s", name)
	}
}

// keyed compares each name's count of clusters.
func (c *checker) keyed() {
	a := &c.s.a
	count := map[uint32]uint32{}
	seen := c.owned
	c.owned = map[uint32]bool{}
	c.trie(c.root.clusters, func(p uint32) { count[low(a.w[p+clusterAttr])]++ })
	c.trie(c.root.names, func(p uint32) {
		require.Equal(c.t, count[p], high(a.w[p+textUses]))
		require.True(c.t, count[p] == 0 || a.keyed(p))
	})
	c.owned = seen
}

// arena checks that objects tile the arena, that the free ones are exactly those
// in the bins, and that the ones in use are exactly those with an owner.
func (c *checker) arena() {
	s := c.s
	a := &s.a
	for _, t := range s.tables() {
		for i := range t.v.n {
			c.owned[t.v.segments[i]] = true
		}
	}
	sizes := [classes]uint32{}
	all := c.heap(&a.common, a.w, 0, &sizes)
	for i := range a.zones.all {
		id, z := uint32(i+1), &a.zones.all[i]
		require.Equal(c.t, z.open, z.used > 0, "an empty zone, or a closed one that is not")
		if z.open {
			a.need(id)
			all += c.heap(&z.heap, a.words(z), a.zones.first(id), &sizes)
			require.Equal(c.t, id, a.zones.of(a.zones.first(id)))
			require.Equal(c.t, id, a.zones.of(a.zones.first(id)+z.limit-1))
		}
	}
	require.Equal(c.t, all, a.granted+a.zones.spilled)
	c.frames()
	require.Equal(c.t, a.used, sizes)
	require.Empty(c.t, c.owned)
	c.accounts()
}

// frames checks that zones in memory are apart from each other and from the common
// heap, and that all of it is within the budget.
func (c *checker) frames() {
	a := &c.s.a
	if a.zones.out == nil {
		return
	}
	require.LessOrEqual(c.t, int64(a.granted), a.zones.out.Budget())
	end, n := a.common.committed, 0
	for _, f := range a.zones.frames {
		z := a.zones.at(f.id)
		require.True(c.t, z.open && !z.spilled)
		require.Equal(c.t, f.base, z.base)
		require.GreaterOrEqual(c.t, f.base, end)
		require.GreaterOrEqual(c.t, f.words, z.committed)
		end = f.base + f.words
		n++
	}
	require.LessOrEqual(c.t, int(end), len(a.w))
	for i := range a.zones.all {
		if z := &a.zones.all[i]; z.open && !z.spilled {
			n--
		}
	}
	require.Zero(c.t, n, "zones in memory without a frame")
}

// accounts compares what is counted of blocks and zones with what is there.
func (c *checker) accounts() {
	a := &c.s.a
	rows, pages := 0, map[uint32]int32{}
	for id := uint32(1); id < c.s.blocks.end; id++ {
		if c.s.known(&c.s.blocks, id) {
			b := a.block(low(c.s.entry(&c.s.blocks, id)))
			rows += rowBytes(a.h[2*b.at+2])
		}
	}
	for id := uint32(1); id < c.s.pages.end; id++ {
		if c.s.known(&c.s.pages, id) {
			pages[a.zones.of(low(c.s.entry(&c.s.pages, id)))]++
		}
	}
	require.Equal(c.t, rows, a.rows)
	for i := range a.zones.all {
		if a.zones.all[i].open {
			require.Equal(c.t, pages[uint32(i+1)], a.zones.all[i].pages, "pages of a zone")
		}
	}
	st := c.s.Stats()
	require.Equal(c.t, st.Used, st.Memory.Rows+st.Memory.Records+st.Memory.Dictionaries+st.Memory.Owners)
	require.Equal(c.t, st.Bytes+st.Spilled, st.Used+st.Memory.Free)
}

// heap checks that objects tile a heap, whose words are w and whose blocks are
// numbered from first on, and returns the bytes it has.
func (c *checker) heap(h *heap, w []uint64, first uint32, sizes *[classes]uint32) int {
	free := map[uint32]bool{}
	for i, p := range h.bins {
		require.Equal(c.t, p != 0, h.full[i>>6]>>(i&63)&1 == 1)
		for prev := uint32(0); p != 0; p = high(w[p]) {
			require.Equal(c.t, i, binOf(low(w[p])&blockSize))
			require.Equal(c.t, prev, low(w[p+1]))
			free[p], prev = true, p
		}
	}
	used, before, p := uint32(0), false, h.start
	for p < h.end {
		size := low(w[p]) & blockSize
		isFree := low(w[p])&blockFree != 0
		require.Equal(c.t, before, low(w[p])&blockPrevFree != 0)
		require.False(c.t, isFree && before, "free neighbours")
		require.Equal(c.t, isFree, free[p])
		require.Equal(c.t, !isFree, c.owned[first+p], "an object without an owner, or an owner without an object")
		if isFree {
			require.Equal(c.t, size, high(w[p+size-1]))
			delete(free, p)
		} else {
			used += size
			sizes[low(w[p])>>blockClass%uint32(classes)] += size
			delete(c.owned, first+p)
		}
		before = isFree
		p += size
	}
	require.Equal(c.t, h.end, p)
	require.False(c.t, before, "the last object is free")
	require.Equal(c.t, h.used, used)
	require.Empty(c.t, free)
	require.LessOrEqual(c.t, h.end+slackWords, h.committed)
	return int(h.committed) * wordBytes
}

func TestVectorCoversEveryWord(t *testing.T) {
	s := newStore(t, 1<<20, Config{})
	var v vector
	seen := map[uint32]bool{}
	for range 40 {
		from := v.words
		require.NoError(t, v.grow(&s.a))
		for i := from; i < v.words; i++ {
			p := v.at(i)
			seg := v.segments[v.n-1]
			require.Greater(t, p, seg)
			require.Less(t, p, seg+s.a.size(seg))
			require.False(t, seen[p])
			seen[p] = true
		}
	}
	require.Equal(t, 4, bits.Len32(vectorSteps), "vector.at relies on it")
}
