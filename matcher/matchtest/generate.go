package matchtest

import (
	"math"

	"github.com/scbr/scbr/matcher/filter"
	"pgregory.net/rapid"
)

// The generators draw from small pools on purpose: values have to meet for
// filters to be equal, to cover each other and to match.

// Name draws an attribute name.
func Name() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"a", "b", "c", "d", "symbol", "AND", "with blank", "é", "a.b"})
}

// Value draws a value of any type, numbers near each other's edges included.
func Value() *rapid.Generator[filter.Value] {
	return rapid.OneOf(
		rapid.Map(rapid.Int64Range(-3, 12), filter.Int),
		rapid.Map(rapid.Int64Range(-3, 12), filter.Int),
		rapid.Map(rapid.SampledFrom([]int64{
			math.MaxInt64, math.MaxInt64 - 1, math.MinInt64, math.MinInt64 + 1, 1 << 53, 1<<53 + 1, 1<<53 + 2,
			-(1 << 53), -(1 << 53) - 1, 1 << 62, 1<<62 + 1, 1<<62 + 1023,
		}), filter.Int),
		rapid.Map(rapid.SampledFrom([]float64{
			0, 0.5, 1, 1.5, 2, 4.5, 1 << 53, 1<<53 + 2, 1 << 62, 1 << 63, 1<<63 - 1024, -(1 << 63), 1e300, -1e300, 5e-324,
		}), mustFloat),
		rapid.Map(Text(), filter.String),
		rapid.Map(Text(), filter.String),
		rapid.Map(rapid.Bool(), filter.Bool),
	)
}

func mustFloat(f float64) filter.Value {
	v, err := filter.Float(f)
	if err != nil {
		panic(err)
	}
	return v
}

// Text draws a string.
func Text() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{
		"", "\x00", "a", "a\x00", "a\x00\x00", "ab", "abc", "abd", "abcdefghij", "b", "it's", "50%", "_", `\`,
		"\x7f", "\uD7FF", "\uE000", "\U0010FFFF", "\U0010FFFFa", "longer than two words of text",
	})
}

// Predicate draws a predicate that filter.New accepts.
func Predicate() *rapid.Generator[filter.Predicate] {
	return rapid.Custom(func(t *rapid.T) filter.Predicate {
		p := filter.Predicate{Attr: Name().Draw(t, "name"), Op: filter.Op(rapid.IntRange(int(filter.Eq), int(filter.Exists)).Draw(t, "op"))}
		switch p.Op {
		case filter.Exists:
		case filter.Prefix:
			p.Value = filter.String(Text().Draw(t, "prefix"))
		case filter.Eq, filter.Ne:
			p.Value = Value().Draw(t, "value")
		default:
			ordered := Value().Filter(func(v filter.Value) bool { return v.Type() != filter.TypeBool })
			p.Value = ordered.Draw(t, "low")
			if p.Op == filter.Between {
				p.High = ordered.Filter(func(v filter.Value) bool { return v.IsNumber() == p.Value.IsNumber() }).Draw(t, "high")
			}
		}
		return p
	})
}

// Predicates draws a conjunction of none to five predicates.
func Predicates() *rapid.Generator[[]filter.Predicate] {
	return rapid.SliceOfN(Predicate(), 0, 5)
}

// Event draws an event; it may hold infinities, which no filter can name.
func Event() *rapid.Generator[filter.Event] {
	value := rapid.OneOf(Value(), Value(), Value(), rapid.Map(rapid.SampledFrom([]float64{math.Inf(1), math.Inf(-1)}), mustFloat))
	return rapid.Custom(func(t *rapid.T) filter.Event {
		var attrs []filter.Attribute
		for _, name := range rapid.SliceOfNDistinct(rapid.OneOf(Name(), rapid.Just("unmentioned")), 0, 8, rapid.ID[string]).Draw(t, "names") {
			attrs = append(attrs, filter.Attribute{Name: name, Value: value.Draw(t, name)})
		}
		e, err := filter.NewEvent(attrs...)
		if err != nil {
			t.Fatalf("generated a bad event: %v", err)
		}
		return e
	})
}
