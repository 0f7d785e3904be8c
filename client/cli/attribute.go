package cli

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/matcher/filter"
)

var (
	integerText = regexp.MustCompile(`^[+-]?[0-9]+$`)
	floatText   = regexp.MustCompile(`^[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][+-]?[0-9]+)?$`)
)

// parseEvent reads attributes of the form name=value.
func parseEvent(texts []string) (filter.Event, error) {
	attrs := make([]filter.Attribute, 0, len(texts))
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return filter.Event{}, usagef("--attr %q: write NAME=VALUE", text)
		}
		v, err := parseValue(value)
		if err != nil {
			return filter.Event{}, usagef("--attr %s: %w", name, err)
		}
		attrs = append(attrs, filter.Attribute{Name: name, Value: v})
	}
	e, err := filter.NewEvent(attrs...)
	if err != nil {
		return filter.Event{}, usagef("--attr: %w", err)
	}
	return e, nil
}

var (
	errEmptyValue = errors.New("no value: write '' (within the shell's own quotes) for an empty string")
	errQuote      = errors.New("a quoted string ends with ' and has '' for each ' inside")
	errInteger    = errors.New("an integer beyond 64 bits: write it with a point as a float, or quoted as a string")
)

// parseValue reads an integer, a float, true, false, a 'quoted string' in the
// form of the filter language, or anything else as a string.
func parseValue(text string) (filter.Value, error) {
	switch {
	case text == "":
		return filter.Value{}, errEmptyValue
	case text == "true" || text == "false":
		return filter.Bool(text == "true"), nil
	case integerText.MatchString(text):
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return filter.Value{}, errInteger
		}
		return filter.Int(n), nil
	case floatText.MatchString(text):
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return filter.Value{}, err
		}
		return filter.Float(x)
	case text[0] == '\'':
		inner, ok := strings.CutSuffix(text[1:], "'")
		plain := strings.ReplaceAll(inner, "''", "")
		if !ok || strings.Contains(plain, "'") {
			return filter.Value{}, errQuote
		}
		return filter.String(strings.ReplaceAll(inner, "''", "'")), nil
	}
	return filter.String(text), nil
}

// eventText writes an event for people, in the syntax of --attr.
func eventText(e filter.Event) string {
	var b strings.Builder
	for i := range e.Len() {
		a := e.At(i)
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Quote(a.Name)[1 : len(strconv.Quote(a.Name))-1])
		b.WriteByte('=')
		switch a.Value.Type() {
		case filter.TypeInt:
			b.WriteString(strconv.FormatInt(a.Value.Int(), 10))
		case filter.TypeBool:
			b.WriteString(strconv.FormatBool(a.Value.Bool()))
		case filter.TypeString:
			b.WriteString(quoted(a.Value.Str()))
		default:
			b.WriteString(offline.FloatText(a.Value.Float()))
		}
	}
	return b.String()
}

// quoted writes a string in the filter language's quotes; control characters, which
// a terminal would obey, are shown as escapes.
func quoted(s string) string {
	shown := strconv.Quote(strings.ReplaceAll(s, "'", "''"))
	return "'" + strings.ReplaceAll(shown[1:len(shown)-1], `\"`, `"`) + "'"
}
