package hostile

import (
	"errors"
	"fmt"
	"slices"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

// publication is what was published, as its publisher knows it.
type publication struct {
	publisher string
	counter   uint64
	event     filter.Event
	body      []byte
	acked     bool
}

// happening is one thing that Receive returned.
type happening struct {
	delivery *client.Delivery
	notice   error // nil for a delivery
}

// witness is one subscriber: its filter, and everything that Receive returned, in order; the last one is the end of the session, if it came.
type witness struct {
	where filter.Filter
	saw   []happening
}

// judge says what is wrong with what the subscribers saw, given everything that was published; nil if nobody was deceived.
func judge(published []publication, witnesses []*witness) error {
	var faults []error
	for n, w := range witnesses {
		for _, fault := range w.faults(published) {
			faults = append(faults, fmt.Errorf("subscriber %d: %w", n, fault))
		}
	}
	return errors.Join(faults...)
}

// Faults of a judgement.
var (
	errForged      = errors.New("a delivery that was never published so")
	errUnmatched   = errors.New("a delivery that does not match")
	errTwice       = errors.New("a publication delivered twice")
	errOrder       = errors.New("publications of one publisher out of order")
	errUnannounced = errors.New("an acknowledged publication is missing, and nothing said so in its place")
)

func (w *witness) faults(published []publication) (faults []error) {
	expected := map[string][]uint64{} // by publisher: acknowledged and matching, in order
	for _, p := range published {
		if p.acked && w.where.Match(p.event) {
			expected[p.publisher] = append(expected[p.publisher], p.counter)
		}
	}
	last := map[string]uint64{}
	announced := false // since the last delivery
	for _, h := range w.saw {
		d := h.delivery
		if d == nil {
			announced = true // every notice, and every end, says that something may be missing here
			continue
		}
		i := slices.IndexFunc(published, func(p publication) bool { return p.publisher == d.Publisher && p.counter == d.Counter })
		switch {
		case i < 0 || string(published[i].body) != string(d.Payload) || string(published[i].event.AppendBinary(nil)) != string(d.Attributes.AppendBinary(nil)):
			faults = append(faults, errForged)
			continue
		case !w.where.Match(d.Attributes):
			faults = append(faults, errUnmatched)
		}
		switch before := last[d.Publisher]; {
		case d.Counter == before:
			faults = append(faults, errTwice)
		case d.Counter < before:
			faults = append(faults, errOrder)
		}
		for _, c := range expected[d.Publisher] {
			if c > last[d.Publisher] && c < d.Counter && !announced {
				faults = append(faults, errUnannounced)
			}
		}
		last[d.Publisher] = max(last[d.Publisher], d.Counter)
		announced = false
	}
	for publisher, counters := range expected {
		if counters[len(counters)-1] > last[publisher] && !announced {
			faults = append(faults, errUnannounced)
		}
	}
	return faults
}
