package trial

import (
	"context"
	"errors"
	"fmt"
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
	ids     map[uint32]string // session's subscription number -> id in the file
	end     uint32
	size    int
	started []atomic.Int64 // publication -> nanoseconds since the epoch of the run when it was handed to Publish
	epoch   time.Time
	first   int // the publication whose view is kept
	seen    map[pair]struct{}

	delivered, unexpected int
	lost                  uint64
	hist                  *hdrhistogram.Histogram
	view                  *SubscriberView
	progress              *atomic.Int64
}

type pair struct {
	publication int
	id          string
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
	i, ok := k.w.number(d.Payload, k.size)
	if !ok || !sameEvent(k.w.Events[i].AppendBinary(nil), d.Attributes.AppendBinary(nil)) {
		k.unexpected++
		return
	}
	us := (d.Received.Sub(k.epoch).Nanoseconds() - k.started[i].Load()) / 1000
	_ = k.hist.RecordValue(min(max(us, latencyMin), latencyMax))
	distinct := map[string]struct{}{}
	for _, n := range d.Subscriptions {
		id, mine := k.ids[n]
		if !mine {
			k.unexpected++
			continue
		}
		distinct[id] = struct{}{}
	}
	for id := range distinct {
		_, want := k.w.Expected[i][id]
		_, again := k.seen[pair{i, id}]
		if !want || again {
			k.unexpected++
			continue
		}
		k.seen[pair{i, id}] = struct{}{}
		k.delivered++
		k.progress.Add(1)
	}
	if i == k.first && k.view == nil {
		k.keep(d, distinct)
	}
}

func (k *collector) keep(d *client.Delivery, ids map[string]struct{}) {
	v := &SubscriberView{Publisher: d.Publisher, Sequence: d.Counter, Payload: d.Payload}
	for id := range ids {
		v.Subscriptions = append(v.Subscriptions, id)
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

func sameEvent(a, b []byte) bool { return string(a) == string(b) }
