package hostile

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/judge"
	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
)

const (
	domainName = "hostile.example"
	routerName = "r1"
	// subscribers and publishers make a run; connections are numbered in the order of their dialing.
	subscribers = 2
	publishers  = 2
	// publications of a run.
	publications = 8
	// answerTime is what the publisher gives an acknowledgement: more than a client gives an enclave that is silent.
	answerTime = 30 * time.Second
	// tailTime is more than the enclave's heartbeats take, so that a cut tail is seen, and more than a silent session lives.
	tailTime = 30 * time.Second
)

// bubble is when time begins in a bubble of testing/synctest.
var bubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// domain is what all runs share: keys are slow to make and say nothing about an attack.
type domain struct {
	authority ed25519.PrivateKey
	domain    keyx.Domain
	platform  *sim.Platform
	configs   []client.Config
	earlier   *host // of a run before, with another instance of the enclave
}

func newDomain(t *testing.T) *domain {
	public, authority, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	d := &domain{authority: authority, domain: keyx.Domain{Name: domainName, Authorities: []keyx.AuthorityKey{keyx.AuthorityKey(public)}}}
	files, err := sim.Create(rand.Reader, bubble)
	require.NoError(t, err)
	d.platform, err = sim.Load(files, sim.Config{Measurement: [32]byte{1}})
	require.NoError(t, err)
	all := parse(t, "TRUE")
	for n := range subscribers + publishers {
		key, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		grant, err := keyx.SignGrant(keyx.Grant{
			Subject: fmt.Sprint("client-", n), Key: key, Domain: domainName, Publish: &all, Subscribe: &all,
			NotAfter: bubble.Add(time.Hour), Serial: 1,
		}, keyx.Ed25519Authority(authority))
		require.NoError(t, err)
		d.configs = append(d.configs, client.Config{
			Addr: "host", Domain: d.domain, Policy: d.platform.Policy(), Router: routerName, Grant: grant, Key: private, NoReconnect: true,
		})
	}
	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, d.run(t, &attack{verb: "none"}).verdict)
	})
	return d
}

func parse(t *testing.T, text string) filter.Filter {
	f, err := filter.Parse(text)
	require.NoError(t, err)
	return f
}

func (d *domain) core(t *testing.T) *enclave.Core {
	c, err := enclave.New(enclave.Config{
		Domain: d.domain, Router: routerName, Platform: d.platform, Memory: matcher.NewHeapMemory(1<<20, 1<<20), Rand: rand.Reader,
	})
	require.NoError(t, err)
	return c
}

// outcome is what came of a run.
type outcome struct {
	struck   bool
	noticed  bool // a client was told something, or the core refused
	verdict  error
	falseAck bool // more was acknowledged than the core handled
}

// run plays one run with one attack inside a bubble of virtual time.
func (d *domain) run(t *testing.T, attacks ...*attack) (o outcome) {
	h := newHost(t, d.core(t), attacks)
	for _, a := range attacks {
		a.earlier = d.earlier
	}
	dial := func(n int) *client.Client {
		cfg := d.configs[n]
		cfg.Transport = func(context.Context, string) (io.ReadWriteCloser, error) { return h.connect() }
		c, err := client.Dial(t.Context(), cfg)
		require.NoError(t, err)
		return c
	}
	var all sync.WaitGroup
	clients := make([]*client.Client, 0, subscribers+publishers)
	witnesses := make([]*judge.Witness, subscribers)
	for n := range subscribers + publishers {
		clients = append(clients, dial(n))
	}
	for n := range subscribers {
		witnesses[n] = &judge.Witness{Where: parse(t, fmt.Sprintf("n >= %d", 2*n))}
		ctx, cancel := context.WithTimeout(t.Context(), answerTime)
		_, err := clients[n].Subscribe(ctx, witnesses[n].Where)
		cancel()
		if err != nil { // then it has no subscription, and is promised nothing
			o.noticed = true
			witnesses[n].Where = parse(t, "FALSE")
		}
		all.Go(func() { witnesses[n].Watch(clients[n]) })
	}
	everybody := witnesses
	for n := range publishers { // who subscribe to nothing, and are told of their sessions as well
		own := &judge.Witness{Where: parse(t, "FALSE")}
		all.Go(func() { own.Watch(clients[subscribers+n]) })
		everybody = append(everybody, own)
	}
	published, noticed := publish(t, clients[subscribers:])
	o.noticed = o.noticed || noticed
	time.Sleep(tailTime)
	for _, c := range clients {
		_ = c.Close()
	}
	all.Wait()
	h.close()
	back := false
	for _, a := range attacks {
		o.struck = o.struck || a.struck
		back = back || a.verb == clockBack
	}
	if d.earlier == nil {
		d.earlier = h
	}
	o.verdict = judge.Judge(published, witnesses)
	for _, w := range everybody {
		o.noticed = o.noticed || slices.ContainsFunc(w.Saw, func(h judge.Happening) bool { return h.Notice != nil && !errors.Is(h.Notice, client.ErrClosed) })
	}
	acked := 0
	for _, p := range published {
		if p.Acked {
			acked++
		}
	}
	o.noticed = o.noticed || len(h.refused) > 0 || acked < publications
	for _, c := range clients {
		o.noticed = o.noticed || c.Stats().Duplicates > 0
	}
	o.falseAck = uint64(acked) > h.stats.Handled && !back // without time the core tells no statistics
	return o
}

// publish publishes one after the other.
func publish(t *testing.T, clients []*client.Client) (published []judge.Publication, noticed bool) {
	for n := range publications {
		c := clients[n%publishers]
		e, err := filter.NewEvent(filter.Attribute{Name: "n", Value: filter.Int(int64(n))})
		require.NoError(t, err)
		p := judge.Publication{Begun: time.Now(), Publisher: fmt.Sprint("client-", subscribers+n%publishers), Event: e, Body: fmt.Appendf(nil, "body %d", n)}
		ctx, cancel := context.WithTimeout(t.Context(), answerTime)
		r, err := c.PublishAsync(ctx, e, p.Body)
		if err == nil {
			_, p.Counter = r.Sequence()
			err = r.Wait(ctx)
		}
		cancel()
		p.Acked = err == nil
		noticed = noticed || err != nil
		published = append(published, p)
	}
	return published, noticed
}

// newAttack draws a verb's place.
func newAttack(v verb, seed uint64) *attack {
	r := mrand.New(mrand.NewPCG(seed, 1))
	a := &attack{verb: v, r: r, conn: uint64(1 + r.IntN(subscribers+publishers)), at: 1 + r.IntN(3)}
	switch v {
	case outPayload, outMissing, outSwap, outSurplus: // where payloads are
		a.conn = uint64(1 + r.IntN(subscribers))
	case clockBack, clockAhead: // steps of the core; the first ones are handshakes
		a.at = 10 + r.IntN(8)
	case inCount, inSwap:
		a.conn = uint64(1 + subscribers + r.IntN(publishers))
	default:
	}
	return a
}

// TestMaliciousHost: whatever a host does to one blob, nobody is deceived; and whatever it does that changes something is noticed by a
// client or the enclave.
func TestMaliciousHost(t *testing.T) {
	first, count := judge.Seeds(t, 1160, 58)
	d := newDomain(t)
	type tally struct{ struck, noticed int }
	table := map[verb]*tally{}
	for i := range uint64(count) {
		seed := first + i
		v := verbs()[seed%uint64(len(verbs()))]
		if table[v] == nil {
			table[v] = &tally{}
		}
		synctest.Test(t, func(t *testing.T) {
			o := d.run(t, newAttack(v, seed))
			require.NoError(t, o.verdict, "seed %d, %s", seed, v)
			require.False(t, o.falseAck, "seed %d, %s: acknowledged what was not handled", seed, v)
			if o.struck {
				table[v].struck++
			}
			if o.struck && o.noticed {
				table[v].noticed++
			}
			require.True(t, !o.struck || o.noticed || v.harmless(), "seed %d, %s: nobody noticed", seed, v)
		})
	}
	var b strings.Builder
	for _, v := range verbs() {
		n := table[v]
		if n == nil {
			continue
		}
		fmt.Fprintf(&b, "\n  %-48s struck %4d, noticed %4d", v, n.struck, n.noticed)
		require.True(t, n.struck > 0 || count < 20*len(verbs()), "%s never happened", v)
	}
	t.Log(b.String())
}

// attacked runs each verb at several places and insists that it happened and was noticed.
func attacked(t *testing.T, all ...verb) {
	t.Helper()
	d := newDomain(t)
	for _, v := range all {
		struck := 0
		for seed := range uint64(6) {
			synctest.Test(t, func(t *testing.T) {
				o := d.run(t, newAttack(v, seed))
				require.NoError(t, o.verdict, "seed %d, %s", seed, v)
				require.False(t, o.falseAck, "seed %d, %s", seed, v)
				require.True(t, o.noticed || !o.struck, "seed %d, %s: nobody noticed", seed, v)
				if o.struck {
					struck++
				}
			})
		}
		require.Positive(t, struck, "%s never happened", v)
	}
}

func TestDropDetected(t *testing.T)         { attacked(t, inDrop, outDrop) }
func TestDuplicateSuppressed(t *testing.T)  { attacked(t, inDuplicate, outDuplicate) }
func TestReorder(t *testing.T)              { attacked(t, inReorder, outReorder) }
func TestReplay(t *testing.T)               { attacked(t, inReplay, outReplay) }
func TestReplayAcrossSessions(t *testing.T) { attacked(t, inForeign, inEarlier, outEarlier) }
func TestMisdelivery(t *testing.T)          { attacked(t, inMisdeliver, outMisdeliver) }
func TestReflection(t *testing.T)           { attacked(t, inReflect, outReflect) }
func TestTruncated(t *testing.T)            { attacked(t, inTruncate, outTruncate, inFlip, outFlip) }
func TestCutTail(t *testing.T)              { attacked(t, inTail, outTail, outClose, outBeats) }
func TestSwappedPayloads(t *testing.T) {
	attacked(t, inSwap, outSwap, outPayload, outMissing, outSurplus, inCount)
}

// TestSeveralAttacks: two or three at once still deceive nobody.
func TestSeveralAttacks(t *testing.T) {
	first, count := judge.Seeds(t, 400, 20)
	d := newDomain(t)
	for i := range uint64(count) {
		seed := first + i
		r := mrand.New(mrand.NewPCG(seed, 2))
		var attacks []*attack
		var names []verb
		for n := range 2 + r.IntN(2) {
			v := verbs()[r.IntN(len(verbs()))]
			attacks, names = append(attacks, newAttack(v, seed+uint64(n)<<32)), append(names, v)
		}
		synctest.Test(t, func(t *testing.T) {
			o := d.run(t, attacks...)
			require.NoError(t, o.verdict, "seed %d, %q", seed, names)
			require.False(t, o.falseAck, "seed %d, %q: acknowledged what was not handled", seed, names)
		})
	}
}

// TestHonestHost is the control: without an attack everything arrives, and nobody is told anything.
func TestHonestHost(t *testing.T) {
	d := newDomain(t)
	synctest.Test(t, func(t *testing.T) {
		o := d.run(t, &attack{verb: "none"})
		require.NoError(t, o.verdict)
		require.False(t, o.noticed)
		require.False(t, o.falseAck)
	})
}
