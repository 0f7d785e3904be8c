package platform

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ReadDevice reads a whole file as which a kernel or runtime shows hardware, of at
// most limit bytes.
func ReadDevice(name string, limit int) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // a platform's own names
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err == nil && len(b) > limit {
		err = fmt.Errorf("%s: more than %d bytes", filepath.Base(name), limit)
	}
	return b, err
}

// WriteDevice writes to such a file in one go. It has to exist.
func WriteDevice(name string, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // a platform's own names
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
