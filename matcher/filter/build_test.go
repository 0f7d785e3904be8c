package filter_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/scbr/scbr/matcher/matchtest"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func is(attr string, op filter.Op, v int64) filter.Expr {
	return filter.Is(filter.Predicate{Attr: attr, Op: op, Value: filter.Int(v)})
}

func requireKind(t *testing.T, want filter.Kind, err error, name string) {
	t.Helper()
	var e *filter.Error
	require.ErrorAs(t, err, &e, name)
	require.Equal(t, want, e.Kind, "%s: %v", name, err)
}

// TestBuildLimits: an expression at a limit has a filter, one beyond it is refused
// for that reason.
func TestBuildLimits(t *testing.T) {
	either := func(n int) filter.Expr { // n alternatives that do not join
		var args []filter.Expr
		for i := range n {
			args = append(args, is("a"+strconv.Itoa(i), filter.Gt, 0))
		}
		return filter.Or(args...)
	}
	all := func(n, of int) filter.Expr { // n disjunctions of some
		var args []filter.Expr
		for i := range n {
			var any []filter.Expr
			for j := range of {
				any = append(any, is(fmt.Sprintf("a%d.%d", i, j), filter.Gt, 0))
			}
			args = append(args, filter.Or(any...))
		}
		return filter.And(args...)
	}
	nested := func(levels int) filter.Expr {
		x := is("x", filter.Eq, 1)
		for range levels - 1 {
			x = filter.Not(x)
		}
		return x
	}
	xors := func(n int) filter.Expr {
		x := is("a0", filter.Gt, 0)
		for i := range n - 1 {
			x = filter.Xor(x, is("a"+strconv.Itoa(i+1), filter.Gt, 0))
		}
		return x
	}
	const highest = 4*filter.MaxDepth + 4
	for name, x := range map[string]filter.Expr{
		"alternatives": either(filter.MaxConjunctions), "product": all(5, 2), "levels": nested(highest), "exclusive": xors(6),
		"what falls together": filter.And(either(filter.MaxConjunctions), is("a0", filter.Gt, 0)),
	} {
		f, err := filter.Build(x)
		require.NoError(t, err, name)
		requireSurvives(t, f)
	}
	many := make([]filter.Expr, filter.MaxTerms)
	for i := range many {
		many[i] = filter.Constant(true)
	}
	for name, c := range map[string]struct {
		x    filter.Expr
		kind filter.Kind
	}{
		"alternatives":       {either(filter.MaxConjunctions + 1), filter.TooWide},
		"product":            {all(7, 2), filter.TooWide},
		"expansion":          {all(11, 2), filter.TooWide},
		"union":              {either(filter.MaxExpansion + 1), filter.TooWide},
		"negated product":    {filter.Not(filter.Or(filter.Not(all(6, 2)), filter.Not(all(11, 2)))), filter.TooWide},
		"exclusive":          {xors(14), filter.TooWide},
		"exclusive, negated": {filter.Not(xors(14)), filter.TooWide},
		"exclusive, right":   {filter.Xor(is("x", filter.Eq, 1), xors(14)), filter.TooWide},
		"levels":             {nested(highest + 1), filter.TooDeep},
		"terms":              {filter.And(many...), filter.TooMany},
		"weight":             {filter.And(all(filter.MaxPredicates+1, 1)), filter.TooMany},
	} {
		_, err := filter.Build(c.x)
		requireKind(t, c.kind, err, name)
	}
	f, err := filter.Build(filter.And(many[1:]...))
	require.NoError(t, err)
	require.True(t, f.IsTrue())
}

// TestBuildRefusesWhatNoFormNeeds: a bad predicate is refused also where the
// normal form would not have it.
func TestBuildRefusesWhatNoFormNeeds(t *testing.T) {
	wrong := filter.String("text")
	for name, c := range map[string]struct {
		p    filter.Predicate
		kind filter.Kind
	}{
		"no name":              {filter.Predicate{Op: filter.Exists}, filter.BadName},
		"name that is no text": {filter.Predicate{Attr: "\xff", Op: filter.Exists}, filter.BadName},
		"order of booleans":    {filter.Predicate{Attr: "x", Op: filter.Lt, Value: filter.Bool(true)}, filter.BadPredicate},
		"empty list":           {filter.Predicate{Attr: "x", Op: filter.In}, filter.BadPredicate},
		"long list":            {filter.Predicate{Attr: "x", Op: filter.In, List: make([]filter.Value, filter.MaxMembers+1)}, filter.TooMany},
		"member without type":  {filter.Predicate{Attr: "x", Op: filter.NotIn, List: make([]filter.Value, 1)}, filter.BadPredicate},
		"mixed range":          {filter.Predicate{Attr: "x", Op: filter.Between, Value: filter.Int(1), High: wrong}, filter.BadPredicate},
		"range without end":    {filter.Predicate{Attr: "x", Op: filter.Between, Value: filter.Int(1)}, filter.BadPredicate},
		"pattern of a number":  {filter.Predicate{Attr: "x", Op: filter.Suffix, Value: filter.Int(1)}, filter.BadPredicate},
		"pattern of nothing":   {filter.Predicate{Attr: "x", Op: filter.Like}, filter.BadPredicate},
		"backslash at the end": {filter.Predicate{Attr: "x", Op: filter.Like, Value: filter.String(`a\`)}, filter.Unsupported},
		"no operator":          {filter.Predicate{Attr: "x"}, filter.BadPredicate},
	} {
		for where, x := range map[string]filter.Expr{
			"alone": filter.Is(c.p), "negated": filter.Not(filter.Is(c.p)),
			"beside FALSE": filter.And(filter.Constant(false), filter.Is(c.p)), "beside TRUE": filter.Or(filter.Constant(true), filter.Is(c.p)),
			"exclusive": filter.Xor(filter.Is(c.p), is("y", filter.Eq, 1)),
		} {
			_, err := filter.Build(x)
			requireKind(t, c.kind, err, name+" "+where)
		}
		_, err := filter.New(c.p, filter.Predicate{Attr: "y", Op: filter.Exists})
		requireKind(t, c.kind, err, name)
		e := filter.Event{}
		require.Equal(t, filter.Unknown, filter.Explain(filter.Is(c.p), &e).Truth, name)
	}
}

// TestNewOfSeveralAlternatives: predicates that are no single conjunction make the
// filter that their expression makes.
func TestNewOfSeveralAlternatives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		preds := rapid.SliceOfN(matchtest.Term(), 0, 4).Draw(t, "predicates")
		f, err := filter.New(preds...)
		g, err2 := filter.Build(matchtest.Conjoined(preds))
		require.Equal(t, err, err2)
		require.True(t, f.Equal(g), "%s and %s", f, g)
	})
	f, err := filter.New(
		filter.Predicate{Attr: "x", Op: filter.NotIn, List: []filter.Value{filter.Int(1), filter.String("a")}},
		filter.Predicate{Attr: "x", Op: filter.Le, Value: filter.Int(1)})
	require.NoError(t, err)
	require.Equal(t, "x < 1", f.String())
}

// TestEquality: filters with the same normal form, and no others, are equal.
func TestEquality(t *testing.T) {
	texts := []string{"TRUE", "FALSE", "x = 1", "x = 2", "x = 1 AND y = 1", "y = 1", "x = 1 OR y = 1", "x IN (1, 2)", "x > 1", "x >= 1", "x > 1 AND x != 2", "s LIKE 'a_b'"}
	for i, a := range texts {
		f, err := filter.Parse(a)
		require.NoError(t, err)
		require.Equal(t, a, f.String())
		for j, b := range texts {
			g, err := filter.Parse(b)
			require.NoError(t, err)
			require.Equal(t, i == j, f.Equal(g), "%s and %s", a, b)
			require.Equal(t, i == j, f.Covers(g) && g.Covers(f), "%s and %s", a, b)
		}
	}
	f, err := filter.Parse("TRUE")
	require.NoError(t, err)
	require.Equal(t, "TRUE", f.At(0).String())
	require.Equal(t, 1, f.Len())
	f, err = filter.Parse("y = 1 OR x = 1 AND z > 2")
	require.NoError(t, err)
	var parts []string
	for i := range f.Len() {
		parts = append(parts, f.At(i).String())
	}
	require.Equal(t, f.String(), strings.Join(parts, " OR "))
}

// TestAlternativesHaveOneForm: what is covered goes, what differs in a list of
// values is joined, and the rest stays in one order.
func TestAlternativesHaveOneForm(t *testing.T) {
	for text, want := range map[string]string{
		"x = 2 OR x = 1 OR x = 'a'":                                   "x IN (1, 2, 'a')",
		"x = 1 OR x IN (2, 3) OR x = 1.0":                             "x IN (1, 2, 3)",
		"x = 1 AND y = 1 OR x = 2 AND y = 1":                          "x IN (1, 2) AND y = 1",
		"x = 1 AND y = 1 OR x = 2 AND y = 1 OR x IN (1, 2) AND y = 2": "x IN (1, 2) AND y IN (1, 2)",
		"x = 1 AND y > 1 OR x = 2 AND y > 2":                          "x = 1 AND y > 1 OR x = 2 AND y > 2",
		"x = 1 AND y > 1 OR x = 1 AND y > 2":                          "x = 1 AND y > 1",
		"x > 1 OR x = 5 OR x > 3":                                     "x > 1",
		"x > 1 OR TRUE":                                               "TRUE",
		"x > 1 AND x < 1 OR FALSE":                                    "FALSE",
		"x = 1 AND z = 1 OR y = 1":                                    "y = 1 OR x = 1 AND z = 1",
		"y = 1 OR x = 1":                                              "x = 1 OR y = 1",
		"NOT (x = 1 AND y = 1)":                                       "x != 1 OR y != 1",
		"x = 1 XOR x = 2":                                             "x IN (1, 2)",
		"NOT (x = 1 XOR x = 1)":                                       "x = 1 OR x != 1",
		"x NOT BETWEEN 1 AND 5":                                       "x > 5 OR x < 1",
		"x NOT IN (1, 'a', TRUE)":                                     "x = FALSE OR x != 1 OR x != 'a'",
		"NOT EXISTS x OR x = 1":                                       "x = 1 OR NOT EXISTS x",
	} {
		f, err := filter.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, f.String(), text)
		requireSurvives(t, f)
	}
	var values []string
	for i := range filter.MaxMembers + 1 {
		values = append(values, "x = "+strconv.Itoa(i))
	}
	f, err := filter.Parse(strings.Join(values, " OR "))
	require.NoError(t, err)
	require.Equal(t, 2, f.Len(), "one list would be too long")
	requireSurvives(t, f)
}

// TestEmptyExpr: the zero Expr is TRUE, and has no parts.
func TestEmptyExpr(t *testing.T) {
	var x filter.Expr
	f, err := filter.Build(filter.And(x, filter.Not(filter.Not(x))))
	require.NoError(t, err)
	require.True(t, f.IsTrue())
	require.Equal(t, []any{filter.FormConstant, true, 0, filter.Predicate{}}, []any{x.Form(), x.Value(), x.Len(), x.Predicate()})
}

// TestKindsHaveNames: each kind its own.
func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for k := filter.BadSyntax; k <= filter.TooWide; k++ {
		require.NotEqual(t, "unknown fault", k.String())
		require.False(t, seen[k.String()], k)
		seen[k.String()] = true
	}
	require.Equal(t, "unknown fault", (filter.TooWide + 1).String())
}
