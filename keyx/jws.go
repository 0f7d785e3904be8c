package keyx

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
)

const (
	// The algorithms of signatures, by their JOSE names (RFC 8037, draft-ietf-cose-dilithium).
	algorithmEdDSA = "EdDSA"
	algorithmMLDSA = "ML-DSA-65"
)

var (
	errJWSForm      = errors.New("not a JWS in general JSON serialisation with one or two signatures")
	errJWSHeader    = errors.New("the protected header is not exactly alg and typ expected")
	errJWSSignature = errors.New("no authority of the domain signed it")
)

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

// signJWS makes the general serialisation (RFC 7515, 7.2.1) with the signatures of all the authority's
// keys, first EdDSA, then ML-DSA-65, and typ in each protected header.
func signJWS(payload []byte, typ string, authority Authority) ([]byte, error) {
	form := generalJWS{Payload: base64.RawURLEncoding.EncodeToString(payload)}
	for _, algorithm := range authority.Public().algorithms() {
		header, err := json.Marshal(protectedHeader{Algorithm: algorithm, Type: typ})
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

// verifyJWS refuses every form of JWS but ours, and returns the payload that one of the domain's
// authorities signed with all of its keys under typ: what was signed as one thing is never another.
func verifyJWS(jws []byte, typ string, d Domain) ([]byte, error) {
	var form generalJWS
	if err := strictJSON(jws, &form); err != nil {
		return nil, err
	}
	if n := len(form.Signatures); n < 1 || n > 2 {
		return nil, errJWSForm
	}
	payload, err := strictBase64(form.Payload)
	if err != nil {
		return nil, err
	}
	algorithms := []string{algorithmEdDSA, algorithmMLDSA}[:len(form.Signatures)]
	var signatures [2][]byte
	for i, s := range form.Signatures {
		if err := checkHeader(s.Protected, algorithms[i], typ); err != nil {
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
	return nil, errJWSSignature
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
func checkHeader(protected, algorithm, typ string) error {
	raw, err := strictBase64(protected)
	if err != nil {
		return err
	}
	var head protectedHeader
	if err := strictJSON(raw, &head); err != nil {
		return err
	}
	if head.Algorithm != algorithm || head.Type != typ {
		return errJWSHeader
	}
	return nil
}

// strictBase64 decodes base64url without padding, in its one canonical form.
func strictBase64(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(s) != base64.RawURLEncoding.EncodedLen(len(b)) { // the decoder skips line breaks
		return nil, errJWSForm
	}
	return b, nil
}
