package filter

import (
	"strconv"
	"strings"
)

// String returns the normal form as text that Parse reads back to the same
// filter.
func (f Filter) String() string {
	switch {
	case f.empty:
		return "FALSE"
	case len(f.constraints) == 0:
		return "TRUE"
	}
	b := make([]byte, 0, 64)
	for i := range f.constraints {
		if i > 0 {
			b = append(b, " AND "...)
		}
		b = f.constraints[i].appendText(b)
	}
	return string(b)
}

func (c *Constraint) appendText(b []byte) []byte {
	name := quoteName(c.attr)
	switch c.kind {
	case Any:
		return append(append(b, "EXISTS "...), name...)
	case Point:
		return appendCondition(b, name, "=", c.lo.Value)
	default:
	}
	start := len(b)
	b = c.appendEnds(b, name)
	for _, v := range c.not {
		if len(b) > start {
			b = append(b, " AND "...)
		}
		b = appendCondition(b, name, "!=", v)
	}
	if len(b) == start { // an interval without ends or exclusions: every string
		b = appendCondition(b, name, ">=", String(""))
	}
	return b
}

func (c *Constraint) appendEnds(b []byte, name string) []byte {
	if c.IsPrefix() {
		b = append(append(b, name...), " LIKE '"...)
		b = append(b, likeEscape.Replace(c.lo.Value.str)...)
		return append(b, "%'"...)
	}
	if c.lo.Set && c.hi.Set && !c.lo.Open && !c.hi.Open {
		b = appendCondition(b, name, "BETWEEN", c.lo.Value)
		return appendLiteral(append(b, " AND "...), c.hi.Value)
	}
	if c.lo.Set {
		b = appendCondition(b, name, closing(">", c.lo.Open), c.lo.Value)
	}
	if c.lo.Set && c.hi.Set {
		b = append(b, " AND "...)
	}
	if c.hi.Set {
		b = appendCondition(b, name, closing("<", c.hi.Open), c.hi.Value)
	}
	return b
}

func closing(op string, open bool) string {
	if open {
		return op
	}
	return op + "="
}

func appendCondition(b []byte, name, op string, v Value) []byte {
	b = append(b, name...)
	b = append(b, ' ')
	b = append(b, op...)
	return appendLiteral(append(b, ' '), v)
}

func appendLiteral(b []byte, v Value) []byte {
	switch v.typ {
	case TypeInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case TypeFloat:
		start := len(b)
		b = strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
		if !strings.ContainsAny(string(b[start:]), ".e") {
			b = append(b, ".0"...)
		}
		return b
	case TypeString:
		b = append(b, '\'')
		b = append(b, strings.ReplaceAll(v.str, "'", "''")...)
		return append(b, '\'')
	default:
		return append(b, strings.ToUpper(strconv.FormatBool(v.Bool()))...)
	}
}

// likeEscape writes a plain string as the inside of a pattern literal. It is
// never modified.
var likeEscape = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`, `'`, `''`)

func quoteName(name string) string {
	if isPlainName(name) && keyword(name) == "" {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func isPlainName(name string) bool {
	if !isNameStart(name[0]) {
		return false
	}
	for i := range len(name) {
		if !isNamePart(name[i]) {
			return false
		}
	}
	return true
}
