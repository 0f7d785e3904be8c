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

// announcement is one thing that a subscriber was told: that anything may be missing from here on, or what was begun before a time, or that
// so many are.
type announcement struct {
	open  bool
	until time.Time
	count uint64
}

// announcements are those of one subscriber, in order.
type announcements struct{ all []announcement }

func (a *announcements) note(notice error) {
	var resumed *client.ResumedError
	var lost *client.LostError
	switch {
	case errors.As(notice, &resumed): // what was begun later has to come
		for i := range a.all {
			if a.all[i].open {
				a.all[i] = announcement{until: resumed.At}
			}
		}
	case errors.As(notice, &lost) && !lost.Unknown:
		a.all = append(a.all, announcement{count: lost.N})
	case errors.Is(notice, client.ErrClosed): // its own end tells a subscriber nothing
	default:
		a.all = append(a.all, announcement{open: true})
	}
}

// explain says whether one of the announcements from the first on is about p, and uses up one that counts.
func (a *announcements) explain(p *Publication, first int) bool {
	for i := first; i < len(a.all); i++ {
		switch one := &a.all[i]; {
		case one.open || p.Begun.Before(one.until):
			return true
		case one.count > 0:
			one.count--
			return true
		}
	}
	return false
}

// stream is what a subscriber has seen of one publisher.
type stream struct {
	last uint64 // newest counter
	told int    // announcements before it came
}

func (w *Witness) faults(published []Publication) (faults []error) {
	streams := map[string]*stream{}
	var told announcements
	of := func(publisher string) *stream {
		if streams[publisher] == nil {
			streams[publisher] = &stream{}
		}
		return streams[publisher]
	}
	missing := func(publisher string, before uint64) {
		s := of(publisher)
		for i := range published {
			p := &published[i]
			if p.Publisher == publisher && p.Acked && p.Counter > s.last && p.Counter < before && w.Where.Match(&p.Event) && !told.explain(p, s.told) {
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
		s := of(d.Publisher)
		switch {
		case d.Counter == s.last:
			faults = append(faults, ErrTwice)
		case d.Counter < s.last:
			faults = append(faults, ErrOrder)
		}
		missing(d.Publisher, d.Counter)
		s.last, s.told = max(s.last, d.Counter), len(told.all)
	}
	for i := range published {
		name := published[i].Publisher
		missing(name, ^uint64(0))
		of(name).last = ^uint64(0) // once
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
	case !w.Where.Match(&d.Attributes):
		return ErrUnmatched
	}
	return nil
}
