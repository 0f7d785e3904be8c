package matcher

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/scbr/scbr/matcher/filter"
)

// cacheLine keeps readers' epochs from sharing lines.
const cacheLine = 64

// paddedEpoch is the epoch in which a reader is reading, or idle.
type paddedEpoch struct {
	_     [cacheLine]byte
	epoch atomic.Uint64
	_     [cacheLine - 8]byte
}

// idle is the epoch of a reader that reads nothing.
const idle = math.MaxUint64

// NewReader returns a reader. Whoever makes one closes it: the writer looks at
// all of them.
func (s *Store) NewReader() *Reader {
	if s.a.zones.out != nil {
		panic("matcher: a reader of a store that spills")
	}
	r := &Reader{s: s}
	r.pin.epoch.Store(idle)
	s.readersLock.Lock()
	defer s.readersLock.Unlock()
	all := append(slices.Clone(*s.readers.Load()), r)
	s.readers.Store(&all)
	return r
}

// Close ends the reader's use: Match panics from then on, because the writer would
// not wait for it. Closing it again does nothing.
func (r *Reader) Close() {
	s := r.s
	r.closed = true
	s.readersLock.Lock()
	defer s.readersLock.Unlock()
	all := slices.DeleteFunc(slices.Clone(*s.readers.Load()), func(x *Reader) bool { return x == r })
	s.readers.Store(&all)
}

// Match is Store.Match, concurrently with the writer and other readers.
func (r *Reader) Match(e *filter.Event, dst []uint64) []uint64 {
	if r.closed {
		panic("matcher: a closed reader matches")
	}
	for { // what is announced holds only if nothing was retired before it was
		epoch := r.s.epoch.Load()
		r.pin.epoch.Store(epoch)
		if r.s.epoch.Load() == epoch {
			break
		}
	}
	dst = r.match(r.s.root.Load(), e, dst)
	r.pin.epoch.Store(idle)
	return dst
}

// oldestReader returns the earliest epoch that anyone reads in.
func (s *Store) oldestReader() uint64 {
	oldest := uint64(idle)
	for _, r := range *s.readers.Load() {
		oldest = min(oldest, r.pin.epoch.Load())
	}
	return oldest
}
