package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
)

type revokeFlags struct {
	grantFlags // --dir, --authority, --domain, --passphrase-file
	subjects   []string
	list       string
	refresh    bool
	json       bool
}

func revokeCommand() *cobra.Command {
	var r revokeFlags
	cmd := &cobra.Command{
		Use:   "revoke --dir DIR --subject NAME",
		Short: "Take grants back",
		Long: `Signs the next revocation list of the domain, which takes back every grant that
the subjects have so far, and replaces DIR/revocation.json by it. Grants issued
after that, which scbr grant numbers by the list in DIR, are good again.

Hand the list to the router's host (routerd --revocation), which puts it in force
within a second or two: sessions of the subjects end, new ones are refused. The
host may hold it back; therefore hand it to publishers and subscribers as well, by
a path the host does not control (scbr pub and sub --revocation; a directory with
revocation.json is enough). What a publisher sends once it has the list reaches
nobody whom the list revokes, whatever the host does.

--refresh signs the next list with nobody new in it, for domains whose lists must
not be older than a given time (scbr domain init --max-list-age).`,
		Example: `  scbr revoke --dir ./exchange --subject alice
  scbr revoke --dir ./exchange --refresh`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&r.dir, "dir", "", "directory with authority.key, domain.json and revocation.json (default $"+envDir+")")
	f.StringVar(&r.authority, "authority", "", "private key of the authority, instead of that in --dir")
	f.StringVar(&r.domain, "domain", "", "domain file, instead of that in --dir")
	f.StringArrayVar(&r.subjects, "subject", nil, "whose grants to take back (may be given more than once)")
	f.StringVar(&r.list, "list", "", "file of the revocation list, instead of that in --dir; made when it is not there")
	f.BoolVar(&r.refresh, "refresh", false, "sign the next list although nobody new is in it")
	f.BoolVar(&r.json, "json", false, "write what is in the list as JSON")
	r.passphrase.flag(f, "the authority's key")
	return cmd
}

func (r *revokeFlags) run(cmd *cobra.Command) error {
	if len(r.subjects) == 0 && !r.refresh {
		return usagef("no --subject: name whose grants to take back (--refresh only signs the next list)")
	}
	for _, s := range r.subjects {
		if !keyx.ValidName(s) {
			return usagef("--subject: a name is 1 to 255 bytes of printable text")
		}
	}
	authority, domain, err := r.authorityAndDomain(cmd)
	if err != nil {
		return err
	}
	name := listFile(r.list, r.dir)
	if name == "" {
		return usagef("no list: give --dir DIR or --list FILE")
	}
	unlock, err := lockFile(cmd.Context(), name)
	if err != nil {
		return err
	}
	defer unlock() // two at once would make two lists of one number, and one revocation would be lost
	last, err := readList(name, domain)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	next := last.Next(domain.Name, time.Now(), r.subjects...)
	signed, err := keyx.SignRevocationList(next, authority)
	if err != nil {
		return usagef("%w", err)
	}
	if _, err := keyx.VerifyRevocationList(signed, domain); err != nil {
		return usagef("the key of --authority is not an authority of the domain file: %w", err)
	}
	if err := replaceFile(name, append(signed, '\n')); err != nil {
		return badPath(err, "choose a --list that is yours to write")
	}
	return r.print(cmd, name, &next)
}

func (r *revokeFlags) print(cmd *cobra.Command, name string, l *keyx.RevocationList) error {
	out := cmd.OutOrStdout()
	if r.json {
		type entry struct {
			Subject string `json:"subject"`
			Before  uint64 `json:"before"`
		}
		entries := make([]entry, 0, len(l.Revoked))
		for _, e := range l.Revoked {
			entries = append(entries, entry(e))
		}
		return json.NewEncoder(out).Encode(struct {
			File    string  `json:"file"`
			Domain  string  `json:"domain"`
			Number  uint64  `json:"number"`
			Issued  string  `json:"issued"`
			Revoked []entry `json:"revoked"`
		}{name, l.Domain, l.Number, l.Issued.Format(time.RFC3339), entries})
	}
	revoked := slices.Clone(r.subjects)
	slices.Sort(revoked)
	for _, s := range slices.Compact(revoked) {
		if _, err := fmt.Fprintf(out, "revoked every grant of %s so far\n", s); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, `wrote %s: revocation list %d of %s; subjects in it: %d
next: hand it to the router's host (routerd --revocation FILE) and, by another path, to publishers and subscribers
`, name, l.Number, l.Domain, len(l.Revoked))
	if groups, gerr := filepath.Glob(filepath.Join(filepath.Dir(name), groupDirs)); gerr == nil && len(groups) > 0 && err == nil {
		_, err = fmt.Fprintln(out, "next: scbr group rotate, or scbr group remove, for each group: until then nobody who has this list publishes in it")
	}
	return err
}

// groupDirs are the directories of groups beside a list.
const groupDirs = "group-*"

// listFile is the file of the revocation list, or nothing.
func listFile(list, dir string) string {
	if dir = cmp.Or(dir, os.Getenv(envDir)); list == "" && dir != "" {
		return filepath.Join(dir, client.RevocationFile)
	}
	return list
}

// readList reads and verifies a revocation list; its absence is fs.ErrNotExist.
func readList(name string, domain keyx.Domain) (*keyx.RevocationList, error) {
	b, err := client.ReadRevocation(name)
	if err != nil {
		return nil, badPath(err, "check --dir and --list")
	}
	list, err := keyx.VerifyRevocationList(b, domain)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return list, nil
}

// lockWait is how long another run is waited for that changes the same file; it takes milliseconds.
const lockWait = 5 * time.Second

// lockFile keeps other runs from changing a file until unlock. The lock is a file beside it, which stays, empty: it is
// free again when its holder ends, however it does.
func lockFile(ctx context.Context, name string) (unlock func(), err error) {
	lock := name + ".lock"
	f, err := os.OpenFile(lock, os.O_RDWR|os.O_CREATE, privateMode) //nolint:gosec // beside the user's own file
	if err != nil {
		return nil, badPath(err, "choose a --list that is yours to write")
	}
	for deadline := time.Now().Add(lockWait); ; {
		got, err := tryLock(f)
		switch {
		case got:
			return func() { f.Close() }, nil //nolint:errcheck,gosec // nothing was written
		case err != nil:
			return nil, errors.Join(err, f.Close())
		case time.Now().After(deadline):
			return nil, errors.Join(fmt.Errorf("another run is changing %s", name), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// replaceFile puts a file in the place of another, or of none, at once.
func replaceFile(name string, content []byte) error { return replaceMode(name, content, publicMode) }

func replaceMode(name string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name) //nolint:gosec // the path is the user's own
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name())) //nolint:gosec // as above
	}
	return nil
}
