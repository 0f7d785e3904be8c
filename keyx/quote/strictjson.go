package quote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of collateral; the formats need 7.
const maxJSONDepth = 16

// errAgain is a member that two readers could understand differently.
var errAgain = errors.New("member repeated")

// strictJSON refuses what two readers could understand differently: text that is
// not one JSON value in UTF-8, deep nesting, and members repeated in one object,
// also under names that differ only in case (encoding/json takes either).
func strictJSON(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("not UTF-8")
	}
	if !json.Valid(b) {
		return errors.New("not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return scanValue(dec, 0)
}

func scanValue(dec *json.Decoder, depth int) error {
	if depth > maxJSONDepth {
		return errors.New("nested too deeply")
	}
	t, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			name := strings.ToLower(key.(string)) //nolint:forcetypeassert // the decoder lets only strings be keys
			if seen[name] {
				return fmt.Errorf("%w: %.40q", errAgain, name)
			}
			seen[name] = true
		}
		if err := scanValue(dec, depth+1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// unmarshalStrict reads b into v after strictJSON. Unknown members are allowed:
// the makers of the formats add to them.
func unmarshalStrict(b []byte, v any) error {
	if err := strictJSON(b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return fmt.Errorf("%s: %s where %s belongs", wrong.Field, wrong.Value, wrong.Type)
		}
		return errors.New("a value of the wrong form")
	}
	return nil
}

// members takes values that must be there out of pointers, and remembers the first
// that was not.
type members struct{ err error }

func need[T any](m *members, name string, p *T) T {
	if p == nil {
		if m.err == nil {
			m.err = errors.New(name + " is missing")
		}
		var zero T
		return zero
	}
	return *p
}

// timeText is a time as the formats write it: RFC 3339 in UTC.
type timeText struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (t *timeText) UnmarshalJSON(b []byte) error {
	parsed, err := time.Parse(`"`+time.RFC3339+`"`, string(b))
	if err != nil || parsed.Location() != time.UTC {
		return errors.New("not a time in UTC")
	}
	t.Time = parsed
	return nil
}
