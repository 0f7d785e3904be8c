package sim

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave"
	"github.com/scbr/scbr/enclave/link"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/router"
)

const (
	domainName = "sim.example"
	routerName = "r1"
)

var routerAddr = net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 7443}

// process is an enclave core over a pipe, with the real loop of enclaved.
type process struct {
	net.Conn
	inside net.Conn
	done   chan struct{}
}

func (p *process) Look() router.Activity { return router.Working }

func (p *process) End(time.Duration) error {
	_ = p.inside.Close()
	<-p.done
	return nil
}

// world is a router, its enclaves, and a network.
type world struct {
	t         *testing.T
	net       *network
	authority ed25519.PrivateKey
	domain    keyx.Domain
	platform  *sim.Platform
	hosts     int

	mu      sync.Mutex
	running *process
	born    int
}

// newWorld must be called inside a bubble.
func newWorld(t *testing.T, n *network, mtu int) *world {
	t.Helper()
	public, authority, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	w := &world{t: t, net: n, authority: authority, domain: keyx.Domain{Name: domainName, Authorities: []keyx.AuthorityKey{keyx.AuthorityKey(public)}}}
	files, err := sim.Create(rand.Reader, time.Now())
	require.NoError(t, err)
	w.platform, err = sim.Load(files, sim.Config{Measurement: [32]byte{1}})
	require.NoError(t, err)
	limits := router.DefaultLimits()
	limits.DrainTimeout = time.Second
	r, err := router.New(router.Config{
		PacketConn: n.endpoint(t, &routerAddr, mtu), Start: w.start, Limits: limits, Metrics: prometheus.NewRegistry(), ResetKey: &[32]byte{1},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- r.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
		n.late.Wait()
	})
	<-r.Ready()
	return w
}

// start is router.Config.Start.
func (w *world) start(context.Context) (router.Enclave, error) {
	core, err := enclave.New(enclave.Config{
		Domain: w.domain, Router: routerName, Platform: w.platform, Memory: matcher.NewHeapMemory(1<<20, 1<<20), Rand: rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	host, inside := net.Pipe()
	p := &process{Conn: host, inside: inside, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = link.Run(inside, core, time.Now)
		_ = inside.Close()
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = p
	w.born++
	return p, nil
}

// kill ends the enclave as kill -9 does.
func (w *world) kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.running.inside.Close()
}

func (w *world) instances() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.born
}

// config is that of a client with a grant for everything and a host of its own.
func (w *world) config(subject string, mtu int) client.Config {
	w.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(w.t, err)
	all := w.filter("TRUE")
	grant, err := keyx.SignGrant(keyx.Grant{
		Subject: subject, Key: public, Domain: domainName, Publish: &all, Subscribe: &all, NotAfter: time.Now().Add(24 * time.Hour), Serial: 1,
	}, keyx.Ed25519Authority(w.authority))
	require.NoError(w.t, err)
	w.hosts++
	pc := w.net.endpoint(w.t, &net.UDPAddr{IP: net.IPv4(10, 0, 1, byte(w.hosts)), Port: 9000}, mtu)
	return client.Config{
		Addr: routerAddr.String(), Domain: w.domain, Policy: w.platform.Policy(), Router: routerName, Grant: grant, Key: private, PacketConn: pc,
		HandshakeTimeout: time.Minute,
	}
}

// dial opens a session, and tries as often as it takes: under loss the first attempt may fail.
func (w *world) dial(cfg client.Config) *client.Client {
	w.t.Helper()
	for range 20 {
		if c, err := client.Dial(w.t.Context(), cfg); err == nil {
			return c
		}
	}
	w.t.Fatal("no session after 20 attempts")
	return nil
}

func (w *world) filter(text string) filter.Filter {
	f, err := filter.Parse(text)
	require.NoError(w.t, err)
	return f
}

func (w *world) event(n int) filter.Event {
	e, err := filter.NewEvent(filter.Attribute{Name: "n", Value: filter.Int(int64(n))})
	require.NoError(w.t, err)
	return e
}

func body(n int) []byte { return fmt.Appendf(nil, "body %d", n) }
