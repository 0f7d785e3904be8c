// Package dir is a group's store in a directory: what a keeper publishes, one file for each object, to be
// put where the members can fetch it. The directory is the host's as soon as it is there; nothing in it is
// secret, and nothing that is read from it is trusted: keyx/group checks it.
//
// A file appears whole or not at all, and is on the disk when Put returns. Names outside of those that
// objects have are refused, so that no name leaves the directory.
package dir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scbr/scbr/keyx/group"
)

const (
	dirMode  = 0o755
	fileMode = 0o644
)

// ErrName is a name that no object has; ErrSize an object beyond group.MaxObjectBytes.
var (
	ErrName = errors.New("not the name of a group's object")
	ErrSize = errors.New("larger than a group's object")
)

// Store is a directory. The zero value is none.
type Store struct{ root string }

// New gives the store in a directory, which the first Put makes if need be.
func New(root string) Store { return Store{root} }

// path spreads the files over folders: nodes by level and all but the last two digits of the index, 256 in
// each; members by the first two digits.
func (s Store) path(name string) (string, error) {
	switch {
	case !group.ValidObjectName(name):
		return "", ErrName
	case name == group.RecordName:
		return filepath.Join(s.root, name), nil
	case name[0] == 'm':
		return filepath.Join(s.root, name[:len("member-00")], name), nil
	default:
		return filepath.Join(s.root, name[:len("node-00")], name[len("node-00-"):len(name)-2], name), nil
	}
}

// Get reads an object. Without one the error is group.ErrNotFound.
func (s Store) Get(name string) ([]byte, error) {
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path) //nolint:gosec // the root is the caller's, the name was checked
	if errors.Is(err, fs.ErrNotExist) {
		return nil, group.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	b, err := io.ReadAll(io.LimitReader(f, group.MaxObjectBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > group.MaxObjectBytes {
		return nil, ErrSize
	}
	return b, nil
}

// Put writes an object in the place of the one before.
func (s Store) Put(name string, object []byte) error {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if len(object) > group.MaxObjectBytes {
		return ErrSize
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, dirMode); err != nil { //nolint:gosec // public data
		return err
	}
	f, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(object)
	err = errors.Join(err, f.Chmod(fileMode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, err), os.Remove(f.Name()))
	}
	return syncFolder(folder)
}

// syncFolder makes a new name in it last.
func syncFolder(name string) error {
	d, err := os.Open(name) //nolint:gosec // as above
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
