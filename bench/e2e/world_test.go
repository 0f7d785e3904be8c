package e2e

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/router"
)

const (
	domainName = "water.example"
	routerName = "r1"
	patience   = 20 * time.Second
)

// setup is what a world is made of; a test changes it before start.
type setup struct {
	enclaveDomain keyx.Domain // what the host hands the enclave
	platform      sim.Config
	// fromEnclave and toEnclave see every abi frame and return what passes on; nil passes everything.
	fromEnclave, toEnclave func(f abi.Frame, raw []byte) [][]byte
	capture                *capture
	tcp                    net.Listener // also listened on; nil: none
}

// world is a running system and the keys of its owner.
type world struct {
	t         *testing.T
	authority keyx.Authority
	domain    keyx.Domain
	policy    quote.Policy
	addr      string
	toHost    io.Writer // writes on the link as a broken enclave would
	toCore    io.Writer // and as a host would
	core      *enclave.Core
	last      atomic.Pointer[abi.StatsBody]
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

func newAuthority(t *testing.T) keyx.Authority {
	t.Helper()
	a, err := keyx.NewAuthority(rand.Reader)
	require.NoError(t, err)
	return a
}

func domainOf(a keyx.Authority) keyx.Domain {
	return keyx.Domain{Name: domainName, Authorities: []keyx.AuthorityKey{a.Public()}}
}

func start(t *testing.T, change ...func(*setup)) *world {
	t.Helper()
	w := &world{t: t, authority: newAuthority(t)}
	w.domain = domainOf(w.authority)
	s := &setup{enclaveDomain: w.domain, platform: sim.Config{Measurement: [32]byte{1, 2, 3}}, capture: &capture{}}
	for _, f := range change {
		f(s)
	}
	files, err := sim.Create(rand.Reader, time.Now())
	require.NoError(t, err)
	p, err := sim.Load(files, s.platform)
	require.NoError(t, err)
	honest, err := sim.Load(files, sim.Config{Measurement: [32]byte{1, 2, 3}})
	require.NoError(t, err)
	w.policy = honest.Policy()
	w.core, err = enclave.New(enclave.Config{
		Domain: s.enclaveDomain, Router: routerName, Platform: p, Memory: memory(), Rand: rand.Reader,
	})
	require.NoError(t, err)
	w.run(s)
	return w
}

func memory() matcher.Memory {
	const budget = 16 << 20
	return matcher.NewHeapMemory(budget, budget)
}

// run starts core and router with the adversary between them.
func (w *world) run(s *setup) {
	t := w.t
	inner, enclaveSide := net.Pipe()
	hostSide, outer := net.Pipe()
	w.toHost = &lockedWriter{w: outer}
	w.toCore = &lockedWriter{w: inner}
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	r, err := router.New(router.Config{
		PacketConn: s.capture.packets(udp), Enclave: hostSide, Tap: s.capture.tap, Listener: s.tcp,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { w.serve(enclaveSide) })
	all.Go(func() { relay(w.toHost, inner, w.keepStats(s.fromEnclave), s.capture.abiOutward); _ = outer.Close() })
	all.Go(func() { relay(w.toCore, outer, s.toEnclave, s.capture.abiInward); _ = inner.Close() })
	all.Go(func() { _ = r.Serve(ctx) })
	t.Cleanup(func() {
		cancel()
		for _, c := range []io.Closer{inner, outer, enclaveSide, hostSide} {
			_ = c.Close()
		}
		all.Wait()
		_ = udp.Close()
	})
	select {
	case <-r.Ready():
	case <-time.After(patience):
		t.Fatal("router not ready")
	}
	w.addr = r.Addr().String()
}

// serve is enclaved's loop: whole frames in, one Step, output out.
func (w *world) serve(link net.Conn) {
	defer func() { _ = link.Close() }()
	if _, err := link.Write(w.core.Ready(nil)); err != nil {
		return
	}
	eachBatch(link, func(whole []byte) bool {
		out, err := w.core.Step(time.Now(), whole)
		if err != nil {
			w.t.Errorf("core: %v", err)
			return false
		}
		_, err = link.Write(out)
		return err == nil && !w.core.Done()
	})
}

// eachBatch reads and hands over as many whole frames as there are.
func eachBatch(r io.Reader, f func(whole []byte) bool) {
	var have []byte
	for chunk := make([]byte, 64<<10); ; {
		n, err := r.Read(chunk)
		if err != nil {
			return
		}
		have = append(have, chunk[:n]...)
		rest := have
		for {
			_, next, err := abi.Next(rest)
			if err != nil {
				break
			}
			rest = next
		}
		if whole := have[:len(have)-len(rest)]; len(whole) > 0 && !f(whole) {
			return
		}
		have = append([]byte(nil), rest...)
	}
}

// relay passes abi frames from src to dst; change may drop, alter or add some.
func relay(dst io.Writer, src io.Reader, change func(abi.Frame, []byte) [][]byte, seen func([]byte)) {
	eachBatch(src, func(whole []byte) bool {
		var out []byte
		for len(whole) > 0 {
			f, rest, err := abi.Next(whole)
			if err != nil {
				return false
			}
			raw := whole[:len(whole)-len(rest)]
			whole = rest
			if change == nil {
				out = append(out, raw...)
				continue
			}
			for _, b := range change(f, raw) {
				out = append(out, b...)
			}
		}
		seen(out)
		_, err := dst.Write(out)
		return err == nil
	})
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// config is a client's configuration with a grant for the two filters; an empty text grants nothing.
func (w *world) config(subject, publish, subscribe string) client.Config {
	w.t.Helper()
	key := newKey(w.t)
	g := keyx.Grant{
		Subject: subject, Key: key.Public().(ed25519.PublicKey), Domain: domainName,
		Quotas: keyx.Quotas{MaxSubscriptions: 100}, NotAfter: time.Now().Add(time.Hour), Serial: 1,
	}
	if publish != "" {
		g.Publish = ptr(w.filter(publish))
	}
	if subscribe != "" {
		g.Subscribe = ptr(w.filter(subscribe))
	}
	jws, err := keyx.SignGrant(g, w.authority)
	require.NoError(w.t, err)
	return client.Config{Addr: w.addr, Domain: w.domain, Policy: w.policy, Router: routerName, Grant: jws, Key: key, NoReconnect: true}
}

func ptr[T any](v T) *T { return &v }

func (w *world) filter(text string) filter.Filter {
	w.t.Helper()
	f, err := filter.Parse(text)
	require.NoError(w.t, err)
	return f
}

func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) dial(cfg client.Config) *client.Client {
	w.t.Helper()
	c, err := client.Dial(w.ctx(), cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (w *world) subscribe(c *client.Client, where string) *client.Subscription {
	w.t.Helper()
	s, err := c.Subscribe(w.ctx(), w.filter(where))
	require.NoError(w.t, err)
	return s
}

// event builds an event from name, value pairs; values are int, string, float64 or bool.
func event(t *testing.T, pairs ...any) filter.Event {
	t.Helper()
	var attrs []filter.Attribute
	for i := 0; i < len(pairs); i += 2 {
		var v filter.Value
		var err error
		switch x := pairs[i+1].(type) {
		case int:
			v = filter.Int(int64(x))
		case string:
			v = filter.String(x)
		case float64:
			v, err = filter.Float(x)
		case bool:
			v = filter.Bool(x)
		}
		require.NoError(t, err)
		attrs = append(attrs, filter.Attribute{Name: pairs[i].(string), Value: v})
	}
	e, err := filter.NewEvent(attrs...)
	require.NoError(t, err)
	return e
}

// keepStats wraps change so that the enclave's latest statistics are known.
func (w *world) keepStats(change func(abi.Frame, []byte) [][]byte) func(abi.Frame, []byte) [][]byte {
	return func(f abi.Frame, raw []byte) [][]byte {
		if f.Type == abi.Stats {
			w.last.Store(ptr(f.Stats()))
		}
		if change == nil {
			return [][]byte{raw}
		}
		return change(f, raw)
	}
}

// statsWhen waits for statistics of the enclave that satisfy want.
func (w *world) statsWhen(want func(abi.StatsBody) bool) abi.StatsBody {
	w.t.Helper()
	require.Eventually(w.t, func() bool { s := w.last.Load(); return s != nil && want(*s) }, patience, tick)
	return *w.last.Load()
}
