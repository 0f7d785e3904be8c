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
const MaxPolicyBytes = 1 << 20

// Keys of a policy file. They are a contract: added to, never renamed.
const (
	keyRoots          = "roots"
	keySimulatedRoots = "simulated_roots"
	keyMeasurements   = "measurements"
	keySigners        = "signers"
	keySigner         = "signer"
	keyProduct        = "product_id"
	keyMinSVN         = "min_svn"
	keyTDs            = "tdx"
	keyMRTD           = "mrtd"
	keyRTMR           = "rtmr" // with a digit
	keyGuests         = "sev_snp"
	keyMeasurement    = "measurement"
	keyMinTCB         = "min_tcb"
	keyFamily         = "product" // of min_tcb
	keyMaxVMPL        = "max_vmpl"
	keyStatuses       = "statuses"
	keyAdvisories     = "advisories"
	keyPlatforms      = "platform_ids"
	keyCollateralAge  = "max_collateral_age"
	keyRootCRLAge     = "max_root_crl_age"
	keyMinEvaluation  = "min_tcb_evaluation_number"
	keyEndorsement    = "endorsement_required"
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
//	 "signers": [{"signer": "64 hex digits", "product_id": 1, "min_svn": 2}],
//	 "tdx": [{"mrtd": "96 hex digits", "rtmr0": ..., "rtmr1": ..., "rtmr2": ..., "rtmr3": ...}],
//	 "sev_snp": [{"measurement": "96 hex digits",
//	              "min_tcb": {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115, "product": "Milan"},
//	              "max_vmpl": 0}],
//	 "statuses": ["UpToDate", "SWHardeningNeeded"],
//	 "advisories": ["INTEL-SA-00615"],
//	 "platform_ids": ["32 hex digits (PPID) or 128 (SEV-SNP chip id)"],
//	 "max_collateral_age": "720h", "max_root_crl_age": "9000h",
//	 "min_tcb_evaluation_number": 17,
//	 "endorsement_required": true}
//
// Roots of one kind and at least one enclave (measurements, signers, tdx, sev_snp)
// are needed, the others are not; see Policy for what their absence means. Of a
// signer all three members are needed, of a TD all but rtmr0 and rtmr3, of a guest
// all but min_tcb's fmc, and its product unless there are roots of several AMD
// families; max_vmpl is 0 where it is missing. What has no effect on SEV-SNP
// (advisories, max_collateral_age, min_tcb_evaluation_number) is refused in a policy
// that accepts nothing else, and told in Verdict.Unchecked otherwise. Unknown and repeated members, empty lists (but for
// advisories: none may stand), values named twice, malformed values, simulation
// roots under or beside roots (and others under simulated_roots) are refused. The
// error is a *PolicyError.
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
	// simulated is the line of simulated_roots, when they were read.
	simulated int
	// counted is where line was found, so that a long file is counted once.
	counted int
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
		if read := r.target(p, key); read != nil {
			return read()
		}
		if read := r.condition(p, key); read != nil {
			return read()
		}
		return errUnknown
	})
	if err != nil {
		return err
	}
	return p.validate()
}

var errUnknown = errors.New("unknown member")

// target is how to read the member key, if it says who is accepted.
func (r *policyReader) target(p *Policy, key string) func() error {
	switch key {
	case keyRoots:
		return func() error { return r.roots(p, &p.Roots, false) }
	case keySimulatedRoots:
		return func() error { return r.roots(p, &p.SimulatedRoots, true) }
	case keyMeasurements:
		return func() error { return r.measurements(&p.Measurements) }
	case keySigners:
		return func() error { return r.signers(&p.Signers) }
	case keyTDs:
		return func() error { return r.tds(&p.TDs) }
	case keyGuests:
		return func() error { return r.guests(&p.Guests) }
	}
	return nil
}

// condition is how to read the member key, if it says what is wanted beside.
func (r *policyReader) condition(p *Policy, key string) func() error {
	switch key {
	case keyStatuses:
		return func() error { return r.statuses(&p.Statuses) }
	case keyAdvisories:
		return func() error { return r.advisories(&p.Advisories) }
	case keyPlatforms:
		return func() error { return r.platforms(&p.Platforms) }
	case keyCollateralAge:
		return func() error { return r.duration(&p.MaxCollateralAge) }
	case keyRootCRLAge:
		return func() error { return r.duration(&p.MaxRootCRLAge) }
	case keyMinEvaluation:
		return func() (err error) { p.MinTCBEvaluation, err = number[uint32](r); return err }
	case keyEndorsement:
		return func() (err error) { p.EndorsementRequired, err = r.boolean(); return err }
	}
	return nil
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
	if at := int(r.dec.InputOffset()) - 1; at > r.counted {
		r.line += bytes.Count(r.src[r.counted:at], []byte{'\n'})
		r.counted = at
	}
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
	n, err := r.anyList(limit, element)
	if err == nil && n == 0 {
		err = errEmptyList
	}
	return err
}

// anyList reads a list of at most limit elements.
func (r *policyReader) anyList(limit int, element func() error) (int, error) {
	path := r.field
	if err := r.open('[', "a list"); err != nil {
		return 0, err
	}
	n := 0
	for ; r.dec.More(); n++ {
		r.field = fmt.Sprintf("%s[%d]", path, n)
		if err := element(); err != nil {
			return n, err
		}
		if n == limit {
			return n, fmt.Errorf("more than %d", limit)
		}
	}
	_, err := r.next()
	r.field = path
	return n, err
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

// hash reads exactly len(dst) bytes that are not all zeros.
func (r *policyReader) hash(dst []byte) error {
	s, err := r.text()
	if err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(dst) {
		return fmt.Errorf("not %d hexadecimal digits", hex.EncodedLen(len(dst)))
	}
	if len(bytes.Trim(b, "\x00")) == 0 {
		return errZero
	}
	copy(dst, b)
	return nil
}

// number reads a whole number that fits T.
func number[T uint8 | uint16 | uint32](r *policyReader) (T, error) {
	t, err := r.next()
	if err != nil {
		return 0, err
	}
	s, ok := t.(json.Number)
	if !ok {
		return 0, errors.New("not a number")
	}
	n, err := strconv.ParseUint(s.String(), 10, 64)
	if err != nil || n > uint64(^T(0)) {
		return 0, fmt.Errorf("not a whole number from 0 to %d", ^T(0))
	}
	return T(n), nil
}

func (r *policyReader) roots(p *Policy, dst *[]*x509.Certificate, simulated bool) error {
	if simulated {
		r.simulated = r.line
	}
	if simulated && len(p.Roots) != 0 || !simulated && len(p.SimulatedRoots) != 0 {
		r.line, r.field = r.simulated, keySimulatedRoots // they are what is wrong here, whichever stands first
		return errMixed
	}
	return r.list(MaxPolicyRoots, func() error {
		s, err := r.text()
		if err != nil {
			return err
		}
		c, err := parseCertificate(s)
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

// parseCertificate reads exactly one certificate in PEM; blanks may surround it.
func parseCertificate(s string) (*x509.Certificate, error) {
	text := bytes.TrimSpace([]byte(s))
	block, rest := pem.Decode(text)
	if block == nil || len(rest) != 0 || !canonicalPEM(block, text, true) {
		return nil, errors.New("not exactly one certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func (r *policyReader) measurements(dst *[][32]byte) error {
	return r.list(MaxPolicyMeasurements, func() error {
		var m [32]byte
		if err := r.hash(m[:]); err != nil {
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
				err = r.hash(rule.Signer[:])
			case keyProduct:
				rule.Product, err = number[uint16](r)
			case keyMinSVN:
				rule.MinSVN, err = number[uint16](r)
			default:
				err = errUnknown
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
