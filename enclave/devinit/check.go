package devinit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	othersMask = 0o077 // what group and others may do
	keySuffix  = ".key"
)

func unsafeError(dir, format string, v ...any) error {
	return &Error{Dir: dir, Kind: KindUnsafe, Err: fmt.Errorf(format, v...)}
}

// checkPath refuses a path that leads through a symbolic link of somebody else;
// those of root and of this user are theirs to make. What does not exist yet will
// be made.
func checkPath(dir string) error {
	path, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for ; ; path = filepath.Dir(path) {
		info, err := os.Lstat(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err == nil && info.Mode()&fs.ModeSymlink != 0 && !ownedByUs(info) && !ownedByRoot(info) {
			return unsafeError(dir, "%s is a symbolic link of another user: name the directory itself", path)
		}
		if path == filepath.Dir(path) {
			return nil
		}
	}
}

// checkOwner wants dir to be this user's, and reached by ways of this user's.
func checkOwner(dir string) error {
	if err := checkPath(dir); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	return checkInfo(dir, dir, info, false) // it may be empty: create closes it before anything is put there
}

// checkDirs wants dir and its platform directory, if there is one, to be closed
// to others.
func checkDirs(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := checkInfo(dir, dir, info, true); err != nil {
		return err
	}
	platform := filepath.Join(dir, PlatformDir)
	info, err = os.Lstat(platform)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return unsafeError(dir, "%s is not a directory itself: name an empty or a new directory", platform)
	}
	return checkInfo(dir, platform, info, true)
}

// checkFile wants a file of dir to be a regular one of this user, and a key to be
// for this user only.
func checkFile(dir, name string) error {
	path := filepath.Join(dir, name)
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return unsafeError(dir, "%s is not a regular file: remove it, or name an empty or a new directory", path)
	}
	return checkInfo(dir, path, info, strings.HasSuffix(name, keySuffix))
}

func checkInfo(dir, path string, info fs.FileInfo, private bool) error {
	if !ownedByUs(info) {
		return unsafeError(dir, "%s belongs to another user: name a directory of your own", path)
	}
	if perm := info.Mode().Perm(); private && perm&othersMask != 0 && permissionsMean {
		return unsafeError(dir, "%s is open to other users (mode %04o), who may know its keys: make a new directory, or if you are sure: chmod go-rwx %s",
			path, perm, path)
	}
	return nil
}
