package launch

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// resetKeyBytes is the length of the file.
const resetKeyBytes = 32

// resetKey reads the key of stateless resets, or makes it. It is no secret of clients: who knows it can end connections that it sees.
// found says that it was there: a router with this key ran before.
func resetKey(path string) (key *[resetKeyBytes]byte, found bool, err error) {
	if path == "" {
		return nil, false, nil
	}
	b, err := os.ReadFile(path) // #nosec G304 -- the operator's choice
	if errors.Is(err, fs.ErrNotExist) {
		b = make([]byte, resetKeyBytes)
		if _, err := rand.Read(b); err != nil {
			return nil, false, err
		}
		err = os.WriteFile(path, b, 0o600)
	} else {
		found = true
	}
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("reset key: %w", err)
	case len(b) != resetKeyBytes:
		return nil, false, fmt.Errorf("reset key: %s has %d bytes instead of %d: remove it, and a new one is made", path, len(b), resetKeyBytes)
	}
	return (*[resetKeyBytes]byte)(b), found, nil
}
