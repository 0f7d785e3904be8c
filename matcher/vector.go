package matcher

import "math/bits"

const (
	// vectorUnit is the size in words of a vector's first segments: an empty
	// store stays small, and a cache line never straddles two elements.
	vectorUnit = 16
	// vectorSteps is the number of segments to a doubling, which bounds unused
	// room to an eighth of what is used.
	vectorSteps = 8
	// vectorSegments covers 2^32 words.
	vectorSegments = 28 * vectorSteps
)

// vector is a growing array of words in the arena. Its segments never move, so
// growing costs one allocation and no copy.
type vector struct {
	segments [vectorSegments]uint32
	n        uint32 // segments in use
	words    uint32 // words in them
}

// at returns the arena word of element word i, which has to be below words.
func (v *vector) at(i uint32) uint32 {
	q := i/vectorUnit + vectorSteps
	e := uint32(bits.Len32(q)) - 4 // 4 is the length of vectorSteps in bits
	k := e*vectorSteps + q>>e - vectorSteps
	start := q>>e<<e - vectorSteps
	return v.segments[k] + 1 + i - start*vectorUnit
}

// next is the size in words of the segment that comes next.
func (v *vector) next() uint32 { return 1 + vectorUnit<<(v.n/vectorSteps) }

func (v *vector) grow(a *arena) error {
	if v.n == vectorSegments {
		return &Error{Op: "grow table", Kind: EPCBudget}
	}
	size := v.next() - 1
	p, err := a.alloc(1+size, classIndex)
	if err != nil {
		return err
	}
	v.segments[v.n] = p
	v.n++
	v.words += size
	return nil
}
