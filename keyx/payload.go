package keyx

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// MaxCounter is the first publication counter that has no content key: block numbers are
	// 4*counter + b in 64 bits.
	MaxCounter = 1 << 62
	// PayloadOverhead is the length of a sealed payload beyond attributes, body and padding: salt, the
	// lengths of attributes and body, and the tag.
	PayloadOverhead = saltLen + 4 + 4 + tagLen
	// MaxSealedPayload bounds a sealed payload: the frame limit of the transports around it.
	MaxSealedPayload = 1 << 20

	saltLen         = 16
	blocksPerNumber = 4

	commitLabel     = "scbr/commit/v1"
	attrsLabel      = "scbr/attrs/v1"
	payloadKeyLabel = "scbr/payload/v1"
)

// ContentKeys derives the content key and salt of every publication of a session from the session's
// secret kCK. Publisher and enclave hold the same one. Not for concurrent use.
type ContentKeys struct {
	key     secret32
	step    uint64
	block   cipher.Block
	in, out [aes.BlockSize]byte // here, so that a derivation does not allocate
}

func newContentKeys(key *secret32) (*ContentKeys, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fail("content keys", KindInternal, err)
	}
	return &ContentKeys{key: *key, block: block}, nil
}

// ForMessage gives the content keys for the publications of publish message k of the session, from 0, which both sides
// count: those at hand, or those of a later step. Content keys of a step cannot be had from those of a later one. k does
// not go back.
func (c *ContentKeys) ForMessage(k uint64) (*ContentKeys, error) {
	return c.forMessage(k, StepMessages)
}

func (c *ContentKeys) forMessage(k, each uint64) (*ContentKeys, error) {
	const op = "content keys"
	if c == nil || c.block == nil || k/each < c.step {
		return nil, fail(op, KindInternal, nil)
	}
	for c.step < k/each {
		key, err := nextKey(&c.key)
		if err != nil {
			return nil, fail(op, KindInternal, err)
		}
		next, err := newContentKeys(&key)
		if err != nil {
			return nil, err
		}
		next.step = c.step + 1
		c = next
	}
	return c, nil
}

// Derive gives the content key and the salt of publication (run, counter): with block(b) =
// AES-256(kCK, run || 4*counter+b), both 8 bytes big endian, ck is block(0) || block(1) and salt is
// block(2). Blocks of different publications never coincide. A counter of [MaxCounter] or more is
// refused (KeyExhausted), ck and salt are then zero.
func (c *ContentKeys) Derive(run, counter uint64, ck *[32]byte, salt *[16]byte) error {
	*ck, *salt = [32]byte{}, [16]byte{}
	if c == nil || c.block == nil {
		return fail("derive content key", KindInternal, nil)
	}
	if counter >= MaxCounter {
		return fail("derive content key", KindKeyExhausted, nil)
	}
	binary.BigEndian.PutUint64(c.in[:], run)
	c.encrypt(blocksPerNumber*counter, ck[:16])
	c.encrypt(blocksPerNumber*counter+1, ck[16:])
	c.encrypt(blocksPerNumber*counter+2, salt[:])
	return nil
}

func (c *ContentKeys) encrypt(number uint64, dst []byte) {
	binary.BigEndian.PutUint64(c.in[8:], number)
	c.block.Encrypt(c.out[:], c.in[:])
	copy(dst, c.out[:])
}

// PublicationID names one publication for ever: domain, publisher subject, publisher sequence (run,
// counter) and group key epoch (0 = no group key).
type PublicationID struct {
	Domain, Subject string
	Run, Counter    uint64
	GKEpoch         uint64
}

// idScratch is enough for the fields before the payload with names of MaxNameBytes.
const idScratch = 2*(4+MaxNameBytes) + 128

func (id *PublicationID) appendFields(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(id.Domain)))
	dst = append(dst, id.Domain...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(id.Subject)))
	dst = append(dst, id.Subject...)
	dst = binary.BigEndian.AppendUint32(dst, 16)
	dst = binary.BigEndian.AppendUint64(dst, id.Run)
	dst = binary.BigEndian.AppendUint64(dst, id.Counter)
	dst = binary.BigEndian.AppendUint32(dst, 8)
	return binary.BigEndian.AppendUint64(dst, id.GKEpoch)
}

// PayloadKey gives the key that seals the payload of id: ck itself without a group key (gk nil), and
// otherwise SHA-256 over the fields label, ck, gk and ids.
func PayloadKey(ck *[32]byte, gk *[32]byte, id *PublicationID) [32]byte {
	if gk == nil {
		return *ck
	}
	var scratch [idScratch]byte
	b := appendField(scratch[:0], []byte(payloadKeyLabel))
	b = appendField(b, ck[:])
	b = appendField(b, gk[:])
	b = id.appendFields(b)
	key := sha256.Sum256(b)
	clear(b)
	return key
}

// SealPayload appends salt, attrs and body, each behind its length (4 B), and padding zero bytes, sealed
// with ChaCha20-Poly1305 under key and the zero nonce. A key seals exactly one message: key must come
// from [PayloadKey] with a sequence that was never used before; a resend sends the stored bytes.
func SealPayload(dst []byte, key *[32]byte, salt *[16]byte, attrs, body []byte, padding int) []byte {
	return SealSignedPayload(dst, key, salt, attrs, body, nil, padding)
}

func newPayloadAEAD(key *[32]byte) (cipher.AEAD, error) { return chacha20poly1305.New(key[:]) }

// Commit is the commitment of a publication: SHA-256 over the fields label, ids, payload key and
// sealed payload. It commits to key and ciphertext, which the AEAD alone does not.
func Commit(id *PublicationID, key *[32]byte, sealed []byte) [32]byte {
	var scratch [idScratch]byte
	b := appendField(scratch[:0], []byte(commitLabel))
	b = id.appendFields(b)
	b = appendField(b, key[:])
	b = binary.BigEndian.AppendUint32(b, uint32(len(sealed)))
	h := sha256.New()
	h.Write(b)
	h.Write(sealed)
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// AttributeHash is SHA-256 over the fields label, salt and canonical attributes. The salt keeps a
// matched member without the group key from testing guesses of the attributes.
func AttributeHash(salt *[16]byte, attrs []byte) [32]byte {
	var scratch [256]byte
	b := appendField(scratch[:0], []byte(attrsLabel))
	b = appendField(b, salt[:])
	b = appendField(b, attrs)
	return sha256.Sum256(b)
}

var (
	errCommitment = errors.New("the payload is not the one committed to")
	errAttributes = errors.New("the attributes are not the ones the enclave matched")
)

// Opened is what is inside a sealed payload.
type Opened struct {
	Attributes, Body []byte                // new memory
	Signature        *PublicationSignature // the publisher's own, not verified yet; nil: none
}

// OpenPayload is [OpenSignedPayload] for those who look at no signature.
func OpenPayload(id *PublicationID, ck, gk *[32]byte, commitment, attrHash *[32]byte, sealed []byte) (attrs, body []byte, err error) {
	o, err := OpenSignedPayload(id, ck, gk, commitment, attrHash, sealed)
	return o.Attributes, o.Body, err
}

// OpenSignedPayload opens a sealed payload for a subscriber, and is the only way to do so: it recomputes the
// commitment and compares it with that of the envelope before it opens, and after that compares the
// attributes inside with the hash the enclave computed. gk is nil exactly if id.GKEpoch is 0. Any difference is
// Integrity and yields nothing.
func OpenSignedPayload(id *PublicationID, ck, gk *[32]byte, commitment, attrHash *[32]byte, sealed []byte) (Opened, error) {
	const op = "open payload"
	if (gk == nil) != (id.GKEpoch == 0) {
		return Opened{}, fail(op, KindBadMessage, nil)
	}
	if len(sealed) < PayloadOverhead || len(sealed) > MaxSealedPayload {
		return Opened{}, fail(op, KindBadMessage, nil)
	}
	key := PayloadKey(ck, gk, id)
	defer clear(key[:])
	if c := Commit(id, &key, sealed); subtle.ConstantTimeCompare(c[:], commitment[:]) != 1 {
		return Opened{}, fail(op, KindIntegrity, errCommitment)
	}
	aead, err := newPayloadAEAD(&key)
	if err != nil {
		return Opened{}, fail(op, KindInternal, err)
	}
	var nonce [chacha20poly1305.NonceSize]byte
	plain, err := aead.Open(nil, nonce[:], sealed, nil)
	if err != nil {
		return Opened{}, fail(op, KindIntegrity, nil)
	}
	salt := [saltLen]byte(plain)
	o, ok := cutPayload(plain[saltLen:])
	if !ok {
		return Opened{}, fail(op, KindBadMessage, nil)
	}
	if h := AttributeHash(&salt, o.Attributes); subtle.ConstantTimeCompare(h[:], attrHash[:]) != 1 {
		return Opened{}, fail(op, KindIntegrity, errAttributes)
	}
	return o, nil
}

// cutPayload takes what is behind the salt apart.
func cutPayload(b []byte) (o Opened, ok bool) {
	if o.Attributes, b, ok = cutField(b); !ok {
		return o, false
	}
	if o.Body, b, ok = cutField(b); !ok {
		return o, false
	}
	var padding []byte
	o.Signature, padding, ok = cutSignature(b)
	return o, ok && Zeros(padding)
}

// cutField splits a field behind its 4-byte length off.
func cutField(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n, b := binary.BigEndian.Uint32(b), b[4:]
	if uint64(n) > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}
