package cli

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/group"
)

const (
	// defaultGroup is the name of a group that was given none.
	defaultGroup = "main"
	// groupKeySuffix and groupPublicSuffix end the names of a member's keys.
	groupKeySuffix    = ".group"
	groupPublicSuffix = ".group.pub"
)

type groupFlags struct {
	grantFlags // --dir, --authority, --domain, --passphrase-file
	name       string
	store      string
	members    []string
	json       bool
	input      []byte // of a passphrase on standard input, for the keys it opens one after the other
}

func groupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Keep the group key of a group of clients",
		Long: `A group key is one that publishers and subscribers have and the enclave does not:
what is published under it (scbr pub --group) stays closed to a broken enclave. It
is renewed whenever somebody joins or leaves, so that who left reads nothing that
comes after, and who joined nothing that came before.

The keeper's files are in DIR/group-NAME: its key and its state, which must stay
with the authority and must not be put back to an older copy, and the directory
store, which is for the host to hand out to the members. Nothing in it is secret.`,
		Example: `  scbr group key --out ./alice                  # alice, for herself
  scbr group init --dir ./exchange              # the authority, once
  scbr group add --dir ./exchange --member alice=alice.group.pub
  scbr group remove --dir ./exchange --member alice`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do with the group: scbr group --help")
		},
	}
	cmd.AddCommand(groupKeyCommand(), groupInitCommand(), groupShowCommand(),
		groupChangeCommand("add", "Add members, which gives the next epoch", "--member NAME=FILE...",
			"  scbr group add --dir ./exchange --member alice=alice.group.pub --member bob=bob.group.pub",
			"NAME=FILE: name of the member, and its public key as scbr group key wrote it (repeatable)", (*groupFlags).additions),
		groupChangeCommand("remove", "Remove members, which gives the next epoch", "--member NAME...",
			"  scbr group remove --dir ./exchange --member alice",
			"name of the member (repeatable)", (*groupFlags).removals),
		groupChangeCommand("rotate", "Give the members a new key, in the next epoch", "",
			"  # after scbr revoke: publishers wait for an epoch that follows the list\n  scbr group rotate --dir ./exchange",
			"", func(*groupFlags, *group.Keeper) (group.Change, error) { return group.Change{}, nil }))
	return cmd
}

// addFiles are the flags that say where a keeper's files are.
func (g *groupFlags) addFiles(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.dir, "dir", "", "directory with authority.key and domain.json (default $"+envDir+")")
	f.StringVar(&g.authority, "authority", "", "private key of the authority, instead of that in --dir")
	f.StringVar(&g.domain, "domain", "", "domain file, instead of that in --dir")
	f.StringVar(&g.name, "name", defaultGroup, "name of the group")
	f.StringVar(&g.store, "store", "", "directory for the host, instead of DIR/group-NAME/"+keeperStore)
	g.passphrase.flag(f, "the authority's key and the keeper's")
}

func groupKeyCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "key --out PREFIX",
		Short: "Make a member's key pair",
		Long: `Writes PREFIX.group, which stays with the member, and PREFIX.group.pub for the
keeper of the group: hand it over by a path you trust, since whoever puts another
one in its place gets this member's keys. Existing files are never overwritten.`,
		Example: `  scbr group key --out ./alice`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("no --out: give the prefix of the files to write")
			}
			key, err := group.NewMemberKey(rand.Reader)
			if err != nil {
				return err
			}
			files := []newFile{{out + groupKeySuffix, key.PEM(), privateMode}, {out + groupPublicSuffix, key.PublicPEM(), publicMode}}
			if err := writeNew(outAdvice, files...); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "wrote %s (keep it to yourself) and %s (for scbr group add)\n", files[0].path, files[1].path)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "prefix of the files to write (required)")
	return cmd
}

func groupInitCommand() *cobra.Command {
	var g groupFlags
	cmd := &cobra.Command{
		Use:   "init --dir DIR [--name NAME]",
		Short: "Make a group without members",
		Long: `Makes the keeper of a new group in DIR/group-NAME. Its key is encrypted with a
passphrase that is asked for on a terminal, or read from --passphrase-file.`,
		Example: `  scbr group init --dir ./exchange`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return g.init(cmd) },
	}
	g.addFiles(cmd)
	return cmd
}

func groupShowCommand() *cobra.Command {
	var g groupFlags
	cmd := &cobra.Command{
		Use:     "show --dir DIR [--name NAME] [--json]",
		Short:   "Tell a group's members and epoch",
		Example: `  scbr group show --dir ./exchange --json`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.open(cmd, func(k *keeperFiles, keeper *group.Keeper, _ keyx.Authority, _ keyx.Domain) error {
				return g.show(cmd.OutOrStdout(), keeper)
			})
		},
	}
	g.addFiles(cmd)
	cmd.Flags().BoolVar(&g.json, "json", false, "print one line of JSON")
	return cmd
}

// groupChangeCommand is a command that makes an epoch of a change.
func groupChangeCommand(verb, short, members, example, usage string, change func(*groupFlags, *group.Keeper) (group.Change, error)) *cobra.Command {
	var g groupFlags
	cmd := &cobra.Command{
		Use:     strings.TrimSpace(verb + " --dir DIR [--name NAME] " + members),
		Short:   short,
		Example: example,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if members != "" && len(g.members) == 0 {
				return usagef("no --member: name whom to %s", verb)
			}
			return g.open(cmd, func(k *keeperFiles, keeper *group.Keeper, authority keyx.Authority, domain keyx.Domain) error {
				c, err := change(&g, keeper)
				if err != nil {
					return err
				}
				return g.apply(cmd, k, keeper, c, authority, domain)
			})
		},
	}
	g.addFiles(cmd)
	if members != "" {
		cmd.Flags().StringArrayVar(&g.members, "member", nil, usage)
	}
	return cmd
}

// path is the keeper's directory.
func (g *groupFlags) path() (string, error) {
	base := cmp.Or(g.dir, os.Getenv(envDir))
	switch {
	case base == "":
		return "", usagef("no directory: give --dir DIR")
	case !keyx.ValidName(g.name) || strings.ContainsAny(g.name, `/\`):
		return "", usagef("--name: a name of printable characters without / and \\")
	}
	return filepath.Join(base, "group-"+g.name), nil
}

// rewind has standard input read once, however many keys its passphrase opens.
func (g *groupFlags) rewind(cmd *cobra.Command) error {
	if g.passphrase.file != "-" {
		return nil
	}
	if g.input == nil {
		b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPassphrase+2))
		if err != nil {
			return err
		}
		g.input = b
	}
	cmd.SetIn(bytes.NewReader(g.input))
	return nil
}

func (g *groupFlags) init(cmd *cobra.Command) error {
	path, err := g.path()
	if err != nil {
		return err
	}
	if err := g.rewind(cmd); err != nil {
		return err
	}
	authority, domain, err := g.authorityAndDomain(cmd)
	if err != nil {
		return err
	}
	if err := authorityOf(authority, domain); err != nil {
		return err
	}
	keeper, err := group.NewKeeper(domain.Name, g.name, rand.Reader)
	if err != nil {
		return usagef("%w", err)
	}
	const next = "choose a --dir that is yours to write"
	if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return badPath(err, next)
	}
	k, err := lockKeeper(path, g.storePath(path))
	if err != nil {
		return err
	}
	defer k.close()
	if err := g.rewind(cmd); err != nil {
		return err
	}
	key, err := k.newKey(cmd, &g.passphrase)
	if err != nil {
		return err
	}
	if err := writeNew(next, newFile{filepath.Join(path, keeperKeyFile), key, privateMode}); err != nil {
		return err
	}
	if err := k.save(keeper.State()); err != nil {
		return badPath(err, next)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "group %s in %s, without members\nwrote %s (keep it to the authority)\nnext: scbr group add --dir %s --member NAME=FILE\n",
		g.name, domain.Name, path, cmp.Or(g.dir, os.Getenv(envDir)))
	return err
}

func (g *groupFlags) storePath(path string) string {
	return cmp.Or(g.store, filepath.Join(path, keeperStore))
}

// authorityOf refuses an authority that the domain does not have: nobody would take its records.
func authorityOf(authority keyx.Authority, domain keyx.Domain) error {
	mine := authority.Public()
	if !slices.ContainsFunc(domain.Authorities, func(k keyx.AuthorityKey) bool { return bytes.Equal(k, mine) }) {
		return usagef("the key of --authority is not an authority of the domain file")
	}
	return nil
}

// open loads the keeper, publishes what a command before could not, and calls with.
func (g *groupFlags) open(cmd *cobra.Command, with func(*keeperFiles, *group.Keeper, keyx.Authority, keyx.Domain) error) error {
	path, err := g.path()
	if err != nil {
		return err
	}
	if err := g.rewind(cmd); err != nil {
		return err
	}
	authority, domain, err := g.authorityAndDomain(cmd)
	if err != nil {
		return err
	}
	if err := authorityOf(authority, domain); err != nil {
		return err
	}
	k, err := lockKeeper(path, g.storePath(path))
	if err != nil {
		return err
	}
	defer k.close()
	if err := g.rewind(cmd); err != nil {
		return err
	}
	if err := k.loadKey(cmd, &g.passphrase); err != nil {
		return err
	}
	keeper, err := k.load()
	if err != nil {
		return err
	}
	if in, _ := keeper.Domain(); in != domain.Name {
		return usagef("the group is of the domain %q, not of %q", in, domain.Name)
	}
	if err := k.check(keeper, domain); err != nil {
		return err
	}
	if err := k.publish(keeper); err != nil {
		return err
	}
	return with(k, keeper, authority, domain)
}

func (g *groupFlags) additions(keeper *group.Keeper) (group.Change, error) {
	var c group.Change
	there := keeper.Members()
	for _, m := range g.members {
		name, file, ok := strings.Cut(m, "=")
		if !ok {
			return c, usagef("--member %q: write NAME=FILE, with the public key that scbr group key wrote", m)
		}
		if slices.Contains(there, name) {
			return c, usagef("%s is a member already: for a new key remove and add it", name)
		}
		b, err := readSmall(file)
		if err != nil {
			return c, badPath(err, "check --member: NAME=FILE, with the public key that scbr group key wrote")
		}
		public, err := group.ParsePublicKey(b)
		if err != nil {
			return c, usagef("%s: %w", file, err)
		}
		c.Add = append(c.Add, group.Newcomer{Name: name, Public: public})
	}
	return c, nil
}

func (g *groupFlags) removals(keeper *group.Keeper) (group.Change, error) {
	there := keeper.Members()
	for _, m := range g.members {
		if !slices.Contains(there, m) {
			return group.Change{}, usagef("%s is not a member: scbr group show names them", m)
		}
	}
	return group.Change{Remove: g.members}, nil
}

// apply makes the epoch of a change: it is saved, then published.
func (g *groupFlags) apply(cmd *cobra.Command, k *keeperFiles, keeper *group.Keeper, c group.Change, authority keyx.Authority, domain keyx.Domain) error {
	list, err := readList(listFile(g.revocation, g.dir), domain)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	number := keeper.Revocation()
	if list != nil {
		number = max(number, list.Number)
	}
	err = keeper.Apply(c, group.Epoch{Authority: authority, Now: time.Now(), Revocation: number, Save: k.save})
	if e, ok := errors.AsType[*keyx.Error](err); ok && e.Kind == keyx.KindBadGroup {
		return usagef("%w", err)
	}
	if err != nil {
		return err
	}
	if err := k.publish(keeper); err != nil {
		return err
	}
	return g.show(cmd.OutOrStdout(), keeper)
}

// show prints what a group is.
func (g *groupFlags) show(out io.Writer, keeper *group.Keeper) error {
	domain, name := keeper.Domain()
	members := keeper.Members()
	if g.json {
		return json.NewEncoder(out).Encode(struct {
			Domain     string   `json:"domain"`
			Group      string   `json:"group"`
			Epoch      uint64   `json:"epoch"`
			Revocation uint64   `json:"revocation"`
			Members    []string `json:"members"`
		}{domain, name, keeper.Epoch(), keeper.Revocation(), members})
	}
	_, err := fmt.Fprintf(out, "group %s in %s: epoch %d, after revocation list %d; members: %d\n", name, domain, keeper.Epoch(), keeper.Revocation(), len(members))
	for _, m := range members {
		if err == nil {
			_, err = fmt.Fprintln(out, m)
		}
	}
	return err
}

// readSmall reads a key file, which is small.
func readSmall(name string) ([]byte, error) {
	const limit = 64 << 10
	return readAtMost(name, limit)
}

// readAtMost reads a whole file of at most limit bytes.
func readAtMost(name string, limit int) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the path is the user's own
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = fmt.Errorf("%s: larger than %d bytes", name, limit)
	}
	return b, err
}
