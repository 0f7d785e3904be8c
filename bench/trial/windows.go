package trial

import "time"

// windows are the stretches of one subscriber's history in which the SDK said that something may be missing. A pair that is missing
// anywhere else is a loss that nobody announced, which is what a run must never see.
type windows struct {
	last []int // by publisher: the newest publication received, as its place in the publisher's order; 0: none
	all  []announcement
	open bool // the last of all is an outage that goes on
}

// announcement is one announcement. Its beginning is the last sequence that was confirmed, which is what the session had delivered before it.
type announcement struct {
	after  []int         // by publisher: the newest publication received before it
	before []int         // a counted loss: the oldest one received after it; 0: none yet
	left   uint64        // a counted loss: publications that it may still explain
	told   bool          // an outage: the SDK said that deliveries may be lost in it
	until  time.Duration // an outage: when the subscriptions were acknowledged again; publications begun later are not in it
}

func newWindows(publishers int) windows { return windows{last: make([]int, publishers)} }

// received notes a delivery of publisher p.
func (w *windows) received(p, place int) {
	w.last[p] = max(w.last[p], place)
	for i := range w.all {
		if b := w.all[i].before; b != nil && b[p] == 0 {
			b[p] = place
		}
	}
}

// lost notes n deliveries that were numbered and did not come.
func (w *windows) lost(n uint64) {
	w.all = append(w.all, announcement{after: w.mark(), before: make([]int, len(w.last)), left: n})
}

// interrupted notes the end of a session. What is interrupted again before it resumed is one outage.
func (w *windows) interrupted() {
	if !w.open {
		w.open = true
		w.all = append(w.all, announcement{after: w.mark()})
	}
}

// untold notes that the loss in the outage going on is unknown.
func (w *windows) untold() {
	if w.open {
		w.all[len(w.all)-1].told = true
	}
}

// resumed notes that all subscriptions have been acknowledged again.
func (w *windows) resumed(at time.Duration) {
	if w.open {
		w.open = false
		w.all[len(w.all)-1].until = at
	}
}

func (w *windows) mark() []int { return append([]int(nil), w.last...) }

// explain says whether a publication that did not come was announced as possibly lost: it lies inside one of the windows, and a counted
// loss explains only as many as it counted. Ask once for each missing publication.
func (w *windows) explain(p, place int, begun time.Duration) bool {
	for i := range w.all {
		x := &w.all[i]
		switch {
		case place <= x.after[p]:
		case x.before == nil:
			if x.told && begun < x.until {
				return true
			}
		case x.left > 0 && (x.before[p] == 0 || place < x.before[p]):
			x.left--
			return true
		}
	}
	return false
}
