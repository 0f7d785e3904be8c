package matcher

import (
	"math"
	"math/bits"
	"slices"

	"github.com/scbr/scbr/matcher/filter"
)

const (
	// nameCache is how many attribute names a reader remembers the records of.
	nameCache = 64
	// eventPlaces is twice the attributes that an event can have.
	eventPlaces = 2 * filter.MaxAttributes
	// keyedBit marks a name that keys clusters; references of names are below.
	keyedBit = 1 << 31
	// absent is the index of an attribute that the event does not have.
	absent = 255
)

// cachedName is the record of a name, 0 if no filter mentions it.
type cachedName struct {
	key     uint64
	name    uint32 // with keyedBit
	version uint32 // of the root, plus one
}

// event is the event being matched, with its names resolved.
type event struct {
	e *filter.Event
	// where finds an attribute by its name's record: name | index, in an open
	// hash table that always has empty places.
	where  [eventPlaces]uint64
	filled [filter.MaxAttributes]uint8  // places in use
	names  [filter.MaxAttributes]uint32 // 0: no filter mentions it
	values [filter.MaxAttributes]position
	// What the names are resolved for: keys, and the version of the root, plus one.
	keys      [filter.MaxAttributes]uint64
	keyN      int
	version   uint32
	long      bool                        // some key is not the name itself
	mentioned [filter.MaxAttributes]uint8 // attributes that filters mention
	n         int
	keyed     [filter.MaxAttributes]uint8 // attributes that key clusters
	keyedN    int
}

// position is where a value lies, as far as cells and halves need it. A value
// that is not a number has its cell, not 0, on every scale.
type position struct {
	line float64
	half int32
	cell byte
}

// cellText marks a string whose cell is not known yet; it is none of a string.
const cellText = cellLow

func namePlace(name uint32) uint8 { return uint8(name^name>>7) % eventPlaces }

// find returns the index of the attribute with a name, or absent.
func (ev *event) find(name uint32) uint8 {
	for h := namePlace(name); ; h = (h + 1) % eventPlaces {
		switch x := ev.where[h]; {
		case low(x) == name:
			return uint8(high(x))
		case x == 0:
			return absent
		}
	}
}

// resolve looks up the names of an event, and returns its attributes that key
// clusters. An event with the names of the one before needs no looking up.
func (r *Reader) resolve(root *[rootHalves]uint32, e *filter.Event) []uint8 {
	ev := &r.event
	ev.e, r.dict = e, nil
	keys, version := e.Keys(), root[rootVersion]+1
	if ev.version != version || !slices.Equal(keys, ev.keys[:ev.keyN]) || ev.long && !r.sameLong(root) {
		ev.version, ev.keyN, ev.long = version, copy(ev.keys[:], keys), false
		r.resolveNames(root, keys)
	}
	for _, i := range ev.mentioned[:ev.n] {
		ev.setPosition(int(i))
	}
	return ev.keyed[:ev.keyedN]
}

// sameLong reports whether the names whose key is only a hash are those that
// were resolved.
func (r *Reader) sameLong(root *[rootHalves]uint32) bool {
	ev, a := &r.event, &r.s.a
	for i, key := range ev.keys[:ev.keyN] {
		if key>>63 == 0 {
			continue
		}
		name := ev.e.NameAt(i)
		switch p := ev.names[i]; {
		case p != 0 && a.text(p) != name, p == 0 && a.lookUp(root[rootNames], r.s.hash.text(name), name) != 0:
			return false
		}
	}
	return true
}

func (r *Reader) resolveNames(root *[rootHalves]uint32, keys []uint64) {
	ev := &r.event
	for _, h := range ev.filled[:ev.n] {
		ev.where[h] = 0
	}
	ev.n, ev.keyedN = 0, 0
	for i, key := range keys {
		c := &r.names[bits.RotateLeft64(key*0x9e3779b97f4a7c15, 7)%nameCache]
		name := c.name
		if c.version != ev.version || c.key != key || key>>63 != 0 {
			name = r.resolveSlowly(root, c, key, ev.e.NameAt(i))
			ev.long = ev.long || key>>63 != 0
		}
		ev.names[i] = name &^ keyedBit
		if name == 0 {
			continue
		}
		if name&keyedBit != 0 {
			name &^= keyedBit
			ev.keyed[ev.keyedN] = uint8(i)
			ev.keyedN++
		}
		h := namePlace(name)
		for ev.where[h] != 0 {
			h = (h + 1) % eventPlaces
		}
		ev.where[h] = pack(name, uint32(i))
		ev.filled[ev.n], ev.mentioned[ev.n] = h, uint8(i)
		ev.n++
	}
}

// resolveSlowly looks a name up and remembers it. The key of a long name is only
// a hash: what is remembered of it counts if it has the name itself.
func (r *Reader) resolveSlowly(root *[rootHalves]uint32, c *cachedName, key uint64, name string) uint32 {
	a := &r.s.a
	version := root[rootVersion] + 1
	if c.version == version && c.key == key && c.name != 0 && a.text(c.name&^keyedBit) == name {
		return c.name
	}
	p := a.lookUp(root[rootNames], r.s.hash.text(name), name)
	if p != 0 && a.keyed(p) {
		p |= keyedBit
	}
	*c = cachedName{key, p, version}
	return p
}

// setPosition says where the value of attribute i lies. A string's cell is made
// when a page asks for it.
func (ev *event) setPosition(i int) {
	x := &ev.values[i]
	switch v := ev.e.ValueAt(i); v.Type() {
	case filter.TypeInt:
		n := v.Int()
		*x = position{line: float64(n), half: halfInt(n)}
	case filter.TypeFloat:
		f := v.Float()
		*x = position{line: f, half: halfFloat(f)}
	case filter.TypeString:
		x.cell = cellText
	default:
		x.cell = cellBool
	}
}

// setCells computes the cells of the event's values on a page's scales, unless
// those of the page before are the same.
func (r *Reader) setCells(p *page) {
	from := int(p.at) + pageHead
	w := r.s.a.w[from : from+2*p.d]
	if slices.Equal(w, r.dict) {
		return
	}
	r.dict = w
	for k := 0; 2*k+1 < len(w) && k < slots; k++ {
		x := w[2*k]
		i := r.event.find(low(x))
		if i == absent {
			r.cells[k] = cellAbsent
			continue
		}
		v := &r.event.values[i&(filter.MaxAttributes-1)]
		if v.cell != 0 {
			r.cells[k] = r.cell(i, scale{})
			continue
		}
		r.half[k] = v.half
		r.cells[k] = v.on(math.Float64frombits(w[2*k+1]), float64(math.Float32frombits(high(x))))
	}
	r.cells[noSlot] = cellNone
}

// cell is the cell of the value of attribute i on a scale.
func (r *Reader) cell(i uint8, c scale) byte {
	v := &r.event.values[i&(filter.MaxAttributes-1)]
	switch v.cell {
	case 0:
		return v.on(c.base, float64(c.step))
	case cellText:
		v.cell = textCell(r.s.hash.text(r.event.e.ValueAt(int(i)).Str()))
	}
	return v.cell
}

// on is the cell of a number on a scale.
func (v *position) on(base, step float64) byte {
	f := v.line
	if step < 0 {
		f, step = ordinal(f), -step
	}
	return cellAt((f - base) * step)
}
