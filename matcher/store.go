// Package matcher finds the subscriptions whose filter an event satisfies.
package matcher

import "github.com/scbr/scbr/matcher/filter"

// Handle names one subscription of a Store. It is never 0. After Remove the
// number may be handed out again.
type Handle uint32

// Config parameterises a Store.
type Config struct {
	// Seed keys the hash tables. It has to be random and secret where
	// subscribers or publishers are not trusted.
	Seed uint64
}

// Stats describes a Store.
type Stats struct {
	Subscriptions int
	Nodes         int   // distinct filters
	Roots         int   // nodes that hang below no other
	Bytes         int64 // committed memory
	Used          int64 // of which holds something
	Budget        int64
	// Counters since the Store was made, in tests of one filter.
	MatchTests  uint64 // a filter against an event
	InsertTests uint64 // a filter against a filter, for Insert and Remove
	CoverTests  uint64 // a filter against a filter, for Covered
	Flat        uint64 // placements that ran out of InsertBudget
}

// Store holds subscriptions. It has one owner at a time.
type Store struct {
	subs map[Handle]entry
	next Handle
}

type entry struct {
	f   filter.Filter
	tag uint64
}

// New returns an empty Store that lives in mem.
func New(mem Memory, cfg Config) (*Store, error) {
	return &Store{subs: map[Handle]entry{}}, nil
}

// Insert adds a subscription; Match reports its tag.
func (s *Store) Insert(f filter.Filter, tag uint64) (Handle, error) {
	s.next++
	s.subs[s.next] = entry{f, tag}
	return s.next, nil
}

// Remove takes a subscription out.
func (s *Store) Remove(h Handle) error {
	if _, ok := s.subs[h]; !ok {
		return &Error{Op: "remove", Kind: UnknownHandle}
	}
	delete(s.subs, h)
	return nil
}

// Match appends the tags of all subscriptions whose filter matches the event.
func (s *Store) Match(e *filter.Event, dst []uint64) []uint64 {
	for _, x := range s.subs {
		if x.f.Match(*e) {
			dst = append(dst, x.tag)
		}
	}
	return dst
}

// Covered reports whether a stored filter covers f.
func (s *Store) Covered(f filter.Filter) bool {
	for _, x := range s.subs {
		if x.f.Covers(f) {
			return true
		}
	}
	return false
}

// Stats describes the Store.
func (s *Store) Stats() Stats { return Stats{Subscriptions: len(s.subs)} }
