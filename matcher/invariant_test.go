package matcher

import (
	"bytes"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
)

// check walks everything in a store and compares it with its counters.
func check(t require.TestingT, s *Store) {
	c := &checker{t: t, s: s, refs: map[uint32]uint32{}, seen: map[uint32]bool{}, blocks: map[uint32]bool{}}
	c.nodes()
	c.clusters()
	require.Equal(t, s.subsLive, c.subs, "subscriptions")
	require.Equal(t, s.roots, c.roots, "roots")
	require.Len(t, c.seen, int(s.nodes.count), "every node is in one tree")
	for name, tab := range map[string]*interned{"names": &s.names, "strings": &s.strings} {
		records(s, &tab.table, func(r uint32) {
			require.Equal(t, c.refs[r], low(s.a.w[r+internRefs]), "references of %s", name)
			delete(c.refs, r)
			c.blocks[r] = true
		})
	}
	require.Empty(t, c.refs, "references to what is not in a table")
	c.arena()
}

type checker struct {
	t      require.TestingT
	s      *Store
	refs   map[uint32]uint32
	seen   map[uint32]bool
	blocks map[uint32]bool
	subs   int
	roots  int
}

func records(s *Store, tab *table, f func(r uint32)) {
	for i := range tab.buckets {
		for r := tab.head(&s.a, i); r != 0; r = high(s.a.w[r]) {
			f(r)
		}
	}
}

func (c *checker) nodes() {
	s := c.s
	n := uint32(0)
	records(s, &s.nodes, func(r uint32) {
		n++
		c.blocks[r] = true
		e := s.trimmed(r)
		require.Equal(c.t, r, s.findNode(s.hashEntries(e), e), "equal filters share a node")
		for i := 0; i < len(e); i += int(kindOf(e[i]).words()) {
			kind := kindOf(e[i])
			if kind > entryFalse && kind != entryNot {
				c.refs[low(e[i])]++
			}
			if (kind == entryEqual || kind == entryNot) && e[i+1] >= keyString {
				c.refs[low(e[i+1])]++
			}
			if kind == entryStrings {
				for _, r := range []uint32{low(e[i+1]), high(e[i+1])} {
					if r != 0 {
						c.refs[r]++
					}
				}
			}
		}
		c.list(r)
	})
	require.Equal(c.t, s.nodes.count, n)
	for _, r := range []uint32{s.always, s.never} {
		if r != 0 {
			c.seen[r] = true
		}
	}
}

// list checks a node's subscriptions.
func (c *checker) list(n uint32) {
	s := c.s
	prev := n | subHead
	first := high(s.a.w[n+nodeCluster])
	require.NotZero(c.t, first, "a node without subscriptions")
	for i := first; i != 0; {
		p := s.subs.at(i * subWords)
		require.Equal(c.t, prev, high(s.a.w[p+1]))
		prev, i = i, low(s.a.w[p+1])
		c.subs++
	}
}

func (c *checker) clusters() {
	s := c.s
	keyed := map[uint32]uint32{}
	records(s, &s.clusters, func(r uint32) {
		attr := low(s.a.w[r+clusterAttr])
		keyed[attr]++
		require.Equal(c.t, r, s.findCluster(attr, key{s.a.w[r+clusterKey], uint16(high(s.a.w[r+clusterAttr]))}))
		c.cluster(r, true)
	})
	records(s, &s.names.table, func(r uint32) {
		require.Equal(c.t, keyed[r], low(s.a.w[r+nameIndex]))
		if x := high(s.a.w[r+nameIndex]); x != 0 {
			require.Equal(c.t, pack(r, clusterRange), s.a.w[x+clusterAttr])
			c.cluster(x, false)
		}
	})
}

func (c *checker) cluster(r uint32, keyed bool) {
	c.blocks[r] = true
	before := len(c.seen)
	c.forest(r, 0, keyed)
	require.Equal(c.t, int(c.s.clusterSize(r)), len(c.seen)-before, "nodes of a cluster")
	require.NotZero(c.t, c.s.clusterSize(r), "an empty cluster")
}

func (c *checker) forest(r, parent uint32, keyed bool) {
	s, prev := c.s, uint32(0)
	for n := s.list(parent, r); n != 0; n = low(s.a.w[n+nodeSibling]) {
		require.False(c.t, c.seen[n], "a node in two places")
		c.seen[n] = true
		require.Equal(c.t, r, low(s.a.w[n+nodeCluster]))
		require.Equal(c.t, prev, high(s.a.w[n+nodeSibling]))
		require.Equal(c.t, parent, high(s.a.w[n+nodeFamily]))
		prev = n
		if parent == 0 {
			c.roots++
		} else {
			require.True(c.t, s.covers(s.entries(parent), s.entries(n)), "a node below one that does not cover it")
		}
		c.implied(n, r, keyed)
		c.forest(r, n, keyed)
	}
}

// implied checks that exactly the cluster's own equality is marked.
func (c *checker) implied(n, r uint32, keyed bool) {
	w, marks := c.s.a.w, 0
	e := c.s.trimmed(n)
	for i := 0; i < len(e); i += int(kindOf(e[i]).words()) {
		if e[i]&entryImplied != 0 {
			marks++
			require.Equal(c.t, pack(low(e[i]), uint32(lowSub(e[i]))), w[r+clusterAttr])
			require.Equal(c.t, e[i+1], w[r+clusterKey])
		}
	}
	require.Equal(c.t, keyed, marks == 1)
}

// arena checks that blocks tile the arena, that the free ones are exactly those
// in the bins, and that the ones in use are exactly those with an owner.
func (c *checker) arena() {
	s := c.s
	a := &s.a
	for _, v := range []*vector{&s.names.heads, &s.strings.heads, &s.nodes.heads, &s.clusters.heads, &s.subs} {
		for i := range v.n {
			c.blocks[v.segments[i]] = true
		}
	}
	free := map[uint32]bool{}
	for i, p := range a.bins {
		require.Equal(c.t, p != 0, a.full[i>>6]>>(i&63)&1 == 1)
		for prev := uint32(0); p != 0; p = high(a.w[p]) {
			require.Equal(c.t, i, binOf(a.size(p)))
			require.Equal(c.t, prev, low(a.w[p+1]))
			free[p], prev = true, p
		}
	}
	used, before := uint32(0), false
	p := uint32(1)
	for p < a.end {
		isFree := low(a.w[p])&blockFree != 0
		require.Equal(c.t, before, low(a.w[p])&blockPrevFree != 0)
		require.False(c.t, isFree && before, "free neighbours")
		require.Equal(c.t, isFree, free[p])
		require.Equal(c.t, !isFree, c.blocks[p], "a block without an owner, or an owner without a block")
		if isFree {
			require.Equal(c.t, a.size(p), high(a.w[p+a.size(p)-1]))
			delete(free, p)
		} else {
			used += a.size(p)
			delete(c.blocks, p)
		}
		before = isFree
		p += a.size(p)
	}
	require.Equal(c.t, a.end, p)
	require.False(c.t, before, "the last block is free")
	require.Equal(c.t, a.used, used)
	require.Empty(c.t, free)
	require.Empty(c.t, c.blocks)
	require.LessOrEqual(c.t, int(a.end)*wordBytes, a.committed)
}

func TestVectorCoversEveryWord(t *testing.T) {
	mem := NewHeapMemory(1<<20, 1<<20)
	s, err := New(mem, Config{})
	require.NoError(t, err)
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

// TestShapeTellsNames: a remembered name is taken for no other, whichever of
// its bytes differs.
func TestShapeTellsNames(t *testing.T) {
	for size := 1; size <= shapeName+1; size++ {
		var c shape
		name := bytes.Repeat([]byte{'n'}, size)
		c.put(3, string(name), 7)
		record, ok := c.get(3, string(name))
		require.Equal(t, size <= shapeName, ok)
		require.Equal(t, ok, record == 7)
		for i := range name {
			other := bytes.Clone(name)
			other[i] ^= 1
			_, ok := c.get(3, string(other))
			require.False(t, ok, "size %d, byte %d", size, i)
		}
		_, ok = c.get(3, string(name)+"n")
		require.False(t, ok)
		_, ok = c.get(3, string(name[1:]))
		require.False(t, ok)
		_, ok = c.get(2, string(name))
		require.False(t, ok)
		c.forget()
		_, ok = c.get(3, string(name))
		require.False(t, ok)
	}
}
