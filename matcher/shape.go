package matcher

import "github.com/scbr/scbr/matcher/filter"

const (
	// shapeName bounds the names a shape remembers; longer ones are looked up.
	shapeName = 27
	// shapeWords is the length up to which a name's ends are all of it; most
	// names are shorter, and two words compare faster than bytes.
	shapeWords = 16
)

// shape remembers what the attribute names of the last event resolved to, by
// position: publishers send the same attributes again and again, and comparing
// a short name is cheaper than hashing it. It is a cache; forget empties it.
type shape [filter.MaxAttributes]struct {
	record uint32          // 0: no filter mentions the name
	size   uint8           // 0: nothing remembered, since no name is empty
	name   [shapeName]byte // only if longer than shapeWords
	lo, hi uint64          // only if not
}

func (c *shape) get(i int, name string) (record uint32, ok bool) {
	x := &c[i]
	if len(name) != int(x.size) {
		return 0, false
	}
	if len(name) > shapeWords {
		return x.record, string(x.name[:min(x.size, shapeName)]) == name
	}
	lo, hi := ends(bytesOf(name))
	return x.record, lo == x.lo && hi == x.hi
}

func (c *shape) put(i int, name string, record uint32) {
	if len(name) > shapeName {
		return
	}
	x := &c[i]
	x.record, x.size = record, uint8(len(name))
	if len(name) > shapeWords {
		copy(x.name[:], name)
		return
	}
	x.lo, x.hi = ends(bytesOf(name))
}

// forget is called whenever a name gets or loses its record.
func (c *shape) forget() {
	for i := range c {
		c[i].size = 0
	}
}
