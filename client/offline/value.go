package offline

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/scbr/scbr/matcher/filter"
)

// EventJSON writes an event as a JSON object that keeps the types: floats have a
// point or an exponent, integers never.
func EventJSON(e filter.Event) (json.RawMessage, error) {
	b := []byte{'{'}
	for i := range e.Len() {
		a := e.At(i)
		if i > 0 {
			b = append(b, ',')
		}
		name, err := textJSON(a.Name)
		if err != nil {
			return nil, err
		}
		value, err := valueJSON(a.Value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

func valueJSON(v filter.Value) (json.RawMessage, error) {
	switch v.Type() {
	case filter.TypeInt:
		return strconv.AppendInt(nil, v.Int(), 10), nil
	case filter.TypeBool:
		return strconv.AppendBool(nil, v.Bool()), nil
	case filter.TypeString:
		return textJSON(v.Str())
	default:
		if math.IsInf(v.Float(), 0) {
			return textJSON(FloatText(v.Float())) // JSON has no infinite numbers
		}
		return []byte(FloatText(v.Float())), nil
	}
}

// textJSON leaves < > and & as they are: no browser reads this.
func textJSON(s string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// FloatText writes a float so that it is not taken for an integer.
func FloatText(x float64) string {
	text := strconv.FormatFloat(x, 'g', -1, 64)
	if !strings.ContainsAny(text, ".eIN") {
		text += ".0"
	}
	return text
}
