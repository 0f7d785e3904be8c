package group

import (
	"errors"
	"fmt"

	"github.com/scbr/scbr/keyx"
)

// Limits. Whatever comes from a store is compared with them before anything else.
const (
	// MaxHeight bounds the tree: 2^20 members. A path of a member is as many objects.
	MaxHeight = 20
	// MaxMembers is how many slots a tree has.
	MaxMembers = 1 << MaxHeight
	// MaxBatch bounds how many members one epoch adds and removes together: the state holds what an epoch
	// publishes until it is published, some 1.3 KB for each of them and 185 bytes for each node above.
	MaxBatch = 4096
	// MaxEpoch is the largest number of an epoch, and of the other numbers in a record.
	MaxEpoch = keyx.MaxGrantNumber
	// MaxObjectBytes bounds every object of a store: the largest one is the record.
	MaxObjectBytes = keyx.MaxGroupRecordBytes
	// MaxStateBytes bounds a keeper's state: full, with the longest names.
	MaxStateBytes = 512 << 20
	// KeptEpochs is how many epochs' group keys a member keeps: publications sealed just before a change
	// arrive after it.
	KeptEpochs = 16
)

// Causes. All of them come inside a *keyx.Error of kind BadGroup.
var (
	// ErrOldEpoch is a record below the newest that was verified: somebody replays it.
	ErrOldEpoch = errors.New("the record is older than one seen before")
	// ErrFork is a second record of an epoch, or one that does not follow the one before.
	ErrFork = errors.New("the record contradicts one seen before")
	// ErrNotMember is a group that has no leaf of this member, by the authority's word, or by the host's
	// when the member has never been in it.
	ErrNotMember = errors.New("not a member of the group")
	// ErrMixed is an object that is not the one the record stands for: of another version, because the
	// keeper is publishing at this moment and a later attempt will succeed, or somebody's own.
	ErrMixed = errors.New("an object is not of this record")
	// ErrUnpublished is a change while the epoch before is not published yet.
	ErrUnpublished = errors.New("the epoch before is not published yet")
	// ErrNotFound is what a Store answers for a name without an object.
	ErrNotFound = errors.New("no such object")
	// ErrMember is a change that names a member who is there already, or is not.
	ErrMember = errors.New("a member to be added is there, or one to be removed is not")

	errName     = errors.New("a name must be 1 to 255 bytes of printable UTF-8")
	errForeign  = errors.New("the record is of another domain or group")
	errEncoding = errors.New("does not decode, or not canonically")
	errTooLong  = errors.New("too long")
	errWrap     = errors.New("a wrap does not open")
	errCommit   = errors.New("the key is not the one the record commits to")
	errKey      = errors.New("not an X-Wing key")
	errTwice    = errors.New("a member or key stands in the change twice, or a key is another member's")
	errBatch    = errors.New("too many members in one change")
	errFull     = errors.New("the group is full")
	errBack     = errors.New("a number or time that goes back")
	errEpochs   = errors.New("no epoch number is left")
	errDead     = errors.New("a change was not saved: load the keeper again")
	errLoad     = errors.New("the state contradicts itself")
)

func fail(op string, err error) error {
	return &keyx.Error{Op: "group: " + op, Kind: keyx.KindBadGroup, Err: err}
}

func internal(op string, err error) error {
	return &keyx.Error{Op: "group: " + op, Kind: keyx.KindInternal, Err: err}
}

const redacted = "redacted"

// key is a key of the tree, of a wrap or of an epoch. However it is printed, it says "redacted".
type key [32]byte

// Format never shows the key.
func (key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// The types below hold keys in unexported fields, where fmt calls no method of the field but prints the
// bytes: they answer for their fields themselves.

// Format never shows the key.
func (slot) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Format never shows the key.
func (vertex) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Format never shows the key.
func (step) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// Format never shows the key.
func (epochKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }
