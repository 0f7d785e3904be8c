package keyx

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"
)

// Directions of a blob, as they stand in its associated data.
const (
	dirClientToEnclave uint8 = 1
	dirEnclaveToClient uint8 = 2
)

const (
	// BlobOverhead is the length of a blob beyond its plaintext: the counter and the GCM tag.
	BlobOverhead = counterLen + tagLen
	// MaxPlaintext bounds the plaintext of one blob. It is the frame limit of the transports around it.
	MaxPlaintext = 1 << 20
	// MaxBlobs is how many blobs one key seals. With blobs of MaxPlaintext, 2^16 AES blocks each, that
	// is 2^48 blocks under a key, a distinguishing advantage below 2^-31 (NIST SP 800-38D, 8.3, bounds
	// invocations only for random nonces; ours are counters).
	MaxBlobs = 1 << 32

	// StepBlobs is how many blobs of a direction one key seals before the ratchet: whoever takes a key out of the memory
	// reads at most so many blobs that were sealed before.
	StepBlobs = 1 << 16
	// StepMessages is the same of publish messages and the secret that content keys come from.
	StepMessages = 1 << 16
	// maxSteps bounds how many steps an opener goes forward for one blob: beyond it so much is missing that nothing is
	// worth finding.
	maxSteps = 64

	stepLabel  = "scbr/step/v1"
	counterLen = 8
	tagLen     = 16
	nonceLen   = 12
	adLen      = 1 + 8 + 4 + 8
	chainLabel = "scbr/chain/v1"
)

// Session is what both sides hold after message 4: one sealer, one opener, and the content keys.
// It is obtained from [Initiator.Confirm] or [Responder.Confirm] only, so that a client cannot seal a
// command before it has opened an AEAD of the enclave. It is owned by one goroutine at a time, except
// that Out, In and Content share nothing and may have an owner each.
type Session struct {
	Out     *Sealer
	In      *Opener
	Content *ContentKeys
	// Resumption begins another session after this one, once.
	Resumption *Resumption
}

// noCopy has vet report copies of what holds it.
type noCopy struct{}

// Lock is what vet looks for.
func (*noCopy) Lock() {}

// Unlock is what vet looks for.
func (*noCopy) Unlock() {}

// direction is what Sealer and Opener have in common: a key, a place in the sequence, a running hash.
type direction struct {
	_     noCopy // a copy would use the same nonces again
	key   secret32
	aead  cipher.AEAD
	suite uint16
	step  uint64         // which key, from 0
	each  uint64         // blobs a key seals; StepBlobs but in tests
	ad    [adLen]byte    // direction | session | step | counter
	nonce [nonceLen]byte // step | counter
	next  uint64
	chain chainHash
}

func (d *direction) start(suite uint16, key *secret32, dir uint8, session uint64) error {
	aead, err := newAEAD(suite, key)
	if err != nil {
		return fail("session", KindInternal, err)
	}
	d.suite, d.key, d.aead, d.chain.h, d.each = suite, *key, aead, sha256.New(), StepBlobs
	d.ad[0] = dir
	binary.BigEndian.PutUint64(d.ad[1:], session)
	return nil
}

// nextKey is the key of the next step, from which the one before cannot be had.
func nextKey(key *secret32) (next secret32, err error) {
	out, err := hkdf.Expand(sha512.New, key[:], stepLabel, len(next))
	if err != nil {
		return next, err
	}
	copy(next[:], out)
	clear(out)
	return next, nil
}

// ahead gives key and AEAD of a later step, and changes nothing.
func (d *direction) ahead(step uint64) (secret32, cipher.AEAD, error) {
	if step == d.step {
		return d.key, d.aead, nil
	}
	key := d.key
	var err error
	for n := d.step; n < step && err == nil; n++ {
		key, err = nextKey(&key)
	}
	if err != nil {
		return secret32{}, nil, err
	}
	aead, err := newAEAD(d.suite, &key)
	return key, aead, err
}

// turn makes a later step the one of now; the key before is forgotten.
func (d *direction) turn(step uint64, key secret32, aead cipher.AEAD) {
	d.step, d.key, d.aead = step, key, aead
}

// setStep writes the step into associated data and nonce.
func (d *direction) setStep(step uint64) {
	binary.BigEndian.PutUint32(d.ad[9:], uint32(step))
	binary.BigEndian.PutUint32(d.nonce[:], uint32(step))
}

func (d *direction) setCounter(n uint64) {
	binary.BigEndian.PutUint64(d.ad[13:], n)
	binary.BigEndian.PutUint64(d.nonce[4:], n)
}

// Sealer seals the blobs of one direction, in order. Not for concurrent use, nor to be copied.
type Sealer struct{ direction }

// Seal appends one blob holding plaintext to dst and returns the extended slice: counter (8 B, big
// endian), then ciphertext and tag. It refuses a plaintext over [MaxPlaintext] (BadMessage) and the
// blob after [MaxBlobs] (KeyExhausted); dst is then returned unchanged. plaintext must not overlap the
// spare capacity of dst.
func (s *Sealer) Seal(dst, plaintext []byte) ([]byte, error) {
	const op = "seal blob"
	if s == nil || s.aead == nil {
		return dst, fail(op, KindInternal, nil)
	}
	if len(plaintext) > MaxPlaintext {
		return dst, fail(op, KindBadMessage, nil)
	}
	if s.next >= MaxBlobs {
		return dst, fail(op, KindKeyExhausted, nil)
	}
	if step := s.next / s.each; step > s.step {
		key, aead, err := s.ahead(step)
		if err != nil {
			return dst, fail(op, KindInternal, err)
		}
		s.turn(step, key, aead)
	}
	s.setStep(s.step)
	s.setCounter(s.next)
	dst = binary.BigEndian.AppendUint64(dst, s.next)
	dst = s.aead.Seal(dst, s.nonce[:], plaintext, s.ad[:])
	s.chain.add(s.next, dst[len(dst)-tagLen:])
	s.next++
	return dst, nil
}

// Chain returns how many blobs were sealed and the running hash over them.
func (s *Sealer) Chain() (count uint64, sum [32]byte) { return s.next, s.chain.sum }

// Opener opens the blobs of one direction. Not for concurrent use, nor to be copied.
type Opener struct{ direction }

// Open appends the plaintext of blob to dst. skipped is the number of blobs missing between the last
// one opened and this one: zero in order, and otherwise for the caller to judge. A counter below the
// expected one is Replayed, a blob that does not authenticate is Integrity; only a blob that
// authenticates advances the state. dst may be blob[8:8] to open in place; on an error the bytes beyond
// len(dst) are undefined.
func (o *Opener) Open(dst, blob []byte) (plaintext []byte, skipped uint64, err error) {
	const op = "open blob"
	if o == nil || o.aead == nil {
		return dst, 0, fail(op, KindInternal, nil)
	}
	if len(blob) < BlobOverhead || len(blob) > MaxPlaintext+BlobOverhead {
		return dst, 0, fail(op, KindBadMessage, nil)
	}
	n := binary.BigEndian.Uint64(blob)
	if n < o.next {
		return dst, 0, fail(op, KindReplayed, nil)
	}
	if n >= MaxBlobs {
		return dst, 0, fail(op, KindKeyExhausted, nil)
	}
	step := n / o.each
	if step > o.step+maxSteps {
		return dst, 0, fail(op, KindIntegrity, nil)
	}
	key, aead, err := o.ahead(step)
	if err != nil {
		return dst, 0, fail(op, KindInternal, err)
	}
	o.setStep(step)
	o.setCounter(n)
	var tag [tagLen]byte // kept: opening in place may overwrite it
	copy(tag[:], blob[len(blob)-tagLen:])
	out, err := aead.Open(dst, o.nonce[:], blob[counterLen:], o.ad[:])
	if err != nil {
		return dst, 0, fail(op, KindIntegrity, nil)
	}
	o.turn(step, key, aead)
	skipped = n - o.next
	o.chain.add(n, tag[:])
	o.next = n + 1
	return out, skipped, nil
}

// Chain returns the counter expected next (every blob below it was opened or skipped) and the running
// hash over the blobs opened. It equals the sealer's at the same count exactly if nothing was skipped.
func (o *Opener) Chain() (count uint64, sum [32]byte) { return o.next, o.chain.sum }

// chainHash is SHA-256 over the fields label, previous value, counter and tag, from 32 zero bytes.
type chainHash struct {
	h   hash.Hash
	sum [32]byte
	buf []byte // reused, so that a blob costs no allocation here
}

func (c *chainHash) add(counter uint64, tag []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], counter)
	b := appendField(c.buf[:0], []byte(chainLabel))
	b = appendField(b, c.sum[:])
	b = appendField(b, n[:])
	b = appendField(b, tag)
	c.buf = b
	c.h.Reset()
	c.h.Write(b)
	c.h.Sum(c.sum[:0])
}
