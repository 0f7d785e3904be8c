package trial

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher/filter"
)

// grantLifetime bounds the grants a trial issues to itself.
const grantLifetime = time.Hour

// Issuer signs grants with the authority key of a development directory.
type Issuer struct {
	authority keyx.Authority
	base      client.Config
	addr      string
}

// NewIssuer reads the authority key and the pinned domain of a running system.
func NewIssuer(s *System) (*Issuer, error) {
	base, err := client.LoadDir(s.Dir)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(filepath.Join(s.Dir, "authority.key"))
	if err != nil {
		return nil, err
	}
	key, err := keyx.ParseAuthorityPEM(pem)
	if err != nil {
		return nil, err
	}
	return &Issuer{authority: key, base: base, addr: s.Addr}, nil
}

// Config makes a key and a grant for subject and returns what Dial needs. An empty filter text grants nothing of its kind.
func (i *Issuer) Config(subject, publish, subscribe string, serial uint64) (client.Config, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return client.Config{}, err
	}
	g := keyx.Grant{
		Subject: subject, Key: key.Public().(ed25519.PublicKey), Domain: i.base.Domain.Name,
		Quotas: keyx.Quotas{MaxSubscriptions: 1 << 20}, NotAfter: time.Now().Add(grantLifetime), Serial: serial,
	}
	if g.Publish, err = optional(publish); err != nil {
		return client.Config{}, err
	}
	if g.Subscribe, err = optional(subscribe); err != nil {
		return client.Config{}, err
	}
	c := i.base
	c.Addr, c.Key = i.addr, key
	c.Grant, err = keyx.SignGrant(g, i.authority)
	return c, err
}

func optional(text string) (*filter.Filter, error) {
	if text == "" {
		return nil, nil
	}
	f, err := filter.Parse(text)
	return &f, err
}

// dialAll opens n sessions for subjects prefix-0 ... prefix-(n-1).
func (i *Issuer) dialAll(ctx context.Context, prefix string, n int, publish, subscribe string) ([]*client.Client, error) {
	out := make([]*client.Client, 0, n)
	for k := range n {
		cfg, err := i.Config(fmt.Sprintf("%s-%d", prefix, k), publish, subscribe, uint64(k)+1)
		if err != nil {
			return out, err
		}
		c, err := client.Dial(ctx, cfg)
		if err != nil {
			return out, fmt.Errorf("session %s-%d: %w", prefix, k, err)
		}
		out = append(out, c)
	}
	return out, nil
}
