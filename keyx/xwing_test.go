package keyx

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha512"
	"testing"

	"github.com/cloudflare/circl/kem/xwing"
	"github.com/stretchr/testify/require"
)

// The same KEM twice: circl's X-Wing, which the protocol uses, and crypto/hpke's MLKEM768X25519. HPKE
// shows no KEM secret, so each is compared through HPKE's own key schedule.
func TestXWingAgainstStandardLibrary(t *testing.T) {
	kem := hpke.MLKEM768X25519()
	for n := range byte(8) {
		seed := bytes.Repeat([]byte{n + 1}, xwing.SeedSize)
		std, err := kem.NewPrivateKey(seed)
		require.NoError(t, err)
		_, public := xwing.DeriveKeyPair(seed)
		packed := make([]byte, xwing.PublicKeySize)
		public.Pack(packed)
		require.Equal(t, std.PublicKey().Bytes(), packed, "public key of a seed")

		// The standard library encapsulates, circl decapsulates: the secret seeds a recipient.
		pk, err := kem.NewPublicKey(packed)
		require.NoError(t, err)
		enc, sender, err := hpke.NewSender(pk, hpke.HKDFSHA512(), hpke.ExportOnly(), nil)
		require.NoError(t, err)
		require.Len(t, enc, xwing.CiphertextSize)
		exported, err := sender.Export("x", 32)
		require.NoError(t, err)
		require.Equal(t, exported, exportOf(t, xwing.Decapsulate(enc, seed)))

		// circl encapsulates, the standard library decapsulates.
		ss, ct, err := xwing.Encapsulate(packed, bytes.Repeat([]byte{0xA0 + n}, xwing.EncapsulationSeedSize))
		require.NoError(t, err)
		recipient, err := hpke.NewRecipient(ct, std, hpke.HKDFSHA512(), hpke.ExportOnly(), nil)
		require.NoError(t, err)
		exported, err = recipient.Export("x", 32)
		require.NoError(t, err)
		require.Equal(t, exported, exportOf(t, ss))
	}
}

// exportOf is the exporter of RFC 9180 (base mode, HKDF-SHA-512, export only, empty info) for a KEM
// secret of X-Wing.
func exportOf(t *testing.T, ss []byte) []byte {
	suite := []byte{'H', 'P', 'K', 'E', 0x64, 0x7a, 0x00, 0x03, 0xff, 0xff}
	label := func(parts ...[]byte) []byte {
		return append(append([]byte("HPKE-v1"), suite...), bytes.Join(parts, nil)...)
	}
	extract := func(salt []byte, name string, ikm []byte) []byte {
		out, err := hkdf.Extract(sha512.New, label([]byte(name), ikm), salt)
		require.NoError(t, err)
		return out
	}
	expand := func(prk []byte, name string, info []byte, n int) []byte {
		l := append([]byte{byte(n >> 8), byte(n)}, label([]byte(name), info)...)
		out, err := hkdf.Expand(sha512.New, prk, string(l), n)
		require.NoError(t, err)
		return out
	}
	context := bytes.Join([][]byte{{0}, extract(nil, "psk_id_hash", nil), extract(nil, "info_hash", nil)}, nil)
	return expand(expand(extract(ss, "secret", nil), "exp", context, 64), "sec", []byte("x"), 32)
}
