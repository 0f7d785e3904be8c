package keyx

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

const (
	// MaxRevocationBytes bounds a revocation list before anything of it is parsed: with its frame it
	// fits the mebibyte that a frame to an enclave may have.
	MaxRevocationBytes = 960 << 10
	// MaxRevoked bounds the entries of a list. It grows with every subject that was ever revoked.
	MaxRevoked = 8192

	revocationType = "scbr/revocation/v1"
)

// Revocation takes back the grants of one subject that were made before a list: those whose own list
// number is below Before. A grant made later is good again.
type Revocation struct {
	Subject string
	Before  uint64 // 1 up to the number of the list it stands in
}

// RevocationList is what an authority has taken back so far. Lists are numbered from 1 and each holds
// everything of the one before: whoever has verified one takes none with a smaller number any more.
// One that came out of [VerifyRevocationList] was signed by an authority of the domain.
type RevocationList struct {
	Domain  string
	Number  uint64
	Issued  time.Time    // by the authority's clock, whole seconds
	Revoked []Revocation // ascending by subject, each once
}

type revocationListJSON struct {
	Audience *string           `json:"aud"`
	Number   *uint64           `json:"number"`
	Issued   *uint64           `json:"iat"`
	Revoked  *[]revocationItem `json:"revoked"`
}

type revocationItem struct {
	Subject *string `json:"sub"`
	Before  *uint64 `json:"before"`
}

var (
	errListFields = errors.New("a field is missing or out of range")
	errListOrder  = errors.New("the subjects are not in ascending order, each once")
	errListLong   = errors.New("more than 8192 subjects")
)

func (l *RevocationList) validate() error {
	if !validName(l.Domain) || l.Number == 0 || l.Number > MaxGrantNumber || l.Issued.Unix() <= 0 || l.Issued.Unix() > MaxGrantNumber {
		return errListFields
	}
	if len(l.Revoked) > MaxRevoked {
		return errListLong
	}
	for i, r := range l.Revoked {
		switch {
		case !validName(r.Subject), r.Before == 0, r.Before > l.Number:
			return errListFields
		case i > 0 && l.Revoked[i-1].Subject >= r.Subject:
			return errListOrder
		}
	}
	return nil
}

// Next is the list after l (nil: the first of a domain) that takes back all grants of the subjects made
// so far.
func (l *RevocationList) Next(domain string, issued time.Time, subjects ...string) RevocationList {
	next := RevocationList{Domain: domain, Number: 1, Issued: issued.UTC().Truncate(time.Second)}
	if l != nil {
		next.Number, next.Revoked = l.Number+1, slices.Clone(l.Revoked)
		if next.Issued.Before(l.Issued) { // a clock that went back: the list is not older than the one before
			next.Issued = l.Issued
		}
	}
	for _, s := range subjects {
		i, found := next.find(s)
		if !found {
			next.Revoked = slices.Insert(next.Revoked, i, Revocation{Subject: s})
		}
		next.Revoked[i].Before = next.Number
	}
	return next
}

func (l *RevocationList) find(subject string) (int, bool) {
	return slices.BinarySearchFunc(l.Revoked, subject, func(r Revocation, s string) int { return cmp.Compare(r.Subject, s) })
}

// Revokes reports whether the list takes the grant back. No list (nil) takes nothing back.
func (l *RevocationList) Revokes(g *Grant) bool {
	if l == nil {
		return false
	}
	i, found := l.find(g.Subject)
	return found && g.Revocation < l.Revoked[i].Before
}

// Fresh reports whether the list may still be relied on at a time: without a bound in the domain always,
// with one until it is that old. No list is as good as one where there is no bound.
func (l *RevocationList) Fresh(p RevocationPolicy, now time.Time) bool {
	if p.MaxAgeSeconds == 0 {
		return true
	}
	return l != nil && now.Before(l.Issued.Add(time.Duration(p.MaxAgeSeconds)*time.Second))
}

// SignRevocationList signs l as an authority, in the form of a grant, with typ "scbr/revocation/v1".
func SignRevocationList(l RevocationList, authority Authority) ([]byte, error) {
	const op = "sign revocation list"
	if err := l.validate(); err != nil {
		return nil, fail(op, KindBadList, err)
	}
	if authority.Public() == nil {
		return nil, fail(op, KindBadList, errNoAuthority)
	}
	issued := uint64(l.Issued.Unix())
	items := make([]revocationItem, 0, len(l.Revoked))
	for i := range l.Revoked {
		items = append(items, revocationItem{Subject: &l.Revoked[i].Subject, Before: &l.Revoked[i].Before})
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(revocationListJSON{Audience: &l.Domain, Number: &l.Number, Issued: &issued, Revoked: &items}); err != nil {
		return nil, fail(op, KindInternal, err)
	}
	out, err := signJWS(bytes.TrimRight(b.Bytes(), "\n"), revocationType, authority)
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	if len(out) > MaxRevocationBytes {
		return nil, fail(op, KindBadList, errTooLong)
	}
	return out, nil
}

// VerifyRevocationList checks that an authority of d signed the list for d. It knows nothing of other
// lists: comparing numbers is the caller's. Errors: BadList, WrongDomain.
func VerifyRevocationList(jws []byte, d Domain) (*RevocationList, error) {
	const op = "verify revocation list"
	if len(jws) > MaxRevocationBytes {
		return nil, fail(op, KindBadList, errTooLong)
	}
	payload, err := verifyJWS(jws, revocationType, d)
	if err != nil {
		return nil, fail(op, KindBadList, err)
	}
	var p revocationListJSON
	if err := strictJSON(payload, &p); err != nil {
		return nil, fail(op, KindBadList, err)
	}
	if p.Audience == nil || p.Number == nil || p.Issued == nil || p.Revoked == nil || *p.Issued > MaxGrantNumber {
		return nil, fail(op, KindBadList, errListFields)
	}
	if len(*p.Revoked) > MaxRevoked {
		return nil, fail(op, KindBadList, errListLong)
	}
	l := &RevocationList{Domain: *p.Audience, Number: *p.Number, Issued: time.Unix(int64(*p.Issued), 0).UTC()}
	for _, r := range *p.Revoked {
		if r.Subject == nil || r.Before == nil {
			return nil, fail(op, KindBadList, errListFields)
		}
		l.Revoked = append(l.Revoked, Revocation{Subject: *r.Subject, Before: *r.Before})
	}
	if err := l.validate(); err != nil {
		return nil, fail(op, KindBadList, err)
	}
	if l.Domain != d.Name {
		return nil, fail(op, KindWrongDomain, nil)
	}
	return l, nil
}
