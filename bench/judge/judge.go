// Package judge says whether subscribers were deceived: it knows what was published and compares it with everything that each of them was
// given or told, in order. It believes neither the router nor the SDK, only the list of what was published and acknowledged.
package judge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

// Publication is what was published, as its publisher knows it.
type Publication struct {
	Publisher string
	Counter   uint64
	Event     filter.Event
	Body      []byte
	Acked     bool
	Begun     time.Time // when Publish was called
}

// Happening is one thing that Receive returned.
type Happening struct {
	Delivery *client.Delivery
	Notice   error // nil for a delivery
}

// Witness is one subscriber: its filter, and everything that Receive returned, in order; the last one is the end of the Client, if it came.
type Witness struct {
	Where filter.Filter
	Saw   []Happening
}

// Watch takes everything until the end of the Client.
func (w *Witness) Watch(c *client.Client) {
	for {
		d, err := c.Receive(context.Background())
		w.Saw = append(w.Saw, Happening{d, err})
		if _, ended := err.(*client.Error); ended { //nolint:errorlint // the end is never wrapped
			return
		}
	}
}

// Faults of a judgement.
var (
	ErrForged      = errors.New("a delivery that was never published so")
	ErrUnmatched   = errors.New("a delivery that does not match")
	ErrTwice       = errors.New("a publication delivered twice")
	ErrOrder       = errors.New("publications of one publisher out of order")
	ErrUnannounced = errors.New("an acknowledged publication is missing, and nothing said so in its place")
)

// Judge says what is wrong with what the subscribers saw, given everything that was published; nil if nobody was deceived.
func Judge(published []Publication, witnesses []*Witness) error {
	var faults []error
	for n, w := range witnesses {
		for _, fault := range w.faults(published) {
			faults = append(faults, fmt.Errorf("subscriber %d: %w", n, fault))
		}
	}
	return errors.Join(faults...)
}

// announcement is what a subscriber was told since its last delivery: that anything may be missing here, or what was begun before a time.
type announcement struct {
	open  bool
	until time.Time
}

func (a *announcement) note(notice error) {
	var resumed *client.ResumedError
	switch {
	case errors.As(notice, &resumed): // from here on nothing may be missing but what was under way
		a.open, a.until = false, resumed.At
	case errors.Is(notice, client.ErrClosed): // its own end tells a subscriber nothing
	default:
		a.open = true
	}
}

func (a *announcement) explains(p *Publication) bool { return a.open || p.Begun.Before(a.until) }

func (w *Witness) faults(published []Publication) (faults []error) {
	last := map[string]uint64{}
	var told announcement
	missing := func(publisher string, before uint64) {
		for i := range published {
			p := &published[i]
			if p.Publisher == publisher && p.Acked && p.Counter > last[publisher] && p.Counter < before && w.Where.Match(p.Event) && !told.explains(p) {
				faults = append(faults, ErrUnannounced)
			}
		}
	}
	for _, h := range w.Saw {
		d := h.Delivery
		if d == nil {
			told.note(h.Notice)
			continue
		}
		if fault := w.delivery(published, d); fault != nil {
			faults = append(faults, fault)
		}
		switch before := last[d.Publisher]; {
		case d.Counter == before:
			faults = append(faults, ErrTwice)
		case d.Counter < before:
			faults = append(faults, ErrOrder)
		}
		missing(d.Publisher, d.Counter)
		last[d.Publisher] = max(last[d.Publisher], d.Counter)
		told.open = false
	}
	publishers := map[string]bool{}
	for i := range published {
		if name := published[i].Publisher; !publishers[name] {
			publishers[name] = true
			missing(name, ^uint64(0))
		}
	}
	return faults
}

// delivery compares one with what was published.
func (w *Witness) delivery(published []Publication, d *client.Delivery) error {
	i := slices.IndexFunc(published, func(p Publication) bool { return p.Publisher == d.Publisher && p.Counter == d.Counter })
	switch {
	case i < 0 || !slices.Equal(published[i].Body, d.Payload),
		!slices.Equal(published[i].Event.AppendBinary(nil), d.Attributes.AppendBinary(nil)):
		return ErrForged
	case !w.Where.Match(d.Attributes):
		return ErrUnmatched
	}
	return nil
}
