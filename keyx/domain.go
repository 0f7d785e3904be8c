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
	MaxDomainBytes = 64 << 10

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
	Authorities []AuthorityKey      // sign grants; the order has no meaning
	Endorsers   []ed25519.PublicKey // sign endorsements; the order has no meaning
	Revocation  RevocationPolicy
}

var (
	errName      = errors.New("a name must be 1 to 255 bytes of printable UTF-8")
	errNoKeys    = errors.New("at least one authority key is needed")
	errKeyCount  = errors.New("too many keys")
	errKeyLength = errors.New("a key must be 32 bytes, or an authority's 1984: Ed25519 and ML-DSA-65")
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
	for _, k := range d.Authorities {
		if !k.valid() {
			return fail(op, KindBadMessage, errKeyLength)
		}
	}
	for _, k := range d.Endorsers {
		if len(k) != ed25519.PublicKeySize {
			return fail(op, KindBadMessage, errKeyLength)
		}
	}
	if !distinct(d.Authorities, d.Endorsers) {
		return fail(op, KindBadMessage, errKeyTwice)
	}
	return nil
}

// distinct reports whether no Ed25519 key stands anywhere twice, be it as part of a hybrid key.
func distinct(authorities []AuthorityKey, endorsers []ed25519.PublicKey) bool {
	seen := map[string]bool{}
	for _, k := range authorities {
		seen[string(k.classic())] = true
	}
	for _, k := range endorsers {
		seen[string(k)] = true
	}
	return len(seen) == len(authorities)+len(endorsers)
}

func sortedKeys[K ~[]byte](keys []K) []K {
	out := slices.Clone(keys)
	slices.SortFunc(out, func(a, b K) int { return bytes.Compare(a, b) })
	return out
}

// lists are the keys of authorities and endorsers by what stands for them, each list in ascending
// order.
func (d Domain) lists() [2][][]byte {
	var all [2][][]byte
	for _, k := range d.Authorities {
		id := k.ID()
		all[0] = append(all[0], id[:])
	}
	for _, k := range d.Endorsers {
		all[1] = append(all[1], k)
	}
	return [2][][]byte{sortedKeys(all[0]), sortedKeys(all[1])}
}

// encode is the configuration as it stands in a statement: lp8 name, then for authorities and
// endorsers a count byte and the keys (of authorities: their IDs) in ascending order, then the maximum age.
func (d Domain) encode() []byte {
	b := appendLP8(nil, []byte(d.Name))
	for _, list := range d.lists() {
		b = append(b, uint8(len(list)))
		for _, k := range list {
			b = append(b, k...)
		}
	}
	return binary.BigEndian.AppendUint32(b, d.Revocation.MaxAgeSeconds)
}

// Digest is the configuration digest: SHA-512 over the fields label, name, authority IDs, endorser
// keys (each list concatenated in ascending order) and maximum age of a revocation list.
func (d Domain) Digest() [64]byte {
	b := appendField(nil, []byte(configLabel))
	b = appendField(b, []byte(d.Name))
	for _, list := range d.lists() {
		b = appendField(b, bytes.Join(list, nil))
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

func encodeKeys[K ~[]byte](keys []K) []string {
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
	if d.Authorities, err = decodeKeys[AuthorityKey](*f.Authorities); err != nil {
		return Domain{}, fail(op, KindBadMessage, err)
	}
	if d.Endorsers, err = decodeKeys[ed25519.PublicKey](*f.Endorsers); err != nil {
		return Domain{}, fail(op, KindBadMessage, err)
	}
	if err := d.Validate(); err != nil {
		return Domain{}, err
	}
	return d, nil
}

func decodeKeys[K ~[]byte](list []string) ([]K, error) {
	if len(list) > MaxDomainKeys {
		return nil, errKeyCount
	}
	var keys []K
	for _, s := range list {
		k, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil || len(s) != base64.StdEncoding.EncodedLen(len(k)) {
			return nil, errKeyLength
		}
		keys = append(keys, k)
	}
	return sortedKeys(keys), nil
}
