package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

// maxLine bounds one line of JSON: the largest payload in base64, with attributes.
const maxLine = 2 * client.MaxPayloadBytes

// publication is one event to publish.
type publication struct {
	event   filter.Event
	payload []byte
	line    int // of standard input; 0: it came from flags
}

var (
	errNotObject  = errors.New("not one JSON object")
	errDuplicate  = errors.New("a name stands twice")
	errPayloads   = errors.New("payload and payload_base64 exclude each other")
	errMember     = errors.New("only attributes, payload and payload_base64 may stand in a publication")
	errNested     = errors.New("an attribute is a number, a string, true or false")
	errBigInteger = errors.New("an integer beyond 64 bits")
)

// parsePublication reads one line: {"attributes":{...},"payload":"..."}, or
// "payload_base64" for bytes. Unknown and repeated names are refused, null
// attributes are absent.
func parsePublication(line []byte) (publication, error) {
	var p publication
	members, err := objectMembers(line)
	if err != nil {
		return p, err
	}
	var havePayload bool
	for _, m := range members {
		switch m.name {
		case "attributes":
			p.event, err = parseAttributes(m.value)
		case "payload", "payload_base64":
			if havePayload {
				return p, errPayloads
			}
			havePayload = true
			p.payload, err = parsePayload(m)
		default:
			err = errMember
		}
		if err != nil {
			return p, err
		}
	}
	if len(p.payload) > client.MaxPayloadBytes {
		return p, fmt.Errorf("a payload beyond %d bytes", client.MaxPayloadBytes)
	}
	return p, nil
}

func parsePayload(m member) ([]byte, error) {
	var text string
	if err := json.Unmarshal(m.value, &text); err != nil || m.value[0] != '"' {
		return nil, fmt.Errorf("%s is a string", m.name)
	}
	if m.name == "payload" {
		return []byte(text), nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("payload_base64 is not base64")
	}
	return b, nil
}

func parseAttributes(b []byte) (filter.Event, error) {
	members, err := objectMembers(b)
	if err != nil {
		return filter.Event{}, fmt.Errorf("attributes: %w", err)
	}
	attrs := make([]filter.Attribute, 0, len(members))
	for _, m := range members {
		if string(m.value) == "null" {
			continue
		}
		v, err := jsonValue(m.value)
		if err != nil {
			return filter.Event{}, fmt.Errorf("attribute %q: %w", m.name, err)
		}
		attrs = append(attrs, filter.Attribute{Name: m.name, Value: v})
	}
	return filter.NewEvent(attrs...)
}

func jsonValue(b []byte) (filter.Value, error) {
	switch {
	case b[0] == '{' || b[0] == '[':
		return filter.Value{}, errNested
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return filter.Value{}, err
		}
		return filter.String(s), nil
	case b[0] == 't' || b[0] == 'f':
		return filter.Bool(b[0] == 't'), nil
	case strings.ContainsAny(string(b), ".eE"):
		x, err := strconv.ParseFloat(string(b), 64)
		if err != nil {
			return filter.Value{}, err
		}
		return filter.Float(x)
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return filter.Value{}, errBigInteger
	}
	return filter.Int(n), nil
}

// member is one name and raw value of an object.
type member struct {
	name  string
	value json.RawMessage
}

// objectMembers splits one JSON object, in order, refusing repeated names and
// anything behind the object.
func objectMembers(b []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errNotObject
	}
	var members []member
	seen := make(map[string]bool)
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, errNotObject
		}
		name, ok := t.(string)
		if !ok {
			return nil, errNotObject
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errNotObject
		}
		if seen[name] {
			return nil, errDuplicate
		}
		seen[name] = true
		members = append(members, member{name, value})
	}
	if _, err := dec.Token(); err != nil {
		return nil, errNotObject
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return members, nil
}
