package matcher

import "github.com/scbr/scbr/matcher/filter"

const (
	// cutSlots is the size of the memo of cuts: events are compared with prefixes
	// of far fewer lengths.
	cutSlots = 256
	// cutStride is odd, so that a slot and a size tell the attribute.
	cutStride = 37
	// cutSizeBits holds every size of a string.
	cutSizeBits = 12
)

const _ = uint(1<<cutSizeBits - 1 - filter.MaxStringBytes)

// A cut is what the first bytes of one of the event's strings are as a string
// of a filter. Thousands of filters that ask for prefixes of one length compare
// numbers with it, and not bytes one after the other.
type cut struct {
	stamp  uint64 // epoch and size; 0: never used, since epochs start at 1
	record uint32 // 0: no filter has the string
}

// cutOf returns the record of the first size bytes of string i of the event, or
// 0 if the string is shorter or no filter has them.
func (s *Store) cutOf(i uint8, size uint16) uint32 {
	stamp := s.epoch<<cutSizeBits | uint64(size)
	c := &s.cuts[uint8(size+uint16(i)*cutStride)]
	if c.stamp == stamp {
		return c.record
	}
	text := s.event[i].text
	if int(size) > len(text) {
		return 0
	}
	s.stats.MatchTexts++
	text = text[:size]
	c.stamp, c.record = stamp, s.lookup(&s.strings, s.hash.text(text), text)
	return c.record
}

// holdsStrings evaluates an entryStrings on string i of the event.
func (s *Store) holdsStrings(head, ends uint64, i uint8) bool {
	if head&entryPrefix != 0 {
		return s.cutOf(i, highSub(head)) == low(ends)
	}
	s.stats.MatchTexts++
	return s.insideStrings(ends, lowSub(head), highSub(head), s.event[i].text)
}
