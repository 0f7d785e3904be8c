package quote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Bounds of collateral's JSON; the formats need 7 levels and 13 members.
const (
	maxJSONDepth   = 16
	maxJSONMembers = 64
)

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
	n := names{}
	for i := 0; i < len(b); i++ {
		var err error
		switch b[i] {
		case '{', '[':
			err = n.open(b[i] == '{')
		case '}', ']':
			n.close()
		case ',':
			n.next = n.inObject()
		case '"':
			end := i + closing(b[i+1:])
			err = n.text(b[i+1 : end+1])
			i = end + 1
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// closing is the length of the string that begins b, up to its quote, in valid JSON.
func closing(b []byte) int {
	n := 0
	for b[n] != '"' {
		if b[n] == '\\' {
			n++
		}
		n++
	}
	return n
}

// names are those of the members of the objects that are open, outermost first.
type names struct {
	all [][]byte
	// opened has where in all each open object begins, -1 for a list.
	opened []int
	next   bool // the next string is a name
}

func (n *names) inObject() bool { return n.opened[len(n.opened)-1] >= 0 }

func (n *names) open(object bool) error {
	if len(n.opened) == maxJSONDepth {
		return errors.New("nested too deeply")
	}
	begin := -1
	if object {
		begin = len(n.all)
	}
	n.opened, n.next = append(n.opened, begin), object
	return nil
}

func (n *names) close() {
	if n.inObject() {
		n.all = n.all[:n.opened[len(n.opened)-1]]
	}
	n.opened, n.next = n.opened[:len(n.opened)-1], false
}

// text takes a string, between its quotes, which may be a name.
func (n *names) text(s []byte) error {
	if !n.next {
		return nil
	}
	n.next = false
	if bytes.IndexByte(s, '\\') >= 0 {
		var plain string
		if err := json.Unmarshal(slices.Concat([]byte{'"'}, s, []byte{'"'}), &plain); err != nil {
			return err
		}
		s = []byte(plain)
	}
	siblings := n.all[n.opened[len(n.opened)-1]:]
	if len(siblings) == maxJSONMembers {
		return fmt.Errorf("more than %d members", maxJSONMembers)
	}
	if slices.ContainsFunc(siblings, func(o []byte) bool { return bytes.EqualFold(o, s) }) {
		return fmt.Errorf("%w: %.40q", errAgain, s)
	}
	n.all = append(n.all, s)
	return nil
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
