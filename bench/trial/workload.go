// Package trial runs the real system end to end and checks every delivery: it builds and starts routerd (which starts
// enclaved), opens attested sessions with the SDK, registers a set of filters, publishes a set of events and compares what
// arrived with what a linear evaluation of the same files says. Nobody in it is trusted to be right: the expected pairs
// never pass through the matcher, and a payload carries its publication's number and a pattern that is checked.
package trial

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/matcher/filter"
)

// Workload is a parsed pair of files and what must come out of it.
type Workload struct {
	Subscriptions []offline.Subscription
	Events        []filter.Event
	// Expected holds, for each event, the distinct ids of the matching subscriptions.
	Expected []map[string]struct{}
	// Pairs is the number of (publication, subscription id) pairs in Expected.
	Pairs int

	order map[string]int // id -> its place among the distinct ids
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
		return nil, fmt.Errorf("%s holds %d subscriptions and %s %d publications: need at least one of each",
			subsName, len(s), pubsName, len(e))
	}
	w := &Workload{Subscriptions: s, Events: e}
	w.evaluate()
	return w, nil
}

func (w *Workload) evaluate() {
	w.order = map[string]int{}
	for _, s := range w.Subscriptions {
		if _, known := w.order[s.ID]; !known {
			w.order[s.ID] = len(w.order)
		}
	}
	w.Expected = make([]map[string]struct{}, len(w.Events))
	for i, e := range w.Events {
		for _, s := range w.Subscriptions {
			if !s.Filter.Match(e) {
				continue
			}
			if w.Expected[i] == nil {
				w.Expected[i] = map[string]struct{}{}
			}
			w.Expected[i][s.ID] = struct{}{}
		}
		w.Pairs += len(w.Expected[i])
	}
}

// MinPayloadBytes holds the publication number that every payload starts with.
const MinPayloadBytes = 8

// payload makes the n bytes of publication i: its number, then a pattern that depends on it.
func payload(i, n int) []byte {
	b := make([]byte, n)
	binary.BigEndian.PutUint64(b, uint64(i))
	for j := MinPayloadBytes; j < n; j++ {
		b[j] = byte(i*31 + j*7)
	}
	return b
}

// number returns the publication that b belongs to, and false if b is not exactly the payload made for it.
func (w *Workload) number(b []byte, n int) (int, bool) {
	if len(b) != n || n < MinPayloadBytes {
		return 0, false
	}
	i := binary.BigEndian.Uint64(b)
	if i >= uint64(len(w.Events)) {
		return 0, false
	}
	return int(i), bytes.Equal(b, payload(int(i), n))
}
