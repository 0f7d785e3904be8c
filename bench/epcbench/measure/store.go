package measure

import (
	"github.com/scbr/scbr/bench/poset"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

// store is a layout of subscriptions in a Memory.
type store interface {
	// load inserts as fast as can be; register, as a client's request is.
	load(s *subscription) error
	register(s *subscription) error
	// match calls found with the tags of each event, good until the next call.
	match(events []filter.Event, found func(tags []uint64))
}

// ignore is for answers that nobody needs.
func ignore([]uint64) {}

// newStore makes an empty store of a layout.
func newStore(layout string, mem matcher.Memory) (store, error) {
	if layout == Ours {
		s, err := matcher.New(mem, matcher.Config{Seed: workload.DefaultSeed})
		return &ours{Store: s}, err
	}
	p, err := poset.New(mem)
	if err != nil {
		return nil, err
	}
	return &contrast{p: p}, nil
}

// ours is package matcher's.
type ours struct {
	*matcher.Store
	tags []uint64
}

func (o *ours) load(s *subscription) error { return o.register(s) }

func (o *ours) register(s *subscription) error {
	_, err := o.Insert(s.filter, s.tag)
	return err
}

// match hands several events on together.
func (o *ours) match(events []filter.Event, found func(tags []uint64)) {
	if len(events) > 1 {
		o.MatchBatch(len(events), func(i int) *filter.Event { return &events[i] }, func(_ int, tags []uint64) { found(tags) })
		return
	}
	for i := range events {
		o.tags = o.Match(&events[i], o.tags[:0])
		found(o.tags)
	}
}

// contrast is package poset's. The loader is given up when something is inserted
// without it.
type contrast struct {
	p      *poset.Poset
	loader *poset.Loader
	tags   []uint64
}

func (c *contrast) load(s *subscription) error {
	if c.loader == nil {
		c.loader = poset.NewLoader(c.p)
	}
	return c.loader.Insert(s.preds, s.tag)
}

func (c *contrast) register(s *subscription) error {
	c.loader = nil
	return c.p.Insert(s.preds, s.tag)
}

func (c *contrast) match(events []filter.Event, found func(tags []uint64)) {
	for i := range events {
		c.tags = c.p.Match(&events[i], c.tags[:0])
		found(c.tags)
	}
}
