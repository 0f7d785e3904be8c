package devinit_test

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/devinit"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

var (
	now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	one = [32]byte{1}
	two = [32]byte{2}
)

func initDir(dir string, measurement [32]byte, at time.Time) (devinit.Result, error) {
	return devinit.Init(dir, measurement, rand.NewChaCha8([32]byte{3}), at)
}

// contents reads the whole directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	}))
	return files
}

func kindOf(err error) devinit.Kind {
	var e *devinit.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

func TestCreatesWhatFitsTogether(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "dev")
	r, err := initDir(dir, one, now)
	require.NoError(t, err)
	require.Equal(t, devinit.Result{Created: true}, r)

	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		require.Equal(t, want, info.Mode().Perm(), path)
		return nil
	}))
	files := contents(t, dir)
	require.Len(t, files, 5+len(sim.FileNames()))
	read := func(name string) []byte { return []byte(files[filepath.Join(dir, name)]) }

	domain, err := keyx.ParseDomain(read(devinit.DomainFile))
	require.NoError(t, err)
	g, err := keyx.VerifyGrant(read(devinit.GrantFile), domain, now.Add(364*24*time.Hour))
	require.NoError(t, err)
	require.Equal(t, devinit.Subject, g.Subject)
	require.True(t, g.Publish.IsTrue() && g.Subscribe.IsTrue())
	key, err := keyx.ParsePrivateKeyPEM(read(devinit.ClientKeyFile))
	require.NoError(t, err)
	require.True(t, g.Key.Equal(key.Public()))

	machine, err := devinit.ReadPlatform(filepath.Join(dir, devinit.PlatformDir))
	require.NoError(t, err)
	p, err := sim.Load(machine, sim.Config{Measurement: one, Now: func() time.Time { return now }})
	require.NoError(t, err)
	raw, collateral, err := p.Quote([64]byte{5})
	require.NoError(t, err)
	policy, err := quote.ParsePolicy(read(devinit.PolicyFile))
	require.NoError(t, err)
	_, err = policy.Verify(quote.Evidence{Quote: raw, Collateral: collateral}, [64]byte{5}, now)
	require.NoError(t, err)
}

func TestKeepsACompleteDirectory(t *testing.T) {
	dir := t.TempDir()
	_, err := initDir(dir, one, now)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other.grant"), []byte("mine"), 0o600))
	before := contents(t, dir)
	r, err := initDir(dir, one, now.Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, r)
	require.Equal(t, before, contents(t, dir))
}

func TestRenewsWhatAges(t *testing.T) {
	dir := t.TempDir()
	_, err := initDir(dir, one, now)
	require.NoError(t, err)
	before := contents(t, dir)
	r, err := initDir(dir, two, now)
	require.NoError(t, err)
	require.Equal(t, devinit.Result{PolicyRefreshed: true}, r)
	r, err = initDir(dir, two, now.Add(400*24*time.Hour))
	require.NoError(t, err)
	require.Equal(t, devinit.Result{GrantRenewed: true}, r)
	for path, b := range contents(t, dir) {
		name := filepath.Base(path)
		changed := name == devinit.PolicyFile || name == devinit.GrantFile
		require.Equal(t, changed, b != before[path], path)
	}
}

// crashed makes of a complete directory what a crash before the end leaves.
func crashed(t *testing.T, dir string) {
	t.Helper()
	files := map[string][]byte{}
	for path, b := range contents(t, dir) {
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		files[name] = []byte(b)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, devinit.MarkerFile), devinit.Marker(files), 0o600))
	require.NoError(t, os.Remove(filepath.Join(dir, devinit.ClientKeyFile)))
}

func TestBeginsAHalfWrittenOneAgain(t *testing.T) {
	dir := t.TempDir()
	_, err := initDir(dir, one, now)
	require.NoError(t, err)
	crashed(t, dir)
	before := contents(t, dir)
	r, err := devinit.Init(dir, one, rand.NewChaCha8([32]byte{5}), now)
	require.NoError(t, err)
	require.True(t, r.Created)
	for path, b := range contents(t, dir) {
		require.NotEqual(t, before[path], b, path)
	}
	r, err = initDir(dir, one, now)
	require.NoError(t, err)
	require.Zero(t, r)
}

func TestRefusesForeignDirectories(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("x"), 0o600))
	before := contents(t, dir)
	_, err := initDir(dir, one, now)
	require.Equal(t, devinit.KindForeign, kindOf(err))
	require.ErrorContains(t, err, "empty or a new directory")
	require.Equal(t, before, contents(t, dir))

	dir = t.TempDir()
	_, err = initDir(dir, one, now)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, devinit.AuthorityFile)))
	_, err = initDir(dir, one, now)
	require.Equal(t, devinit.KindForeign, kindOf(err), "incomplete, and not by a crash of ours")
	require.ErrorContains(t, err, devinit.AuthorityFile)
}

func TestRefusesDamagedDirectories(t *testing.T) {
	other := t.TempDir()
	_, err := devinit.Init(other, one, rand.NewChaCha8([32]byte{4}), now)
	require.NoError(t, err)
	names := []string{
		devinit.DomainFile, devinit.AuthorityFile, devinit.ClientKeyFile, devinit.GrantFile,
		filepath.Join(devinit.PlatformDir, sim.FileNames()[0]),
	}
	for _, name := range names {
		foreign, err := os.ReadFile(filepath.Join(other, name))
		require.NoError(t, err)
		for what, b := range map[string][]byte{"garbage": []byte("CANARY"), "another's": foreign, "huge": make([]byte, 1<<17)} {
			dir := t.TempDir()
			_, err := initDir(dir, one, now)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
			_, err = initDir(dir, one, now)
			require.Equal(t, devinit.KindDamaged, kindOf(err), "%s %s", name, what)
			require.NotContains(t, err.Error(), "CANARY")
		}
	}
}

func TestFileInTheWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err := initDir(path, one, now)
	require.Equal(t, devinit.KindSystem, kindOf(err))
}
