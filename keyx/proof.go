package keyx

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
)

// MaxProofBytes bounds a proof before anything of it is parsed: a payload, its attributes and a grant in base64.
const MaxProofBytes = 2 << 20

var errProof = errors.New("not a proof: members are domain, publisher, run, counter, gk_epoch, attributes, payload, grant, signature")

// Proof is a signed publication as a document: whoever has the domain file can see from it who published what,
// without trusting the subscriber that shows it, nor any enclave.
type Proof struct {
	ID               PublicationID
	Attributes, Body []byte // canonical; as published
	PublicationSignature
}

type proofJSON struct {
	Domain     *string `json:"domain"`
	Publisher  *string `json:"publisher"`
	Run        *string `json:"run"` // 16 hexadecimal digits: JSON readers round numbers of 64 bits
	Counter    *string `json:"counter"`
	GKEpoch    *string `json:"gk_epoch"`
	Attributes *string `json:"attributes"`
	Payload    *string `json:"payload"`
	Grant      *string `json:"grant"`
	Signature  *string `json:"signature"`
}

// JSON writes the proof as one line, which [ParseProof] reads. Bytes are base64 with padding, numbers are text.
func (p *Proof) JSON() []byte {
	text := func(b []byte) *string { s := base64.StdEncoding.EncodeToString(b); return &s }
	number := func(n uint64) *string { s := strconv.FormatUint(n, 10); return &s }
	run := hex64(p.ID.Run)
	b, err := json.Marshal(proofJSON{
		Domain: &p.ID.Domain, Publisher: &p.ID.Subject, Run: &run, Counter: number(p.ID.Counter), GKEpoch: number(p.ID.GKEpoch),
		Attributes: text(p.Attributes), Payload: text(p.Body), Grant: text(p.Grant), Signature: text(p.Signature[:]),
	})
	if err != nil {
		panic("keyx: strings did not marshal: " + err.Error())
	}
	return b
}

func hex64(n uint64) string {
	s := strconv.FormatUint(n, 16)
	return "0000000000000000"[len(s):] + s
}

// ParseProof reads a proof, which is then to be verified. All errors are BadMessage.
func ParseProof(b []byte) (*Proof, error) {
	const op = "proof"
	var f proofJSON
	if len(b) > MaxProofBytes {
		return nil, fail(op, KindBadMessage, errTooLong)
	}
	if err := strictJSON(b, &f); err != nil {
		return nil, fail(op, KindBadMessage, err)
	}
	p := &Proof{}
	var signature []byte
	ok := f.names(p) && number(f.Run, 16, &p.ID.Run) && number(f.Counter, 10, &p.ID.Counter) && number(f.GKEpoch, 10, &p.ID.GKEpoch) &&
		octets(f.Attributes, &p.Attributes) && octets(f.Payload, &p.Body) && octets(f.Grant, &p.Grant) && octets(f.Signature, &signature)
	if !ok || len(signature) != len(p.Signature) {
		return nil, fail(op, KindBadMessage, errProof)
	}
	copy(p.Signature[:], signature)
	return p, nil
}

func (f *proofJSON) names(p *Proof) bool {
	if f.Domain == nil || f.Publisher == nil {
		return false
	}
	p.ID.Domain, p.ID.Subject = *f.Domain, *f.Publisher
	return validName(p.ID.Domain) && validName(p.ID.Subject)
}

// number reads a number in its one form: 16 hexadecimal digits, or decimal without zeros before it.
func number(text *string, base int, to *uint64) bool {
	if text == nil {
		return false
	}
	v, err := strconv.ParseUint(*text, base, 64)
	*to = v
	return err == nil && (base == 16 && hex64(v) == *text || base == 10 && strconv.FormatUint(v, 10) == *text)
}

// octets reads base64 with padding, in its one form.
func octets(text *string, to *[]byte) bool {
	if text == nil {
		return false
	}
	v, err := base64.StdEncoding.Strict().DecodeString(*text)
	*to = v
	return err == nil && base64.StdEncoding.EncodedLen(len(v)) == len(*text)
}

// VerifyProof is [PublicationSignature.Verify] of a proof, against a domain that whoever verifies has pinned.
func (p *Proof) VerifyProof(d Domain) (Grant, error) {
	if p.ID.Domain != d.Name {
		return Grant{}, fail("proof", KindWrongDomain, nil)
	}
	return p.Verify(&p.ID, p.Attributes, p.Body, d)
}
