package keyx

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// maxJSONDepth is the deepest nesting of any JSON document here: payload, cnf, jwk.
const maxJSONDepth = 4

var (
	errUTF8      = errors.New("not valid UTF-8")
	errTrailing  = errors.New("bytes after the end")
	errDuplicate = errors.New("a member stands twice")
	errMember    = errors.New("a member name that is not lower-case ASCII")
	errNull      = errors.New("null is not used")
	errDepth     = errors.New("nested too deeply")
	errMissing   = errors.New("a member is missing")
	errJSON      = errors.New("not the JSON document expected")
)

// strictJSON decodes b into v, and refuses what encoding/json lets pass: duplicate members, unknown
// members, members in another case, null, invalid UTF-8, bytes after the end. Errors carry no content.
func strictJSON(b []byte, v any) error {
	if !utf8.Valid(b) {
		return errUTF8
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := checkValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	dec = json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return errJSON
	}
	return nil
}

func checkValue(dec *json.Decoder, depth int) error {
	t, err := dec.Token()
	if err != nil {
		return errJSON
	}
	if t == nil {
		return errNull
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth >= maxJSONDepth {
		return errDepth
	}
	seen := map[string]bool{}
	for dec.More() {
		if delim == '{' {
			if err := checkMember(dec, seen); err != nil {
				return err
			}
		}
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return errJSON
	}
	return nil
}

func checkMember(dec *json.Decoder, seen map[string]bool) error {
	t, err := dec.Token()
	name, ok := t.(string)
	if err != nil || !ok {
		return errJSON
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && c != '_' {
			return errMember
		}
	}
	if seen[name] {
		return errDuplicate
	}
	seen[name] = true
	return nil
}
