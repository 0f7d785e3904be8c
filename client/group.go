package client

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/group"
)

const (
	// mixedAttempts and mixedPause bound how long a key is waited for while the keeper is publishing, which
	// takes some milliseconds: a host that always answers like that costs a delivery 30 ms.
	mixedAttempts = 4
	mixedPause    = 10 * time.Millisecond
	// epochGrace is how long the key of an epoch opens deliveries once the next epoch was taken: for what is
	// under way, and sent again after a short outage. Whoever left the group knows that key, and with a broken
	// enclave could forge under it as long.
	epochGrace = 5 * time.Minute
)

var errNoGroupKey = errors.New("the group's newest epoch is not known: there is no key to publish under")

// ErrGroupLags is why nothing is published under a group key (KindStale): whoever the newest list revokes may still be in
// the group. The keeper has to make an epoch after the list.
var ErrGroupLags = errors.New("the group's newest epoch follows an older revocation list than the one this client has verified")

// EpochKey is the group key of an epoch. However it is printed, it does not show the key.
type EpochKey struct {
	Epoch      uint64 // 1 or more
	Key        [32]byte
	Revocation uint64 // number of the revocation list that the epoch follows
}

// Format never shows the key.
func (k EpochKey) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "epoch %d (redacted)", k.Epoch) }

// GroupKeys gives the group keys of a client's group; [GroupMember] does. Its methods are called by any
// number of goroutines, Key while a delivery waits. An epoch never has two keys.
type GroupKeys interface {
	// Newest returns the newest epoch that has been verified.
	Newest() (EpochKey, bool)
	// Key returns the key of an epoch, which a publisher names and may have invented.
	Key(epoch uint64) (EpochKey, bool)
}

// GroupMember is a member of a group whose records and wraps come from a store, such as the host's: what it
// answers is verified. Whoever publishes calls Refresh now and then: a store tells nobody that something is
// new, and a host may hold it back.
type GroupMember struct {
	updating sync.Mutex // guards what follows: one Refresh at a time
	member   *group.Member
	from     group.Getter
	last     []byte // the record that the member is at

	now func() time.Time

	mu   sync.Mutex // held for moments only
	keys []heldKey  // the newest last, at most group.KeptEpochs
}

// heldKey is a group key and when it ends: the newest has no end.
type heldKey struct {
	EpochKey
	until time.Time
}

// NewGroupMember takes over the member.
func NewGroupMember(member *group.Member, from group.Getter) *GroupMember {
	return &GroupMember{member: member, from: from, now: time.Now}
}

// Refresh takes the newest epoch that the store shows. After an error, of kind BadGroup, everything is as it
// was; one that wraps group.ErrMixed may be gone a moment later.
func (g *GroupMember) Refresh() error {
	g.updating.Lock()
	defer g.updating.Unlock()
	var err error
	for i := range mixedAttempts {
		if i > 0 {
			time.Sleep(mixedPause)
		}
		if err = g.refresh(); !errors.Is(err, group.ErrMixed) {
			break
		}
	}
	return err
}

// refresh is one attempt, with updating held.
func (g *GroupMember) refresh() error {
	jws, err := g.from.Get(group.RecordName)
	if err != nil {
		return &keyx.Error{Op: "group: refresh", Kind: keyx.KindBadGroup, Err: err}
	}
	if bytes.Equal(jws, g.last) {
		return nil // so that invented epochs cost a look, and no signatures
	}
	if err := g.member.Advance(jws, g.from); err != nil {
		return err
	}
	g.last = jws
	epoch := g.member.Epoch()
	key, _ := g.member.GroupKey(epoch)
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.keys); n > 0 && g.keys[n-1].Epoch == epoch {
		return nil // the same record in another spelling
	}
	if n := len(g.keys); n > 0 {
		g.keys[n-1].until = g.now().Add(epochGrace)
	}
	if len(g.keys) == group.KeptEpochs {
		g.keys = g.keys[:copy(g.keys, g.keys[1:])]
	}
	g.keys = append(g.keys, heldKey{EpochKey: EpochKey{epoch, key, g.member.Record().Revocation}})
	return nil
}

// Seen is what group.NewMember takes after a restart.
func (g *GroupMember) Seen() group.Seen {
	g.updating.Lock()
	defer g.updating.Unlock()
	return g.member.Seen()
}

// Newest returns the epoch of the last Refresh that succeeded. It waits for no store.
func (g *GroupMember) Newest() (EpochKey, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.keys) == 0 {
		return EpochKey{}, false
	}
	return g.keys[len(g.keys)-1].EpochKey, true
}

// Key returns the key of the newest epoch, or of one that was the newest until a few minutes ago. For an epoch
// beyond them it looks at the store.
func (g *GroupMember) Key(epoch uint64) (EpochKey, bool) {
	if newest, _ := g.Newest(); epoch > newest.Epoch {
		_ = g.Refresh() // without a key the delivery is refused, and told
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range g.keys {
		if k.Epoch == epoch {
			return k.EpochKey, k.until.IsZero() || g.now().Before(k.until)
		}
	}
	return EpochKey{}, false
}

// groupKey is the key to publish under. It refuses rather than publish without one, and rather than under an
// epoch whose members may include somebody whom a list that we have verified revokes.
func (c *Client) groupKey() (EpochKey, error) {
	k, ok := c.cfg.Group.Newest()
	switch {
	case !ok || k.Epoch == 0:
		return EpochKey{}, &Error{Op: opPublish, Kind: Kind(keyx.KindBadGroup), Err: errNoGroupKey}
	case k.Revocation < c.listNumber():
		return EpochKey{}, &Error{Op: opPublish, Kind: Kind(keyx.KindStale), Err: ErrGroupLags}
	}
	return k, nil
}
