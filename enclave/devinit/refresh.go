package devinit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
)

const (
	dirMode  = 0o700 // keys lie in it
	fileMode = 0o600
)

var (
	errOther    = errors.New("it belongs to another directory")
	errTooLarge = errors.New("it is too large")
)

// refresh checks that a complete directory fits together and renews what ages.
func refresh(dir string, measurement [32]byte, now time.Time) (Result, error) {
	var r Result
	damaged := func(file string, err error) (Result, error) {
		return r, &Error{Dir: dir, Kind: KindDamaged, File: file, Err: err}
	}
	failed := func(err error) (Result, error) { return r, &Error{Dir: dir, Kind: KindSystem, Err: err} }

	machine, err := ReadPlatform(filepath.Join(dir, PlatformDir))
	if err != nil {
		return damaged(PlatformDir, err)
	}
	policy, err := policyFor(machine, measurement)
	if err != nil {
		return damaged(PlatformDir, err)
	}
	authority, err := readAuthority(dir)
	if err != nil {
		return damaged(AuthorityFile, err)
	}
	client, err := readKey(dir, ClientKeyFile)
	if err != nil {
		return damaged(ClientKeyFile, err)
	}
	domain, err := ReadDomain(filepath.Join(dir, DomainFile))
	if err == nil && domain.Digest() != domainOf(authority).Digest() {
		err = errOther
	}
	if err != nil {
		return damaged(DomainFile, err)
	}
	if r.GrantRenewed, err = expired(dir, domain, client, now); err != nil {
		return damaged(GrantFile, err)
	}
	if r.GrantRenewed {
		grant, err := newGrant(authority, client, now)
		if err == nil {
			err = writeFile(dir, GrantFile, grant)
		}
		if err != nil {
			return failed(err)
		}
	}
	old, err := readFile(filepath.Join(dir, PolicyFile))
	if err != nil {
		return damaged(PolicyFile, err)
	}
	if r.PolicyRefreshed = !bytes.Equal(old, policy); r.PolicyRefreshed {
		if err := writeFile(dir, PolicyFile, policy); err != nil {
			return failed(err)
		}
	}
	return r, nil
}

// expired says whether the client's grant is past its time; any other fault of
// it is an error.
func expired(dir string, d keyx.Domain, client ed25519.PrivateKey, now time.Time) (bool, error) {
	raw, err := readFile(filepath.Join(dir, GrantFile))
	if err != nil {
		return false, err
	}
	g, err := keyx.VerifyGrant(raw, d, now)
	var e *keyx.Error
	if errors.As(err, &e) && e.Kind == keyx.KindGrantExpired {
		return true, nil
	}
	if err == nil && !g.Key.Equal(public(client)) {
		err = errOther
	}
	return false, err
}

// ReadPlatform reads the files of a simulated platform.
func ReadPlatform(dir string) (sim.Files, error) {
	files := sim.Files{}
	for _, n := range sim.FileNames() {
		b, err := readFile(filepath.Join(dir, n))
		if err != nil {
			return nil, err
		}
		files[n] = b
	}
	return files, nil
}

// ReadDomain reads a domain file.
func ReadDomain(path string) (keyx.Domain, error) {
	b, err := readFile(path)
	if err != nil {
		return keyx.Domain{}, err
	}
	return keyx.ParseDomain(b)
}

func readAuthority(dir string) (keyx.Authority, error) {
	b, err := readFile(filepath.Join(dir, AuthorityFile))
	if err != nil {
		return keyx.Authority{}, err
	}
	defer clear(b)
	return keyx.ParseAuthorityPEM(b)
}

func readKey(dir, name string) (ed25519.PrivateKey, error) {
	b, err := readFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer clear(b)
	return keyx.ParsePrivateKeyPEM(b)
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(b) > maxFileBytes {
		err = errTooLarge
	}
	return b, err
}

// writeFile puts a file in place whole or not at all, readable by its owner.
func writeFile(dir, name string, b []byte) (err error) {
	path := filepath.Join(dir, name)
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(b); err != nil {
		return err
	}
	if err := f.Chmod(fileMode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
