package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

// Latency histogram: one microsecond to a minute, three digits.
const (
	latencyMin    = 1
	latencyMax    = 60_000_000
	latencyDigits = 3
)

// endAttribute marks the end of a run: a subscriber gets it after all it had to get, since a session keeps order. It is published again
// until everybody has it. Neither the markers nor the filter for them are counted.
const endAttribute = "scbr.trial.end"

// collector receives on one subscriber session and judges every delivery.
type collector struct {
	w       *Workload
	c       *client.Client
	ids     map[uint32]int // session's subscription number -> place in Workload.IDs
	end     uint32
	bodies  *payloads
	started []atomic.Int64 // publication -> nanoseconds since the epoch of the run when it was handed to Publish
	epoch   time.Time
	first   int // the publication whose view is kept
	windows windows
	assault *assault
	seen    []bool // one for each pair of the workload; a session touches only those of its own ids
	named   []int  // scratch
	done    func(publication, pairs int)

	delivered, unexpected int
	hist                  *hdrhistogram.Histogram
	view                  *SubscriberView
}

// run receives until the end marker arrives; a loss that the SDK reports is noted and not an error of the run.
func (k *collector) run(ctx context.Context) error {
	for {
		d, err := k.c.Receive(ctx)
		if err != nil {
			if !k.notice(err) {
				return fmt.Errorf("receive: %w", err)
			}
			continue
		}
		if len(d.Subscriptions) == 1 && d.Subscriptions[0] == k.end {
			if k.windows.open {
				continue // other subscriptions are not back yet: there will be another marker
			}
			return nil
		}
		k.judge(d)
	}
}

// notice takes what Receive goes on after; anything else is false.
func (k *collector) notice(err error) bool {
	var lost *client.LostError
	var disconnected *client.DisconnectedError
	var restarted *client.RestartedError
	var resumed *client.ResumedError
	var stalled *client.StalledError
	switch {
	case errors.As(err, &stalled): // what comes of it is told by what follows
	case errors.As(err, &lost) && !lost.Unknown:
		k.windows.lost(lost.N)
	case errors.As(err, &disconnected):
		k.windows.interrupted()
	case errors.As(err, &restarted), errors.As(err, &lost):
		k.windows.untold()
	case errors.As(err, &resumed):
		k.windows.resumed(resumed.At.Sub(k.epoch))
		k.assault.outage(resumed.After)
	default:
		return false
	}
	return true
}

func (k *collector) judge(d *client.Delivery) {
	i, ok := k.bodies.number(d.Payload, len(k.w.Events))
	if !ok || !sameEvent(k.w.Events[i], d.Attributes) {
		k.unexpected++
		return
	}
	k.windows.received(i%len(k.windows.last), placeOf(i, k.first))
	us := (d.Received.Sub(k.epoch).Nanoseconds() - k.started[i].Load()) / 1000
	_ = k.hist.RecordValue(min(max(us, latencyMin), latencyMax))
	k.named = k.named[:0]
	for _, n := range d.Subscriptions {
		id, mine := k.ids[n]
		if !mine {
			k.unexpected++
			continue
		}
		k.named = append(k.named, id)
	}
	slices.Sort(k.named)
	k.named = slices.Compact(k.named)
	before := k.delivered
	for _, id := range k.named {
		at, want := slices.BinarySearch(k.w.Expected[i], id)
		if !want || k.seen[k.w.first[i]+at] {
			k.unexpected++
			continue
		}
		k.seen[k.w.first[i]+at] = true
		k.delivered++
	}
	k.done(i, k.delivered-before)
	if i == k.first && k.view == nil {
		k.keep(d)
	}
}

// placeOf is the place of publication i in the order of its publisher: first was sent before all others.
func placeOf(i, first int) int {
	if i == first {
		return 1
	}
	return i + 2
}

func (k *collector) keep(d *client.Delivery) {
	v := &SubscriberView{Publisher: d.Publisher, Sequence: d.Counter, Payload: d.Payload}
	for _, id := range k.named {
		v.Subscriptions = append(v.Subscriptions, k.w.IDs[id])
	}
	for i := range d.Attributes.Len() {
		a := d.Attributes.At(i)
		v.Attributes = append(v.Attributes, a.Name+" = "+text(a.Value))
	}
	k.view = v
}

func text(v filter.Value) string {
	switch v.Type() {
	case filter.TypeInt:
		return strconv.FormatInt(v.Int(), 10)
	case filter.TypeFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case filter.TypeBool:
		return strconv.FormatBool(v.Bool())
	default:
		return v.Str()
	}
}

func sameEvent(a, b filter.Event) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		if a.At(i) != b.At(i) {
			return false
		}
	}
	return true
}
