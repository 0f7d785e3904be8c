package matcher

import "math"

const (
	// slots is how many attributes a page tells apart: the kernel looks them up
	// in one table of two vector registers. The last one stands for none.
	slots  = 32
	noSlot = slots - 1
)

// dict is a page's attributes, by slot, with the scales of their cells.
type dict struct {
	n     int
	name  [slots]uint32
	scale [slots]scale
}

// slot returns the slot of a name, or noSlot.
func (d *dict) slot(name uint32) byte {
	for i, x := range d.name[:d.n] {
		if x == name {
			return byte(i)
		}
	}
	return noSlot
}

// missing counts the names of a lane that have no slot.
func (d *dict) missing(l *lane) int {
	n := 0
	for j := range l.n {
		if d.slot(l.rows[j].name) == noSlot {
			n++
		}
	}
	return n
}

func (d *dict) add(name uint32, c scale) {
	d.name[d.n], d.scale[d.n] = name, c
	d.n++
}

// addNames gives the names of a lane slots, as long as there are any. The dict
// holds one use of each of its names.
func (s *Store) addNames(d *dict, l *lane) {
	for j := range l.n {
		r := &l.rows[j]
		if d.n == noSlot || d.slot(r.name) != noSlot {
			continue
		}
		s.use(r.name)
		d.add(r.name, fit(r.finite(s.work.ends[:0])))
	}
}

// finite appends the ends of a row that are numbers.
func (r *row) finite(dst []float64) []float64 {
	if r.kind != rowNumbers {
		return dst
	}
	if !math.IsInf(r.lo, 0) {
		dst = append(dst, r.lo)
	}
	if !math.IsInf(r.hi, 0) && r.hi != r.lo {
		dst = append(dst, r.hi)
	}
	return dst
}
