//go:build unix

package devinit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/devinit"
	"github.com/scbr/scbr/enclave/platform/sim"
)

// stranger is a user that these tests are not.
const stranger = 65534

// refused: dir is refused as unsafe, for a reason that says what to do, and
// nothing in it changes.
func refused(t *testing.T, dir, reason string) {
	t.Helper()
	before := contents(t, dir)
	_, err := initDir(dir, two, now)
	require.Equal(t, devinit.KindUnsafe, kindOf(err), "%v", err)
	require.ErrorContains(t, err, reason)
	require.Equal(t, before, contents(t, dir))
}

func made(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dev")
	_, err := initDir(dir, one, now)
	require.NoError(t, err)
	return dir
}

func TestRefusesWhatOthersMayOpen(t *testing.T) {
	for _, name := range []string{
		".", devinit.PlatformDir, devinit.AuthorityFile, devinit.ClientKeyFile,
		filepath.Join(devinit.PlatformDir, sim.FileAttestationKey), filepath.Join(devinit.PlatformDir, sim.FileRootKey),
	} {
		dir := made(t)
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		require.NoError(t, err)
		for _, bit := range []os.FileMode{0o040, 0o020, 0o004, 0o002} {
			require.NoError(t, os.Chmod(path, info.Mode().Perm()|bit))
			refused(t, dir, "chmod go-rwx "+path)
		}
		require.NoError(t, os.Chmod(path, info.Mode().Perm()))
		_, err = initDir(dir, one, now)
		require.NoError(t, err)
	}
	dir := made(t)
	require.NoError(t, os.Chmod(filepath.Join(dir, devinit.PolicyFile), 0o644)) // no secret
	_, err := initDir(dir, one, now)
	require.NoError(t, err)
}

func TestRefusesWhatOthersOwn(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	for _, name := range []string{
		".", devinit.PlatformDir, devinit.ClientKeyFile, devinit.DomainFile, filepath.Join(devinit.PlatformDir, sim.FileRoot),
	} {
		dir := made(t)
		require.NoError(t, os.Lchown(filepath.Join(dir, name), stranger, -1))
		refused(t, dir, "belongs to another user")
	}
	empty := t.TempDir()
	require.NoError(t, os.Lchown(empty, stranger, -1))
	refused(t, empty, "belongs to another user")
}

func TestSymbolicLinks(t *testing.T) {
	dir := made(t)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(filepath.Dir(dir), link))
	_, err := initDir(filepath.Join(link, "dev"), one, now)
	require.NoError(t, err, "one's own link")
	if os.Getuid() == 0 {
		require.NoError(t, os.Lchown(link, stranger, -1))
		for _, name := range []string{"dev", "new"} { // complete, and to be made
			_, err = initDir(filepath.Join(link, name), one, now)
			require.Equal(t, devinit.KindUnsafe, kindOf(err))
			require.ErrorContains(t, err, "symbolic link of another user")
		}
		require.NoDirExists(t, filepath.Join(filepath.Dir(dir), "new"))
	}
	for _, name := range []string{devinit.PlatformDir, devinit.AuthorityFile} {
		dir := made(t)
		moved := filepath.Join(t.TempDir(), "moved")
		require.NoError(t, os.Rename(filepath.Join(dir, name), moved))
		require.NoError(t, os.Symlink(moved, filepath.Join(dir, name)))
		_, err := initDir(dir, one, now)
		require.Equal(t, devinit.KindUnsafe, kindOf(err), name)
	}
}

// TestOverwritesOnlyWhatItBegan: the marker alone gives no right to a file.
func TestOverwritesOnlyWhatItBegan(t *testing.T) {
	dir := made(t)
	crashed(t, dir)
	domain := filepath.Join(dir, devinit.DomainFile)
	require.NoError(t, os.WriteFile(domain, []byte("somebody's domain"), 0o600))
	refused(t, dir, "domain.json was not written by the attempt")

	dir = made(t)
	crashed(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, devinit.MarkerFile), nil, 0o600))
	refused(t, dir, "not a marker of dev-init")

	dir = made(t)
	crashed(t, dir)
	require.NoError(t, os.Chmod(dir, 0o755))
	refused(t, dir, "chmod go-rwx")

	dir = t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, devinit.MarkerFile), devinit.Marker(nil), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, devinit.DomainFile), []byte("somebody's domain"), 0o600))
	refused(t, dir, "domain.json was not written by the attempt")
}
