package keyx

import (
	"crypto/hkdf"
	"crypto/sha512"
	"hash"
)

// Labels of the key schedule. kk and eph extract from one KEM secret each; the others expand PRK.
const (
	transcriptLabel = "scbr/kx/v1"
	labelKK         = "kk"
	labelEph        = "eph"
	labelK3         = "k3"
	labelK4         = "k4"
	labelC2E        = "kC2E"
	labelE2C        = "kE2C"
	labelCK         = "kCK"
)

// transcript is T in the making: SHA-512 over the fields of messages 1 and 2 as sent, then ct2, ct1.
type transcript struct{ h hash.Hash }

func newTranscript(m1 *hello, m2 *serverHello) transcript {
	t := transcript{h: sha512.New()}
	for _, f := range [][]byte{
		[]byte(transcriptLabel), []byte(roleClient), []byte(roleEnclave),
		appendNumbers(nil, m1.offer.versions), appendNumbers(nil, m1.offer.suites),
		m1.nonce, m1.ephemeral, m1.domain, m1.router, m1.cachedHash,
		{byte(m2.choice.version >> 8), byte(m2.choice.version)},
		{byte(m2.choice.suite >> 8), byte(m2.choice.suite)},
		m2.nonce,
		{m2.form},
		m2.statement, m2.ct2,
	} {
		writeField(t.h, f)
	}
	return t
}

// finish adds ct1 and gives T. It is called once.
func (t transcript) finish(ct1 []byte) (sum [64]byte) {
	writeField(t.h, ct1)
	t.h.Sum(sum[:0])
	return sum
}

// keys are what one handshake gives. PRK seals nothing; no key serves two directions or purposes.
type keys struct {
	suite                     uint16
	k3, k4, c2e, e2c, ck, res secret32
}

// shareOf is HKDF(ss, label): 64 bytes of one KEM secret, which it clears.
func shareOf(ss []byte, label string) (secretBytes, error) {
	defer clear(ss)
	return hkdf.Key(sha512.New, ss, nil, label, sha512.Size)
}

// schedule is PRK = Extract(salt T, share1 || share2), then one Expand per key. It clears the shares.
func schedule(suite uint16, t [64]byte, share1, share2 secretBytes) (*keys, error) {
	ikm := append(append(make(secretBytes, 0, 2*sha512.Size), share1...), share2...)
	defer clear(ikm)
	clear(share1)
	clear(share2)
	prk, err := hkdf.Extract(sha512.New, ikm, t[:])
	if err != nil {
		return nil, err
	}
	defer clear(prk)
	return expand(suite, prk, labelK3, labelK4)
}

// expand gives the keys of a session under PRK; k3 and k4 go by the labels given, an empty one has no key.
func expand(suite uint16, prk []byte, label3, label4 string) (*keys, error) {
	k := keys{suite: suite}
	for _, x := range []struct {
		label string
		key   *secret32
	}{{label3, &k.k3}, {label4, &k.k4}, {labelC2E, &k.c2e}, {labelE2C, &k.e2c}, {labelCK, &k.ck}, {labelRes, &k.res}} {
		if x.label == "" {
			continue
		}
		out, err := hkdf.Expand(sha512.New, prk, x.label, len(x.key))
		if err != nil {
			return nil, err
		}
		copy(x.key[:], out)
		clear(out)
	}
	return &k, nil
}

func (k *keys) clear() {
	if k != nil {
		*k = keys{}
	}
}

// sealOnce and openOnce are the AEAD of messages 3 to 6: that of the suite with the zero nonce, no
// associated data. Each key seals one message in its life; T is in the key.
func sealOnce(suite uint16, key *secret32, plain []byte) ([]byte, error) {
	aead, err := newAEAD(suite, key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, make([]byte, nonceLen), plain, nil), nil
}

func openOnce(suite uint16, key *secret32, box []byte) ([]byte, error) {
	aead, err := newAEAD(suite, key)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, make([]byte, nonceLen), box, nil)
}

// session makes the session of one side.
func (k *keys) session(id uint64, enclave bool) (*Session, error) {
	s := &Session{Out: &Sealer{}, In: &Opener{}}
	c2e, e2c := &s.Out.direction, &s.In.direction
	if enclave {
		c2e, e2c = e2c, c2e
	}
	if err := c2e.start(k.suite, &k.c2e, dirClientToEnclave, id); err != nil {
		return nil, err
	}
	if err := e2c.start(k.suite, &k.e2c, dirEnclaveToClient, id); err != nil {
		return nil, err
	}
	content, err := newContentKeys(&k.ck)
	if err != nil {
		return nil, err
	}
	s.Content = content
	if s.Resumption, err = newResumption(k.suite, &k.res); err != nil {
		return nil, err
	}
	return s, nil
}
