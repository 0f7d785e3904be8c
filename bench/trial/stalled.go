package trial

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/router/wire"
)

// stalledQueue is the queue of a session where some are stalled: small, so that it is full soon.
const stalledQueue = "1MiB"

// stalledClose bounds the leave of a session that nobody reads.
const stalledClose = 100 * time.Millisecond

// gate is a connection that can be made to stop reading for good.
type gate struct {
	io.ReadWriteCloser
	mu   sync.Mutex
	shut chan struct{} // not nil: reads wait until it is closed
}

func (g *gate) Read(b []byte) (int, error) {
	n, err := g.ReadWriteCloser.Read(b)
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut != nil {
		<-shut
		return 0, io.ErrClosedPipe
	}
	return n, err
}

func (g *gate) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) Close() error {
	err := g.ReadWriteCloser.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
	return err
}

// stall opens sessions that subscribe to everything and then read nothing more. They go over TCP, where a reader can simply stop.
func (r *run) stall(ctx context.Context) error {
	all, err := filter.Parse("TRUE")
	if err != nil {
		return err
	}
	for n := range r.cfg.Stalled {
		cfg, err := r.iss.Config(fmt.Sprintf("stalled-%d", n), "", "TRUE", 1)
		if err != nil {
			return err
		}
		var g *gate
		cfg.NoReconnect, cfg.CloseTimeout = true, stalledClose
		cfg.Transport = func(ctx context.Context, addr string) (io.ReadWriteCloser, error) {
			// What the SDK dials, but for the gate. TLS carries no trust here.
			d := tls.Dialer{Config: &tls.Config{NextProtos: []string{wire.ALPN}, MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}} // #nosec G402 -- see above
			c, err := d.DialContext(ctx, "tcp", addr)
			if err != nil {
				return nil, err
			}
			g = &gate{ReadWriteCloser: c}
			return g, nil
		}
		c, err := client.Dial(ctx, cfg)
		if err != nil {
			return err
		}
		r.stalled = append(r.stalled, c)
		if _, err := c.Subscribe(ctx, all); err != nil {
			return err
		}
		g.stop()
	}
	return nil
}

// stalledConfig writes a configuration for a routerd with stalled sessions and returns the flags that name it.
func stalledConfig(dir string, policy string) ([]string, error) {
	path := filepath.Join(dir, "routerd.toml")
	text := fmt.Sprintf("[limits]\nqueue_bytes = %q\n", stalledQueue)
	flags := []string{"--config", path}
	if policy != "" {
		flags = append(flags, "--slow-consumer", policy)
	}
	return flags, os.WriteFile(path, []byte(text), 0o600)
}
