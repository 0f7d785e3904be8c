package cli

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
)

const (
	// authorityKeyFile is the name of the domain authority's private key.
	authorityKeyFile = "authority.key"

	dirMode     = 0o700
	privateMode = 0o600
	publicMode  = 0o644 // what others must have: domain and policy

	outAdvice = "--out is the prefix of the files to write: its directory must exist and be yours to write"
)

func domainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "domain",
		Short: "Make a domain: who is trusted to say who may do what",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usagef("say what to do with the domain: scbr domain init --help")
		},
	}
	cmd.AddCommand(domainInitCommand(), endorserCommand(), endorseCommand())
	return cmd
}

func domainInitCommand() *cobra.Command {
	var dir, name string
	var secret passphrase
	var classic bool
	var maxAge time.Duration
	cmd := &cobra.Command{
		Use:   "init [DIR] --name NAME",
		Short: "Make the authority key and the domain file of a new domain",
		Long: `Writes DIR/authority.key, which signs grants and must stay with the authority,
and DIR/domain.json, which clients and routers pin: whoever changes the one a
client uses decides whom that client trusts, so hand it out by a path you trust.
Existing files are never overwritten.

Grants bear two signatures, by Ed25519 and ML-DSA-65: they stand as long as one of
the two schemes does.

authority.key is encrypted with a passphrase (age format) that is asked for on a
terminal, or read from --passphrase-file. Without one it is written as it is, and
whoever reads the file can sign grants.`,
		Example: `  scbr domain init ./exchange --name exchange.example
  scbr domain init --dir ./exchange --name exchange.example`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && dir != "" {
				return usagef("give one directory: scbr domain init DIR --name NAME")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				dir = args[0]
			}
			return domainInit(cmd, cmp.Or(dir, os.Getenv(envDir)), name, classic, maxAge, &secret)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory to write into (default $"+envDir+")")
	cmd.Flags().StringVar(&name, "name", "", "name of the domain, such as exchange.example (required)")
	cmd.Flags().BoolVar(&classic, "ed25519-only", false, "grants with one signature, by Ed25519: a quantum computer could forge them")
	cmd.Flags().DurationVar(&maxAge, "max-list-age", 0, "nobody serves or publishes under a revocation list older than this, nor without one;\nscbr revoke --refresh makes a new one (0: lists do not age)")
	secret.flag(cmd.Flags(), authorityKeyFile)
	return cmd
}

func domainInit(cmd *cobra.Command, dir, name string, classic bool, maxAge time.Duration, secret *passphrase) error {
	switch {
	case dir == "":
		return usagef("no directory: scbr domain init DIR --name NAME")
	case maxAge < 0 || maxAge > math.MaxUint32*time.Second || maxAge%time.Second != 0:
		return usagef("--max-list-age must be whole seconds, up to 136 years")
	case name == "":
		return usagef("no name: scbr domain init DIR --name NAME")
	}
	authority, err := newAuthority(classic)
	if err != nil {
		return err
	}
	domain := keyx.Domain{Name: name, Authorities: []keyx.AuthorityKey{authority.Public()}}
	domain.Revocation.MaxAgeSeconds = uint32(maxAge / time.Second)
	if err := domain.Validate(); err != nil {
		return usagef("--name: %w", err)
	}
	key, err := authority.PEM()
	if err != nil {
		return err
	}
	if key, err = secret.seal(cmd, authorityKeyFile, key); err != nil {
		return err
	}
	const next = "choose a directory that can be made, or is there and yours to write"
	if err := os.MkdirAll(dir, dirMode); err != nil { //nolint:gosec // the path is the user's own
		return badPath(err, next)
	}
	files := []newFile{
		{filepath.Join(dir, authorityKeyFile), key, privateMode},
		{filepath.Join(dir, client.DomainFile), domain.JSON(), publicMode},
	}
	if err := writeNew(next, files...); err != nil {
		return err
	}
	digest := domain.Digest()
	_, err = fmt.Fprintf(cmd.OutOrStdout(), `domain %s
configuration digest %s
wrote %s (keep it to the authority) and %s (for every client and router)
next: scbr grant --dir %s --subject NAME --publish FILTER --subscribe FILTER --out PREFIX
next: routerd --domain %s --platform DIR --router NAME (enclaved dev-init makes a simulated platform), and scbr policy init for its clients
`, name, hex.EncodeToString(digest[:]), files[0].path, files[1].path, dir, files[1].path)
	return err
}

func newAuthority(classic bool) (keyx.Authority, error) {
	if !classic {
		return keyx.NewAuthority(rand.Reader)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return keyx.Ed25519Authority(key), err
}

// newFile is a file that must not exist yet.
type newFile struct {
	path    string
	content []byte
	mode    fs.FileMode
}

// writeNew writes all files or none of them, and overwrites none. next is what to
// do about a path that cannot be written.
func writeNew(next string, files ...newFile) error {
	for _, f := range files {
		if _, err := os.Lstat(f.path); err == nil {
			return &fs.PathError{Op: "create", Path: f.path, Err: fs.ErrExist}
		}
	}
	for i, f := range files {
		if err := writeOne(f, next); err != nil {
			for _, done := range files[:i] {
				err = errors.Join(err, os.Remove(done.path))
			}
			return err
		}
	}
	return nil
}

func writeOne(f newFile, next string) error {
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode) //nolint:gosec // the path is the user's own
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	if err != nil {
		return badPath(err, next)
	}
	if _, err := file.Write(f.content); err != nil {
		return errors.Join(err, file.Close(), os.Remove(f.path))
	}
	return file.Close()
}
