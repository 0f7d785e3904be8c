package matcher

import "github.com/scbr/scbr/matcher/filter"

// shapeName bounds the names a shape remembers; longer ones are looked up.
const shapeName = 27

// shape remembers what the attribute names of the last event resolved to, by
// position: publishers send the same attributes again and again, and comparing
// a short name is cheaper than hashing it. It is a cache; forget empties it.
type shape [filter.MaxAttributes]struct {
	record uint32 // 0: no filter mentions the name
	size   uint8  // 0: nothing remembered, since no name is empty
	name   [shapeName]byte
}

func (c *shape) get(i int, name string) (record uint32, ok bool) {
	x := &c[i]
	if len(name) != int(x.size) || string(x.name[:min(x.size, shapeName)]) != name {
		return 0, false
	}
	return x.record, true
}

func (c *shape) put(i int, name string, record uint32) {
	if len(name) > shapeName {
		return
	}
	x := &c[i]
	x.record, x.size = record, uint8(len(name))
	copy(x.name[:], name)
}

// forget is called whenever a name gets or loses its record.
func (c *shape) forget() {
	for i := range c {
		c[i].size = 0
	}
}
