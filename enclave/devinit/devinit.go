// Package devinit makes the directory that a development setup needs: a
// simulated platform, a domain with one authority, a policy that accepts this
// very binary on that platform, and a client with a grant for everything.
//
// Who may lie to it: whoever can write the directory, which is why it keeps it to
// its owner and refuses one that belongs to somebody else, can be read or written
// by others, or is reached through somebody else's symbolic link. It promises to
// leave a complete directory alone (but for a policy of an older binary and an
// expired grant, and it says so), to begin again one that it left half-written, if
// everything in the way is its own, and to touch no other. It does not make
// anything that a production policy accepts, and it does not promise anything when
// a directory above can be rearranged by others meanwhile.
package devinit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher/filter"
)

// Names of what stands in the directory.
const (
	PlatformDir   = "platform" // the simulated platform; see package sim
	DomainFile    = "domain.json"
	PolicyFile    = "policy.json"
	AuthorityFile = "authority.key"
	ClientKeyFile = "client.key"
	GrantFile     = "client.grant"
	// DomainName is the name of the development domain.
	DomainName = "dev"
	// Subject is the name of the development client.
	Subject = "dev"
	// grantLife is how long the client's grant is valid: a year of
	// development without a surprise.
	grantLife = 365 * 24 * time.Hour
	// maxFileBytes bounds what is read back; the largest file is a grant.
	maxFileBytes = 64 << 10
)

// Kind says why a directory was refused or not made.
type Kind uint8

// The kinds of failures.
const (
	KindForeign Kind = 1 + iota // not empty, and not made here
	KindDamaged                 // made here, but a file does not fit
	KindSystem                  // the file system or randomness failed
	KindUnsafe                  // somebody else owns it, or may read or write it
)

// Error is the error of this package; it names files, never what is in them.
type Error struct {
	Dir  string
	Kind Kind
	File string
	Err  error
}

// Error says what is wrong and what to do.
func (e *Error) Error() string {
	switch e.Kind {
	case KindForeign:
		return fmt.Sprintf("dev-init: %s has files in it, but is not a complete directory of dev-init (%s is missing): name an empty or a new directory", e.Dir, e.File)
	case KindDamaged:
		return fmt.Sprintf("dev-init: %s in %s does not fit (%v): remove the directory to make a new one", e.File, e.Dir, e.Err)
	default: // KindSystem, KindUnsafe
		return fmt.Sprintf("dev-init: %s: %v", e.Dir, e.Err)
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Result says what was done.
type Result struct {
	Created         bool // the directory is new, or was begun again
	PolicyRefreshed bool // the policy named another binary
	GrantRenewed    bool // the grant had expired
}

// Init makes dir, or brings it up to date, for an enclave of this measurement.
func Init(dir string, measurement [32]byte, rand io.Reader, now time.Time) (Result, error) {
	state, err := inspect(dir)
	if err == nil && state == complete {
		return refresh(dir, measurement, now)
	}
	if err == nil && state == halfWritten {
		err = removeBegun(dir)
	}
	if err == nil {
		err = create(dir, measurement, rand, now)
	}
	var e *Error
	if err != nil && !errors.As(err, &e) {
		err = &Error{Dir: dir, Kind: KindSystem, Err: err}
	}
	return Result{Created: err == nil}, err
}

type state uint8

const (
	empty state = iota
	halfWritten
	complete
)

// names are all files, as paths below the directory.
func names() []string {
	list := []string{DomainFile, PolicyFile, AuthorityFile, ClientKeyFile, GrantFile}
	for _, n := range sim.FileNames() {
		list = append(list, filepath.Join(PlatformDir, n))
	}
	return list
}

// inspect tells the state of dir. A directory that this package must not touch is
// an *Error.
func inspect(dir string) (state, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return empty, checkPath(dir)
	}
	if err == nil {
		err = checkOwner(dir)
	}
	if err != nil || len(entries) == 0 {
		return empty, err
	}
	if _, err := os.Lstat(filepath.Join(dir, markerFile)); err == nil {
		return halfWritten, checkDirs(dir)
	}
	for _, n := range names() {
		if _, err := os.Lstat(filepath.Join(dir, n)); errors.Is(err, os.ErrNotExist) {
			return 0, &Error{Dir: dir, Kind: KindForeign, File: n}
		} else if err != nil {
			return 0, err
		}
	}
	if err := checkDirs(dir); err != nil {
		return 0, err
	}
	for _, n := range names() {
		if err := checkFile(dir, n); err != nil {
			return 0, err
		}
	}
	return complete, nil
}

// create writes everything, between writing and removing the marker.
func create(dir string, measurement [32]byte, rand io.Reader, now time.Time) error {
	files, err := generate(measurement, rand, now)
	if err != nil {
		return err
	}
	for _, d := range []string{dir, filepath.Join(dir, PlatformDir)} {
		if err := os.MkdirAll(d, dirMode); err != nil {
			return err
		}
		if err := os.Chmod(d, dirMode); err != nil { // it may have been there, empty
			return err
		}
		if d == dir {
			if err := writeFile(dir, markerFile, marker(files)); err != nil {
				return err
			}
		}
	}
	for _, n := range names() {
		if err := writeFile(dir, n, files[n]); err != nil {
			return err
		}
	}
	return os.Remove(filepath.Join(dir, markerFile))
}

// generate makes the contents of all files.
func generate(measurement [32]byte, rand io.Reader, now time.Time) (map[string][]byte, error) {
	files := map[string][]byte{}
	machine, err := sim.Create(rand, now)
	if err != nil {
		return nil, err
	}
	for n, b := range machine {
		files[filepath.Join(PlatformDir, n)] = b
	}
	if files[PolicyFile], err = policyFor(machine, measurement); err != nil {
		return nil, err
	}
	authority, err := keyx.NewAuthority(rand)
	if err != nil {
		return nil, err
	}
	if files[AuthorityFile], err = authority.PEM(); err != nil {
		return nil, err
	}
	var client ed25519.PrivateKey
	if client, files[ClientKeyFile], err = newKey(rand); err != nil {
		return nil, err
	}
	files[DomainFile] = domainOf(authority).JSON()
	files[GrantFile], err = newGrant(authority, client, now)
	return files, err
}

func newKey(rand io.Reader) (ed25519.PrivateKey, []byte, error) {
	seed := make([]byte, ed25519.SeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, nil, err
	}
	key := ed25519.NewKeyFromSeed(seed)
	text, err := keyx.MarshalPrivateKeyPEM(key)
	return key, text, err
}

func public(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(key[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
}

func domainOf(authority keyx.Authority) keyx.Domain {
	return keyx.Domain{Name: DomainName, Authorities: []keyx.AuthorityKey{authority.Public()}}
}

// newGrant lets the development client publish and subscribe everything.
func newGrant(authority keyx.Authority, client ed25519.PrivateKey, now time.Time) ([]byte, error) {
	all, err := filter.New()
	if err != nil {
		return nil, err
	}
	return keyx.SignGrant(keyx.Grant{
		Subject: Subject, Key: public(client), Domain: DomainName, Publish: &all, Subscribe: &all,
		NotAfter: now.Add(grantLife).UTC().Truncate(time.Second), Serial: 1,
	}, authority)
}

func policyFor(machine sim.Files, measurement [32]byte) ([]byte, error) {
	p, err := sim.Load(machine, sim.Config{Measurement: measurement})
	if err != nil {
		return nil, err
	}
	return p.Policy().JSON(), nil
}
