package filter_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/stretchr/testify/require"
)

// many joins n texts that differ by their number.
func many(n int, sep, format string) string {
	var parts []string
	for i := range n {
		parts = append(parts, fmt.Sprintf(format, i))
	}
	return strings.Join(parts, sep)
}

// TestRefusals: what is wrong is told with number, place and limit; what is at
// its limit is taken.
func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "bad syntax (F1) at byte 0: expected a condition",
		"x = 1 y":             "bad syntax (F1) at byte 6: expected AND, OR, XOR or the end",
		"größe > 1":           "bad syntax (F1) at byte 2: unexpected character (in a name it needs double quotes around the name)",
		"x IN ()":             "bad syntax (F1) at byte 6: expected a number, a string, TRUE or FALSE",
		"x = 1e999":           "bad number (F2) at byte 4: number beyond float64",
		"x = '\xff'":          "bad string (F3) at byte 4: not valid UTF-8",
		`"" = 1`:              "bad name (F4) at byte 0: empty attribute name",
		"x < TRUE":            "bad predicate (F5) at byte 0: booleans have no order",
		"x BETWEEN 1 AND 'a'": "bad predicate (F5) at byte 0: BETWEEN needs two values of one type",
		many(40, " AND ", "x%d = '"+strings.Repeat("y", 200)+"'"): "too long (F6): filter larger than its limit (4096 bytes)",
		many(65, " AND ", "x%d = 1"):                              "too many predicates (F7) at byte 758: more predicates than a filter may have (64)",
		many(65, " AND ", "x != %d"):                              "too many predicates (F7) at byte 758: more predicates than a filter may have (64)",
		"x IN (" + many(65, ",", "%d") + ")":                      "too many predicates (F7) at byte 188: more members than a list may have (64)",
		many(9, " AND ", "CONTAINS(x, '%dq')"):                    "too many predicates (F7): more patterns than an attribute may have (8)",
		strings.Repeat("(", 33) + "x=1" + strings.Repeat(")", 33): "too deep (F8) at byte 33: nested beyond their limit: parentheses and NOT (32)",
		strings.Repeat("NOT ", 40) + "x=1":                        "too deep (F8) at byte 128: nested beyond their limit: parentheses and NOT (32)",
		`x LIKE 'a\'`:                                             `unsupported (F9) at byte 7: a backslash in a pattern stands before %, _ or \`,
		many(65, " OR ", "x%d = 1"):                               "too many alternatives (F12): alternatives: 65 conjunctions, beyond their limit (64)",
		many(7, " AND ", "(a%[1]d = 1 OR b%[1]d = 1)"):            "too many alternatives (F12): alternatives: 128 conjunctions, beyond their limit (64)",
		many(11, " AND ", "(a%[1]d = 1 OR b%[1]d = 1)"):           "too many alternatives (F12): more than 1024 conjunctions, beyond their limit (64)",
		many(12, " XOR ", "x%d = 1"):                              "too many alternatives (F12): more than 1024 conjunctions, beyond their limit (64)",
	} {
		_, err := filter.Parse(text)
		require.EqualError(t, err, "filter: "+want)
	}
	for _, text := range []string{
		many(64, " OR ", "x%d = 1"), many(64, " AND ", "x%d = 1"), many(8, " AND ", "CONTAINS(x, '%dq')"),
		many(5, " AND ", "(a%[1]d = 1 OR b%[1]d = 1)"), many(63, " AND ", "x != %d"), "x IN (" + many(64, ",", "%d") + ")",
		strings.Repeat("(", 32) + "x=1" + strings.Repeat(")", 32), "x BETWEEN 2 AND 1",
	} {
		f, err := filter.Parse(text)
		require.NoError(t, err, text)
		again, err := filter.Parse(f.String())
		require.NoError(t, err, text)
		require.Equal(t, f.AppendBinary(nil), again.AppendBinary(nil), text)
	}
}

// TestDecodeRefusesWhatTextCannotSay: an encoded pattern whose literals are no
// UTF-8 is one that no text gives.
func TestDecodeRefusesWhatTextCannotSay(t *testing.T) {
	f, err := filter.Parse("x LIKE 'a%bßc'")
	require.NoError(t, err)
	b := f.AppendBinary(nil)
	again, err := filter.Decode(b)
	require.NoError(t, err)
	require.Equal(t, f.String(), again.String())
	at := bytes.Index(b, []byte("ß"))
	require.Positive(t, at)
	for _, bad := range []string{"\x80a", "a\x80", "\xc3\xc3", "\xc0\x80"} {
		changed := bytes.Clone(b)
		copy(changed[at:], bad)
		_, err := filter.Decode(changed)
		require.ErrorContains(t, err, "bad encoding (F11)")
	}
}
