package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
)

const (
	// defaultAddr is where routerd --dev listens.
	defaultAddr = "127.0.0.1:7443"
	// defaultTimeout bounds connecting, and waiting for an acknowledgement.
	defaultTimeout = 10 * time.Second

	// staleAttempts is how often it is tried again while the router's list is older than ours.
	staleAttempts = 2
	// revocationInterval is how soon a new revocation list is noticed.
	revocationInterval = time.Second

	envDir  = "SCBR_DIR"
	envAddr = "SCBR_ADDR"
)

// sessionFlags are the flags of every command that talks to a router.
type sessionFlags struct {
	dir, addr, as, router  string
	timeout                time.Duration
	network                string
	revocation             string
	sign, signed           bool
	noPadding, noReconnect bool
	group                  groupMember
}

func (s *sessionFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "", "client directory with domain.json, policy.json, key and grant (default $"+envDir+")")
	f.StringVar(&s.addr, "addr", "", "router address, host:port (default $"+envAddr+", then "+defaultAddr+")")
	f.StringVar(&s.as, "as", client.DefaultName, "identity: PREFIX.key and PREFIX.grant, as a path or a name within --dir")
	f.StringVar(&s.router, "router", client.DevRouter, "name the router must have")
	f.StringVar(&s.revocation, "revocation", "", "newest revocation list of the domain, looked at each second or so (default: revocation.json in --dir, once it is there)")
	f.StringVar(&s.network, "network", string(client.NetworkAuto), "way to the router: quic, tcp, or auto, which tries QUIC first")
	f.DurationVar(&s.timeout, "timeout", defaultTimeout, "limit for connecting and for each answer")
	s.complete(cmd)
}

// addLasting adds the flags of commands whose sessions last.
func (s *sessionFlags) addLasting(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&s.noPadding, "no-padding", false, "send messages of their own length: fewer bytes, but the router sees how long\nattributes, payloads and filters are")
	f.BoolVar(&s.noReconnect, "no-reconnect", false, "end when the session ends, instead of opening another")
	s.group.add(cmd)
}

// config reads the client directory.
func (s *sessionFlags) config() (client.Config, error) {
	dir := cmp.Or(s.dir, os.Getenv(envDir))
	if dir == "" {
		return client.Config{}, usagef("no client directory: give --dir DIR or set %s (routerd --dev DIR makes one)", envDir)
	}
	if !slices.Contains(client.Networks(), client.Network(s.network)) {
		return client.Config{}, usagef("--network %q is none of auto, quic and tcp", s.network)
	}
	if s.timeout <= 0 {
		return client.Config{}, usagef("--timeout must be positive")
	}
	prefix := s.as
	if _, err := os.Stat(prefix + ".key"); err == nil {
		if prefix, err = filepath.Abs(prefix); err != nil {
			return client.Config{}, err
		}
	}
	cfg, err := client.LoadDirAs(dir, prefix)
	if err != nil {
		return client.Config{}, err
	}
	if s.revocation != "" {
		if cfg.Revocation, err = client.ReadRevocation(s.revocation); err != nil {
			return client.Config{}, badPath(err, "check --revocation: it names a file that scbr revoke wrote")
		}
	}
	cfg.Addr = cmp.Or(s.addr, os.Getenv(envAddr), defaultAddr)
	cfg.Router = s.router
	cfg.HandshakeTimeout = s.timeout
	cfg.Network = client.Network(s.network)
	cfg.Sign, cfg.RequireSignatures = s.sign, s.signed
	cfg.NoPadding, cfg.NoReconnect = s.noPadding, s.noReconnect
	if filepath.Base(prefix) == prefix {
		prefix = filepath.Join(dir, prefix)
	}
	cfg.Group, err = s.group.open(prefix, cfg.Domain)
	return cfg, err
}

func (s *sessionFlags) dial(ctx context.Context) (*client.Client, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	c, err := client.Dial(ctx, cfg)
	for n := 0; n < staleAttempts && lagging(err); n++ { // a router looks at its file each second, as we do
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(revocationInterval):
		}
		c, err = client.Dial(ctx, cfg)
	}
	if err == nil {
		go s.follow(ctx, c, cfg.Revocation)
		go s.group.follow(ctx, c)
	}
	return c, err
}

// lagging says whether a router may only not have taken the newest revocation list yet.
func lagging(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Kind != client.Kind(keyx.KindStale) {
		return false
	}
	_, told := errors.AsType[*keyx.Error](err)
	return e.Claimed || told // else it is our own list that is too old
}

// follow gives the client every list that appears in the file, until ctx ends or the client does. A file that is
// gone or damaged leaves the list in force.
func (s *sessionFlags) follow(ctx context.Context, c *client.Client, last []byte) {
	name := listFile(s.revocation, s.dir)
	t := time.NewTicker(revocationInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.Done():
			return
		case <-t.C:
		}
		list, err := client.ReadRevocation(name)
		if err != nil || bytes.Equal(list, last) {
			continue
		}
		if c.UpdateRevocation(list) == nil { // else it is damaged, or ends the client, which says so
			last = list
		}
	}
}
