package client

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/router/wire"
)

// directory writes the fake's client directory.
func (f *fake) directory(t *testing.T) string {
	dir := t.TempDir()
	key, err := keyx.MarshalPrivateKeyPEM(f.cfg.Key)
	require.NoError(t, err)
	for name, b := range map[string][]byte{
		DomainFile: f.domain.JSON(), PolicyFile: f.cfg.Policy.JSON(),
		"client.key": key, "client.grant": f.cfg.Grant,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	return dir
}

func TestLoadDirGivesAWorkingConfig(t *testing.T) {
	f := newFake(t)
	dir := f.directory(t)
	require.NoError(t, os.Rename(filepath.Join(dir, "client.key"), filepath.Join(dir, "bob.key")))
	require.NoError(t, os.Rename(filepath.Join(dir, "client.grant"), filepath.Join(dir, "bob.grant")))
	for _, prefix := range []string{"bob", filepath.Join(dir, "bob")} {
		cfg, err := LoadDirAs(dir, prefix)
		require.NoError(t, err)
		require.Equal(t, DevRouter, cfg.Router)
		cfg.Router, cfg.Transport = f.cfg.Router, f.pipe
		c, err := Dial(t.Context(), cfg)
		require.NoError(t, err)
		require.True(t, c.Verdict().Accepted)
		require.NoError(t, c.Close())
	}
	_, err := LoadDir(dir)
	requireKind(t, KindConfig, err)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestLoadDirRefusesEverySpoiledFile(t *testing.T) {
	f := newFake(t)
	for _, name := range []string{DomainFile, PolicyFile, "client.key"} {
		dir := f.directory(t)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600))
		_, err := LoadDir(dir)
		requireKind(t, KindConfig, err)
		require.Contains(t, err.Error(), name)
	}
	dir := f.directory(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, PolicyFile), make([]byte, maxConfigFile+1), 0o600))
	_, err := LoadDir(dir)
	requireKind(t, KindConfig, err)
}

func TestValidateListsAllFaultsAtOnce(t *testing.T) {
	err := Config{MaxUnacked: MaxMaxUnacked + 1, InboxBytes: -1, CloseTimeout: -1}.Validate()
	joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	require.True(t, ok)
	require.Len(t, joined.Unwrap(), 8)
}

func TestKindsHaveNamesAndAgreeWithTheRouter(t *testing.T) {
	seen := map[string]Kind{}
	for _, k := range []Kind{
		KindUnavailable, KindTooManyHalfOpen, KindTooManyFromAddress, KindHandshakeTimeout, KindFrameTooLarge,
		KindBadFrame, KindShuttingDown, KindSlowConsumer, KindTooManySessions, Kind(keyx.KindNotAuthorized),
		KindConfig, KindTransport, KindClosed, KindCanceled, KindTooLarge, KindUnacknowledged, KindProtocol, KindIntegrity, KindFull, KindStalled,
	} {
		require.NotContains(t, k.String(), "kind ")
		require.NotContains(t, seen, k.String())
		seen[k.String()] = k
	}
	require.Equal(t, "kind 77", Kind(77).String())
	for ours, theirs := range map[Kind]wire.Kind{
		KindUnavailable: wire.Unavailable, KindTooManyHalfOpen: wire.TooManyHalfOpen, KindTooManyFromAddress: wire.TooManyFromAddress,
		KindHandshakeTimeout: wire.HandshakeTimeout, KindFrameTooLarge: wire.FrameTooLarge, KindBadFrame: wire.BadFrame,
		KindShuttingDown: wire.ShuttingDown, KindSlowConsumer: wire.SlowConsumer, KindTooManySessions: wire.TooManySessions,
	} {
		require.EqualValues(t, theirs, ours)
	}
}
