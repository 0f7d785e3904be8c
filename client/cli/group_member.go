package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/group"
	"github.com/scbr/scbr/keyx/group/dir"
)

// groupInterval is how soon a new epoch is noticed.
const groupInterval = time.Second

// groupMember are the flags of a command that takes part in a group.
type groupMember struct {
	store, name, key string
	seenFile         string
	member           *client.GroupMember
}

func (g *groupMember) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.store, "group", "", "directory with what the keeper of a group published (scbr group): publish under the\ngroup key and read what others published under it; looked at each second or so")
	f.StringVar(&g.name, "group-name", defaultGroup, "name of the group")
	f.StringVar(&g.key, "group-key", "", "member's private key, made by scbr group key (default: that of --as, PREFIX.group)")
}

// open makes the member that the flags say, or none. prefix is that of the client's own files.
func (g *groupMember) open(prefix string, domain keyx.Domain) (client.GroupKeys, error) {
	if g.store == "" {
		return nil, nil
	}
	name := cmp.Or(g.key, prefix+groupKeySuffix)
	b, err := readSmall(name)
	if err != nil {
		return nil, badPath(err, "check --group-key: scbr group key makes one")
	}
	key, err := group.ParseMemberKey(b)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	g.seenFile = name + ".seen"
	seen, err := readSeen(g.seenFile)
	if err != nil {
		return nil, err
	}
	m, err := group.NewMember(domain, g.name, key, seen)
	if err != nil {
		return nil, usagef("--group-name: %w", err)
	}
	g.member = client.NewGroupMember(m, dir.New(g.store))
	if err := g.refresh(); err != nil {
		return nil, &client.Error{Op: "group", Kind: client.Kind(keyx.KindBadGroup), Err: err}
	}
	return g.member, nil
}

// refresh takes the newest epoch and notes that it was seen.
func (g *groupMember) refresh() error {
	if err := g.member.Refresh(); err != nil {
		return err
	}
	return writeSeen(g.seenFile, g.member.Seen())
}

// follow takes every epoch that appears, until ctx ends or the client does. What cannot be taken leaves the
// epoch as it is: publications under an epoch that others have left are not read by them.
func (g *groupMember) follow(ctx context.Context, c *client.Client) {
	if g.member == nil {
		return
	}
	t := time.NewTicker(groupInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.Done():
			return
		case <-t.C:
			_ = g.refresh()
		}
	}
}

// seenJSON is the newest epoch that a member's commands have verified: none of them takes an older one.
type seenJSON struct {
	Epoch  uint64 `json:"epoch"`
	Record string `json:"record"`
}

func readSeen(name string) (seen group.Seen, err error) {
	b, err := readSmall(name)
	if errors.Is(err, fs.ErrNotExist) {
		return seen, nil
	}
	if err != nil {
		return seen, badPath(err, "check the file beside the member's key")
	}
	var j seenJSON
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return seen, usagef("%s: damaged: without it a host could show an epoch older than those seen", name)
	}
	h, err := hex.DecodeString(j.Record)
	if err != nil || len(h) != len(seen.Hash) || j.Epoch > group.MaxEpoch {
		return seen, usagef("%s: damaged: without it a host could show an epoch older than those seen", name)
	}
	return group.Seen{Epoch: j.Epoch, Hash: [32]byte(h)}, nil
}

// writeSeen notes an epoch, if it is newer than the one noted: other commands of the member note theirs.
func writeSeen(name string, seen group.Seen) error {
	before, err := readSeen(name)
	if err != nil || seen.Epoch <= before.Epoch {
		return err
	}
	b, err := json.Marshal(seenJSON{seen.Epoch, hex.EncodeToString(seen.Hash[:])})
	if err != nil {
		return err
	}
	if err := replaceMode(name, append(b, '\n'), privateMode); err != nil {
		return badPath(err, "the directory of the member's key must be yours to write: the newest epoch seen is noted there")
	}
	return nil
}
