package keyx

import (
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/scbr/scbr/matcher/filter"
)

const (
	publicationLabel = "scbr/publication/v1"
	// signatureMark begins a publisher's signature behind the body; padding begins with a zero.
	signatureMark = 1
)

// PublicationSignature is a publisher's own signature over a publication, for those who have to show a third
// party who published what: sessions alone convince only their two ends. It stands inside the sealed payload,
// so that neither host nor enclave sees it.
type PublicationSignature struct {
	Grant     []byte // the publisher's, which names its key
	Signature [ed25519.SignatureSize]byte
}

var (
	errSubject   = errors.New("the grant is of another subject than the publication")
	errSignature = errors.New("the signature is not by the grant's key, or over another publication")
	errOutside   = errors.New("the grant does not allow to publish these attributes")
)

// SignPublication signs as the publisher of id, whose grant and key these are. attrs are canonical.
func SignPublication(id *PublicationID, attrs, body, grant []byte, key ed25519.PrivateKey) PublicationSignature {
	s := PublicationSignature{Grant: grant}
	copy(s.Signature[:], ed25519.Sign(key, publicationInput(id, attrs, body, grant)))
	return s
}

// publicationInput is what the publisher's key signs: the label, then SHA-512 over the fields label, ids,
// attributes, body and grant. A proof of possession begins with another label.
func publicationInput(id *PublicationID, attrs, body, grant []byte) []byte {
	h := sha512.New()
	writeField(h, []byte(publicationLabel))
	var scratch [idScratch]byte
	h.Write(id.appendFields(scratch[:0]))
	for _, f := range [][]byte{attrs, body, grant} {
		writeField(h, f)
	}
	return h.Sum([]byte(publicationLabel))
}

// Verify checks that the holder of a grant of d, for the publisher that id names and for these attributes, signed
// the publication, and returns the grant. Whether the grant has run out or was taken back since is not looked at:
// the caller has the time. Kinds: BadGrant, WrongDomain, BadProof, NotAuthorized.
func (s *PublicationSignature) Verify(id *PublicationID, attrs, body []byte, d Domain) (Grant, error) {
	g, err := s.VerifyKnown(nil, id, attrs, body, d)
	if err != nil {
		return Grant{}, err
	}
	return *g, nil
}

// VerifyKnown is Verify for who has verified the same grant before; known is what came of that, or nil.
func (s *PublicationSignature) VerifyKnown(known *Grant, id *PublicationID, attrs, body []byte, d Domain) (*Grant, error) {
	g := known
	if g == nil {
		verified, err := VerifyGrant(s.Grant, d, time.Time{})
		if err != nil {
			return nil, err
		}
		g = &verified
	}
	if err := s.verifyBy(g, id, attrs, body); err != nil {
		return nil, err
	}
	e, err := filter.DecodeEvent(attrs)
	if err != nil || g.Publish == nil || !g.Publish.Match(&e) {
		return nil, fail("verify publication", KindNotAuthorized, errOutside)
	}
	return g, nil
}

func (s *PublicationSignature) verifyBy(g *Grant, id *PublicationID, attrs, body []byte) error {
	const op = "verify publication"
	if g.Subject != id.Subject || g.Domain != id.Domain {
		return fail(op, KindBadProof, errSubject)
	}
	if !ed25519.Verify(g.Key, publicationInput(id, attrs, body, s.Grant), s.Signature[:]) {
		return fail(op, KindBadProof, errSignature)
	}
	return nil
}

// append writes the signature as it stands behind the body: mark, lp16(grant), signature.
func (s *PublicationSignature) append(dst []byte) []byte {
	dst = appendLP16(append(dst, signatureMark), s.Grant)
	return append(dst, s.Signature[:]...)
}

// Len is how long the signature is behind the body.
func (s *PublicationSignature) Len() int {
	if s == nil {
		return 0
	}
	return 1 + 2 + len(s.Grant) + len(s.Signature)
}

// cutSignature splits a signature off what is behind the body; nil if there is none.
func cutSignature(rest []byte) (s *PublicationSignature, padding []byte, ok bool) {
	if len(rest) == 0 || rest[0] != signatureMark {
		return nil, rest, true
	}
	r := reader{b: rest[1:]}
	grant, signature := r.lp16(MaxGrantBytes), r.take(ed25519.SignatureSize)
	if r.bad || len(grant) == 0 {
		return nil, nil, false
	}
	s = &PublicationSignature{Grant: grant}
	copy(s.Signature[:], signature)
	return s, r.b, true
}

// SealSignedPayload is [SealPayload] with the publisher's signature; nil: none.
func SealSignedPayload(dst []byte, key *[32]byte, salt *[16]byte, attrs, body []byte, s *PublicationSignature, padding int) []byte {
	aead, err := newPayloadAEAD(key)
	if err != nil {
		panic("keyx: a 32-byte key was refused: " + err.Error())
	}
	start := len(dst)
	dst = append(dst, salt[:]...)
	dst = appendField(dst, attrs)
	dst = appendField(dst, body)
	if s != nil {
		dst = s.append(dst)
	}
	dst = AppendZeros(dst, padding)
	var nonce [chacha20poly1305.NonceSize]byte
	sealed := aead.Seal(dst[start:start], nonce[:], dst[start:], nil)
	return append(dst[:start], sealed...)
}
