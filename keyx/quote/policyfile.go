package quote

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// MaxPolicyBytes bounds a policy file: every list full needs less.
const MaxPolicyBytes = 256 << 10

// Keys of a policy file. They are a contract: added to, never renamed.
const (
	keyRoots          = "roots"
	keySimulatedRoots = "simulated_roots"
	keyMeasurements   = "measurements"
	keySigners        = "signers"
	keySigner         = "signer"
	keyProduct        = "product_id"
	keyMinSVN         = "min_svn"
)

// PolicyError is the error of ParsePolicy: what is wrong, and where.
type PolicyError struct {
	// Line counts from 1.
	Line int
	// Field is the path of the value, such as "signers[0].min_svn".
	Field string
	// Err is the reason.
	Err error
}

// Error gives line, field and reason.
func (e *PolicyError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("policy: line %d: %v", e.Line, e.Err)
	}
	return fmt.Sprintf("policy: line %d: %s: %v", e.Line, e.Field, e.Err)
}

// Unwrap returns the reason.
func (e *PolicyError) Unwrap() error { return e.Err }

// ParsePolicy reads a policy file:
//
//	{"roots": ["-----BEGIN CERTIFICATE-----\n..."],
//	 "simulated_roots": [...],
//	 "measurements": ["64 hex digits"],
//	 "signers": [{"signer": "64 hex digits", "product_id": 1, "min_svn": 2}]}
//
// At least one root of either kind and at least one measurement or signer are
// needed; of a signer all three members. Unknown and repeated members, empty
// lists, values named twice, malformed values, simulation roots under roots (and
// others under simulated_roots) are refused. The error is a *PolicyError.
func ParsePolicy(b []byte) (Policy, error) {
	r := policyReader{src: b, line: 1}
	var p Policy
	if err := r.document(&p); err != nil {
		return Policy{}, &PolicyError{Line: r.line, Field: r.field, Err: err}
	}
	return p, nil
}

// policyReader walks the tokens of a policy file and remembers where it is.
type policyReader struct {
	src   []byte
	dec   *json.Decoder
	line  int
	field string
}

func (r *policyReader) document(p *Policy) error {
	if len(r.src) > MaxPolicyBytes {
		return fmt.Errorf("more than %d bytes", MaxPolicyBytes)
	}
	if err := r.syntax(); err != nil {
		return err
	}
	r.dec = json.NewDecoder(bytes.NewReader(r.src))
	r.dec.UseNumber()
	err := r.object("", func(key string) error {
		switch key {
		case keyRoots:
			return r.roots(&p.Roots, false)
		case keySimulatedRoots:
			return r.roots(&p.SimulatedRoots, true)
		case keyMeasurements:
			return r.measurements(&p.Measurements)
		case keySigners:
			return r.signers(&p.Signers)
		}
		return errors.New("unknown member")
	})
	if err != nil {
		return err
	}
	return p.validate()
}

// syntax refuses what is not one JSON text, with its line.
func (r *policyReader) syntax() error {
	for i := 0; i < len(r.src); {
		c, n := utf8.DecodeRune(r.src[i:])
		if c == utf8.RuneError && n == 1 {
			r.line = r.lineAt(i)
			return errors.New("not UTF-8")
		}
		i += n
	}
	var text json.RawMessage
	err := json.Unmarshal(r.src, &text)
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		r.line = r.lineAt(int(syntax.Offset) - 1)
	}
	return err
}

func (r *policyReader) lineAt(offset int) int {
	offset = max(0, min(offset, len(r.src)))
	return 1 + bytes.Count(r.src[:offset], []byte{'\n'})
}

// next returns the next token and notes its line.
func (r *policyReader) next() (json.Token, error) {
	t, err := r.dec.Token()
	r.line = r.lineAt(int(r.dec.InputOffset()) - 1)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return t, err
}

func (r *policyReader) open(want json.Delim, what string) error {
	t, err := r.next()
	if err != nil {
		return err
	}
	if t != want {
		return errors.New("not " + what)
	}
	return nil
}

// object reads an object at path; member reads the value of each key.
func (r *policyReader) object(path string, member func(key string) error) error {
	r.field = path
	if err := r.open('{', "an object"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for r.dec.More() {
		t, err := r.next()
		if err != nil {
			return err
		}
		key, _ := t.(string) // the decoder lets only strings be keys
		r.field = key
		if path != "" {
			r.field = path + "." + key
		}
		if seen[key] {
			return errRepeated
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	_, err := r.next()
	r.field = path
	return err
}

// list reads a list of 1 to limit elements at the current field.
func (r *policyReader) list(limit int, element func() error) error {
	path := r.field
	if err := r.open('[', "a list"); err != nil {
		return err
	}
	n := 0
	for ; r.dec.More(); n++ {
		r.field = fmt.Sprintf("%s[%d]", path, n)
		if err := element(); err != nil {
			return err
		}
		if n == limit {
			return fmt.Errorf("more than %d", limit)
		}
	}
	_, err := r.next()
	r.field = path
	if err == nil && n == 0 {
		err = errors.New("empty list: leave it out, or name something")
	}
	return err
}

func (r *policyReader) text() (string, error) {
	t, err := r.next()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", errors.New("not a string")
	}
	return s, nil
}

func (r *policyReader) hash() ([32]byte, error) {
	s, err := r.text()
	if err != nil {
		return [32]byte{}, err
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 {
		return [32]byte{}, errors.New("not 64 hexadecimal digits")
	}
	if h := [32]byte(b); h != [32]byte{} {
		return h, nil
	}
	return [32]byte{}, errZero
}

func (r *policyReader) number() (uint16, error) {
	t, err := r.next()
	if err != nil {
		return 0, err
	}
	s, ok := t.(json.Number)
	if !ok {
		return 0, errors.New("not a number")
	}
	n, err := strconv.ParseUint(s.String(), 10, 16)
	if err != nil {
		return 0, errors.New("not a whole number from 0 to 65535")
	}
	return uint16(n), nil
}

func (r *policyReader) roots(dst *[]*x509.Certificate, simulated bool) error {
	return r.list(MaxPolicyRoots, func() error {
		s, err := r.text()
		if err != nil {
			return err
		}
		c, err := parseRoot(s)
		if err != nil {
			return err
		}
		if err := checkPolicyRoot(c, simulated); err != nil {
			return err
		}
		if slices.ContainsFunc(*dst, c.Equal) {
			return errRepeated
		}
		*dst = append(*dst, c)
		return nil
	})
}

// parseRoot reads exactly one certificate in PEM; blanks may surround it.
func parseRoot(s string) (*x509.Certificate, error) {
	text := bytes.TrimSpace([]byte(s))
	block, rest := pem.Decode(text)
	if block == nil || len(rest) != 0 || !canonicalPEM(block, text, true) {
		return nil, errors.New("not exactly one certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func (r *policyReader) measurements(dst *[][32]byte) error {
	return r.list(MaxPolicyMeasurements, func() error {
		m, err := r.hash()
		if err != nil {
			return err
		}
		if slices.Contains(*dst, m) {
			return errRepeated
		}
		*dst = append(*dst, m)
		return nil
	})
}

func (r *policyReader) signers(dst *[]SignerRule) error {
	return r.list(MaxPolicySigners, func() error {
		var rule SignerRule
		missing := map[string]bool{keySigner: true, keyProduct: true, keyMinSVN: true}
		err := r.object(r.field, func(key string) (err error) {
			delete(missing, key)
			switch key {
			case keySigner:
				rule.Signer, err = r.hash()
			case keyProduct:
				rule.Product, err = r.number()
			case keyMinSVN:
				rule.MinSVN, err = r.number()
			default:
				err = errors.New("unknown member")
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, key := range []string{keySigner, keyProduct, keyMinSVN} {
			if missing[key] {
				return fmt.Errorf("%s is missing: a signer alone would accept everything it ever signed", key)
			}
		}
		same := func(o SignerRule) bool { return o.Signer == rule.Signer && o.Product == rule.Product }
		if slices.ContainsFunc(*dst, same) {
			return errRepeated
		}
		*dst = append(*dst, rule)
		return nil
	})
}

// policyFile is the JSON form that Policy.JSON writes.
type policyFile struct {
	Roots          []string     `json:"roots,omitempty"`
	SimulatedRoots []string     `json:"simulated_roots,omitempty"`
	Measurements   []string     `json:"measurements,omitempty"`
	Signers        []signerFile `json:"signers,omitempty"`
}

type signerFile struct {
	Signer  string `json:"signer"`
	Product uint16 `json:"product_id"`
	MinSVN  uint16 `json:"min_svn"`
}

// JSON returns the policy as the file ParsePolicy reads, indented, ending in a
// line feed. A policy that accepts nothing gives a file that ParsePolicy refuses.
func (p Policy) JSON() []byte {
	f := policyFile{Roots: pemTexts(p.Roots), SimulatedRoots: pemTexts(p.SimulatedRoots)}
	for _, m := range p.Measurements {
		f.Measurements = append(f.Measurements, hex.EncodeToString(m[:]))
	}
	for _, s := range p.Signers {
		f.Signers = append(f.Signers, signerFile{hex.EncodeToString(s.Signer[:]), s.Product, s.MinSVN})
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic("quote: strings and numbers always have a JSON form: " + err.Error())
	}
	return append(b, '\n')
}

func pemTexts(certs []*x509.Certificate) []string {
	var out []string
	for _, c := range certs {
		if c == nil {
			continue
		}
		out = append(out, string(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.Raw})))
	}
	return out
}
