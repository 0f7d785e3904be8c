package keyx

import (
	"errors"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// TestCloneNonceDistinct: two enclaves cloned with everything, their random source included (a virtual machine restored twice), answer two
// clients. What they seal under the same counter is under different keys, because each session mixes a secret of its client; so no key and
// nonce serve twice, and neither clone opens what is for the other.
func TestCloneNonceDistinct(t *testing.T) {
	k := newKit(t)
	var sealedBy [2][]byte
	var keys [2]*Session
	var contents [2][32]byte
	for n := range 2 {
		cfg := k.identityConfig()
		cfg.Rand = fixedRand("the same for both")
		enclave, err := NewIdentity(cfg)
		require.NoError(t, err)
		i, m1 := k.initiate(t) // a client draws from its own source
		r, m2, err := enclave.Accept(m1)
		require.NoError(t, err)
		m3, err := i.Respond(m2, testNow)
		require.NoError(t, err)
		_, err = r.Finish(m3, testNow)
		require.NoError(t, err)
		_, s, err := r.Confirm(1, testLimits, 0)
		require.NoError(t, err)
		keys[n] = s
		sealedBy[n] = sealed(t, s.Out, "the same words")
		var salt [16]byte
		require.NoError(t, s.Content.Derive(1, 1, &contents[n], &salt))
	}
	require.Equal(t, sealedBy[0][:counterLen], sealedBy[1][:counterLen], "the same counter")
	require.NotEqual(t, sealedBy[0][counterLen:], sealedBy[1][counterLen:])
	require.NotEqual(t, contents[0], contents[1])
}

// TestRandomnessThatFails: no key, identity or handshake is made without it, and there is no other source.
func TestRandomnessThatFails(t *testing.T) {
	k := newKit(t)
	broken := errors.New("no entropy")
	cfg := k.identityConfig()
	cfg.Rand = iotest.ErrReader(broken)
	_, err := NewIdentity(cfg)
	require.ErrorIs(t, err, broken)
	client := k.config()
	client.Rand = iotest.ErrReader(broken)
	_, _, err = NewInitiator(client)
	require.ErrorIs(t, err, broken)
	k.identity.rand = iotest.ErrReader(broken)
	_, m1 := k.initiate(t)
	_, _, err = k.identity.Accept(m1)
	require.Error(t, err)
}
