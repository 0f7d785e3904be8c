package keyx

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
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
	// The algorithms of signatures, by their JOSE names (RFC 8037, draft-ietf-cose-dilithium).
	algorithmEdDSA = "EdDSA"
	algorithmMLDSA = "ML-DSA-65"
	popLabel       = "scbr/pop/v1"
)

// Quotas are what a grant allows beyond filters. Zero means the enclave's own limit.
type Quotas struct {
	MaxSubscriptions uint32 // standing subscriptions per session
	MaxRuns          uint32 // publisher runs the enclave remembers for the subject
	MaxSessions      uint32 // sessions at once
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
}

var (
	errGrantFields    = errors.New("a field is missing or out of range")
	errGrantForm      = errors.New("not a JWS in general JSON serialisation with one or two signatures")
	errGrantHeader    = errors.New("the protected header is not exactly alg and typ of a grant")
	errGrantSignature = errors.New("no authority of the domain signed it")
	errGrantFilter    = errors.New("a filter does not parse")
	errKeySize        = errors.New("a key of the wrong length")
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
	public := authority.Public()
	if public == nil {
		return nil, fail(op, KindBadGrant, errNoAuthority)
	}
	payload, err := g.payload()
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	out, err := signJWS(payload, public.algorithms(), authority)
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

type generalJWS struct {
	Payload    string         `json:"payload"`
	Signatures []jwsSignature `json:"signatures"`
}

type jwsSignature struct {
	Protected string `json:"protected"`
	Signature string `json:"signature"`
}

type protectedHeader struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
}

// signJWS makes the general serialisation with a signature of each algorithm.
func signJWS(payload []byte, algorithms []string, authority Authority) ([]byte, error) {
	form := generalJWS{Payload: base64.RawURLEncoding.EncodeToString(payload)}
	for _, algorithm := range algorithms {
		header, err := json.Marshal(protectedHeader{Algorithm: algorithm, Type: grantType})
		if err != nil {
			return nil, err
		}
		s := jwsSignature{Protected: base64.RawURLEncoding.EncodeToString(header)}
		signature, err := authority.sign(algorithm, signingInput(s.Protected, form.Payload))
		if err != nil {
			return nil, err
		}
		s.Signature = base64.RawURLEncoding.EncodeToString(signature)
		form.Signatures = append(form.Signatures, s)
	}
	return json.Marshal(form)
}

// signingInput is what a JWS signature is over (RFC 7515, 5.1).
func signingInput(protected, payload string) []byte { return []byte(protected + "." + payload) }

// VerifyGrant checks that an authority of d signed the grant, that it is meant for d and not past its
// not-after. Errors: BadGrant, WrongDomain, GrantExpired. Nothing of an unverified grant is returned.
func VerifyGrant(jws []byte, d Domain, now time.Time) (Grant, error) {
	const op = "verify grant"
	if len(jws) > MaxGrantBytes {
		return Grant{}, fail(op, KindBadGrant, errTooLong)
	}
	payload, err := verifyJWS(jws, d)
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

// verifyJWS refuses every form of JWS but ours, and returns the payload that one of the domain's
// authorities signed with all of its keys.
func verifyJWS(jws []byte, d Domain) ([]byte, error) {
	var form generalJWS
	if err := strictJSON(jws, &form); err != nil {
		return nil, err
	}
	if n := len(form.Signatures); n < 1 || n > 2 {
		return nil, errGrantForm
	}
	payload, err := strictBase64(form.Payload)
	if err != nil {
		return nil, err
	}
	algorithms := []string{algorithmEdDSA, algorithmMLDSA}[:len(form.Signatures)]
	var signatures [2][]byte
	for i, s := range form.Signatures {
		if err := checkHeader(s.Protected, algorithms[i]); err != nil {
			return nil, err
		}
		if signatures[i], err = strictBase64(s.Signature); err != nil {
			return nil, err
		}
	}
	for _, key := range d.Authorities {
		if slices.Equal(key.algorithms(), algorithms) && signedBy(key, &form, algorithms, signatures[:]) {
			return payload, nil
		}
	}
	return nil, errGrantSignature
}

// signedBy reports whether every signature is the key's.
func signedBy(key AuthorityKey, form *generalJWS, algorithms []string, signatures [][]byte) bool {
	for i, algorithm := range algorithms {
		if !key.verify(algorithm, signingInput(form.Signatures[i].Protected, form.Payload), signatures[i]) {
			return false
		}
	}
	return true
}

// checkHeader refuses all but the one protected header that an algorithm has.
func checkHeader(protected, algorithm string) error {
	raw, err := strictBase64(protected)
	if err != nil {
		return err
	}
	var head protectedHeader
	if err := strictJSON(raw, &head); err != nil {
		return err
	}
	if head.Algorithm != algorithm || head.Type != grantType {
		return errGrantHeader
	}
	return nil
}

// strictBase64 decodes base64url without padding, in its one canonical form.
func strictBase64(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(s) != base64.RawURLEncoding.EncodedLen(len(b)) { // the decoder skips line breaks
		return nil, errGrantForm
	}
	return b, nil
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
