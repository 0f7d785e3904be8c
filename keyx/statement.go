package keyx

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/binary"

	"github.com/cloudflare/circl/kem/xwing"

	"github.com/scbr/scbr/keyx/quote"
)

const (
	// MaxQuoteBytes bounds the evidence: a DCAP quote with its certificate chain is about 5 KB.
	MaxQuoteBytes = 12 << 10
	// MaxCollateralBytes bounds the stapled collateral, so that message 2 fits the 64 KiB that
	// transports allow before a session is confirmed.
	MaxCollateralBytes = quote.MaxCollateralBytes

	instanceLen = 16
	// maxConfigBytes is the longest encoding of a Domain.
	maxConfigBytes = 1 + MaxNameBytes + 2*(1+MaxDomainKeys*ed25519.PublicKeySize) + 4
	maxStatement   = 1 + len(roleEnclave) + 2*(1+2*maxOffers) + xwing.PublicKeySize + instanceLen +
		2 + maxConfigBytes + 8 + 4 + MaxQuoteBytes + 4 + MaxCollateralBytes + 2 + MaxEndorsementBytes

	bindLabel    = "scbr/att/v1"
	keyHashLabel = "scbr/kkhash/v1"
)

// statement is what an enclave says about itself once per boot. Nothing in it is believed: the client
// recomputes bind from its own configuration and the quote's report data must be equal to it.
type statement struct {
	offer      offer
	kk         []byte // X-Wing public key
	instance   [instanceLen]byte
	config     []byte // Domain.encode of the enclave; a help for diagnosis only
	epoch      uint64
	quote      []byte
	collateral []byte
	endorsed   []byte // an endorsement, or nothing; in T, not in bind: a later one needs no new quote
}

func (s *statement) encode() []byte {
	b := appendLP8(nil, []byte(roleEnclave))
	b = appendNumbers(b, s.offer.versions)
	b = appendNumbers(b, s.offer.suites)
	b = append(b, s.kk...)
	b = append(b, s.instance[:]...)
	b = appendLP16(b, s.config)
	b = binary.BigEndian.AppendUint64(b, s.epoch)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.quote)))
	b = append(b, s.quote...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.collateral)))
	b = append(b, s.collateral...)
	return appendLP16(b, s.endorsed)
}

// evidence is what the host shows, to be verified.
func (s *statement) evidence() quote.Evidence {
	return quote.Evidence{Quote: s.quote, Collateral: s.collateral}
}

// decodeStatement aliases b.
func decodeStatement(b []byte) (*statement, error) {
	const op = "statement"
	if len(b) > maxStatement {
		return nil, fail(op, KindBadMessage, errTooLong)
	}
	r := reader{b: b}
	var s statement
	role := r.lp8(len(roleEnclave))
	s.offer.versions = r.numbers()
	s.offer.suites = r.numbers()
	s.kk = r.take(xwing.PublicKeySize)
	copy(s.instance[:], r.take(instanceLen))
	s.config = r.lp16(maxConfigBytes)
	s.epoch = r.u64()
	s.quote = r.lp32(MaxQuoteBytes)
	s.collateral = r.lp32(MaxCollateralBytes)
	s.endorsed = r.lp16(MaxEndorsementBytes)
	if !r.done() || !bytes.Equal(role, []byte(roleEnclave)) {
		return nil, fail(op, KindBadMessage, nil)
	}
	return &s, nil
}

// keyHash is H(kk): SHA-512 over the fields label, kk.
func (s *statement) keyHash() [64]byte {
	return sha512.Sum512(appendField(appendField(nil, []byte(keyHashLabel)), s.kk))
}

// bind is the whole 64-byte report data: SHA-512 over the fields label, role, versions, suites, H(kk),
// instance, configuration digest, epoch. The digest is the caller's own, never one of the statement.
func (s *statement) bind(configDigest [64]byte) [64]byte {
	kkHash := s.keyHash()
	var epoch [8]byte
	binary.BigEndian.PutUint64(epoch[:], s.epoch)
	b := appendField(nil, []byte(bindLabel))
	for _, f := range [][]byte{
		[]byte(roleEnclave), appendNumbers(nil, s.offer.versions), appendNumbers(nil, s.offer.suites),
		kkHash[:], s.instance[:], configDigest[:], epoch[:],
	} {
		b = appendField(b, f)
	}
	return sha512.Sum512(b)
}
