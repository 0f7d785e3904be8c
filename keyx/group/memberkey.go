package group

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"

	"github.com/cloudflare/circl/kem/xwing"
)

const (
	// PublicKeyBytes is the length of a member's public key (X-Wing: ML-KEM-768 and X25519).
	PublicKeyBytes = xwing.PublicKeySize

	pemPrivate = "SCBR GROUP PRIVATE KEY"
	pemPublic  = "SCBR GROUP PUBLIC KEY"
	// maxPEMBytes bounds a key file: a public key in base64 is 1.7 KB.
	maxPEMBytes = 4096
)

// MemberKey is a member's private key, to which its leaf keys are sealed.
type MemberKey struct{ seed key }

// NewMemberKey makes a key from random bytes.
func NewMemberKey(rand io.Reader) (MemberKey, error) {
	var k MemberKey
	if _, err := io.ReadFull(rand, k.seed[:]); err != nil {
		return MemberKey{}, internal("make member key", err)
	}
	return k, nil
}

// Public returns the public key, which the keeper is told: [PublicKeyBytes] bytes. Who hands the keeper
// another one in its place gets that member's keys, so it takes a path that is trusted.
func (k MemberKey) Public() []byte {
	_, public := xwing.DeriveKeyPairPacked(k.seed[:])
	return public
}

// Format never shows the key.
func (MemberKey) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("group.MemberKey(" + redacted + ")"))
}

// PEM writes the private key.
func (k MemberKey) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: k.seed[:]})
}

// PublicPEM writes the public key.
func (k MemberKey) PublicPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: k.Public()})
}

// ParseMemberKey reads what PEM wrote and nothing else. Errors are BadGroup.
func ParseMemberKey(b []byte) (MemberKey, error) {
	raw, ok := unPEM(b, pemPrivate, keyLen)
	if !ok {
		return MemberKey{}, fail("read member key", errKey)
	}
	return MemberKey{key(raw)}, nil
}

// ParsePublicKey reads what PublicPEM wrote and nothing else. Errors are BadGroup.
func ParsePublicKey(b []byte) ([]byte, error) {
	raw, ok := unPEM(b, pemPublic, PublicKeyBytes)
	if !ok || !validPublic(raw) {
		return nil, fail("read member's public key", errKey)
	}
	return raw, nil
}

func unPEM(b []byte, kind string, size int) ([]byte, bool) {
	if len(b) > maxPEMBytes {
		return nil, false
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != kind || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 || len(block.Bytes) != size {
		return nil, false
	}
	return block.Bytes, true
}

// validPublic tells whether a key can be encapsulated to.
func validPublic(b []byte) bool {
	if len(b) != PublicKeyBytes {
		return false
	}
	_, _, err := xwing.Encapsulate(b, make([]byte, xwing.EncapsulationSeedSize))
	return err == nil
}
