package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

const (
	// endorserKeyFile is the name of an endorser's private key.
	endorserKeyFile = "endorser.key"
	// maxStatementFile bounds a statement that is read: quote and collateral and some.
	maxStatementFile = 64 << 10
	// maxInventory bounds a list of platform ids.
	maxInventory = 1 << 20
	// statementTimeout bounds fetching a statement.
	statementTimeout = 10 * time.Second
	// watchInterval is how often --watch looks at the statement.
	watchInterval = time.Second
)

type endorseFlags struct {
	dir, domain, key  string
	router, statement string
	policy, inventory string
	kkHash            string
	minimumList       uint64
	valid             time.Duration
	out               string
	watch             bool
	passphrase        passphrase
	last              []byte // the statement that was endorsed last
	lastAt            time.Time
	code              string
}

func endorseCommand() *cobra.Command {
	var e endorseFlags
	cmd := &cobra.Command{
		Use:   "endorse --dir DIR --router NAME --statement FILE|URL (--policy FILE --inventory FILE | --kk-hash HEX --measurement HEX) --out FILE",
		Short: "Vouch for the key of one router's enclave, as a second root beside the quote",
		Long: `Signs an endorsement of the key that the enclave of a router has made, valid for at
most 24 hours, and writes it to --out for routerd --endorsement. In a domain that
lists endorsers clients accept no enclave without one, whatever its quote says; so
attestation keys that leaked from other machines are worth nothing.

The statement is what routerd shows as GET /statement on its --metrics address; it
comes from a host that nobody trusts, so say how you know that it is the right one:

  --policy FILE --inventory FILE   its quote is one that the policy accepts, from a
       platform that you know: one id (PPID, 32 hex digits) a line in the inventory
  --kk-hash HEX --measurement HEX  you learnt H(kk) by another path, such as the
       machine's console; no quote is believed

--watch goes on: it endorses again when the enclave has a new key, and when half of
the validity is over.`,
		Example: `  scbr domain endorse --dir ./exchange --router r1 --statement http://10.0.0.7:7480/statement \
      --policy policy.json --inventory platforms.txt --out r1.endorsement --watch`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&e.dir, "dir", "", "directory with endorser.key and domain.json (default $"+envDir+")")
	f.StringVar(&e.key, "key", "", "private key of the endorser, instead of that in --dir")
	f.StringVar(&e.domain, "domain", "", "domain file, instead of that in --dir")
	f.StringVar(&e.router, "router", "", "name of the router that this enclave serves as (required)")
	f.StringVar(&e.statement, "statement", "", "statement of the enclave: a file, or an http URL (required)")
	f.StringVar(&e.policy, "policy", "", "which evidence to accept")
	f.StringVar(&e.inventory, "inventory", "", "file with the ids of the platforms that you know, one a line")
	f.StringVar(&e.kkHash, "kk-hash", "", "H(kk) as you learnt it: 128 hex digits")
	f.StringVar(&e.code, "measurement", "", "with --kk-hash: measurement of the enclave, in hex")
	f.Uint64Var(&e.minimumList, "minimum-list", 0, "number of the oldest revocation list that the enclave may serve under")
	f.DurationVar(&e.valid, "valid", keyx.MaxEndorsementLife, "how long the endorsement is valid, at most 24h")
	f.StringVar(&e.out, "out", "", "file to write, in the place of what is there (required)")
	f.BoolVar(&e.watch, "watch", false, "go on until interrupted")
	e.passphrase.flag(f, "the endorser's key")
	return cmd
}

func (e *endorseFlags) check() error {
	switch {
	case e.router == "":
		return usagef("no --router: name the router that this enclave serves as")
	case e.statement == "":
		return usagef("no --statement: give the file or the URL of the enclave's statement (GET /statement of routerd's --metrics address)")
	case e.out == "":
		return usagef("no --out: name the file to write")
	case !e.knows():
		return usagef("say how you know the enclave: --policy and --inventory, or --kk-hash and --measurement")
	case e.valid < time.Minute || e.valid > keyx.MaxEndorsementLife:
		return usagef("--valid must be from 1m to 24h")
	case e.minimumList > keyx.MaxGrantNumber:
		return usagef("--minimum-list is too large")
	case e.watch && !strings.HasPrefix(e.statement, "http://") && !strings.HasPrefix(e.statement, "https://"):
		return usagef("--watch needs the URL of the statement")
	}
	return nil
}

// knows says whether exactly one way to know the enclave was given, and that whole.
func (e *endorseFlags) knows() bool {
	quoted, byHand := e.policy != "" && e.inventory != "", e.kkHash != "" && e.code != ""
	if quoted {
		return e.kkHash == "" && e.code == ""
	}
	return byHand && e.policy == "" && e.inventory == ""
}

// endorser is what decides and signs.
type endorser struct {
	domain    keyx.Domain
	key       ed25519.PrivateKey
	policy    quote.Policy
	inventory map[[16]byte]bool
	kkHash    []byte // nil: by quote and inventory
	code      []byte // with kkHash: the measurement
}

func (e *endorseFlags) run(cmd *cobra.Command) error {
	if err := e.check(); err != nil {
		return err
	}
	who, err := e.load(cmd)
	if err != nil {
		return err
	}
	if !e.watch {
		statement, err := e.fetch(cmd.Context())
		if err != nil {
			return err
		}
		return e.endorse(cmd, who, statement)
	}
	return e.follow(cmd, who)
}

// follow endorses whenever it is due. A statement that is refused is told once.
func (e *endorseFlags) follow(cmd *cobra.Command, who *endorser) error {
	ctx := cmd.Context()
	t := time.NewTicker(watchInterval)
	defer t.Stop()
	told := ""
	for {
		statement, err := e.fetch(ctx)
		if err == nil && (!bytes.Equal(statement, e.last) || time.Since(e.lastAt) >= e.valid/2) {
			err = e.endorse(cmd, who, statement)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			told = ""
		case err.Error() != told:
			told = err.Error()
			if _, werr := fmt.Fprintln(cmd.ErrOrStderr(), message(err)); werr != nil {
				return werr
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (e *endorseFlags) load(cmd *cobra.Command) (*endorser, error) {
	dir := cmp.Or(e.dir, os.Getenv(envDir))
	if dir == "" && (e.key == "" || e.domain == "") {
		return nil, usagef("no domain: give --dir DIR, or --key FILE and --domain FILE (scbr domain endorser init makes a key)")
	}
	who := &endorser{}
	name := cmp.Or(e.domain, filepath.Join(dir, client.DomainFile))
	b, err := os.ReadFile(name) //nolint:gosec // the path is the user's own
	if err != nil {
		return nil, badPath(err, "check --dir or --domain")
	}
	if who.domain, err = keyx.ParseDomain(b); err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	name = cmp.Or(e.key, filepath.Join(dir, endorserKeyFile))
	if b, err = os.ReadFile(name); err != nil { //nolint:gosec // as above
		return nil, badPath(err, "check --dir or --key: "+endorserKeyFile+" is what scbr domain endorser init made")
	}
	if b, err = e.passphrase.open(cmd, name, b); err != nil {
		return nil, err
	}
	if who.key, err = keyx.ParsePrivateKeyPEM(b); err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	if !listed(who.domain.Endorsers, who.key) {
		return nil, usagef("the key of %s is not an endorser of the domain file", name)
	}
	return who, e.loadKnowledge(who)
}

func listed(endorsers []ed25519.PublicKey, key ed25519.PrivateKey) bool {
	for _, k := range endorsers {
		if k.Equal(key.Public()) {
			return true
		}
	}
	return false
}

// loadKnowledge reads what the endorser knows of the enclave.
func (e *endorseFlags) loadKnowledge(who *endorser) error {
	if e.kkHash != "" {
		var err error
		if who.kkHash, err = hex.DecodeString(e.kkHash); err != nil || len(who.kkHash) != 64 {
			return usagef("--kk-hash: write 128 hex digits")
		}
		if who.code, err = hex.DecodeString(e.code); err != nil || len(who.code) != 32 {
			return usagef("--measurement: write 64 hex digits")
		}
		return nil
	}
	var err error
	if who.policy, err = readPolicy(e.policy); err != nil {
		return err
	}
	who.inventory, err = readInventory(e.inventory)
	return err
}

// readInventory reads platform ids, one a line; what follows # is a remark.
func readInventory(name string) (map[[16]byte]bool, error) {
	f, err := os.Open(name) //nolint:gosec // the path is the user's own
	if err != nil {
		return nil, badPath(err, "check --inventory")
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	ids := map[[16]byte]bool{}
	lines := bufio.NewScanner(io.LimitReader(f, maxInventory))
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != 16 {
			return nil, usagef("%s:%d: a platform id is 32 hex digits", name, n)
		}
		ids[[16]byte(b)] = true
	}
	if err := lines.Err(); err != nil {
		return nil, badPath(err, "check --inventory")
	}
	if len(ids) == 0 {
		return nil, usagef("%s names no platform", name)
	}
	return ids, nil
}

// fetch reads the statement.
func (e *endorseFlags) fetch(ctx context.Context) ([]byte, error) {
	if !strings.HasPrefix(e.statement, "http://") && !strings.HasPrefix(e.statement, "https://") {
		b, err := os.ReadFile(e.statement)
		if err != nil {
			return nil, badPath(err, "check --statement: it names a file, or a URL with http://")
		}
		return b, nil
	}
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.statement, nil)
	if err != nil {
		return nil, usagef("--statement: %w", err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the statement cannot be fetched: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxStatementFile))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("the statement cannot be fetched: %w", err)
	}
	return b, nil
}

// notEndorsedError is a statement that this endorser does not sign for: exit code 3.
type notEndorsedError struct{ err error }

func (e *notEndorsedError) Error() string { return "not endorsed: " + e.err.Error() }
func (e *notEndorsedError) Unwrap() error { return e.err }
func (e *notEndorsedError) ExitCode() int { return ExitRefused }

var (
	errForeignPlatform = errors.New("the quote is of a platform that is not in the inventory")
	errOtherKey        = errors.New("the statement is of another key than --kk-hash")
)

// decide gives the measurement of the enclave behind a claim, or says why it is not endorsed.
func (w *endorser) decide(c *keyx.Claim, now time.Time) ([]byte, error) {
	if w.kkHash != nil {
		if !bytes.Equal(w.kkHash, c.KeyHash[:]) {
			return nil, &notEndorsedError{fmt.Errorf("%w: H(kk) is %x", errOtherKey, c.KeyHash)}
		}
		return w.code, nil
	}
	v, err := c.VerifyQuote(w.policy, now)
	if err != nil {
		return nil, &notEndorsedError{err}
	}
	if !w.inventory[v.PPID] {
		return nil, &notEndorsedError{fmt.Errorf("%w (%x)", errForeignPlatform, v.PPID)}
	}
	return v.Measurement[:], nil
}

func (e *endorseFlags) endorse(cmd *cobra.Command, who *endorser, statement []byte) error {
	claim, err := keyx.ParseClaim(statement, who.domain)
	if err != nil {
		return &notEndorsedError{err}
	}
	now := time.Now()
	measurement, err := who.decide(claim, now)
	if err != nil {
		return err
	}
	made := keyx.Endorsement{
		Router: e.router, Measurement: measurement, KeyHash: claim.KeyHash, Bind: claim.Bind, MinList: e.minimumList,
		Issued: now.UTC().Truncate(time.Second), NotAfter: now.UTC().Truncate(time.Second).Add(e.valid),
	}
	b, err := keyx.SignEndorsement(made, who.key)
	if err != nil {
		return usagef("%w", err)
	}
	if err := replaceFile(e.out, b); err != nil {
		return badPath(err, "choose an --out that is yours to write")
	}
	e.last, e.lastAt = statement, now
	how := "by quote and inventory"
	if who.kkHash != nil {
		how = "by H(kk) alone: no quote was looked at"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "endorsed %s %s\nkey epoch %d of instance %x\nwrote %s, valid until %s\n",
		e.router, how, claim.Epoch, claim.Instance, e.out, made.NotAfter.Format(time.RFC3339))
	return err
}

func endorserCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "endorser",
		Short: "Make the key of an endorser",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do: scbr domain endorser init --help")
		},
	}
	var dir string
	var secret passphrase
	make := &cobra.Command{
		Use:   "init --dir DIR",
		Short: "Make an endorser's key and list it in the domain file",
		Long: `Writes DIR/endorser.key, which vouches for enclaves (scbr domain endorse) and must
be used for nothing else, and adds its public key to DIR/domain.json. From then on
clients with that domain file accept only enclaves that are endorsed, and enclaves
started with the old one are refused: hand the new file to every client and router.`,
		Example: `  scbr domain endorser init --dir ./exchange`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return endorserInit(cmd, cmp.Or(dir, os.Getenv(envDir)), &secret)
		},
	}
	make.Flags().StringVar(&dir, "dir", "", "directory with domain.json (default $"+envDir+")")
	secret.flag(make.Flags(), endorserKeyFile)
	cmd.AddCommand(make)
	return cmd
}

func endorserInit(cmd *cobra.Command, dir string, secret *passphrase) error {
	if dir == "" {
		return usagef("no directory: scbr domain endorser init --dir DIR")
	}
	name := filepath.Join(dir, client.DomainFile)
	b, err := os.ReadFile(name) //nolint:gosec // the path is the user's own
	if err != nil {
		return badPath(err, "scbr domain init makes a domain file")
	}
	domain, err := keyx.ParseDomain(b)
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	domain.Endorsers = append(domain.Endorsers, public)
	if err := domain.Validate(); err != nil {
		return usagef("%s: %w", name, err)
	}
	key, err := keyx.MarshalPrivateKeyPEM(private)
	if err != nil {
		return err
	}
	if key, err = secret.seal(cmd, endorserKeyFile, key); err != nil {
		return err
	}
	if err := writeNew("choose a directory that is yours to write", newFile{filepath.Join(dir, endorserKeyFile), key, privateMode}); err != nil {
		return err
	}
	if err := replaceFile(name, domain.JSON()); err != nil {
		return errors.Join(badPath(err, "the domain file must be yours to write"), os.Remove(filepath.Join(dir, endorserKeyFile))) //nolint:gosec // what was just written
	}
	digest := domain.Digest()
	_, err = fmt.Fprintf(cmd.OutOrStdout(), `wrote %s (keep it to the endorser) and listed it in %s
configuration digest %s: every client and router needs the new file
next: scbr domain endorse --dir %s --router NAME --statement URL --policy FILE --inventory FILE --out FILE
`, filepath.Join(dir, endorserKeyFile), name, hex.EncodeToString(digest[:]), dir)
	return err
}
