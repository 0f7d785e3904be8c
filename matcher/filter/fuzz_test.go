package filter

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse: whatever parses has one normal form in text and in bytes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"symbol = 'HAL' AND price < 50.5", "x BETWEEN 1 AND 2", "s LIKE 'ab\\%%'", "EXISTS \"a b\"", "(TRUE AND x != -1e3)",
		"s != 'a' AND s > 'a' AND s <= 'a\x00'", "b = TRUE", "FALSE", "x = 9223372036854775807", "x IN (1)", "((((x=1",
		"NOT (x BETWEEN 1 AND 2) OR y IN (1, 'a', TRUE) XOR NOT EXISTS z", "s NOT LIKE 'a!_%_b%' ESCAPE '!'",
		"ENDS_WITH(s, 'x') AND NOT CONTAINS(s, 'y') OR EQUALS_IGNORE_CASE(s, 'Kk')", "x NOT IN (1, 2, 'a')",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := Parse(text)
		if err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			require.NotZero(t, e.Kind)
			require.LessOrEqual(t, e.Pos, len(text))
			return
		}
		roundTrip(t, x)
	})
}

// FuzzDecodeFilter: what decodes encodes to the same bytes.
func FuzzDecodeFilter(f *testing.F) {
	for _, s := range []string{
		"TRUE", "FALSE", "x = 1", "s LIKE 'a%' AND s != 'ab'", "x != 2.5 AND EXISTS y AND z BETWEEN 1 AND 2 AND b = FALSE",
		"x IN (1, 'a', TRUE) OR NOT EXISTS y AND s LIKE 'a_%b'", "NOT ENDS_WITH(s, 'b') AND NOT EQUALS_IGNORE_CASE(s, 'ab') AND s > 'a'",
	} {
		x, err := Parse(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(x.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Decode(b)
		if err != nil {
			return
		}
		require.Equal(t, b, x.AppendBinary(nil))
		roundTrip(t, x)
	})
}

// FuzzDecodeEvent: what decodes encodes to the same bytes, and borrowing gives
// the same event as copying.
func FuzzDecodeEvent(f *testing.F) {
	e, err := NewEvent(Attribute{"a", Int(-1)}, Attribute{"b", String("x")}, Attribute{"c", Bool(true)}, Attribute{"d", floatValue(2.5)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.AppendBinary(nil))
	f.Add((&Event{}).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := DecodeEvent(b)
		var y Event
		err2 := y.DecodeBorrow(b)
		require.Equal(t, err, err2)
		if err != nil {
			return
		}
		require.Equal(t, b, x.AppendBinary(nil))
		require.Equal(t, b, y.AppendBinary(nil))
		again, err := NewEvent(x.attrs...)
		require.NoError(t, err)
		require.Equal(t, b, again.AppendBinary(nil))
	})
}

// FuzzDecodeConstraint: what decodes encodes to the same bytes and admits what
// those bytes admit, whatever follows them.
func FuzzDecodeConstraint(f *testing.F) {
	for _, s := range []string{
		"x = 1", "x IN (1, 'a', TRUE)", "x > 1 AND x <= 2.5 AND x != 2", "x LIKE 'a%' AND x != 'ab'", "EXISTS x", "NOT EXISTS x",
		"x LIKE 'a_%b' AND NOT ENDS_WITH(x, 'cb') AND NOT EQUALS_IGNORE_CASE(x, 'akb')", "CONTAINS(x, 'ab') AND x NOT LIKE 'b%'",
	} {
		x, err := Parse(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(x.alternatives[0].constraints[0].AppendBinary(nil), int64(2), 2.5, "akb", true)
	}
	f.Fuzz(func(t *testing.T, b []byte, i int64, x float64, s string, yes bool) {
		c, rest, err := DecodeConstraint(b)
		if err != nil {
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, BadEncoding, e.Kind)
			require.LessOrEqual(t, e.Pos, len(b))
			return
		}
		require.Equal(t, b, append(c.AppendBinary(nil), rest...))
		require.Equal(t, len(b)-len(rest), c.binarySize())
		require.True(t, c.Covers(&c))
		values := []Value{Int(i), String(s), Bool(yes)}
		if v, err := Float(x); err == nil {
			values = append(values, v)
		}
		for _, v := range append(values, c.points...) {
			require.Equal(t, c.Matches(v), MatchConstraint(b, v), "%v", v)
		}
	})
}
