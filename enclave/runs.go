package enclave

import (
	"cmp"
	"container/list"
	"slices"
	"sort"
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
)

// subjects remembers, for the life of the instance, how far each run of each
// publisher has been handled, across sessions. Subjects without a session are
// kept up to a bound, the one longest without going first. Forgotten runs count as
// new ones, so that a sequence is handled once for as long as its run is
// remembered: a subject can have its ended runs forgotten by using others.
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
	clock   uint64 // counts ends of use
	bucket  bucket
}

// bucket is the allowance of publications of a subject with a quota, for all its sessions together. It is kept with
// the subject, so that a new session does not fill it, and it fills by the enclave's time, which only grows: a host
// that sets its clock forward gives a publisher one burst, one second's worth, for each jump.
type bucket struct {
	level float64 // publications that may come at once
	at    time.Time
}

// take says whether one more publication may come now, at most rate in a second.
func (b *bucket) take(rate uint32, now time.Time) bool {
	full := float64(rate)
	if b.at.IsZero() {
		b.level = full
	} else {
		b.level = min(full, b.level+full*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}

// run is one publisher process of a subject.
type run struct {
	id      uint64
	handled uint64 // every counter up to this one is handled
	users   int    // live sessions that published under it
	left    uint64 // when the last of them ended, by the subject's clock
	refused refusals
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
	if len(s.runs) == 0 && s.bucket.at.IsZero() { // nothing to remember
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

// runOf finds a run or remembers a new one. When as many as the quota allows are in
// use the answer is nil: what a live session relies on is never forgotten. Otherwise
// a new one takes the place of the one out of use for longest.
func (s *subject) runOf(id uint64) *run {
	used := 0
	for _, r := range s.runs {
		if r.id == id {
			return r
		}
		if r.users > 0 {
			used++
		}
	}
	if used >= s.maxRuns {
		return nil
	}
	for len(s.runs) >= s.maxRuns {
		s.forget()
	}
	r := &run{id: id}
	s.runs = append(s.runs, r)
	return r
}

// forget removes the run out of use for longest; there is one.
func (s *subject) forget() {
	oldest := -1
	for i, r := range s.runs {
		if r.users == 0 && (oldest < 0 || r.left < s.runs[oldest].left) {
			oldest = i
		}
	}
	s.runs = slices.Delete(s.runs, oldest, oldest+1)
}

// release ends a session's use of its runs.
func (s *subject) release(runs []*run) {
	for _, r := range runs {
		r.users--
		s.clock++
		r.left = s.clock
	}
}

// denied is the run a session was last refused to publish under.
type denied struct {
	run uint64
	any bool
}

// runOf is the run of the next publication, in use by the session from now on, or
// nil if the quota of runs is used up. A run refused once is refused to the end of
// the session: counters skipped by a refusal must not come to lie below the
// watermark, where they would be acknowledged to a resend.
func (s *session) runOf(id uint64) *run {
	if s.run != nil && s.run.id == id {
		return s.run
	}
	if s.denied.any && s.denied.run == id {
		return nil
	}
	r := s.subject.runOf(id)
	if r == nil {
		s.denied = denied{run: id, any: true}
		return nil
	}
	if !slices.Contains(s.runs, r) {
		s.runs = append(s.runs, r)
		r.users++
	}
	s.run = r
	return r
}

// refusals remembers the newest refused publications of a run, so that a resend of
// one is refused again. They come in the order of their counters.
type refusals struct {
	kept      []message.Refusal // a ring once it is full
	oldest    int               // place in kept
	forgotten uint64            // counter of the newest one that is not in kept any more
}

func (r *refusals) add(counter uint64, kind keyx.Kind) {
	x := message.Refusal{Counter: counter, Kind: kind}
	if len(r.kept) < maxRefusalsKept {
		r.kept = append(r.kept, x)
		return
	}
	r.forgotten = r.kept[r.oldest].Counter
	r.kept[r.oldest] = x
	r.oldest = (r.oldest + 1) % maxRefusalsKept
}

// outcome is what became of a publication that was handled before: KindReplayed
// where that is forgotten, for a refusal must never turn into a success.
func (r *refusals) outcome(counter uint64) keyx.Kind {
	if counter <= r.forgotten {
		return keyx.KindReplayed
	}
	at := func(i int) message.Refusal { return r.kept[(r.oldest+i)%len(r.kept)] }
	i, found := sort.Find(len(r.kept), func(i int) int { return cmp.Compare(counter, at(i).Counter) })
	if !found {
		return keyx.KindOK
	}
	return at(i).Kind
}
