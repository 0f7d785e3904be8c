package cli

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/scbr/scbr/keyx/group"
)

func testKeeper(t *testing.T) *keeperFiles {
	path := t.TempDir()
	k, err := lockKeeper(path, filepath.Join(path, keeperStore))
	require.NoError(t, err)
	k.seal, err = chacha20poly1305.NewX(make([]byte, chacha20poly1305.KeySize))
	require.NoError(t, err)
	return k
}

// A group has one keeper at a time; the next one may work when it is done.
func TestOneKeeperAtATime(t *testing.T) {
	k := testKeeper(t)
	_, err := lockKeeper(k.path, "")
	require.ErrorIs(t, err, errKeeperBusy)
	k.close()
	again, err := lockKeeper(k.path, "")
	require.NoError(t, err)
	again.close()
}

// A state file comes back as it was saved, or not at all: no changed byte, no missing one, no other key. Two
// files of one state have nothing in common but the label.
func TestKeeperStateFile(t *testing.T) {
	k := testKeeper(t)
	defer k.close()
	keeper, err := group.NewKeeper("example", "main", rand.Reader)
	require.NoError(t, err)
	name := filepath.Join(k.path, keeperStateFile)
	save := func() []byte {
		require.NoError(t, k.save(keeper.State()))
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		return b
	}
	first, second := save(), save()
	at := len(stateLabel)
	require.NotEqual(t, first[at:at+chacha20poly1305.NonceSizeX], second[at:at+chacha20poly1305.NonceSizeX])
	loaded, err := k.load()
	require.NoError(t, err)
	require.Equal(t, keeper.State(), loaded.State())
	for i := range second {
		b := bytes.Clone(second)
		b[i] ^= 1
		require.NoError(t, os.WriteFile(name, b, 0o600))
		_, err := k.load()
		require.ErrorIs(t, err, errKeeperState, "byte %d", i)
		require.NoError(t, os.WriteFile(name, second[:i], 0o600))
		_, err = k.load()
		require.ErrorIs(t, err, errKeeperState, "%d bytes", i)
	}
	require.NoError(t, os.WriteFile(name, second, 0o600))
	k.seal, err = chacha20poly1305.NewX(bytes.Repeat([]byte{1}, chacha20poly1305.KeySize))
	require.NoError(t, err)
	_, err = k.load()
	require.ErrorIs(t, err, errKeeperState)
}

// What was seen never goes back, and a damaged note is no reason to believe a host.
func TestSeenFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.group.seen")
	seen, err := readSeen(name)
	require.NoError(t, err)
	require.Equal(t, group.Seen{}, seen)
	want := group.Seen{Epoch: 7, Hash: [32]byte{1, 2}}
	require.NoError(t, writeSeen(name, want))
	require.NoError(t, writeSeen(name, group.Seen{Epoch: 6, Hash: [32]byte{3}}))
	seen, err = readSeen(name)
	require.NoError(t, err)
	require.Equal(t, want, seen)
	for _, bad := range []string{"", "{", "null", `{"epoch":-1}`, `{"epoch":1,"record":"00"}`, `{"epoch":9007199254740992,"record":""}`, `{"more":1}`} {
		require.NoError(t, os.WriteFile(name, []byte(bad), 0o600))
		_, err = readSeen(name)
		require.Error(t, err, bad)
		require.Error(t, writeSeen(name, group.Seen{Epoch: 9}), bad)
	}
}
