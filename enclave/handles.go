package enclave

import (
	"iter"
	"slices"
	"sort"

	"github.com/scbr/scbr/matcher"
)

// handles maps a session's subscription ids to the handles of the store. A client
// that subscribes under one number after the other gets handles one after the other,
// as long as nothing was taken out before: such stretches cost twelve bytes whatever
// their length, where a map of the Go runtime costs at least as much for each
// subscription of two million.
type handles struct {
	stretches []stretch // ascending, apart from each other
	count     int
}

// stretch is n ids from id on, whose handles are those from handle on.
type stretch struct {
	id     uint32
	handle matcher.Handle
	n      uint32
}

func (s *stretch) end() uint64 { return uint64(s.id) + uint64(s.n) }

// find returns the index of the last stretch that begins at an id or before, or -1.
func (h *handles) find(id uint32) int {
	return sort.Search(len(h.stretches), func(i int) bool { return h.stretches[i].id > id }) - 1
}

// get returns the handle of an id.
func (h *handles) get(id uint32) (matcher.Handle, bool) {
	i := h.find(id)
	if i < 0 || uint64(id) >= h.stretches[i].end() {
		return 0, false
	}
	s := &h.stretches[i]
	return s.handle + matcher.Handle(id-s.id), true
}

// put adds an id that is not there.
func (h *handles) put(id uint32, handle matcher.Handle) {
	h.count++
	i := h.find(id)
	before := i >= 0 && h.stretches[i].end() == uint64(id) && h.stretches[i].handle+matcher.Handle(h.stretches[i].n) == handle
	after := i+1 < len(h.stretches) && uint64(id)+1 == uint64(h.stretches[i+1].id) && handle+1 == h.stretches[i+1].handle
	switch {
	case before && after:
		h.stretches[i].n += 1 + h.stretches[i+1].n
		h.stretches = slices.Delete(h.stretches, i+1, i+2)
	case before:
		h.stretches[i].n++
	case after:
		next := &h.stretches[i+1]
		next.id, next.handle, next.n = id, handle, next.n+1
	default:
		h.stretches = slices.Insert(h.stretches, i+1, stretch{id, handle, 1})
	}
}

// remove takes an id out that is there.
func (h *handles) remove(id uint32) {
	h.count--
	i := h.find(id)
	s := &h.stretches[i]
	switch k := id - s.id; {
	case s.n == 1:
		h.stretches = slices.Delete(h.stretches, i, i+1)
	case k == 0:
		s.id, s.handle, s.n = s.id+1, s.handle+1, s.n-1
	case k == s.n-1:
		s.n--
	default:
		rest := stretch{id + 1, s.handle + matcher.Handle(k) + 1, s.n - k - 1}
		s.n = k
		h.stretches = slices.Insert(h.stretches, i+1, rest)
	}
}

// all iterates over the handles in the order of their ids.
func (h *handles) all() iter.Seq[matcher.Handle] {
	return func(yield func(matcher.Handle) bool) {
		for _, s := range h.stretches {
			for k := range s.n {
				if !yield(s.handle + matcher.Handle(k)) {
					return
				}
			}
		}
	}
}
