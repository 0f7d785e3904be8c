package keyx

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"time"

	"github.com/scbr/scbr/keyx/quote"
)

const (
	// MaxEndorsementLife bounds the time from an endorsement's making to its end.
	MaxEndorsementLife = 24 * time.Hour
	// MaxEndorsementBytes bounds an endorsement before anything of it is read.
	MaxEndorsementBytes = 1 + MaxNameBytes + 1 + maxMeasurement + 64 + 64 + 3*8 + ed25519.PublicKeySize + ed25519.SignatureSize

	endorseLabel   = "scbr/endorse/v1"
	maxMeasurement = 64 // SHA-512; SGX has 32 bytes, TDX and SEV-SNP 48
)

// Endorsement is what an endorser, who is no TEE, says of one key of one enclave: it is that of this router and
// of this program, under this configuration (bind). It is made by somebody who learnt H(kk) by a path that does
// not rest on the quote, or who knows the platforms that there are; so leaked attestation keys of other platforms
// are worth nothing.
type Endorsement struct {
	Router      string
	Measurement []byte
	KeyHash     [64]byte // H(kk)
	Bind        [64]byte // the whole report data
	MinList     uint64   // nobody is to be served under an older revocation list
	Issued      time.Time
	NotAfter    time.Time // at most MaxEndorsementLife after Issued
}

// ErrNoEndorsers is wrapped by errors of KindNotEndorsed where the enclave is endorsed in a domain without endorsers.
var ErrNoEndorsers = errors.New("an endorsement in a domain that has no endorsers")

var (
	errNotEndorsed    = errors.New("the domain has endorsers, and no endorsement was given")
	errEndorseForm    = errors.New("the endorsement is malformed")
	errEndorser       = errors.New("no endorser of the domain signed the endorsement")
	errEndorsedOther  = errors.New("the endorsement is of another router, program, key or configuration")
	errEndorsementEnd = errors.New("the endorsement has run out")
	errEndorsedLife   = errors.New("an endorsement must end after it was made, and within 24 hours")
)

func (e *Endorsement) validate() error {
	life := e.NotAfter.Sub(e.Issued)
	switch {
	case !validName(e.Router), len(e.Measurement) == 0, len(e.Measurement) > maxMeasurement, e.MinList > MaxGrantNumber,
		e.Issued.Unix() <= 0, e.NotAfter.Unix() > MaxGrantNumber:
		return errEndorseForm
	case life <= 0 || life > MaxEndorsementLife:
		return errEndorsedLife
	}
	return nil
}

// fields are what is signed, without the label.
func (e *Endorsement) fields() [][]byte {
	numbers := [3][8]byte{}
	for i, n := range []uint64{e.MinList, uint64(e.Issued.Unix()), uint64(e.NotAfter.Unix())} {
		binary.BigEndian.PutUint64(numbers[i][:], n)
	}
	return [][]byte{[]byte(e.Router), e.Measurement, e.KeyHash[:], e.Bind[:], numbers[0][:], numbers[1][:], numbers[2][:]}
}

// input is what an endorser's key signs: the label, then SHA-512 over the fields label, router, measurement, H(kk),
// bind, minimum list number, time, not-after.
func (e *Endorsement) input() []byte {
	h := sha512.New()
	writeField(h, []byte(endorseLabel))
	for _, f := range e.fields() {
		writeField(h, f)
	}
	return h.Sum([]byte(endorseLabel))
}

// SignEndorsement signs as an endorser, with a key that signs nothing else. Times are whole seconds. Errors are
// NotEndorsed.
func SignEndorsement(e Endorsement, key ed25519.PrivateKey) ([]byte, error) {
	const op = "endorse"
	if len(key) != ed25519.PrivateKeySize {
		return nil, fail(op, KindNotEndorsed, errKeySize)
	}
	if err := e.validate(); err != nil {
		return nil, fail(op, KindNotEndorsed, err)
	}
	b := appendLP8(nil, []byte(e.Router))
	b = appendLP8(b, e.Measurement)
	for _, f := range e.fields()[2:] {
		b = append(b, f...)
	}
	b = append(b, key[ed25519.SeedSize:]...)
	return append(b, ed25519.Sign(key, e.input())...), nil
}

// VerifyEndorsement checks that an endorser of d signed it. What it is of, and whether it is still good, is for
// covers. Errors are NotEndorsed.
func VerifyEndorsement(b []byte, d Domain) (*Endorsement, error) {
	const op = "verify endorsement"
	if len(b) > MaxEndorsementBytes {
		return nil, fail(op, KindNotEndorsed, errTooLong)
	}
	r := reader{b: b}
	e := &Endorsement{Router: string(r.lp8(MaxNameBytes)), Measurement: bytes.Clone(r.lp8(maxMeasurement))}
	copy(e.KeyHash[:], r.take(64))
	copy(e.Bind[:], r.take(64))
	e.MinList = r.u64()
	issued, notAfter := r.u64(), r.u64()
	key, signature := r.take(ed25519.PublicKeySize), r.take(ed25519.SignatureSize)
	if !r.done() || issued > MaxGrantNumber || notAfter > MaxGrantNumber {
		return nil, fail(op, KindNotEndorsed, errEndorseForm)
	}
	e.Issued, e.NotAfter = time.Unix(int64(issued), 0).UTC(), time.Unix(int64(notAfter), 0).UTC()
	if err := e.validate(); err != nil {
		return nil, fail(op, KindNotEndorsed, err)
	}
	for _, endorser := range d.Endorsers {
		if bytes.Equal(endorser, key) && ed25519.Verify(endorser, e.input(), signature) {
			return e, nil
		}
	}
	return nil, fail(op, KindNotEndorsed, errEndorser)
}

// covers says whether the endorsement is of this router, program, key and configuration, and good at a time.
func (e *Endorsement) covers(router string, measurement []byte, s *statement, bind [64]byte, now time.Time) error {
	const op = "endorsement"
	hash := s.keyHash()
	same := subtle.ConstantTimeCompare(e.KeyHash[:], hash[:]) & subtle.ConstantTimeCompare(e.Bind[:], bind[:])
	if e.Router != router || !bytes.Equal(e.Measurement, measurement) || same != 1 {
		return fail(op, KindNotEndorsed, errEndorsedOther)
	}
	if !now.Before(e.NotAfter) {
		return fail(op, KindNotEndorsed, errEndorsementEnd)
	}
	return nil
}

// Claim is a statement as an endorser sees it: what an enclave says of itself, and the quote over it.
type Claim struct {
	KeyHash  [64]byte // H(kk), of the key in the statement
	Bind     [64]byte // computed from the statement and the endorser's own domain
	Instance [16]byte
	Epoch    uint64
	evidence quote.Evidence
}

// ParseClaim takes a statement apart for an endorser with its own domain file. It verifies nothing: a host can make
// statements. Kinds: BadMessage, ConfigMismatch.
func ParseClaim(b []byte, d Domain) (*Claim, error) {
	s, err := decodeStatement(b)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(s.config, d.encode()) {
		return nil, fail("statement", KindConfigMismatch, errOtherConfig)
	}
	return &Claim{KeyHash: s.keyHash(), Bind: s.bind(d.Digest()), Instance: s.instance, Epoch: s.epoch, evidence: s.evidence()}, nil
}

// VerifyQuote checks the quote of the statement against a policy, over this bind. An endorser that decides by it
// also has to know the platform (Verdict.PPID): the quote alone may be made with a leaked key of any platform.
func (c *Claim) VerifyQuote(policy quote.Policy, now time.Time) (quote.Verdict, error) {
	v, err := policy.Verify(c.evidence, c.Bind, now)
	if err != nil {
		return v, fail("verify evidence", KindEvidenceRefused, err)
	}
	return v, nil
}
