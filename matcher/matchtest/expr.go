package matchtest

import (
	"strings"

	"github.com/scbr/scbr/matcher/filter"
	"pgregory.net/rapid"
)

// Eval evaluates an expression as it was written, in three values: AND is the
// least of its arguments, OR the greatest, NOT the opposite.
func Eval(x filter.Expr, e *filter.Event) filter.Truth {
	switch x.Form() {
	case filter.FormPredicate:
		return predicate(x.Predicate(), e)
	case filter.FormAnd:
		least := filter.True
		for i := range x.Len() {
			least = min(least, Eval(x.At(i), e))
		}
		return least
	case filter.FormOr:
		most := filter.False
		for i := range x.Len() {
			most = max(most, Eval(x.At(i), e))
		}
		return most
	case filter.FormXor:
		return -Eval(x.At(0), e) * Eval(x.At(1), e)
	case filter.FormNot:
		return -Eval(x.At(0), e)
	default:
		return truth(x.Value())
	}
}

func truth(b bool) filter.Truth {
	if b {
		return filter.True
	}
	return filter.False
}

func predicate(p filter.Predicate, e *filter.Event) filter.Truth {
	v, ok := get(*e, p.Attr)
	switch {
	case p.Op == filter.Exists:
		return truth(ok)
	case p.Op == filter.Absent:
		return truth(!ok)
	case !ok:
		return filter.Unknown
	}
	switch p.Op {
	case filter.In, filter.NotIn:
		return membership(p, v)
	case filter.Prefix, filter.Suffix, filter.Contains, filter.Like, filter.EqualFold:
		if v.Type() != filter.TypeString {
			return filter.Unknown
		}
		return truth(text(p, v.Str()))
	default:
		if _, comparable := compare(v, p.Value); !comparable {
			return filter.Unknown
		}
		return truth(holds(p, v))
	}
}

// membership is unknown where no member is of the value's type.
func membership(p filter.Predicate, v filter.Value) filter.Truth {
	in := filter.Unknown
	for _, m := range p.List {
		if c, ok := compare(v, m); ok && c == 0 {
			in = filter.True
		} else if ok && in == filter.Unknown {
			in = filter.False
		}
	}
	if p.Op == filter.NotIn {
		return -in
	}
	return in
}

func text(p filter.Predicate, s string) bool {
	switch p.Op {
	case filter.Prefix:
		return strings.HasPrefix(s, p.Value.Str())
	case filter.Suffix:
		return strings.HasSuffix(s, p.Value.Str())
	case filter.Contains:
		return strings.Contains(s, p.Value.Str())
	case filter.EqualFold:
		return strings.EqualFold(s, p.Value.Str())
	default:
		return like([]rune(p.Value.Str()), []rune(s))
	}
}

// like tries every way to match a pattern.
func like(pattern, s []rune) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	switch c := pattern[0]; {
	case c == '%':
		return like(pattern[1:], s) || len(s) > 0 && like(pattern, s[1:])
	case c == '\\' && len(pattern) > 1:
		return len(s) > 0 && s[0] == pattern[1] && like(pattern[2:], s[1:])
	default:
		return len(s) > 0 && (c == '_' || s[0] == c) && like(pattern[1:], s[1:])
	}
}

// Pattern draws a pattern of LIKE.
func Pattern() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "%", "a", "a%", "%b", "%b%", "a_c", "_", "%_", "a%c%j", `50\%`, `\_`, `\\`, "ab%", "%d", "é%", "%\U0010FFFF_"})
}

// Term draws a predicate of any operator.
func Term() *rapid.Generator[filter.Predicate] {
	return rapid.OneOf(Predicate(), Predicate(), rapid.Custom(func(t *rapid.T) filter.Predicate {
		p := filter.Predicate{Attr: Name().Draw(t, "name"), Op: filter.Op(rapid.IntRange(int(filter.Absent), int(filter.EqualFold)).Draw(t, "op"))}
		switch p.Op {
		case filter.Absent:
		case filter.In, filter.NotIn:
			p.List = rapid.SliceOfN(Value(), 1, 6).Draw(t, "list")
		case filter.Like:
			p.Value = filter.String(Pattern().Draw(t, "pattern"))
		default:
			p.Value = filter.String(Text().Draw(t, "text"))
		}
		return p
	}))
}

// Expr draws an expression of a few predicates.
func Expr() *rapid.Generator[filter.Expr] {
	term := rapid.Map(Term(), filter.Is)
	both := rapid.OneOf(term, term, rapid.Map(term, filter.Not), rapid.Map(rapid.SliceOfN(term, 2, 3), func(x []filter.Expr) filter.Expr { return filter.And(x...) }))
	return rapid.OneOf(
		term,
		rapid.Map(rapid.Bool(), filter.Constant),
		rapid.Map(rapid.SliceOfN(term, 0, 4), func(x []filter.Expr) filter.Expr { return filter.And(x...) }),
		rapid.Map(rapid.SliceOfN(both, 2, 3), func(x []filter.Expr) filter.Expr { return filter.Or(x...) }),
		rapid.Map(rapid.SliceOfN(both, 2, 2), func(x []filter.Expr) filter.Expr { return filter.Xor(x[0], x[1]) }),
		rapid.Map(rapid.SliceOfN(both, 2, 3), func(x []filter.Expr) filter.Expr { return filter.Not(filter.Or(x...)) }),
	)
}
