package cli

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher/filter"
)

// defaultValid is how long a grant lasts: revocation is by expiry first.
const defaultValid = 24 * time.Hour

type grantFlags struct {
	dir, authority, domain string
	subject                string
	publish, subscribe     string
	valid                  time.Duration
	quotas                 keyx.Quotas
	revocation             string
	requireGroup           bool
	key, out               string
	passphrase             passphrase
}

func grantCommand() *cobra.Command {
	var g grantFlags
	cmd := &cobra.Command{
		Use:   "grant --dir DIR --subject NAME [--publish FILTER] [--subscribe FILTER] --out PREFIX",
		Short: "Sign what a client may do",
		Long: `Makes a key pair and a grant for it, signed by the authority of the domain, and
writes PREFIX.key and PREFIX.grant. Every event the client publishes must satisfy
the publish filter, and every filter it subscribes to must be covered by the
subscribe filter; the filter TRUE allows everything, and a filter that is not
given allows nothing; one that contradicts itself is refused. With --key the client keeps its private key to itself and
only PREFIX.grant is written. Existing files are never overwritten.`,
		Example: `  # may publish quotes of one exchange, and subscribe to nothing
  scbr grant --dir ./exchange --subject feed --publish "exchange = 'NYSE'" --out ./feed
  # may subscribe to cheap HAL only, for eight hours
  scbr grant --dir ./exchange --subject alice --subscribe "symbol = 'HAL' AND price < 100" --valid 8h --out ./alice
  # for a key made elsewhere (openssl genpkey -algorithm ed25519; openssl pkey -pubout)
  scbr grant --dir ./exchange --subject bob --subscribe TRUE --key bob.pub --out ./bob`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&g.dir, "dir", "", "directory with authority.key and domain.json (default $"+envDir+")")
	f.StringVar(&g.authority, "authority", "", "private key of the authority, instead of that in --dir")
	f.StringVar(&g.domain, "domain", "", "domain file, instead of that in --dir")
	f.StringVar(&g.subject, "subject", "", "name of the client, shown to its subscribers (required)")
	f.StringVar(&g.publish, "publish", "", "filter every published event must satisfy")
	f.StringVar(&g.subscribe, "subscribe", "", "filter that must cover every subscription")
	f.DurationVar(&g.valid, "valid", defaultValid, "how long the grant is valid")
	f.Uint32Var(&g.quotas.MaxSubscriptions, "max-subscriptions", 0, "subscriptions at once (0: the enclave's own limit, as below)")
	f.Uint32Var(&g.quotas.MaxSessions, "max-sessions", 0, "sessions at once")
	f.Uint32Var(&g.quotas.MaxRuns, "max-runs", 0, "publishing processes that the enclave remembers")
	f.Uint32Var(&g.quotas.MaxRate, "max-rate", 0, "publications in a second, of all its sessions together")
	f.Uint32Var(&g.quotas.MaxHeaderBytes, "max-header-bytes", 0, "bytes of the attributes of one publication")
	f.StringVar(&g.revocation, "revocation", "", "newest revocation list of the domain, instead of that in --dir: the grant is made after it")
	f.BoolVar(&g.requireGroup, "require-group", false, "the client refuses what is not published under a group key (scbr group)")
	f.StringVar(&g.key, "key", "", "public key of the client in PEM, instead of making a key pair")
	f.StringVar(&g.out, "out", "", "prefix of the files to write (required)")
	g.passphrase.flag(f, "the authority's key")
	return cmd
}

func (g *grantFlags) run(cmd *cobra.Command) error {
	grant, err := g.grant()
	if err != nil {
		return err
	}
	authority, domain, err := g.authorityAndDomain(cmd)
	if err != nil {
		return err
	}
	grant.Domain = domain.Name
	if grant.Revocation, err = g.listNumber(domain); err != nil {
		return err
	}
	var files []newFile
	if grant.Key, files, err = g.clientKey(); err != nil {
		return err
	}
	signed, err := keyx.SignGrant(grant, authority)
	if err != nil {
		return usagef("%w", err)
	}
	if _, err := keyx.VerifyGrant(signed, domain, time.Now()); err != nil {
		return usagef("the key of --authority is not an authority of the domain file: %w", err)
	}
	files = append(files, newFile{g.out + ".grant", signed, privateMode})
	if err := writeNew(outAdvice, files...); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	for _, f := range files {
		if _, err := fmt.Fprintln(out, "wrote "+f.path); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "grant for %s in %s until %s\n", grant.Subject, grant.Domain, grant.NotAfter.UTC().Format(time.RFC3339))
	return err
}

// grant checks the flags and gives the grant without domain and key.
func (g *grantFlags) grant() (keyx.Grant, error) {
	switch {
	case g.subject == "":
		return keyx.Grant{}, usagef("no --subject: name the client")
	case g.out == "":
		return keyx.Grant{}, usagef("no --out: give the prefix of the files to write")
	case g.valid < time.Second:
		return keyx.Grant{}, usagef("--valid must be at least 1s")
	case g.publish == "" && g.subscribe == "":
		return keyx.Grant{}, usagef("the grant would allow nothing: give --publish FILTER, --subscribe FILTER or both (TRUE allows everything)")
	}
	publish, err := parseFilter("--publish", g.publish)
	if err != nil {
		return keyx.Grant{}, err
	}
	subscribe, err := parseFilter("--subscribe", g.subscribe)
	if err != nil {
		return keyx.Grant{}, err
	}
	var serial [8]byte
	if _, err := rand.Read(serial[:]); err != nil {
		return keyx.Grant{}, err
	}
	return keyx.Grant{
		Subject: g.subject, RequireGK: g.requireGroup, Publish: publish, Subscribe: subscribe,
		Quotas:   g.quotas,
		NotAfter: time.Now().Add(g.valid).Truncate(time.Second),
		Serial:   binary.BigEndian.Uint64(serial[:]) & keyx.MaxGrantNumber,
	}, nil
}

func (g *grantFlags) authorityAndDomain(cmd *cobra.Command) (keyx.Authority, keyx.Domain, error) {
	dir := cmp.Or(g.dir, os.Getenv(envDir))
	if dir == "" && (g.authority == "" || g.domain == "") {
		return keyx.Authority{}, keyx.Domain{}, usagef("no domain: give --dir DIR, or --authority FILE and --domain FILE (scbr domain init makes one)")
	}
	keyFile := cmp.Or(g.authority, filepath.Join(dir, authorityKeyFile))
	domainFile := cmp.Or(g.domain, filepath.Join(dir, client.DomainFile))
	b, err := os.ReadFile(keyFile) //nolint:gosec // the path is the user's own
	if err != nil {
		return keyx.Authority{}, keyx.Domain{}, badPath(err, "check --dir or --authority: "+authorityKeyFile+" is what scbr domain init made for the authority")
	}
	if b, err = g.passphrase.open(cmd, keyFile, b); err != nil {
		return keyx.Authority{}, keyx.Domain{}, err
	}
	key, err := keyx.ParseAuthorityPEM(b)
	if err != nil {
		return keyx.Authority{}, keyx.Domain{}, usagef("%s: %w", keyFile, err)
	}
	if b, err = os.ReadFile(domainFile); err != nil { //nolint:gosec // as above
		return keyx.Authority{}, keyx.Domain{}, badPath(err, "check --dir or --domain: "+client.DomainFile+" is what scbr domain init made")
	}
	domain, err := keyx.ParseDomain(b)
	if err != nil {
		return keyx.Authority{}, keyx.Domain{}, usagef("%s: %w", domainFile, err)
	}
	return key, domain, nil
}

// listNumber is the number of the newest revocation list, which the grant is made after: 0 if there is none.
func (g *grantFlags) listNumber(domain keyx.Domain) (uint64, error) {
	name := listFile(g.revocation, g.dir)
	if name == "" {
		return 0, nil
	}
	list, err := readList(name, domain)
	if g.revocation == "" && errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return list.Number, nil
}

// clientKey gives the client's public key and, if it was made here, its file.
func (g *grantFlags) clientKey() (ed25519.PublicKey, []newFile, error) {
	if g.key != "" {
		key, err := readPublicKey(g.key)
		return key, nil, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	b, err := keyx.MarshalPrivateKeyPEM(private)
	return public, []newFile{{g.out + ".key", b, privateMode}}, err
}

var errContradiction = errors.New("the conditions contradict each other: no event can satisfy them all")

var errNotPublicKey = errors.New("not an Ed25519 public key in PEM (openssl pkey -pubout writes one)")

func readPublicKey(name string) (ed25519.PublicKey, error) {
	b, err := os.ReadFile(name) //nolint:gosec // the path is the user's own
	if err != nil {
		return nil, badPath(err, "check --key: it names a public key in PEM")
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, usagef("%s: %w", name, errNotPublicKey)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, usagef("%s: %w", name, errNotPublicKey)
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, usagef("%s: %w", name, errNotPublicKey)
	}
	return key, nil
}

// parseFilter reads the filter of a flag; empty text is nil. A filter that nothing
// satisfies is refused: it is never what was meant.
func parseFilter(flag, text string) (*filter.Filter, error) {
	if text == "" {
		return nil, nil
	}
	f, err := filter.Parse(text)
	if err != nil {
		return nil, usagef("%w", &offline.FilterError{Name: flag, Text: text, Err: err})
	}
	if f.Empty() {
		return nil, usagef("%s: %w", flag, errContradiction)
	}
	return &f, nil
}
