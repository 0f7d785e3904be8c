// Package trial runs the real system end to end and checks every delivery: it builds and starts routerd (which starts
// enclaved), opens attested sessions with the SDK, registers a set of filters, publishes a set of events and compares what
// arrived with what a linear evaluation of the same files says. Nobody in it is trusted to be right: the expected pairs
// never pass through the matcher, and a payload carries its publication's number and a pattern that is checked.
package trial

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/matcher/filter"
)

// Workload is a parsed pair of files and what must come out of it.
type Workload struct {
	Subscriptions []offline.Subscription
	Events        []filter.Event
	// Expected holds, for each event, the distinct ids of the matching subscriptions, as places in IDs, increasing.
	Expected [][]int
	// IDs are the distinct subscription ids in the order of their first appearance.
	IDs []string
	// Pairs is the number of (publication, subscription id) pairs in Expected.
	Pairs int

	ids   []int // for each subscription, the place of its id in IDs
	first []int // for each event, how many pairs the events before it have
}

// NewWorkload reads subscriptions and publications in SCBR's text format and evaluates every filter on every event, one by
// one, with the reference semantics of package filter.
func NewWorkload(subs, subsName, pubs, pubsName string) (*Workload, error) {
	s, err := offline.ReadSubscriptions(bytes.NewReader([]byte(subs)), subsName, offline.FormatSCBR)
	if err != nil {
		return nil, err
	}
	e, err := offline.ReadPublications(bytes.NewReader([]byte(pubs)), pubsName, offline.FormatSCBR)
	if err != nil {
		return nil, err
	}
	if len(s) == 0 || len(e) == 0 {
		return nil, fmt.Errorf("%s: %d subscriptions, %s: %d publications; need at least one of each", subsName, len(s), pubsName, len(e))
	}
	w := &Workload{Subscriptions: s, Events: e}
	w.evaluate()
	return w, nil
}

func (w *Workload) evaluate() {
	order := map[string]int{}
	for _, s := range w.Subscriptions {
		if _, known := order[s.ID]; !known {
			order[s.ID] = len(order)
			w.IDs = append(w.IDs, s.ID)
		}
		w.ids = append(w.ids, order[s.ID])
	}
	w.Expected = make([][]int, len(w.Events))
	for i, e := range w.Events {
		for k := range w.Subscriptions {
			if w.Subscriptions[k].Filter.Match(&e) {
				w.Expected[i] = append(w.Expected[i], w.ids[k])
			}
		}
		slices.Sort(w.Expected[i])
		w.Expected[i] = slices.Compact(w.Expected[i])
		w.first = append(w.first, w.Pairs)
		w.Pairs += len(w.Expected[i])
	}
}

// MinPayloadBytes holds the publication number that every payload starts with.
const MinPayloadBytes = 8

// patternShifts is how many different patterns follow the number.
const patternShifts = 251

// payloads makes and checks the payloads of a run: the publication's number, then a stretch of a fixed pattern that depends on it. It
// is cheap on purpose: the checking shares the machine with what is measured.
type payloads struct {
	size    int
	pattern []byte
}

func newPayloads(size int) *payloads {
	p := &payloads{size: size, pattern: make([]byte, size+patternShifts)}
	x := uint32(1)
	for i := range p.pattern {
		x = x*1664525 + 1013904223 // Numerical Recipes' generator: any sequence without a short period does
		p.pattern[i] = byte(x >> 24)
	}
	return p
}

func (p *payloads) body(i int) []byte {
	shift := i % patternShifts
	return p.pattern[shift : shift+p.size-MinPayloadBytes]
}

// make writes the payload of publication i into dst's memory.
func (p *payloads) make(dst []byte, i int) []byte {
	return append(binary.BigEndian.AppendUint64(dst[:0], uint64(i)), p.body(i)...)
}

// number returns the publication, of n, that b belongs to, and false if b is not exactly the payload made for it.
func (p *payloads) number(b []byte, n int) (int, bool) {
	if len(b) != p.size || len(b) < MinPayloadBytes {
		return 0, false
	}
	i := binary.BigEndian.Uint64(b)
	if i >= uint64(n) {
		return 0, false
	}
	return int(i), bytes.Equal(b[MinPayloadBytes:], p.body(int(i)))
}
