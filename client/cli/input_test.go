package cli

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/matcher/filter"
)

func float(tb testing.TB, x float64) filter.Value {
	v, err := filter.Float(x)
	require.NoError(tb, err)
	return v
}

func TestParseValue(t *testing.T) {
	for text, want := range map[string]filter.Value{
		"7":                    filter.Int(7),
		"-7":                   filter.Int(-7),
		"9223372036854775807":  filter.Int(math.MaxInt64),
		"-9223372036854775808": filter.Int(math.MinInt64),
		"7.5":                  float(t, 7.5),
		"7.":                   float(t, 7),
		".5":                   float(t, 0.5),
		"1e3":                  float(t, 1000),
		"true":                 filter.Bool(true),
		"false":                filter.Bool(false),
		"HAL":                  filter.String("HAL"),
		"True":                 filter.String("True"),
		"inf":                  filter.String("inf"),
		"nan":                  filter.String("nan"),
		"0x10":                 filter.String("0x10"),
		"'42'":                 filter.String("42"),
		"''":                   filter.String(""),
		"'it''s'":              filter.String("it's"),
		"a=b":                  filter.String("a=b"),
	} {
		got, err := parseValue(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "'", "'open", "'a'b'", "'''", "9223372036854775808", "1e999"} {
		_, err := parseValue(text)
		require.Error(t, err, text)
	}
}

func TestParsePublication(t *testing.T) {
	p, err := parsePublication([]byte(`{"attributes":{"i":1,"f":1.0,"s":"x","b":true,"n":null},"payload":"hé"}`))
	require.NoError(t, err)
	want, err := filter.NewEvent(
		filter.Attribute{Name: "i", Value: filter.Int(1)}, filter.Attribute{Name: "f", Value: float(t, 1)},
		filter.Attribute{Name: "s", Value: filter.String("x")}, filter.Attribute{Name: "b", Value: filter.Bool(true)})
	require.NoError(t, err)
	require.Equal(t, want.AppendBinary(nil), p.event.AppendBinary(nil))
	require.Equal(t, "hé", string(p.payload))
	for _, bad := range []string{
		``, `1`, `[]`, `{`, `{}x`, `{"attributes":{}} {}`, `{"attribute":{}}`, `{"payload":1}`, `{"payload":null}`,
		`{"payload":"a","payload_base64":"YQ=="}`, `{"payload_base64":"*"}`, `{"attributes":[]}`,
		`{"attributes":{"a":[1]}}`, `{"attributes":{"a":{}}}`, `{"attributes":{"a":1,"a":1}}`,
		`{"attributes":{"a":9223372036854775808}}`, `{"attributes":{"a":1e999}}`, `{"attributes":{"":1}}`,
		`{"attributes":{},"attributes":{}}`,
	} {
		_, err := parsePublication([]byte(bad))
		require.Error(t, err, bad)
	}
}

// What sub prints as attributes, pub --jsonl reads as the same event, types included.
func TestAttributesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var attrs []filter.Attribute
		for _, name := range rapid.SliceOfNDistinct(rapid.StringN(1, 8, 40), 0, 6, rapid.ID[string]).Draw(t, "names") {
			var v filter.Value
			switch rapid.IntRange(0, 3).Draw(t, "type") {
			case 0:
				v = filter.Int(rapid.Int64().Draw(t, "int"))
			case 1:
				v = filter.Bool(rapid.Bool().Draw(t, "bool"))
			case 2:
				v = filter.String(rapid.String().Draw(t, "string"))
			default:
				x := rapid.Float64().Filter(func(x float64) bool { return !math.IsInf(x, 0) }).Draw(t, "float")
				var err error
				if v, err = filter.Float(x); err != nil {
					t.Fatal(err)
				}
			}
			attrs = append(attrs, filter.Attribute{Name: name, Value: v})
		}
		e, err := filter.NewEvent(attrs...)
		if err != nil {
			t.Skip(err)
		}
		text, err := offline.EventJSON(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := parseAttributes(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if string(back.AppendBinary(nil)) != string(e.AppendBinary(nil)) {
			t.Fatalf("%s: read back as another event", text)
		}
	})
}

func TestEventTextShowsNoControlCharacters(t *testing.T) {
	e, err := filter.NewEvent(filter.Attribute{Name: "a", Value: filter.String("\x1b[2J'\n")})
	require.NoError(t, err)
	require.Equal(t, `a='\x1b[2J''\n'`, eventText(e))
}

func FuzzPublication(f *testing.F) {
	f.Add([]byte(`{"attributes":{"symbol":"HAL","price":49.5,"n":7,"x":null,"ok":true},"payload":"buy"}`))
	f.Add([]byte(`{"payload_base64":"/w=="}`))
	f.Add([]byte(`{"attributes":{"a":[1]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, err := parsePublication(line)
		if err != nil {
			return
		}
		text, err := offline.EventJSON(p.event)
		require.NoError(t, err)
		back, err := parseAttributes(text)
		require.NoError(t, err)
		require.Equal(t, p.event.AppendBinary(nil), back.AppendBinary(nil))
	})
}

func FuzzValue(f *testing.F) {
	for _, s := range []string{"7", "7.5", "true", "'it''s'", "HAL", "1e999", "'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseValue(text)
		if err != nil {
			return
		}
		e, err := filter.NewEvent(filter.Attribute{Name: "a", Value: v})
		if err != nil {
			return // not UTF-8, or too long
		}
		shown := eventText(e)[len("a="):]
		if v.Type() == filter.TypeString {
			return // control characters are shown as escapes
		}
		again, err := parseValue(shown)
		require.NoError(t, err)
		require.Equal(t, v, again)
	})
}
