package keyx

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"

	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
)

const (
	// HybridKeyBytes is the length of an authority's key of both kinds.
	HybridKeyBytes = ed25519.PublicKeySize + mldsa65.PublicKeySize

	authorityLabel = "scbr/authority/v1"
	// mldsaSeedTag is the context tag [0] of a seed in ML-DSA-PrivateKey (RFC 9881, section 6).
	mldsaSeedTag = 0x80
)

// AuthorityKey is the public key of an authority: an Ed25519 key (32 bytes), or an Ed25519 key and an
// ML-DSA-65 key (FIPS 204; 1,952 bytes) one after the other. With the second form whatever the
// authority signs bears two signatures, and either one alone is worth nothing: a grant stands as long
// as one of the two schemes does.
type AuthorityKey []byte

func (k AuthorityKey) valid() bool {
	switch len(k) {
	case ed25519.PublicKeySize:
		return true
	case HybridKeyBytes:
		return new(mldsa65.PublicKey).UnmarshalBinary(k[ed25519.PublicKeySize:]) == nil
	}
	return false
}

// Hybrid reports whether the authority signs twice.
func (k AuthorityKey) Hybrid() bool { return len(k) == HybridKeyBytes }

func (k AuthorityKey) classic() ed25519.PublicKey {
	return ed25519.PublicKey(k[:ed25519.PublicKeySize])
}

// ID stands for the key in configurations and their digest: an Ed25519 key itself, or SHA-256 over the
// fields label, Ed25519 key, ML-DSA-65 key.
func (k AuthorityKey) ID() [sha256.Size]byte {
	if !k.Hybrid() {
		return [sha256.Size]byte(k)
	}
	b := appendField(nil, []byte(authorityLabel))
	b = appendField(b, k[:ed25519.PublicKeySize])
	return sha256.Sum256(appendField(b, k[ed25519.PublicKeySize:]))
}

// verify checks both signatures, or the one there is to be, over a message.
func (k AuthorityKey) verify(algorithm string, message, signature []byte) bool {
	if algorithm == algorithmEdDSA {
		return ed25519.Verify(k.classic(), message, signature)
	}
	var pk mldsa65.PublicKey
	return k.Hybrid() && pk.UnmarshalBinary(k[ed25519.PublicKeySize:]) == nil && mldsa65.Verify(&pk, message, nil, signature)
}

// Authority signs as the authority of a domain. It holds private keys: it prints nothing of them.
type Authority struct {
	classic ed25519.PrivateKey
	post    *mldsa65.PrivateKey // nil: one signature
}

var (
	errAuthorityFile = errors.New("not an Ed25519 key in PKCS #8 and PEM, alone or followed by an ML-DSA-65 key")
	errNoAuthority   = errors.New("no authority key")
)

// NewAuthority makes an authority with both keys from random bytes.
func NewAuthority(random io.Reader) (Authority, error) {
	var seeds [2][32]byte
	defer func() { clear(seeds[0][:]); clear(seeds[1][:]) }()
	for i := range seeds {
		if _, err := io.ReadFull(random, seeds[i][:]); err != nil {
			return Authority{}, fail("make authority", KindInternal, err)
		}
	}
	_, post := mldsa65.NewKeyFromSeed(&seeds[1])
	return Authority{ed25519.NewKeyFromSeed(seeds[0][:]), post}, nil
}

// Ed25519Authority is an authority with one signature, for domains that want no other.
func Ed25519Authority(key ed25519.PrivateKey) Authority { return Authority{classic: key} }

// Public returns the key that domain files list.
func (a Authority) Public() AuthorityKey {
	if len(a.classic) != ed25519.PrivateKeySize {
		return nil
	}
	k := bytes.Clone(a.classic[ed25519.SeedSize:])
	if a.post != nil {
		k = append(k, a.post.Public().(*mldsa65.PublicKey).Bytes()...) //nolint:forcetypeassert // circl's own type
	}
	return k
}

// String says nothing of the keys.
func (a Authority) String() string { return "authority" }

// GoString is String.
func (a Authority) GoString() string { return a.String() }

// pkcs8 is PrivateKeyInfo (RFC 5208), of which an ML-DSA key has nothing else.
type pkcs8 struct {
	Version    int
	Algorithm  pkix.AlgorithmIdentifier
	PrivateKey []byte
}

func mldsaOID() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 18} }

// PEM writes the private keys: the Ed25519 key as PKCS #8, then the ML-DSA-65 key as its seed in PKCS #8
// (RFC 9881), which other tools read as well.
func (a Authority) PEM() ([]byte, error) {
	const op = "write authority"
	text, err := MarshalPrivateKeyPEM(a.classic)
	if err != nil || a.post == nil {
		return text, err
	}
	seed := append([]byte{mldsaSeedTag, mldsa65.SeedSize}, a.post.Seed()...)
	der, err := asn1.Marshal(pkcs8{Algorithm: pkix.AlgorithmIdentifier{Algorithm: mldsaOID()}, PrivateKey: seed})
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	return append(text, pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der})...), nil
}

// ParseAuthorityPEM reads what PEM wrote, or an Ed25519 key alone, and nothing else. Errors are
// BadMessage.
func ParseAuthorityPEM(b []byte) (Authority, error) {
	const op = "read authority"
	if len(b) > maxKeyFileBytes {
		return Authority{}, fail(op, KindBadMessage, errAuthorityFile)
	}
	first, rest := pem.Decode(b)
	if first == nil {
		return Authority{}, fail(op, KindBadMessage, errAuthorityFile)
	}
	a := Authority{}
	var err error
	if a.classic, err = ParsePrivateKeyPEM(b[:len(b)-len(rest)]); err != nil {
		return Authority{}, fail(op, KindBadMessage, errAuthorityFile)
	}
	if len(bytes.TrimSpace(rest)) == 0 {
		return a, nil
	}
	if a.post, err = parseMLDSA(rest); err != nil {
		return Authority{}, fail(op, KindBadMessage, err)
	}
	return a, nil
}

func parseMLDSA(b []byte) (*mldsa65.PrivateKey, error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != pemPrivateKey || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
		return nil, errAuthorityFile
	}
	var info pkcs8
	if after, err := asn1.Unmarshal(block.Bytes, &info); err != nil || len(after) != 0 {
		return nil, errAuthorityFile
	}
	seed, ok := bytes.CutPrefix(info.PrivateKey, []byte{mldsaSeedTag, mldsa65.SeedSize})
	if !ok || len(seed) != mldsa65.SeedSize || info.Version != 0 || !info.Algorithm.Algorithm.Equal(mldsaOID()) ||
		len(info.Algorithm.Parameters.FullBytes) != 0 {
		return nil, errAuthorityFile
	}
	_, key := mldsa65.NewKeyFromSeed((*[mldsa65.SeedSize]byte)(seed))
	return key, nil
}

// sign returns the signature of one algorithm over a message.
func (a Authority) sign(algorithm string, message []byte) ([]byte, error) {
	if algorithm == algorithmEdDSA {
		return ed25519.Sign(a.classic, message), nil
	}
	signature := make([]byte, mldsa65.SignatureSize)
	// Deterministic: the same grant has the same signature, and no randomness can be bad.
	err := mldsa65.SignTo(a.post, message, nil, false, signature)
	return signature, err
}

// algorithms are those that the authority signs with, in the order of the signatures.
func (k AuthorityKey) algorithms() []string {
	if k.Hybrid() {
		return []string{algorithmEdDSA, algorithmMLDSA}
	}
	return []string{algorithmEdDSA}
}
