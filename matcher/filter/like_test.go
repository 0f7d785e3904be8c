package filter_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// likeOracle is LIKE by the standard library's regular expressions.
func likeOracle(t require.TestingT, pattern string, escape rune) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; {
		case c == escape && i+1 < len(runes) && strings.ContainsRune("%_"+string(escape), runes[i+1]):
			i++
			b.WriteString(regexp.QuoteMeta(string(runes[i])))
		case c == '%':
			b.WriteString(".*")
		case c == '_':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	require.NoError(t, err)
	return re
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// TestLikeAgainstRegexp draws patterns full of wildcards and strings over few
// letters, among them some of several bytes, so that every way of matching is
// taken; the verdict is the same in the filter, in its negation, and after the
// filter has been written and read again.
func TestLikeAgainstRegexp(t *testing.T) {
	yes, no := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		letters := []rune("ab'ä語%_\\")
		pattern := string(rapid.SliceOfN(rapid.SampledFrom(append(letters, '%', '%', '_')), 0, 10).Draw(t, "pattern"))
		for strings.HasSuffix(strings.ReplaceAll(pattern, `\\`, ""), `\`) {
			pattern = strings.TrimSuffix(pattern, `\`) // an escape of nothing
		}
		x, err := filter.Parse("s LIKE " + quote(pattern))
		if err != nil {
			t.Skip("refused: an escape of an ordinary character")
		}
		again, err := filter.Parse(x.String())
		require.NoError(t, err, "%s", x)
		not, err := filter.Parse("s NOT LIKE " + quote(pattern))
		require.NoError(t, err)
		re := likeOracle(t, pattern, '\\')
		for range 20 {
			s := string(rapid.SliceOfN(rapid.SampledFrom(letters), 0, 14).Draw(t, "string"))
			e, err := filter.NewEvent(filter.Attribute{Name: "s", Value: filter.String(s)})
			require.NoError(t, err)
			want := re.MatchString(s)
			require.Equal(t, want, x.Match(&e), "%q LIKE %q", s, pattern)
			require.Equal(t, want, again.Match(&e), "%q LIKE %q, written as %s", s, pattern, x)
			require.Equal(t, !want, not.Match(&e), "%q NOT LIKE %q", s, pattern)
			if want {
				yes++
			} else {
				no++
			}
		}
	})
	require.Positive(t, min(yes, no), "both answers occur")
}

// TestLikeWithEscape: another escape makes the same pattern.
func TestLikeWithEscape(t *testing.T) {
	for _, c := range []struct{ text, same string }{
		{`s LIKE '10!%' ESCAPE '!'`, `s = '10%'`},
		{`s LIKE 'a!_b%' ESCAPE '!'`, `s LIKE 'a\_b%'`},
		{`s LIKE 'a!!b' ESCAPE '!'`, `s = 'a!b'`},
		{`s LIKE 'a\b%' ESCAPE '!'`, `s LIKE 'a\\b%'`},
		{`s LIKE '%'`, `s LIKE '%%'`},
		{`s LIKE '%a%'`, `CONTAINS(s, 'a')`},
		{`s LIKE '%a'`, `ENDS_WITH(s, 'a')`},
		{`s LIKE 'a%'`, `STARTS_WITH(s, 'a')`},
	} {
		a, err := filter.Parse(c.text)
		require.NoError(t, err, c.text)
		b, err := filter.Parse(c.same)
		require.NoError(t, err, c.same)
		require.Equal(t, b.String(), a.String(), c.text)
	}
	for _, text := range []string{`s LIKE 'a' ESCAPE ''`, `s LIKE 'a' ESCAPE 'ab'`, `s LIKE 'a!' ESCAPE '!'`, `s LIKE 'a!b' ESCAPE '!'`} {
		_, err := filter.Parse(text)
		require.Error(t, err, text)
	}
}

// TestLikeTakesNoMoreThanTheProduct: the worst patterns against the longest
// string answer rightly, and do not explode as backtracking would.
func TestLikeTakesNoMoreThanTheProduct(t *testing.T) {
	long := strings.Repeat("a", filter.MaxStringBytes)
	for _, pattern := range []string{
		strings.Repeat("%a", filter.MaxPatternBytes/2-1) + "b",
		"%" + strings.Repeat("a", filter.MaxPatternBytes-4) + "b%",
		strings.Repeat("%_a", filter.MaxPatternBytes/3-1) + "b",
	} {
		f, err := filter.Parse(fmt.Sprintf("s LIKE %s", quote(pattern)))
		require.NoError(t, err)
		for s, want := range map[string]bool{long: false, long[:filter.MaxStringBytes-1] + "b": true} {
			e, err := filter.NewEvent(filter.Attribute{Name: "s", Value: filter.String(s)})
			require.NoError(t, err)
			require.Equal(t, want, f.Match(&e), pattern)
		}
	}
}
