package client

import (
	"crypto/ed25519"
	"crypto/sha256"
	"time"

	"github.com/scbr/scbr/keyx"
)

// maxSigners bounds the publishers' grants kept verified.
const maxSigners = 1024

// Reasons of an IntegrityError about signatures.
const (
	reasonUnsigned  = "its publisher did not sign it"
	reasonSignature = "the publisher's signature does not fit it"
	reasonSigner    = "it is signed under a grant that has run out or was taken back"
)

// signer signs our publications. Nil signs nothing.
type signer struct {
	grant []byte
	key   ed25519.PrivateKey
}

func newSigner(cfg *Config) *signer {
	if !cfg.Sign {
		return nil
	}
	return &signer{grant: cfg.Grant, key: cfg.Key}
}

// len is what a signature takes inside a payload.
func (s *signer) len() int {
	if s == nil {
		return 0
	}
	return (&keyx.PublicationSignature{Grant: s.grant}).Len()
}

func (s *signer) sign(id *keyx.PublicationID, attrs, body []byte) *keyx.PublicationSignature {
	if s == nil {
		return nil
	}
	signature := keyx.SignPublication(id, attrs, body, s.grant, s.key)
	return &signature
}

// signed checks the publisher's signature, if there is one or has to be. The reason is empty if all is well.
func (r *receiver) signed(o *keyx.Opened, now time.Time) (reason string, err error) {
	s := o.Signature
	if s == nil {
		if r.client.cfg.RequireSignatures {
			return reasonUnsigned, nil
		}
		return "", nil
	}
	id := sha256.Sum256(s.Grant)
	known := r.memory.signers[id]
	g, err := s.VerifyKnown(known, &r.id, o.Attributes, o.Body, r.client.cfg.Domain)
	if err != nil {
		return reasonSignature, err
	}
	if known == nil {
		if len(r.memory.signers) >= maxSigners {
			clear(r.memory.signers)
		}
		r.memory.signers[id] = g
	}
	if !now.Before(g.NotAfter) || r.client.verified.Load().Revokes(g) {
		return reasonSigner, nil
	}
	return "", nil
}

// Proof is what shows a third party that Publisher published exactly this, if it signed it (Config.Sign): a document that
// keyx.ParseProof and `scbr proof` read, for anybody who has the domain file. Nil if it is not signed.
func (d *Delivery) Proof() []byte {
	if d.proof == nil {
		return nil
	}
	return d.proof.JSON()
}
