package keyx

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"

	"github.com/scbr/scbr/matcher/filter"
)

const (
	// MaxGrantBytes bounds a grant before anything of it is parsed: two filters in text form, escaped
	// and in base64, and two signatures.
	MaxGrantBytes = 16384
	// MaxGrantNumber is the largest serial, list number and time in a grant: beyond 2^53 JSON readers
	// disagree.
	MaxGrantNumber = 1<<53 - 1

	grantType = "scbr/grant/v1"
	popLabel  = "scbr/pop/v1"
)

// Quotas are what a grant allows beyond filters. Zero means the enclave's own limit.
type Quotas struct {
	MaxSubscriptions uint32 // standing subscriptions per session
	MaxRuns          uint32 // publisher runs the enclave remembers for the subject
	MaxSessions      uint32 // sessions at once
	MaxRate          uint32 // publications per second, of all sessions of the subject together
	MaxHeaderBytes   uint32 // encoded attributes of one publication, without padding
}

// Grant says who may do what in a domain. A Grant that came out of [VerifyGrant] was signed by an
// authority of that domain.
type Grant struct {
	Subject    string            // the client's name; envelopes carry it
	Key        ed25519.PublicKey // the client's key, proved in message 3
	Domain     string
	Publish    *filter.Filter // every event must satisfy it; nil: may not publish
	Subscribe  *filter.Filter // every subscription must be covered by it; nil: may not subscribe
	RequireGK  bool           // the subscriber refuses envelopes of epoch 0
	Quotas     Quotas
	NotAfter   time.Time // whole seconds
	Serial     uint64
	Revocation uint64 // number of the revocation list when the grant was made
}

type grantJSON struct {
	Audience   *string     `json:"aud"`
	Subject    *string     `json:"sub"`
	Confirm    *cnfJSON    `json:"cnf"`
	Publish    *string     `json:"publish,omitempty"`
	Subscribe  *string     `json:"subscribe,omitempty"`
	RequireGK  *bool       `json:"gk_required"`
	Quotas     *quotasJSON `json:"quotas"`
	NotAfter   *uint64     `json:"exp"`
	Serial     *uint64     `json:"serial"`
	Revocation *uint64     `json:"revocation"`
}

type cnfJSON struct {
	JWK *jwkJSON `json:"jwk"`
}

type jwkJSON struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	X     string `json:"x"`
}

type quotasJSON struct {
	MaxSubscriptions uint32 `json:"max_subscriptions"`
	MaxRuns          uint32 `json:"max_runs"`
	MaxSessions      uint32 `json:"max_sessions"`
	MaxRate          uint32 `json:"max_publications_per_second,omitempty"`
	MaxHeaderBytes   uint32 `json:"max_header_bytes,omitempty"`
}

var (
	errGrantFields = errors.New("a field is missing or out of range")
	errGrantFilter = errors.New("a filter does not parse")
	errKeySize     = errors.New("a key of the wrong length")
)

func (g Grant) validate() error {
	switch exp := g.NotAfter.Unix(); {
	case !validName(g.Subject), !validName(g.Domain), len(g.Key) != ed25519.PublicKeySize:
		return errGrantFields
	case exp <= 0, exp > MaxGrantNumber, g.Serial > MaxGrantNumber, g.Revocation > MaxGrantNumber:
		return errGrantFields
	}
	return nil
}

// SignGrant signs g as an authority: a JWS in general JSON serialisation (RFC 7515, 7.2.1) with the
// signatures of all the authority's keys, first EdDSA, then ML-DSA-65; typ "scbr/grant/v1" in each
// protected header, the client's key as RFC 7800 cnf.
func SignGrant(g Grant, authority Authority) ([]byte, error) {
	const op = "sign grant"
	if err := g.validate(); err != nil {
		return nil, fail(op, KindBadGrant, err)
	}
	if authority.Public() == nil {
		return nil, fail(op, KindBadGrant, errNoAuthority)
	}
	payload, err := g.payload()
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	out, err := signJWS(payload, grantType, authority)
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	if len(out) > MaxGrantBytes {
		return nil, fail(op, KindBadGrant, errTooLong)
	}
	return out, nil
}

func (g Grant) payload() ([]byte, error) {
	exp := uint64(g.NotAfter.Unix())
	p := grantJSON{
		Audience: &g.Domain, Subject: &g.Subject, RequireGK: &g.RequireGK,
		Confirm:  &cnfJSON{JWK: &jwkJSON{Type: "OKP", Curve: "Ed25519", X: base64.RawURLEncoding.EncodeToString(g.Key)}},
		Quotas:   (*quotasJSON)(&g.Quotas),
		NotAfter: &exp, Serial: &g.Serial, Revocation: &g.Revocation,
	}
	if g.Publish != nil {
		s := g.Publish.String()
		p.Publish = &s
	}
	if g.Subscribe != nil {
		s := g.Subscribe.String()
		p.Subscribe = &s
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // filters are full of < and >
	err := enc.Encode(p)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// VerifyGrant checks that an authority of d signed the grant, that it is meant for d and not past its
// not-after. Errors: BadGrant, WrongDomain, GrantExpired. Nothing of an unverified grant is returned.
func VerifyGrant(jws []byte, d Domain, now time.Time) (Grant, error) {
	const op = "verify grant"
	if len(jws) > MaxGrantBytes {
		return Grant{}, fail(op, KindBadGrant, errTooLong)
	}
	payload, err := verifyJWS(jws, grantType, d)
	if err != nil {
		return Grant{}, fail(op, KindBadGrant, err)
	}
	g, err := parseGrant(payload)
	if err != nil {
		return Grant{}, fail(op, KindBadGrant, err)
	}
	if g.Domain != d.Name {
		return Grant{}, fail(op, KindWrongDomain, nil)
	}
	if !now.Before(g.NotAfter) {
		return Grant{}, fail(op, KindGrantExpired, nil)
	}
	return g, nil
}

func parseGrant(payload []byte) (Grant, error) {
	var p grantJSON
	if err := strictJSON(payload, &p); err != nil {
		return Grant{}, err
	}
	if p.Audience == nil || p.Subject == nil || p.Confirm == nil || p.Confirm.JWK == nil || p.RequireGK == nil ||
		p.Quotas == nil || p.NotAfter == nil || p.Serial == nil || p.Revocation == nil || *p.NotAfter > MaxGrantNumber {
		return Grant{}, errGrantFields
	}
	key, err := parseJWK(p.Confirm.JWK)
	if err != nil {
		return Grant{}, err
	}
	g := Grant{
		Subject: *p.Subject, Key: key, Domain: *p.Audience, RequireGK: *p.RequireGK, Quotas: Quotas(*p.Quotas),
		NotAfter: time.Unix(int64(*p.NotAfter), 0).UTC(), Serial: *p.Serial, Revocation: *p.Revocation,
	}
	if g.Publish, err = parseFilter(p.Publish); err != nil {
		return Grant{}, err
	}
	if g.Subscribe, err = parseFilter(p.Subscribe); err != nil {
		return Grant{}, err
	}
	return g, g.validate()
}

func parseJWK(k *jwkJSON) (ed25519.PublicKey, error) {
	key, err := strictBase64(k.X)
	if err != nil || k.Type != "OKP" || k.Curve != "Ed25519" {
		return nil, errGrantFields
	}
	return key, nil
}

func parseFilter(text *string) (*filter.Filter, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // absent is a value here: not allowed
	}
	f, err := filter.Parse(*text)
	if err != nil {
		return nil, errGrantFilter // the cause quotes the filter
	}
	return &f, nil
}
