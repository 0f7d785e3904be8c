package group

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"io"

	"github.com/cloudflare/circl/kem/xwing"

	"github.com/scbr/scbr/keyx"
)

const (
	wrapLabel   = "scbr/group-wrap/v1"
	inviteLabel = "scbr/group-invite/v1"
	gkLabel     = "scbr/group-key/v1"
	commitLabel = "scbr/group-commit/v1"
)

// scope is what every derivation of a group begins with.
type scope struct{ domain, group string }

// info is the fields label, domain, group and parts.
func (s scope) info(label string, parts ...[]byte) string {
	b := keyx.AppendField(nil, []byte(label))
	b = keyx.AppendField(b, []byte(s.domain))
	b = keyx.AppendField(b, []byte(s.group))
	for _, p := range parts {
		b = keyx.AppendField(b, p)
	}
	return string(b)
}

// expand is HKDF-SHA-512 of a uniform secret without salt (RFC 5869). It fails for no input of ours.
func expand(secret []byte, info string) (out key) {
	b, err := hkdf.Key(sha512.New, secret, nil, info, keyLen)
	if err != nil {
		panic("group: HKDF refused 32 bytes: " + err.Error())
	}
	copy(out[:], b)
	clear(b)
	return out
}

func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// wrapKey is the key that seals the key of node at, made in epoch with that salt, under the key of one of
// its children. It seals this one message: at and epoch occur once in the life of a group, and a keeper
// that was put back to an old state, and so comes to an epoch again, draws another salt. Hence the zero
// nonce.
func (s scope) wrapKey(child *key, at, from place, epoch uint64, salt salt) key {
	return expand(child[:], s.info(wrapLabel, at.bytes(), from.bytes(), u64(epoch), salt[:]))
}

// inviteKey is the key that seals a leaf key to a member. The KEM's secret is drawn anew for each, so it
// seals one message, under the zero nonce.
func (s scope) inviteKey(secret []byte, slot uint32, epoch uint64, id hash) key {
	return expand(secret, s.info(inviteLabel, place{0, slot}.bytes(), u64(epoch), id[:]))
}

// groupKey is the group key of an epoch.
func (s scope) groupKey(root *key, epoch uint64) key {
	return expand(root[:], s.info(gkLabel, u64(epoch)))
}

// commitment is what a record says of the group key: a hash of 256 bits that nobody can guess.
func (s scope) commitment(gk *key, epoch uint64) hash {
	return hashOf(commitLabel, []byte(s.domain), []byte(s.group), u64(epoch), gk[:])
}

func equal(a, b hash) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

func gcm(k *key) cipher.AEAD {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic("group: AES refused 32 bytes: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("group: GCM refused AES: " + err.Error())
	}
	return aead
}

// sealKey seals one key with AES-256-GCM, the zero nonce and no associated data: under is for this message
// alone, and has in it all that the message is about. It clears under.
func sealKey(under key, what *key) (out sealed) {
	aead := gcm(&under)
	clear(under[:])
	var nonce [12]byte
	aead.Seal(out[:0], nonce[:], what[:], nil)
	return out
}

// openKey opens what sealKey sealed. It clears under.
func openKey(under key, box *sealed) (out key, ok bool) {
	aead := gcm(&under)
	clear(under[:])
	var nonce [12]byte
	plain, err := aead.Open(nil, nonce[:], box[:], nil)
	if err != nil {
		return key{}, false
	}
	copy(out[:], plain)
	clear(plain)
	return out, true
}

// id names a member by its public key, so that a store shows no names.
func (s scope) id(public []byte) hash {
	return hashOf(idLabel, []byte(s.domain), []byte(s.group), public)
}

// invite seals a leaf key to a member.
func (s scope) invite(rand io.Reader, public []byte, leafKey *key, slot uint32, epoch uint64) (*leaf, error) {
	seed := make([]byte, xwing.EncapsulationSeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, err
	}
	secret, ct, err := xwing.Encapsulate(public, seed)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	l := leaf{epoch: epoch, id: s.id(public), ciphertext: ct}
	l.box = sealKey(s.inviteKey(secret, slot, epoch, l.id), leafKey)
	return &l, nil
}
