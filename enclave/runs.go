package enclave

import "container/list"

// subjects remembers, for the life of the instance, how far each run of each
// publisher has been handled, across sessions. Subjects without a session are
// kept up to a bound, the one longest without going first: forgotten runs count
// as new ones.
type subjects struct {
	byName  map[string]*subject
	idle    *list.List // of *subject, longest idle first
	maxIdle int
}

// subject is one client name.
type subject struct {
	name    string
	live    int // sessions
	place   *list.Element
	runs    []*run
	maxRuns int
	clock   uint64 // counts uses, to find the run least recently used
}

// run is one publisher process of a subject.
type run struct {
	id, handled, used uint64
	dead              bool // forgotten; a session may still point here
}

func newSubjects(maxIdle int) subjects {
	return subjects{byName: map[string]*subject{}, idle: list.New(), maxIdle: maxIdle}
}

// sessions is how many sessions the subject has.
func (t *subjects) sessions(name string) int {
	if s := t.byName[name]; s != nil {
		return s.live
	}
	return 0
}

// join counts a session in. The newest grant's quota of runs holds.
func (t *subjects) join(name string, maxRuns int) *subject {
	s := t.byName[name]
	if s == nil {
		s = &subject{name: name}
		t.byName[name] = s
	}
	if s.place != nil {
		t.idle.Remove(s.place)
		s.place = nil
	}
	s.live++
	s.maxRuns = maxRuns
	return s
}

// leave counts a session out.
func (t *subjects) leave(s *subject) {
	s.live--
	if s.live > 0 {
		return
	}
	if len(s.runs) == 0 { // nothing to remember
		delete(t.byName, s.name)
		return
	}
	s.place = t.idle.PushBack(s)
	if t.idle.Len() > t.maxIdle {
		oldest := t.idle.Front()
		t.idle.Remove(oldest)
		if o, ok := oldest.Value.(*subject); ok {
			delete(t.byName, o.name)
		}
	}
}

// runOf finds a run or remembers a new one in place of the least recently used.
func (s *subject) runOf(id uint64) *run {
	for _, r := range s.runs {
		if r.id == id {
			return r
		}
	}
	r := &run{id: id}
	for len(s.runs) >= s.maxRuns {
		s.forget()
	}
	s.runs = append(s.runs, r)
	return r
}

func (s *subject) forget() {
	oldest := 0
	for i, r := range s.runs {
		if r.used < s.runs[oldest].used {
			oldest = i
		}
	}
	s.runs[oldest].dead = true
	last := len(s.runs) - 1
	s.runs[oldest], s.runs[last] = s.runs[last], nil
	s.runs = s.runs[:last]
}

// touch notes that the run is in use.
func (s *subject) touch(r *run) {
	s.clock++
	r.used = s.clock
}
