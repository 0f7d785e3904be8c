package offline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
)

func where(t require.TestingT, text string) filter.Filter {
	f, err := filter.Parse(text)
	require.NoError(t, err, text)
	return f
}

// TestWitnessIsFoundForConjunctions: between conjunctions without patterns there
// is covering or an event that shows there is none, and never both.
func TestWitnessIsFoundForConjunctions(t *testing.T) {
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(matchtest.Predicate(), 0, 3).Draw(t, "f")
		q := append(rapid.SliceOfN(matchtest.Predicate(), 0, 3).Draw(t, "g"), p[:rapid.IntRange(0, len(p)).Draw(t, "shared")]...)
		f, err := filter.New(p...)
		require.NoError(t, err)
		g, err := filter.New(q...)
		require.NoError(t, err)
		e, ok := alone(g, f)
		require.NotEqual(t, f.Covers(g), ok, "%s covers %s", f, g)
		if ok {
			found++
			require.True(t, matchtest.Holds(q, e) && !matchtest.Holds(p, e), "%s covers %s", f, g)
		}
	})
	require.NotZero(t, found)
}

// TestWitnessIsTrue: an event that is named is proof, of any expressions.
func TestWitnessIsTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := matchtest.Expr().Draw(t, "f"), matchtest.Expr().Draw(t, "g")
		f, errF := filter.Build(x)
		g, errG := filter.Build(y)
		if errF != nil || errG != nil {
			t.Skip("too wide")
		}
		e, ok := alone(g, f)
		if ok {
			require.Equal(t, filter.True, matchtest.Eval(y, &e))
			require.NotEqual(t, filter.True, matchtest.Eval(x, &e))
			require.False(t, f.Covers(g))
		}
	})
}

func TestWitness(t *testing.T) {
	for _, c := range []struct{ match, not, want string }{
		{"x > 4 AND x < 5", "x = 1", `{"x":4.5}`},
		{"x > 1.5", "x > 2.5", `{"x":2.5}`},
		{"s LIKE '%a_b'", "s LIKE 'c%'", `{"s":"aab"}`},
		{"CONTAINS(s, 'one') AND CONTAINS(s, 'two')", "s LIKE 'x%'", `{"s":"onetwo"}`},
		{"EQUALS_IGNORE_CASE(s, 'hal')", "s = 'hal'", `{"s":"HAL"}`},
		{"s LIKE 'a%' AND ENDS_WITH(s, 'z')", "s = 'az'", `{"s":"aaz"}`},
		{`s LIKE '%\_%' AND s LIKE 'x_%'`, "s = 'a'", `{"s":"xa_"}`},
		{"x != 9223372036854775807", "x < 9223372036854775807", `{"x":9.223372036854776e+18}`},
		{"x > 1e300", "x = 1", `{"x":1.0000000000000002e+300}`},
		{"x < -1e300", "x = 1", `{"x":-1.0000000000000002e+300}`},
		{"x > 9007199254740992 AND x < 9007199254740994", "x = 1", `{"x":9007199254740993}`},
		{"s > 'a' AND s < 'aa'", "s = 'b'", `{"s":"a\u0000"}`},
		{"x = 1 OR y = 2", "x = 1", `{"y":2}`},
		{"x = 1", "x = 1", ""},
		{"FALSE", "x = 1", ""},
		{"x < 1", "x < 2 OR x > 5", ""},
	} {
		e, ok := alone(where(t, c.match), where(t, c.not))
		require.Equal(t, c.want != "", ok, "%s, not %s", c.match, c.not)
		if ok {
			text, err := EventJSON(e)
			require.NoError(t, err)
			require.Equal(t, c.want, string(text), "%s, not %s", c.match, c.not)
		}
	}
}

// TestWitnessSearchEnds: filters made to take long are given up.
func TestWitnessSearchEnds(t *testing.T) {
	var pairs []string
	for i := range filter.MaxConjunctions - 1 {
		pairs = append(pairs, fmt.Sprintf("a%d = 1 AND b%d = 1", i, i)) // two ways to fail each
	}
	const last = "yyyy = 1 AND zzzz = 1" // no way to fail, and looked at last
	not := where(t, strings.Join(pairs, " OR ")+" OR "+last)
	s := witness{not: not, tried: values(not)}
	left, ok := s.admitted(where(t, last).At(0))
	require.True(t, ok)
	require.False(t, s.fail(0, left))
	require.Greater(t, s.cost, maxCost)
	require.Less(t, s.cost, 2*maxCost)
}

func TestFilterErrorPoints(t *testing.T) {
	long := strings.Repeat("é", 3*shownAround)
	for text, want := range map[string]string{
		"":                          "\n  \n  ^",
		"x = ":                      "\n  x = \n      ^",
		"x\t= \x1b":                 "\n  x = \uFFFD\n      ^",
		"x = 1\nAND y @\nAND z = 1": "\n  AND y @\n        ^",
		"x = '" + long + "' y":      "\n  …" + long[:2*(shownAround-2)] + "' y\n  " + strings.Repeat(" ", shownAround+1) + "^",
		"@ '" + long + "'":          "\n  @ '" + long[:2*(shownAround-3)] + "…\n  ^",
		"x = '\xff":                 "\n  x = '\uFFFD\n      ^",
	} {
		_, err := filter.Parse(text)
		require.Error(t, err, text)
		e := &FilterError{Name: "A", Text: text, Err: err}
		require.Equal(t, "A: "+err.Error()+want, e.Error())
		require.ErrorIs(t, e, err)
	}
}
