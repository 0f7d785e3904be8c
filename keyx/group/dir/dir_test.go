package dir

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx/group"
)

func TestStore(t *testing.T) {
	root := filepath.Join(t.TempDir(), "not", "there", "yet")
	s := New(root)
	names := []string{group.RecordName, "node-00-00000000", "node-11-000fffff", "member-" + strings.Repeat("0f", 16)}
	for _, name := range names {
		_, err := s.Get(name)
		require.ErrorIs(t, err, group.ErrNotFound)
		require.NoError(t, s.Put(name, []byte("first "+name)))
		require.NoError(t, s.Put(name, []byte(name)))
	}
	for _, name := range names {
		b, err := New(root).Get(name)
		require.NoError(t, err)
		require.Equal(t, name, string(b))
	}
	left := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if !d.IsDir() {
			left++
			require.False(t, strings.HasPrefix(d.Name(), "."), "%s was left behind", path)
		}
		return err
	}))
	require.Equal(t, len(names), left)
}

func TestStoreRefuses(t *testing.T) {
	root := t.TempDir()
	s := New(filepath.Join(root, "store"))
	for _, name := range []string{"", "..", "../record", "node-00-../../..", "/etc/passwd", "record/"} {
		require.ErrorIs(t, s.Put(name, nil), ErrName)
		_, err := s.Get(name)
		require.ErrorIs(t, err, ErrName)
	}
	require.ErrorIs(t, s.Put(group.RecordName, make([]byte, group.MaxObjectBytes+1)), ErrSize)
	files, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Empty(t, files)
	// A file that somebody made too large is not read into memory.
	require.NoError(t, s.Put(group.RecordName, []byte("x")))
	require.NoError(t, os.WriteFile(filepath.Join(root, "store", group.RecordName), bytes.Repeat([]byte("x"), 1<<20), 0o600))
	_, err = s.Get(group.RecordName)
	require.ErrorIs(t, err, ErrSize)
	// A store where a file is in the way says so.
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o600))
	require.Error(t, New(filepath.Join(root, "file")).Put(group.RecordName, nil))
}
