package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/router/wire"
)

// shown is everything that two clients do in a run; what is in it must not show but for its buckets.
type shown struct {
	subject  string // of the publisher
	filters  []string
	event    filter.Event
	body     int
	unpadded bool
}

// lengths runs it and returns the length of every frame after the handshakes, and the counts in it, by place. Heartbeats come by time; they
// all have one length and are left out.
func (s *shown) lengths(t *testing.T) map[string][]string {
	seen := &capture{}
	w := start(t, func(s *setup) { s.capture = seen })
	subscriber, publisher := w.config("subscriber", "", "TRUE"), w.config(s.subject, "TRUE", "")
	subscriber.NoPadding, publisher.NoPadding = s.unpadded, s.unpadded
	sub, pub := w.dial(subscriber), w.dial(publisher)
	var last *client.Subscription
	for _, f := range s.filters {
		last = w.subscribe(sub, f)
	}
	require.NoError(t, pub.Publish(w.ctx(), s.event, make([]byte, s.body)))
	_, err := sub.Receive(w.ctx())
	require.NoError(t, err)
	require.NoError(t, last.Unsubscribe(w.ctx()))
	require.NoError(t, pub.Close())
	require.NoError(t, sub.Close())

	seen.mu.Lock()
	defer seen.mu.Unlock()
	all := map[string][]string{}
	for _, place := range []string{placeAbiIn, placeAbiOut} {
		for b := seen.seen[place]; len(b) > 0; {
			f, rest, err := abi.Next(b)
			require.NoError(t, err)
			if f.Type == abi.Data || f.Type == abi.Deliver && len(f.Body) != heartbeatBlob {
				all[place] = append(all[place], fmt.Sprintf("%x: %d bytes, count %d", f.Type, len(b)-len(rest), f.Count))
			}
			b = rest
		}
	}
	for _, place := range []string{placeFromClient, placeToClient} {
		for b := seen.seen[place]; len(b) > 0; {
			f, rest, err := wire.Next(b, wire.MaxFrame)
			require.NoError(t, err)
			if len(f.Blob) > 0 && len(f.Blob) != heartbeatBlob {
				all[place] = append(all[place], fmt.Sprintf("%x: %d bytes, count %d", f.Type, len(b)-len(rest), f.Count))
			}
			b = rest
		}
		slices.Sort(all[place]) // two sessions, in the order of the machine
	}
	return all
}

// heartbeatBlob is the length of a sealed heartbeat.
var heartbeatBlob = len(message.AppendHeartbeat(nil, &message.Heartbeat{})) + 8 + 16

// another is a length in the bucket of n, at least least.
func another(r *rand.Rand, n, least int) int {
	for {
		m := least + r.IntN(keyx.Bucket(n)-least+1)
		if keyx.Bucket(m) == keyx.Bucket(n) {
			return m
		}
	}
}

// eventOf has an encoding of n bytes.
func eventOf(t *testing.T, n int) filter.Event {
	for k := n; k >= 0; k-- {
		if e := event(t, "a", strings.Repeat("v", k)); len(e.AppendBinary(nil)) == n {
			return e
		}
	}
	t.Fatalf("no event of %d bytes", n)
	return filter.Event{}
}

// filterOf has an encoding of n bytes and matches every event of eventOf, or none.
func filterOf(t *testing.T, n int, matches bool) string {
	for k := n; k >= 0; k-- {
		text := "a != '" + strings.Repeat("x", k) + "'"
		if !matches {
			text = "a = '" + strings.Repeat("x", k) + "'"
		}
		f, err := filter.Parse(text)
		require.NoError(t, err)
		if len(f.AppendBinary(nil)) == n {
			return text
		}
	}
	t.Fatalf("no filter of %d bytes", n)
	return ""
}

// pair draws two runs that are equal but for what padding has to hide.
func pair(t *testing.T, r *rand.Rand) (a, b shown) {
	const filters = 4
	least := len(eventOf(t, len(event(t, "a", "").AppendBinary(nil))).AppendBinary(nil))
	attrs := least + r.IntN(300)
	body := r.IntN(3000)
	other := another(r, attrs, least)
	a.event, b.event = eventOf(t, attrs), eventOf(t, other)
	a.body = body
	b.body = another(r, attrs+body, other) - other
	name, matches := 1+r.IntN(40), 1+r.IntN(filters)
	a.subject = strings.Repeat("s", name)
	inner := another(r, name+4*matches, 1+4)
	others := 1 + r.IntN(min(filters, (inner-1)/4))
	b.subject = strings.Repeat("t", inner-4*others)
	for i := range filters {
		n := 20 + r.IntN(200)
		a.filters = append(a.filters, filterOf(t, n, i < matches))
		b.filters = append(b.filters, filterOf(t, another(r, n, 20), i < others))
	}
	return a, b
}

// TestEqualBucketsEqualBytes: attributes, payloads, filters, names and numbers of matches in equal buckets give frames of equal lengths and
// counts, on the abi and on the wire. Without padding they do not, so the comparison sees something.
func TestEqualBucketsEqualBytes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	pairs, differ := 8, 0
	if testing.Short() {
		pairs = 2
	}
	for range pairs {
		a, b := pair(t, r)
		first, second := a.lengths(t), b.lengths(t)
		require.Len(t, first, 4, "every place was seen")
		require.Equal(t, first, second, "seed %d", seed)
		require.Len(t, first[placeAbiIn], len(a.filters)+2, "subscriptions, one publication, one removal")
		a.unpadded, b.unpadded = true, true
		if !mapsEqual(a.lengths(t), b.lengths(t)) {
			differ++
		}
	}
	require.Equal(t, pairs, differ, "seed %d: without padding the lengths tell", seed)
}

func mapsEqual(a, b map[string][]string) bool {
	for place := range a {
		if !slices.Equal(a[place], b[place]) {
			return false
		}
	}
	return true
}
