package filter

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, text string) Filter {
	t.Helper()
	f, err := Parse(text)
	require.NoError(t, err, text)
	return f
}

func TestNormalForm(t *testing.T) {
	for text, want := range map[string]string{
		"symbol = 'HAL' AND price < 50.5":              "price < 50.5 AND symbol = 'HAL'",
		"x > 4 AND x < 5":                              "x > 4 AND x < 5",
		"x > 4 AND x <= 4":                             "FALSE",
		"x >= 4 AND x <= 4":                            "x = 4",
		"x >= 4.0 AND x <= 9e0":                        "x BETWEEN 4 AND 9",
		"x BETWEEN 9 AND 4":                            "FALSE",
		"x != 4 AND x >= 4":                            "x > 4",
		"x != 4 AND x = 4":                             "FALSE",
		"x != 4 AND x != 4.0 AND x != -0.0 AND x != 0": "x NOT IN (0, 4)",
		"x != 4 AND x > 7":                             "x > 7",
		"x = 1 AND x = 'a'":                            "FALSE",
		"x != 1 AND x != 'a'":                          "FALSE",
		"EXISTS x AND x > 1":                           "x > 1",
		"exists x and (exists x)":                      "EXISTS x",
		"TRUE":                                         "TRUE",
		"TRUE AND x = true":                            "x = TRUE",
		"x != true":                                    "x = FALSE",
		"x != true AND x = true":                       "FALSE",
		"FALSE AND EXISTS y":                           "FALSE",
		"s LIKE 'abc%'":                                "s LIKE 'abc%'",
		"s >= 'abc' AND s < 'abd'":                     "s LIKE 'abc%'",
		"s LIKE 'abc'":                                 "s = 'abc'",
		"s LIKE '%'":                                   "s >= ''",
		`s LIKE 'a\%\_\\%'`:                            `s LIKE 'a\%\_\\%'`,
		"s LIKE 'abc%' AND s LIKE 'ab%'":               "s LIKE 'abc%'",
		"s LIKE 'abc%' AND s LIKE 'abd%'":              "FALSE",
		"s LIKE 'abc%' AND s >= 'abcd'":                "s >= 'abcd' AND s < 'abd'",
		"s > 'a' AND s < 'a\x00'":                      "FALSE",
		"s >= 'a\x00'":                                 "s > 'a'",
		"s < 'a\x00'":                                  "s <= 'a'",
		"s > 'a' AND s <= 'a\x00'":                     "s = 'a\x00'",
		"s != '' AND s != '\x00'":                      "s > '\x00'",
		"s != 'a' AND s <= 'a'":                        "s < 'a'",
		"s != 'b'":                                     "s != 'b'",
		`"AND" = 1 AND "a ""b""" = 2`:                  `"AND" = 1 AND "a ""b""" = 2`,
		"x = 'it''s'":                                  "x = 'it''s'",
		"x <> 3":                                       "x != 3",
		"x = 9223372036854775808.0":                    "x = 9.223372036854776e+18",
		"x = -9223372036854775808":                     "x = -9223372036854775808",
		"((x > 1) AND ((y > 2)))":                      "x > 1 AND y > 2",
		"x BETWEEN 1 AND 2 AND y = 3":                  "x BETWEEN 1 AND 2 AND y = 3",
		"a.b_c.D9 = +5":                                "a.b_c.D9 = 5",
		"x > .5":                                       "x > 0.5",
		"s LIKE '\U0010FFFF%'":                         "s LIKE '\U0010FFFF%'",
		"s LIKE '\uD7FF%'":                             "s LIKE '\uD7FF%'",
	} {
		f := parse(t, text)
		require.Equal(t, want, f.String(), text)
		require.Equal(t, want == "FALSE", f.Empty(), text)
		require.Equal(t, want == "TRUE", f.IsTrue(), text)
		roundTrip(t, f)
	}
}

func roundTrip(t *testing.T, f Filter) {
	t.Helper()
	again := parse(t, f.String())
	require.True(t, f.Equal(again), f.String())
	b := f.AppendBinary(nil)
	g, err := Decode(b)
	require.NoError(t, err, f.String())
	require.True(t, f.Equal(g), f.String())
	require.Equal(t, b, g.AppendBinary(nil))
	if !f.Empty() {
		require.Equal(t, len(b), f.binarySize())
	}
	require.True(t, f.Covers(f))
}

func TestParseErrors(t *testing.T) {
	deep := strings.Repeat("(", MaxDepth+1) + "x=1" + strings.Repeat(")", MaxDepth+1)
	many := strings.TrimSuffix(strings.Repeat("x != 1 AND ", MaxPredicates+1), " AND ")
	for _, c := range []struct {
		text string
		kind Kind
		pos  int
	}{
		{"", BadSyntax, 0},
		{"x", BadSyntax, 1},
		{"x =", BadSyntax, 3},
		{"x = 1 AND", BadSyntax, 9},
		{"x = 1 y = 2", BadSyntax, 6},
		{"x = 1 OR", BadSyntax, 8},
		{"NOT", BadSyntax, 3},
		{"x IN ()", BadSyntax, 6},
		{"x IN 1", BadSyntax, 5},
		{"x IN (1", BadSyntax, 7},
		{"x NOT IN (1, x)", BadSyntax, 13},
		{"x NOT = 1", BadSyntax, 6},
		{"x = 1 XOR XOR y = 2", BadSyntax, 10},
		{"OR = 1", BadSyntax, 0},
		{"LENGTH(x) = 1", BadSyntax, 0},
		{"ENDS_WITH(x)", BadSyntax, 11},
		{"ENDS_WITH(x, 5)", BadSyntax, 13},
		{"ENDS_WITH(5, 'a')", BadSyntax, 10},
		{"ENDS_WITH(x, 'a'", BadSyntax, 16},
		{"x LIKE 'a' ESCAPE 'ab'", BadSyntax, 18},
		{"x LIKE 'a' ESCAPE '%'", BadSyntax, 18},
		{"x LIKE 'a!b' ESCAPE '!'", Unsupported, 7},
		{"y = 1 OR x IN (" + strings.Repeat("1,", MaxMembers) + "1)", TooMany, 15 + 2*MaxMembers},
		{strings.Repeat("NOT ", MaxDepth+1) + "x = 1", TooDeep, 4 * MaxDepth},
		{"x LIKE '" + strings.Repeat("a_", MaxPatternBytes/2+1) + "'", BadString, 7},
		{"(x = 1", BadSyntax, 6},
		{"x = 1)", BadSyntax, 5},
		{"x = 'abc", BadString, 4},
		{`"x = 1`, BadString, 0},
		{`"" = 1`, BadName, 0},
		{"x # 1", BadSyntax, 2},
		{"x = 9223372036854775808", BadNumber, 4},
		{"x = 1e999", BadNumber, 4},
		{"x = 1e", BadSyntax, 4},
		{"x = 1x", BadSyntax, 5},
		{"x = -", BadSyntax, 4},
		{"x = 1.2.3", BadSyntax, 7},
		{"y = 1 AND x < TRUE", BadPredicate, 10},
		{"x BETWEEN 1 AND 'a'", BadPredicate, 0},
		{"x BETWEEN TRUE AND FALSE", BadPredicate, 0},
		{"x BETWEEN 1", BadSyntax, 11},
		{"x LIKE 5", BadSyntax, 7},
		{`x LIKE 'a\b'`, Unsupported, 7},
		{`x LIKE 'a\`, BadString, 7},
		{"x = '\xff'", BadString, 4},
		{strings.Repeat("n", MaxNameBytes+1) + " = 1", BadName, 0},
		{"x = '" + strings.Repeat("s", MaxStringBytes+1) + "'", BadString, 4},
		{deep, TooDeep, MaxDepth + 1},
		{many, TooMany, MaxPredicates * 11},
		{strings.Repeat(" ", MaxTextBytes+1), TooLong, 0},
		{"EXISTS 5", BadSyntax, 7},
		{"5 = x", BadSyntax, 0},
	} {
		_, err := Parse(c.text)
		var e *Error
		require.ErrorAs(t, err, &e, c.text)
		require.Equal(t, c.kind, e.Kind, "%s: %v", c.text, err)
		require.Equal(t, c.pos, e.Pos, "%s: %v", c.text, err)
	}
}

func TestDepthWithinLimit(t *testing.T) {
	parse(t, strings.Repeat("(", MaxDepth)+"x=1"+strings.Repeat(")", MaxDepth))
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		f, g string
		want bool
	}{
		{"TRUE", "x = 1", true},
		{"x = 1", "TRUE", false},
		{"x > 1", "FALSE", true},
		{"FALSE", "x > 1", false},
		{"FALSE", "FALSE", true},
		{"x > 1", "x > 1 AND y = 2", true},
		{"x > 1 AND y = 2", "x > 1", false},
		{"x >= 1", "x > 1", true},
		{"x > 1", "x >= 1", false},
		{"x > 1", "x = 1.5", true},
		{"x > 1", "x = '2'", false},
		{"EXISTS x", "x = '2'", true},
		{"x != 3", "x > 3", true},
		{"x != 3", "x >= 3", false},
		{"x != 3", "x != 3 AND x != 4", true},
		{"x != 3", "x != 4", false},
		{"x != 3", "x = 4", true},
		{"x != 3", "EXISTS x", false},
		{"s LIKE 'a%'", "s LIKE 'ab%'", true},
		{"s LIKE 'ab%'", "s LIKE 'a%'", false},
		{"s LIKE 'a%'", "s = 'abc'", true},
		{"s LIKE 'a%'", "s BETWEEN 'aa' AND 'az'", true},
		{"s LIKE 'a%'", "s BETWEEN 'aa' AND 'b'", false},
		{"s >= ''", "s != 'q'", true},
		{"x <= 9007199254740993", "x <= 9007199254740992.0", true},
		{"x <= 9007199254740992.0", "x <= 9007199254740993", false},
		{"x BETWEEN 1 AND 5", "x BETWEEN 1 AND 5", true},
		{"x BETWEEN 1 AND 5", "x > 1", false},
	} {
		require.Equal(t, c.want, parse(t, c.f).Covers(parse(t, c.g)), "%s covers %s", c.f, c.g)
	}
}

func TestMatch(t *testing.T) {
	f, err := Float(500)
	require.NoError(t, err)
	e, err := NewEvent(
		Attribute{"i", Int(1<<53 + 1)}, Attribute{"f", f}, Attribute{"s", String("abc")}, Attribute{"b", Bool(true)},
		Attribute{"big", Int(math.MaxInt64)})
	require.NoError(t, err)
	for text, want := range map[string]bool{
		"i = 9007199254740993":        true,
		"i = 9007199254740992.0":      false,
		"i > 9007199254740992.0":      true,
		"i < 9007199254740994.0":      true,
		"f = 500":                     true,
		"f != 500":                    false,
		"big < 9223372036854775808.0": true,
		"absent != 1":                 false,
		"s != 1":                      false,
		"s != 'abd'":                  true,
		"b != FALSE":                  true,
		"b = 1":                       false,
		"EXISTS b":                    true,
		"EXISTS absent":               false,
		"TRUE":                        true,
		"FALSE":                       false,
	} {
		require.Equal(t, want, parse(t, text).Match(&e), text)
	}
}

func TestValues(t *testing.T) {
	_, err := Float(math.NaN())
	require.ErrorAs(t, err, new(*Error))
	neg, err := Float(math.Copysign(0, -1))
	require.NoError(t, err)
	zero, _ := Float(0)
	require.Equal(t, zero, neg)
	inf, err := Float(math.Inf(1))
	require.NoError(t, err)
	order, ok := Int(math.MaxInt64).Compare(inf)
	require.True(t, ok)
	require.Equal(t, -1, order)
	_, ok = Int(1).Compare(String("1"))
	require.False(t, ok)
	_, err = New(Predicate{Attr: "x", Op: Lt, Value: inf})
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, BadNumber, e.Kind)
	_, err = New(Predicate{Attr: "x", Op: Eq})
	require.Error(t, err)
	_, err = New(Predicate{Attr: "x", Op: 99, Value: Int(1)})
	require.Error(t, err)
}

func TestEventLimits(t *testing.T) {
	var many []Attribute
	for i := range MaxAttributes + 1 {
		many = append(many, Attribute{Name: strings.Repeat("a", i+1), Value: Int(1)})
	}
	var heavy []Attribute
	for i := range 20 {
		heavy = append(heavy, Attribute{Name: strings.Repeat("a", i+1), Value: String(strings.Repeat("s", MaxStringBytes))})
	}
	for name, attrs := range map[string][]Attribute{
		"too many":  many,
		"too heavy": heavy,
		"duplicate": {{"a", Int(1)}, {"b", Int(1)}, {"a", Int(2)}},
		"no name":   {{"", Int(1)}},
		"no value":  {{"a", Value{}}},
		"long":      {{strings.Repeat("n", MaxNameBytes+1), Int(1)}},
		"not utf8":  {{"a", String("\xff")}},
		"long text": {{"a", String(strings.Repeat("s", MaxStringBytes+1))}},
	} {
		_, err := NewEvent(attrs...)
		var e *Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, BadEvent, e.Kind, name)
	}
	_, err := NewEvent(many[:MaxAttributes]...)
	require.NoError(t, err)
}

func TestEventCodec(t *testing.T) {
	f, _ := Float(-1.5)
	e, err := NewEvent(Attribute{"z", String("q")}, Attribute{"a", Int(-2)}, Attribute{"m", f}, Attribute{"b", Bool(true)})
	require.NoError(t, err)
	b := e.AppendBinary(nil)
	require.Equal(t, "\x00\x04\x01a\x01\xff\xff\xff\xff\xff\xff\xff\xfe\x01b\x04\x01\x01m\x02\xbf\xf8\x00\x00\x00\x00\x00\x00\x01z\x03\x00\x01q", string(b))
	got, err := DecodeEvent(b)
	require.NoError(t, err)
	require.Equal(t, e, got)
	for i := range b {
		_, err := DecodeEvent(b[:i])
		require.Error(t, err, i)
	}
	var borrowed Event
	require.NoError(t, borrowed.DecodeBorrow(b))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = borrowed.DecodeBorrow(b) }))
	for name, bad := range map[string]string{
		"trailing":     string(b) + "\x00",
		"order":        "\x00\x02\x01b\x04\x01\x01a\x04\x01",
		"duplicate":    "\x00\x02\x01a\x04\x01\x01a\x04\x01",
		"bool 2":       "\x00\x01\x01a\x04\x02",
		"type":         "\x00\x01\x01a\x05\x02",
		"NaN":          "\x00\x01\x01a\x02\x7f\xf8\x00\x00\x00\x00\x00\x00",
		"minus zero":   "\x00\x01\x01a\x02\x80\x00\x00\x00\x00\x00\x00\x00",
		"utf8":         "\x00\x01\x01a\x03\x00\x01\xff",
		"empty name":   "\x00\x01\x00\x04\x01",
		"count":        "\xff\xff",
		"string limit": "\x00\x01\x01a\x03\xff\xff" + strings.Repeat("a", 0xffff),
		"event limit":  strings.Repeat("a", MaxEventBytes+1),
	} {
		_, err := DecodeEvent([]byte(bad))
		var fe *Error
		require.True(t, errors.As(err, &fe), name)
		require.Equal(t, BadEncoding, fe.Kind, name)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, bad := range map[string]string{
		"empty":              "",
		"false and more":     "\x00\x00",
		"form":               "\x03",
		"count":              "\x01\xff",
		"kind":               "\x01\x01\x01a\x09",
		"whole float":        "\x01\x01\x01a\x02\x02\x40\x00\x00\x00\x00\x00\x00\x00",
		"no ends":            "\x01\x01\x01a\x03\x00\x00",
		"flags":              "\x01\x01\x01a\x03\x10\x00",
		"open without end":   "\x01\x01\x01a\x04\x02\x00",
		"order":              "\x01\x02\x01b\x01\x01a\x01",
		"twice":              "\x01\x02\x01a\x01\x01a\x01",
		"zero byte":          "\x01\x01\x01a\x04\x01\x03\x00\x01\x00\x00",
		"number in strings":  "\x01\x01\x01a\x04\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"strings in numbers": "\x01\x01\x01a\x03\x01\x03\x00\x01a\x00",
		"exclusions":         "\x01\x01\x01a\x03\x00\xff",
	} {
		_, err := Decode([]byte(bad))
		var e *Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, BadEncoding, e.Kind, name)
	}
	_, err := Decode(make([]byte, MaxFilterBytes+1))
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, TooLong, e.Kind)
	_, err = Decode([]byte("\x01\x01\x01a\x04\x00\x00"))
	require.NoError(t, err, "every string")
}

func TestPrefixAtLimit(t *testing.T) {
	long := strings.Repeat("a", MaxStringBytes-1)
	_, err := New(Predicate{Attr: "s", Op: Prefix, Value: String(long + "\x7f")})
	require.Error(t, err)
	f, err := New(Predicate{Attr: "s", Op: Prefix, Value: String(long[:1000] + "a")})
	require.NoError(t, err)
	roundTrip(t, f)
	f, err = New(Predicate{Attr: "s", Op: Ge, Value: String(long)}, Predicate{Attr: "s", Op: Le, Value: String(long)})
	require.NoError(t, err)
	roundTrip(t, f)
	_, err = New(Predicate{Attr: "s", Op: Ge, Value: String(long + "a")}, Predicate{Attr: "s", Op: Le, Value: String("b" + long)})
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, TooLong, e.Kind)
}

func TestErrorText(t *testing.T) {
	_, err := Parse("x = 'secret")
	require.EqualError(t, err, "filter: bad string (F3) at byte 4: string without an end")
	require.Equal(t, "unknown fault", Kind(200).String())
	_, err = New(make([]Predicate, 1)...)
	require.EqualError(t, err, "filter: bad name (F4): empty attribute name")
}
