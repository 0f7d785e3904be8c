package filter

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever meets a limit is told what it is, and nothing of what was refused.
func TestLimitsAreNamed(t *testing.T) {
	const secret = "canary"
	var attrs []Attribute
	var preds []Predicate
	for i := range max(MaxAttributes, MaxPredicates) + 1 {
		name := secret + strconv.Itoa(i)
		attrs = append(attrs, Attribute{Name: name, Value: Int(1)})
		preds = append(preds, Predicate{Attr: name, Op: Exists})
	}
	long := strings.Repeat(secret, MaxStringBytes/len(secret)+1)
	var big []Attribute
	var wide []Predicate
	for i := range MaxEventBytes/MaxStringBytes + 1 {
		big = append(big, Attribute{Name: secret + strconv.Itoa(i), Value: String(long[:MaxStringBytes])})
		wide = append(wide, Predicate{Attr: secret + strconv.Itoa(i), Op: Eq, Value: String(long[:MaxStringBytes])})
	}
	event := func(a ...Attribute) error { _, err := NewEvent(a...); return err }
	where := func(p ...Predicate) error { _, err := New(p...); return err }
	text := func(s string) error { _, err := Parse(s); return err }
	decode := func(b []byte) error { _, err := Decode(b); return err }
	decodeEvent := func(b []byte) error { _, err := DecodeEvent(b); return err }
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"attributes":      {event(attrs...), "(64)"},
		"event":           {event(big...), "(32768 bytes)"},
		"string":          {event(Attribute{Name: "a", Value: String(long)}), "(2048 bytes)"},
		"name":            {event(Attribute{Name: long, Value: Int(1)}), "(255 bytes)"},
		"predicates":      {where(preds...), "(64)"},
		"filter":          {where(wide...), "(4096 bytes)"},
		"text":            {text(strings.Repeat(" ", MaxTextBytes+1)), "(131072 bytes)"},
		"text predicates": {text(strings.Repeat("EXISTS canary AND ", MaxPredicates) + "TRUE AND EXISTS canary"), "(64)"},
		"text string":     {text("a = '" + long + "'"), "(2048 bytes)"},
		"text pattern":    {text("a LIKE '" + long + "%'"), "(2048 bytes)"},
		"text name":       {text(long + " = 1"), "(255 bytes)"},
		"parentheses":     {text(strings.Repeat("(", MaxDepth+2)), "(32)"},
		"filter bytes":    {decode(make([]byte, MaxFilterBytes+1)), "(4096 bytes)"},
		"constraints":     {decode([]byte{encodedAnd, MaxPredicates + 1}), "(64)"},
		"event bytes":     {decodeEvent(make([]byte, MaxEventBytes+1)), "(32768 bytes)"},
		"event count":     {decodeEvent([]byte{0, MaxAttributes + 1}), "(64)"},
	} {
		require.Error(t, c.err, name)
		require.True(t, strings.HasSuffix(c.err.Error(), c.want), "%s: %v", name, c.err)
		require.NotContains(t, c.err.Error(), secret, name)
	}
}
