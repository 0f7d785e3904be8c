package offline

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/scbr/scbr/matcher/filter"
)

// jsonSubscription reads {"id":"...","filter":"..."}: exactly these members.
func jsonSubscription(line string) (Subscription, error) {
	var s Subscription
	var haveID, haveFilter bool
	err := jsonMembers(line, func(name string, value json.Token) error {
		text, isText := value.(string)
		switch {
		case name != "id" && name != "filter":
			return errors.New(`unknown member: a subscription has "id" and "filter"`)
		case !isText:
			return fmt.Errorf("%q is not a string", name)
		case name == "id":
			s.ID, haveID = text, true
			return checkID(text)
		}
		var err error
		s.Filter, err = filter.Parse(text)
		haveFilter = true
		return err
	})
	if err == nil && !haveID {
		err = errors.New(`member "id" is missing`)
	}
	if err == nil && !haveFilter {
		err = errors.New(`member "filter" is missing`)
	}
	return s, err
}

// jsonPublication reads one flat object; null means that the attribute is absent.
func jsonPublication(line string) (filter.Event, error) {
	var attrs []filter.Attribute
	err := jsonMembers(line, func(name string, value json.Token) error {
		if value == nil {
			return nil
		}
		v, err := jsonValue(value)
		if err != nil {
			return fmt.Errorf("attribute %q: %w", name, err)
		}
		attrs = append(attrs, filter.Attribute{Name: name, Value: v})
		return nil
	})
	if err != nil {
		return filter.Event{}, err
	}
	return filter.NewEvent(attrs...)
}

// jsonValue keeps the type that the number was written in: without fraction and
// exponent it is an integer.
func jsonValue(token json.Token) (filter.Value, error) {
	switch v := token.(type) {
	case string:
		return filter.String(v), nil
	case bool:
		return filter.Bool(v), nil
	case json.Number:
		return jsonNumber(v.String())
	}
	return filter.Value{}, errors.New("not a string, number, boolean or null")
}

func jsonNumber(text string) (filter.Value, error) {
	if strings.ContainsAny(text, ".eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return filter.Value{}, errors.New("number beyond float64")
		}
		return filter.Float(f)
	}
	i, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return filter.Value{}, errors.New("integer beyond int64")
	}
	return filter.Int(i), nil
}

// jsonMembers calls member for each member of a flat object, which has to be
// all of the line. Duplicates and nesting are refused.
func jsonMembers(line string, member func(name string, value json.Token) error) error {
	if !json.Valid([]byte(line)) {
		return errors.New("not a JSON value")
	}
	if err := checkSurrogates(line); err != nil {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	seen := map[string]struct{}{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // a valid object's members have names
		if _, dup := seen[name]; dup {
			return fmt.Errorf("duplicate member %q", name)
		}
		seen[name] = struct{}{}
		value, err := dec.Token()
		if err != nil {
			return err
		}
		if _, nested := value.(json.Delim); nested {
			return fmt.Errorf("member %q: nested values are not supported", name)
		}
		if err := member(name, value); err != nil {
			return err
		}
	}
	return nil
}

// checkSurrogates refuses escapes of half a character in valid JSON; the
// decoder would replace them in silence.
func checkSurrogates(line string) error {
	for i := strings.IndexByte(line, '\\'); i >= 0 && i < len(line); i++ {
		if line[i] != '\\' {
			continue
		}
		i++
		if line[i] != 'u' {
			continue
		}
		r := escaped(line[i-1:])
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		if utf16.DecodeRune(r, escaped(line[i+1:])) == '\uFFFD' {
			return errors.New("escape of half a surrogate pair")
		}
		i += 6
	}
	return nil
}

// escaped returns the code unit of a \uXXXX at the start of s, or -1.
func escaped(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	u, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(u)
}
