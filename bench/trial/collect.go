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

// endAttribute marks the last publication of a run: every subscriber gets it after all it had to get, since a session
// keeps order. Neither the marker nor the filter for it is counted.
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
	first   int    // the publication whose view is kept
	seen    []bool // one for each pair of the workload; a session touches only those of its own ids
	named   []int  // scratch
	done    func(publication, pairs int)

	delivered, unexpected int
	lost                  uint64
	hist                  *hdrhistogram.Histogram
	view                  *SubscriberView
}

// run receives until the end marker arrives; a loss that the SDK reports is counted and not an error of the run.
func (k *collector) run(ctx context.Context) error {
	for {
		d, err := k.c.Receive(ctx)
		var lost *client.LostError
		switch {
		case errors.As(err, &lost):
			k.lost += lost.N
			continue
		case err != nil:
			return fmt.Errorf("receive: %w", err)
		}
		if len(d.Subscriptions) == 1 && d.Subscriptions[0] == k.end {
			return nil
		}
		k.judge(d)
	}
}

func (k *collector) judge(d *client.Delivery) {
	i, ok := k.bodies.number(d.Payload, len(k.w.Events))
	if !ok || !sameEvent(k.w.Events[i], d.Attributes) {
		k.unexpected++
		return
	}
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
