package keyx

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxNameBytes bounds the names of domains, routers and subjects: they are length-prefixed by a byte.
	MaxNameBytes = 255
	// MaxDomainKeys bounds each key list of a domain. Rotation needs two or three.
	MaxDomainKeys = 16
	// MaxDomainBytes bounds a domain file before it is parsed: both lists full, with room for white space.
	MaxDomainBytes = 16 << 10

	configLabel = "scbr/config/v1"
)

// RevocationPolicy says how old a revocation list may be.
type RevocationPolicy struct {
	MaxAgeSeconds uint32 // 0: no bound
}

// Domain is everything that decides who is trusted in one domain. A client pins it; an enclave is
// started with it; its digest is part of the enclave's report data. Tuning limits are no part of it.
type Domain struct {
	Name        string
	Authorities []ed25519.PublicKey // sign grants; the order has no meaning
	Endorsers   []ed25519.PublicKey // sign endorsements; the order has no meaning
	Revocation  RevocationPolicy
}

var (
	errName      = errors.New("a name must be 1 to 255 bytes of printable UTF-8")
	errNoKeys    = errors.New("at least one authority key is needed")
	errKeyCount  = errors.New("too many keys")
	errKeyLength = errors.New("a key must be 32 bytes")
	errKeyTwice  = errors.New("a key stands in a list twice, or in both")
	errTooLong   = errors.New("too long")
)

func validName(s string) bool {
	if s == "" || len(s) > MaxNameBytes || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// Validate reports the first fault of the domain.
func (d Domain) Validate() error {
	const op = "domain"
	if !validName(d.Name) {
		return fail(op, KindBadMessage, errName)
	}
	if len(d.Authorities) == 0 {
		return fail(op, KindBadMessage, errNoKeys)
	}
	if len(d.Authorities) > MaxDomainKeys || len(d.Endorsers) > MaxDomainKeys {
		return fail(op, KindBadMessage, errKeyCount)
	}
	all := sortedKeys(append(slices.Clone(d.Authorities), d.Endorsers...))
	for i, k := range all {
		if len(k) != ed25519.PublicKeySize {
			return fail(op, KindBadMessage, errKeyLength)
		}
		if i > 0 && bytes.Equal(k, all[i-1]) {
			return fail(op, KindBadMessage, errKeyTwice)
		}
	}
	return nil
}

func sortedKeys(keys []ed25519.PublicKey) []ed25519.PublicKey {
	out := slices.Clone(keys)
	slices.SortFunc(out, func(a, b ed25519.PublicKey) int { return bytes.Compare(a, b) })
	return out
}

// encode is the configuration as it stands in a statement: lp8 name, then for authorities and
// endorsers a count byte and the keys in ascending order, then the maximum age.
func (d Domain) encode() []byte {
	b := appendLP8(nil, []byte(d.Name))
	for _, list := range [][]ed25519.PublicKey{d.Authorities, d.Endorsers} {
		b = append(b, uint8(len(list)))
		for _, k := range sortedKeys(list) {
			b = append(b, k...)
		}
	}
	return binary.BigEndian.AppendUint32(b, d.Revocation.MaxAgeSeconds)
}

// Digest is the configuration digest: SHA-512 over the fields label, name, authority keys, endorser
// keys (each list concatenated in ascending order) and maximum age of a revocation list.
func (d Domain) Digest() [64]byte {
	b := appendField(nil, []byte(configLabel))
	b = appendField(b, []byte(d.Name))
	for _, list := range [][]ed25519.PublicKey{d.Authorities, d.Endorsers} {
		var keys []byte
		for _, k := range sortedKeys(list) {
			keys = append(keys, k...)
		}
		b = appendField(b, keys)
	}
	var age [4]byte
	binary.BigEndian.PutUint32(age[:], d.Revocation.MaxAgeSeconds)
	return sha512.Sum512(appendField(b, age[:]))
}

type domainJSON struct {
	Name        *string         `json:"name"`
	Authorities *[]string       `json:"authorities"`
	Endorsers   *[]string       `json:"endorsers"`
	Revocation  *revocationJSON `json:"revocation"`
}

type revocationJSON struct {
	MaxAgeSeconds *uint32 `json:"max_age_seconds"`
}

// JSON is the domain file, which [ParseDomain] reads: indented, keys in ascending order.
func (d Domain) JSON() []byte {
	authorities, endorsers := encodeKeys(d.Authorities), encodeKeys(d.Endorsers)
	b, err := json.MarshalIndent(domainJSON{
		Name: &d.Name, Authorities: &authorities, Endorsers: &endorsers,
		Revocation: &revocationJSON{MaxAgeSeconds: &d.Revocation.MaxAgeSeconds},
	}, "", "  ")
	if err != nil {
		panic("keyx: strings and numbers did not marshal: " + err.Error())
	}
	return append(b, '\n')
}

func encodeKeys(keys []ed25519.PublicKey) []string {
	out := make([]string, 0, len(keys))
	for _, k := range sortedKeys(keys) {
		out = append(out, base64.StdEncoding.EncodeToString(k))
	}
	return out
}

// ParseDomain reads a domain file. Unknown, duplicate, missing and null members are refused, and so is
// whatever [Domain.Validate] refuses. All errors are BadMessage.
func ParseDomain(b []byte) (Domain, error) {
	const op = "domain"
	if len(b) > MaxDomainBytes {
		return Domain{}, fail(op, KindBadMessage, errTooLong)
	}
	var f domainJSON
	if err := strictJSON(b, &f); err != nil {
		return Domain{}, fail(op, KindBadMessage, err)
	}
	if f.Name == nil || f.Authorities == nil || f.Endorsers == nil || f.Revocation == nil || f.Revocation.MaxAgeSeconds == nil {
		return Domain{}, fail(op, KindBadMessage, errMissing)
	}
	d := Domain{Name: *f.Name, Revocation: RevocationPolicy{MaxAgeSeconds: *f.Revocation.MaxAgeSeconds}}
	var err error
	if d.Authorities, err = decodeKeys(*f.Authorities); err != nil {
		return Domain{}, fail(op, KindBadMessage, err)
	}
	if d.Endorsers, err = decodeKeys(*f.Endorsers); err != nil {
		return Domain{}, fail(op, KindBadMessage, err)
	}
	if err := d.Validate(); err != nil {
		return Domain{}, err
	}
	return d, nil
}

func decodeKeys(list []string) ([]ed25519.PublicKey, error) {
	if len(list) > MaxDomainKeys {
		return nil, errKeyCount
	}
	var keys []ed25519.PublicKey
	for _, s := range list {
		k, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil || len(k) != ed25519.PublicKeySize || len(s) != base64.StdEncoding.EncodedLen(len(k)) {
			return nil, errKeyLength
		}
		keys = append(keys, k)
	}
	return sortedKeys(keys), nil
}
