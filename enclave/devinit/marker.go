package devinit

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	// markerFile stands there while the directory is being written. It lists the
	// files with the SHA-256 of what they are going to be, so that a second
	// attempt overwrites nothing but what the first has begun.
	markerFile = ".dev-init"
	markerHead = "scbr dev-init is writing these files:\n"
)

func marker(files map[string][]byte) []byte {
	b := []byte(markerHead)
	for _, n := range names() {
		b = append(b, markerLine(n, files[n])...)
	}
	return b
}

func markerLine(name string, content []byte) []byte {
	return fmt.Appendf(nil, "%x %s\n", sha256.Sum256(content), name)
}

// removeBegun removes what an earlier attempt has written, if all that stands in
// the way was written by it; the marker goes last.
func removeBegun(dir string) error {
	if err := checkFile(dir, markerFile); err != nil {
		return err
	}
	text, err := readFile(filepath.Join(dir, markerFile))
	if err != nil {
		return err
	}
	list, ours := bytes.CutPrefix(text, []byte(markerHead))
	if !ours {
		return unsafeError(dir, "%s is not a marker of dev-init: name an empty or a new directory", markerFile)
	}
	var begun []string
	for _, n := range names() {
		if _, err := os.Lstat(filepath.Join(dir, n)); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := checkFile(dir, n); err != nil {
			return err
		}
		b, err := readFile(filepath.Join(dir, n))
		if err != nil {
			return err
		}
		line := markerLine(n, b)
		if !bytes.HasPrefix(list, line) && !bytes.Contains(list, append([]byte{'\n'}, line...)) {
			return unsafeError(dir, "%s was not written by the attempt that %s tells of: move it away, or name an empty or a new directory",
				n, markerFile)
		}
		begun = append(begun, n)
	}
	for _, n := range begun {
		if err := os.Remove(filepath.Join(dir, n)); err != nil {
			return err
		}
	}
	return nil // create puts its own marker in the place of the old one
}
