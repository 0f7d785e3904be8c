package enclave

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/matcher/filter"
)

const (
	benchSubs     = 1000
	benchSymbols  = 500
	benchSessions = 20
)

// quote is an event shaped like those of SCBR's data set: a symbol and nine
// numbers.
func quoteEvent(t testing.TB, n int) filter.Event {
	attrs := []any{"symbol", fmt.Sprintf("SYM%d", n%benchSymbols)}
	for _, name := range []string{"open", "high", "low", "close", "volume", "day", "month", "year", "change"} {
		attrs = append(attrs, name, n*7919%1000)
	}
	return event(t, attrs...)
}

// prepared are frames of sealed batches, made ahead: sealing is the clients' work.
func prepared(b *testing.B, w *world, pub *client, batch, frames int) [][]byte {
	list := make([][]byte, frames)
	for i := range list {
		pubs := make([]publication, batch)
		for j := range pubs {
			pub.counter++
			p := publication{}
			p.header.Run, p.header.Counter = pub.run, pub.counter
			p.header.Attrs = quoteEvent(b, i*batch+j).AppendBinary(nil)
			pubs[j] = p
		}
		list[i] = pub.publishFrame(pubs...)
	}
	return list
}

// BenchmarkStepPublish measures a publication through the core: opening its
// share of a blob, the grant, matching (fan-out about 1 among 1,000 filters of
// 20 sessions), content key, attribute hash, and its share of the sealed blobs.
func BenchmarkStepPublish(b *testing.B) {
	for _, batch := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) { benchmarkPublish(b, batch) })
	}
}

func benchmarkPublish(b *testing.B, batch int) {
	w := newWorld(b)
	subscribers := make([]*client, benchSessions)
	for i := range subscribers {
		subscribers[i] = w.member(fmt.Sprintf("s%d", i))
	}
	for i := range benchSubs {
		limit := 1000 // the first of each symbol always matches, the second hardly ever
		if i >= benchSymbols {
			limit = 20
		}
		where := fmt.Sprintf("symbol = 'SYM%d' AND open < %d", i%benchSymbols, limit)
		subscribers[i%benchSessions].subscribe(uint32(i), where)
	}
	pub := w.member("publisher")
	const rounds = 64
	w.sent = nil
	b.ReportAllocs()
	b.ResetTimer() // the setup is not the work
	for n := 0; n < b.N; {
		b.StopTimer()
		frames := prepared(b, w, pub, batch, rounds)
		b.StartTimer()
		for _, f := range frames {
			_, err := w.core.Step(w.now, f)
			if err != nil {
				b.Fatal(err)
			}
			n += batch
		}
	}
	b.StopTimer()
	s := w.core.sums
	require.Zero(b, s.refused)
	b.ReportMetric(float64(s.matched)/float64(s.handled), "envelopes/publication")
}

// TestPublishingDoesNotAllocate holds the steady state to none per message.
func TestPublishingDoesNotAllocate(t *testing.T) {
	const batch, rounds = 256, 10
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	for id := range uint32(10) {
		alice.subscribe(id, fmt.Sprintf("symbol = 'SYM%d'", id))
		bob.subscribe(id, "close >= 500")
	}
	var frames [][]byte
	for range rounds + 3 {
		pubs := make([]publication, batch)
		for j := range pubs {
			pubs[j] = bob.publicationAt(bob.run, bob.counter+1, "", quoteEvent(t, j).AppendBinary(nil))
			bob.counter++
		}
		frames = append(frames, bob.publishFrame(pubs...))
	}
	step := func() {
		_, err := w.core.Step(w.now, frames[0])
		require.NoError(t, err)
		frames = frames[1:]
	}
	step()
	step()
	perStep := testing.AllocsPerRun(rounds, step)
	require.Less(t, perStep/batch, 0.1, "allocations for each publication")
	require.NotZero(t, w.core.sums.matched)
}

// BenchmarkFanOut measures what an envelope costs where so many sessions match a publication: content key, attribute hash
// and match are shared, the envelope and its share of a sealed blob are not. Batches of 64 publications.
func BenchmarkFanOut(b *testing.B) {
	for _, sessions := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			w := newWorld(b)
			for i := range sessions {
				w.member(fmt.Sprintf("s%d", i)).subscribe(1, "EXISTS symbol")
			}
			pub := w.member("publisher")
			w.sent = nil
			const batch = 64
			bytes := 0
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				frames := prepared(b, w, pub, batch, 1)
				b.StartTimer()
				err := w.core.StepTo(w.now, frames[0], func(out []byte) error { bytes += len(out); return nil })
				if err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			envelopes := float64(b.N * batch * sessions)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/envelopes, "ns/envelope")
			b.ReportMetric(float64(bytes)/envelopes, "B/envelope")
			b.ReportMetric(0, "ns/op")
		})
	}
}
