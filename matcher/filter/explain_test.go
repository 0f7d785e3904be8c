package filter_test

import (
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestExplainInWords has the whole text for each form and kind of reason.
func TestExplainInWords(t *testing.T) {
	f, err := filter.Float(2.5)
	require.NoError(t, err)
	e, err := filter.NewEvent(
		filter.Attribute{Name: "i", Value: filter.Int(7)},
		filter.Attribute{Name: "f", Value: f},
		filter.Attribute{Name: "s", Value: filter.String("it's")},
		filter.Attribute{Name: "b", Value: filter.Bool(true)})
	require.NoError(t, err)
	const yes, isFalse, isUnknown = "match", "no match: the filter is false", "no match: the filter is unknown"
	for text, want := range map[string]string{
		"TRUE":                    yes,
		"FALSE":                   isFalse,
		"i = 7":                   yes + "\n  i = 7 is true: i is 7",
		"i = 7.0":                 yes + "\n  i = 7.0 is true: i is 7",
		"i != 7":                  isFalse + "\n  i != 7 is false: i is 7",
		"f > 3":                   isFalse + "\n  f > 3 is false: f is 2.5",
		"f BETWEEN 2 AND 3":       yes + "\n  f BETWEEN 2 AND 3 is true: f is 2.5",
		"i IN (1, 7)":             yes + "\n  i IN (1, 7) is true: i is 7",
		"i NOT IN (1, 7)":         isFalse + "\n  i NOT IN (1, 7) is false: i is 7",
		"s = 'it''s'":             yes + "\n  s = 'it''s' is true: s is 'it''s'",
		"s LIKE 'it%'":            yes + "\n  s LIKE 'it%' is true: s is 'it''s'",
		"CONTAINS(s, 'x')":        isFalse + "\n  CONTAINS(s, 'x') is false: s is 'it''s'",
		"b = FALSE":               isFalse + "\n  b = FALSE is false: b is TRUE",
		"EXISTS i":                yes + "\n  EXISTS i is true: i is 7",
		"EXISTS q":                isFalse + "\n  EXISTS q is false: no attribute q",
		"q = 1":                   isUnknown + "\n  q = 1 is unknown: no attribute q",
		"q != 1":                  isUnknown + "\n  q != 1 is unknown: no attribute q",
		"i = 'a'":                 isUnknown + "\n  i = 'a' is unknown: i is a number",
		"s > 3":                   isUnknown + "\n  s > 3 is unknown: s is a string",
		"b > 3":                   isUnknown + "\n  b > 3 is unknown: b is a boolean",
		"NOT i = 7":               isFalse + "\n  i = 7 is true: i is 7\n    in NOT",
		"NOT q = 7":               isUnknown + "\n  q = 7 is unknown: no attribute q\n    in NOT",
		"NOT EXISTS q":            yes + "\n  EXISTS q is false: no attribute q\n    in NOT",
		"i = 7 AND f > 3 AND q=1": isFalse + "\n  f > 3 is false: f is 2.5\n    in argument 2 of 3 of AND",
		"q = 1 AND i = 7":         isUnknown + "\n  q = 1 is unknown: no attribute q\n    in argument 1 of 2 of AND",
		"q = 1 AND i = 8":         isFalse + "\n  i = 8 is false: i is 7\n    in argument 2 of 2 of AND",
		"q = 1 OR i = 7":          yes + "\n  i = 7 is true: i is 7\n    in argument 2 of 2 of OR",
		"q = 1 OR i = 8": isUnknown + "\n  q = 1 is unknown: no attribute q\n    in argument 1 of 2 of OR" +
			"\n  i = 8 is false: i is 7\n    in argument 2 of 2 of OR",
		"q = 1 AND r = 1": isUnknown + "\n  q = 1 is unknown: no attribute q\n    in argument 1 of 2 of AND" +
			"\n  r = 1 is unknown: no attribute r\n    in argument 2 of 2 of AND",
		"q = 1 XOR i = 7": isUnknown + "\n  q = 1 is unknown: no attribute q\n    in argument 1 of 2 of XOR",
		"i = 8 XOR f > 2": yes + "\n  i = 8 is false: i is 7\n    in argument 1 of 2 of XOR" +
			"\n  f > 2 is true: f is 2.5\n    in argument 2 of 2 of XOR",
		"i = 7 AND NOT (f > 2 OR q = 1)": isFalse + "\n  f > 2 is true: f is 2.5" +
			"\n    in argument 1 of 2 of OR\n    in NOT\n    in argument 2 of 2 of AND",
	} {
		x, err := filter.ParseExpr(text)
		require.NoError(t, err, text)
		require.Equal(t, want, filter.Explain(x, &e).String(), text)
	}
}

// TestExplainNamesWhatIsThere: every reason stands where its path leads, has the
// truth value that it names, and the verdict is that of the evaluation.
func TestExplainNamesWhatIsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := matchtest.Expr().Draw(t, "filter")
		e := matchtest.Event().Draw(t, "event")
		why := filter.Explain(x, &e)
		require.Equal(t, matchtest.Eval(x, &e), why.Truth)
		for _, r := range why.Reasons {
			at := x
			for _, step := range r.Path {
				require.Equal(t, step.Form, at.Form())
				require.Equal(t, step.Of, at.Len())
				at = at.At(step.Argument)
			}
			require.Equal(t, filter.FormPredicate, at.Form())
			require.Equal(t, at.Predicate(), r.Predicate)
			require.Equal(t, matchtest.Eval(at, &e), r.Truth)
			value, ok := e.Get(r.Predicate.Attr)
			require.Equal(t, ok, r.Found.Type() != 0)
			require.Equal(t, value, r.Found)
		}
	})
}
