package cli

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/group"
	"github.com/scbr/scbr/keyx/group/dir"
)

// Files of a keeper, in its directory.
const (
	keeperKeyFile   = "keeper.key"   // what seals the state, itself sealed with the passphrase
	keeperStateFile = "keeper.state" // sealed, replaced by every change
	keeperLockFile  = "keeper.lock"
	keeperStore     = "store" // for the host

	pemKeeperKey = "SCBR GROUP STATE KEY"
	// stateLabel begins a state file, and is authenticated with it.
	stateLabel = "scbr/group-state/v1\n"
	// maxStateFile bounds what is read of a state file.
	maxStateFile = group.MaxStateBytes + len(stateLabel) + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
)

var (
	errKeeperKey   = errors.New("not the key of a group's keeper")
	errKeeperState = errors.New("damaged, or not sealed with this " + keeperKeyFile)
	errKeeperOld   = errors.New("the store has an epoch that this state does not know: the state was put back to an older one, or another keeper is at work; bring the newest state back, or make a new group")
	errKeeperBusy  = errors.New("another scbr group is at work on this group: wait for it to end")
)

// keeperFiles are the files of one keeper, locked.
type keeperFiles struct {
	path  string
	store dir.Store
	lock  *os.File
	seal  cipher.AEAD
}

// lockKeeper takes the lock: a group has one keeper at a time, or an epoch number would be given twice.
func lockKeeper(path, store string) (*keeperFiles, error) {
	f, err := os.OpenFile(filepath.Join(path, keeperLockFile), os.O_RDWR|os.O_CREATE, privateMode) //nolint:gosec // the path is the user's own
	if err != nil {
		return nil, badPath(err, "check --dir and --name: scbr group init makes a group")
	}
	switch got, err := tryLock(f); {
	case err != nil:
		return nil, errors.Join(err, f.Close())
	case !got:
		return nil, errors.Join(errKeeperBusy, f.Close())
	}
	return &keeperFiles{path: path, store: dir.New(store), lock: f}, nil
}

func (k *keeperFiles) close() { k.lock.Close() } //nolint:errcheck,gosec // nothing was written; the lock ends with it

// newKey makes the key of the states and returns its file.
func (k *keeperFiles) newKey(cmd *cobra.Command, p *passphrase) ([]byte, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	defer clear(key)
	var err error
	if k.seal, err = chacha20poly1305.NewX(key); err != nil {
		return nil, err
	}
	return p.seal(cmd, keeperKeyFile, pem.EncodeToMemory(&pem.Block{Type: pemKeeperKey, Bytes: key}))
}

func (k *keeperFiles) loadKey(cmd *cobra.Command, p *passphrase) error {
	name := filepath.Join(k.path, keeperKeyFile)
	b, err := os.ReadFile(name) //nolint:gosec // the path is the user's own
	if err != nil {
		return badPath(err, "check --dir and --name: scbr group init makes a group")
	}
	if b, err = p.open(cmd, name, b); err != nil {
		return err
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != pemKeeperKey || len(block.Headers) > 0 || len(block.Bytes) != chacha20poly1305.KeySize || len(bytes.TrimSpace(rest)) > 0 {
		return usagef("%s: %w", name, errKeeperKey)
	}
	k.seal, err = chacha20poly1305.NewX(block.Bytes)
	return err
}

// save seals a state with XChaCha20-Poly1305, under a nonce of 192 random bits: one key takes any number of
// states without two nonces ever being equal.
func (k *keeperFiles) save(state []byte) error {
	b := append(make([]byte, 0, maxOverhead+len(state)), stateLabel...)
	nonce := make([]byte, k.seal.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return err
	}
	b = append(b, nonce...)
	if err := replaceMode(filepath.Join(k.path, keeperStateFile), k.seal.Seal(b, nonce, state, []byte(stateLabel)), privateMode); err != nil {
		return err
	}
	d, err := os.Open(k.path) // so that the new file is there after a power cut: what follows is published
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

const maxOverhead = len(stateLabel) + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

func (k *keeperFiles) load() (*group.Keeper, error) {
	name := filepath.Join(k.path, keeperStateFile)
	f, err := os.Open(name) //nolint:gosec // the path is the user's own
	if err != nil {
		return nil, badPath(err, "check --dir and --name: scbr group init makes a group")
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, int64(maxStateFile)+1))
	if err != nil {
		return nil, badPath(err, "check --dir and --name")
	}
	sealed, ok := bytes.CutPrefix(b, []byte(stateLabel))
	if !ok || len(b) > maxStateFile || len(sealed) < k.seal.NonceSize() {
		return nil, usagef("%s: %w", name, errKeeperState)
	}
	nonce, sealed := sealed[:k.seal.NonceSize()], sealed[k.seal.NonceSize():]
	state, err := k.seal.Open(nil, nonce, sealed, []byte(stateLabel))
	if err != nil {
		return nil, usagef("%s: %w", name, errKeeperState)
	}
	keeper, err := group.LoadKeeper(state, rand.Reader)
	if err != nil {
		return nil, usagef("%s: %w", name, err)
	}
	return keeper, nil
}

// check refuses a keeper that is behind what the store shows: it would give an epoch number twice.
func (k *keeperFiles) check(keeper *group.Keeper, domain keyx.Domain) error {
	jws, err := k.store.Get(group.RecordName)
	if errors.Is(err, group.ErrNotFound) {
		return nil
	}
	if err != nil {
		return badPath(err, "check --store")
	}
	r, seen, err := group.VerifyRecord(jws, domain)
	if err != nil {
		return usagef("the record in the store is not one of this domain's authority: check --store: %w", err)
	}
	if _, name := keeper.Domain(); r.Group != name {
		return usagef("the store is that of the group %q: check --store", r.Group)
	}
	if mine := keeper.Seen(); seen.Epoch > mine.Epoch || seen.Epoch == mine.Epoch && seen != mine {
		return errKeeperOld
	}
	return nil
}

// publish hands a pending epoch to the store and notes that it is there.
func (k *keeperFiles) publish(keeper *group.Keeper) error {
	if !keeper.Pending() {
		return nil
	}
	if err := keeper.Publish(k.store); err != nil {
		return badPath(fmt.Errorf("the epoch is made and not published: %w", err), "choose a --store that is yours to write; any scbr group command publishes it then")
	}
	return k.save(keeper.State())
}
