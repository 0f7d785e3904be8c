package client

const (
	// duplicateWindow is how many counters below the newest one of a publisher's
	// run are remembered: as many as a publisher may have unacknowledged, so that
	// whatever it sends again is recognised.
	duplicateWindow = MaxMaxUnacked
	// maxRuns bounds the publisher runs remembered (about 1 KiB each); the one
	// that was silent longest is forgotten.
	maxRuns = 1024

	// windowWords is one more than the window needs: the newest word is partly ahead.
	windowWords = duplicateWindow/64 + 1
)

type runKey struct {
	subject string
	run     uint64
}

// runWindow is a replay window like that of RFC 6479: a bitmap used as a ring of
// words, so that moving on clears words and shifts nothing.
type runWindow struct {
	top  uint64 // newest counter recorded
	used uint64 // tick of last use
	bits [windowWords]uint64
}

// duplicates remembers which publications were delivered. Not for concurrent use.
type duplicates struct {
	runs map[runKey]*runWindow
	last *runWindow // most deliveries follow one of the same run
	key  runKey
	tick uint64
}

func newDuplicates() *duplicates { return &duplicates{runs: make(map[runKey]*runWindow)} }

func (d *duplicates) window(subject string, run uint64) *runWindow {
	if d.last == nil || d.key.run != run || d.key.subject != subject {
		d.key = runKey{subject, run}
		d.last = d.runs[d.key]
	}
	return d.last
}

// seen tells whether the publication was recorded, or lies so far back that it
// must have been.
func (d *duplicates) seen(subject string, run, counter uint64) bool {
	w := d.window(subject, run)
	if w == nil || counter > w.top {
		return false
	}
	if w.top-counter >= duplicateWindow {
		return true
	}
	return w.bits[counter/64%windowWords]&(1<<(counter%64)) != 0
}

// record remembers a publication for which seen was false.
func (d *duplicates) record(subject string, run, counter uint64) {
	d.tick++
	w := d.window(subject, run)
	if w == nil {
		if len(d.runs) >= maxRuns {
			d.forget()
		}
		w = &runWindow{top: counter}
		d.runs[d.key], d.last = w, w
	}
	w.used = d.tick
	if counter > w.top {
		for i, n := w.top/64+1, 0; i <= counter/64 && n < windowWords; i, n = i+1, n+1 {
			w.bits[i%windowWords] = 0
		}
		w.top = counter
	}
	w.bits[counter/64%windowWords] |= 1 << (counter % 64)
}

func (d *duplicates) forget() {
	var oldest runKey
	used := d.tick + 1
	for k, w := range d.runs {
		if w.used < used {
			oldest, used = k, w.used
		}
	}
	delete(d.runs, oldest)
}
