package matchtest

import (
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func value(v filter.Value, err error) filter.Value {
	if err != nil {
		panic(err)
	}
	return v
}

func event(t *testing.T) filter.Event {
	t.Helper()
	e, err := filter.NewEvent(
		filter.Attribute{Name: "i", Value: filter.Int(1<<53 + 1)}, filter.Attribute{Name: "f", Value: value(filter.Float(2.5))},
		filter.Attribute{Name: "s", Value: filter.String("aéb")}, filter.Attribute{Name: "b", Value: filter.Bool(true)})
	require.NoError(t, err)
	return e
}

// TestOracle: what the other tests believe, against truths written by hand.
func TestOracle(t *testing.T) {
	e := event(t)
	for text, want := range map[string]filter.Truth{
		"TRUE": filter.True, "FALSE": filter.False, "NOT TRUE": filter.False,
		"i = 9007199254740992.0": filter.False, "i > 9007199254740992.0": filter.True, "i <= 9007199254740993": filter.True,
		"f < 2.5": filter.False, "f >= 2.5": filter.True, "f != 2": filter.True, "f = 'x'": filter.Unknown, "f != 'x'": filter.Unknown,
		"f BETWEEN 2 AND 3": filter.True, "f BETWEEN 3 AND 2": filter.False, "s BETWEEN 'a' AND 'b'": filter.True, "s BETWEEN 1 AND 2": filter.Unknown,
		"b = TRUE": filter.True, "b != TRUE": filter.False, "b = 1": filter.Unknown,
		"EXISTS s": filter.True, "EXISTS z": filter.False, "NOT EXISTS z": filter.True, "NOT EXISTS s": filter.False, "NOT z = 1": filter.Unknown,
		"f IN (1, 2.5)": filter.True, "f IN (1, 2)": filter.False, "f IN ('a', TRUE)": filter.Unknown, "f NOT IN (1, 'a')": filter.True,
		"f NOT IN ('a')": filter.Unknown, "z NOT IN (1)": filter.Unknown, "s NOT IN ('aéb', 1)": filter.False,
		"s LIKE 'a%'": filter.True, "s LIKE 'a_b'": filter.True, "s LIKE 'a__b'": filter.False, "s LIKE '%é%'": filter.True, "f LIKE 'a%'": filter.Unknown,
		`s LIKE 'a\_b'`: filter.False, `s LIKE '_\%b'`: filter.False, "s LIKE '%_%b'": filter.True, "s LIKE '_%_%_%_'": filter.False,
		"ENDS_WITH(s, 'b')": filter.True, "ENDS_WITH(s, 'a')": filter.False, "CONTAINS(s, 'é')": filter.True, "CONTAINS(s, 'ab')": filter.False,
		"EQUALS_IGNORE_CASE(s, 'AÉB')": filter.True, "EQUALS_IGNORE_CASE(s, 'AEB')": filter.False, "EQUALS_IGNORE_CASE(b, 'true')": filter.Unknown,
		"b = TRUE AND z = 1": filter.Unknown, "b = FALSE AND z = 1": filter.False, "b = TRUE OR z = 1": filter.True, "b = FALSE OR z = 1": filter.Unknown,
		"b = TRUE XOR z = 1": filter.Unknown, "b = TRUE XOR f = 1": filter.True, "b = TRUE XOR f = 2.5": filter.False, "b = FALSE XOR f = 1": filter.False,
	} {
		x, err := filter.ParseExpr(text)
		require.NoError(t, err, text)
		require.Equal(t, want, Eval(x, &e), text)
	}
	over := filter.Predicate{Attr: "f", Op: filter.Lt, Value: value(filter.Float(3))}
	require.True(t, Holds([]filter.Predicate{over, {Attr: "s", Op: filter.Prefix, Value: filter.String("a")}, {Attr: "b", Op: filter.Exists}}, e))
	require.False(t, Holds([]filter.Predicate{over, {Attr: "s", Op: filter.Prefix, Value: filter.String("b")}}, e))
	require.False(t, Holds([]filter.Predicate{{Attr: "z", Op: filter.Exists}}, e))
	require.False(t, Holds([]filter.Predicate{{Attr: "s", Op: filter.Suffix, Value: filter.String("b")}}, e), "an operator it does not know")
	require.True(t, Holds(nil, e))
}

// TestOracleKeepsSubscriptions: by tag, in order of insertion.
func TestOracleKeepsSubscriptions(t *testing.T) {
	var o Oracle
	for tag, text := range []string{"f > 2", "f > 1", "z > 1", "f > 2"} {
		x, err := filter.ParseExpr(text)
		require.NoError(t, err)
		f, err := filter.Build(x)
		require.NoError(t, err)
		o.Insert(Subscription{Expr: x, Filter: f, Tag: uint64(tag)})
	}
	narrow, err := filter.Parse("f = 1.5")
	require.NoError(t, err)
	require.Equal(t, []uint64{0, 1, 3}, o.Match(event(t)))
	require.True(t, o.Covered(narrow))
	o.Remove(1)
	o.Remove(99)
	require.Equal(t, []uint64{0, 3}, o.Match(event(t)))
	require.False(t, o.Covered(narrow))
	require.Equal(t, []any{3, uint64(2)}, []any{o.Len(), o.At(1).Tag})
}

// TestGenerators: what is drawn is accepted, and is of all kinds.
func TestGenerators(t *testing.T) {
	ops, truths, types := map[filter.Op]bool{}, map[filter.Truth]bool{}, map[filter.Type]bool{}
	rapid.Check(t, func(t *rapid.T) {
		for range 100 { // few checks are made where tests are to be short
			_, err := filter.New(Predicates().Draw(t, "predicates")...)
			require.NoError(t, err)
			term := Term().Draw(t, "term")
			_, err = filter.New(term)
			require.NoError(t, err)
			ops[term.Op] = true
			e := Event().Draw(t, "event")
			for i := range e.Len() {
				types[e.ValueAt(i).Type()] = true
			}
			truths[Eval(Expr().Draw(t, "expression"), &e)] = true
		}
	})
	require.Len(t, ops, int(filter.EqualFold))
	require.Len(t, truths, 3)
	require.Len(t, types, 4)
}

// TestSample: a line is what it says, and one with another operator or number ends
// the reading.
func TestSample(t *testing.T) {
	ids, preds, events, err := Sample("0 7 S i symbol = 16 i high >= -3\n", "0 0 P i symbol 38 i high 1\n")
	require.NoError(t, err)
	require.Equal(t, []string{"7"}, ids)
	require.Equal(t, [][]filter.Predicate{{{Attr: "symbol", Op: filter.Eq, Value: filter.Int(16)}, {Attr: "high", Op: filter.Ge, Value: filter.Int(-3)}}}, preds)
	require.Len(t, events, 1)
	v, ok := events[0].Get("symbol")
	require.True(t, ok)
	require.Equal(t, filter.Int(38), v)
	for _, bad := range [][2]string{
		{"0 7 S i symbol = x\n", ""}, {"0 7 S i symbol ~ 16\n", ""}, {"", "0 0 P i symbol x\n"}, {"", "0 0 P i symbol 1 i symbol 2\n"},
	} {
		_, _, _, err := Sample(bad[0], bad[1])
		require.Error(t, err, "%q", bad)
	}
}
