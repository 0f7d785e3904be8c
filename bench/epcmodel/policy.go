package epcmodel

import "strings"

// Policy says which page has to go.
type Policy uint8

// The policies.
const (
	FIFO  Policy = 1 + iota // the one that was loaded first
	CLOCK                   // the first in the order of FIFO that was not touched since it was last asked
	LRU                     // the one that was not touched for longest; no pager can know it
)

// Policies are all of them.
func Policies() []Policy { return []Policy{FIFO, CLOCK, LRU} }

// String returns the policy's name on command lines.
func (p Policy) String() string {
	switch p {
	case FIFO:
		return "fifo"
	case CLOCK:
		return "clock"
	case LRU:
		return "lru"
	}
	return "unknown"
}

// ParsePolicy reads a name in letters of either case. Its error is an *Error of
// Kind BadPolicy.
func ParsePolicy(name string) (Policy, error) {
	for _, p := range Policies() {
		if strings.EqualFold(name, p.String()) {
			return p, nil
		}
	}
	return 0, &Error{Op: "parse", Kind: BadPolicy}
}
