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
	case len(f.alternatives) == 0:
		return "TRUE"
	}
	b := make([]byte, 0, 64)
	for i := range f.alternatives {
		if i > 0 {
			b = append(b, " OR "...)
		}
		b = f.alternatives[i].appendText(b)
	}
	return string(b)
}

// String returns the conjunction as text.
func (c *Conjunction) String() string {
	if len(c.constraints) == 0 {
		return "TRUE"
	}
	return string(c.appendText(nil))
}

func (c *Conjunction) appendText(b []byte) []byte {
	for i := range c.constraints {
		if i > 0 {
			b = append(b, " AND "...)
		}
		b = c.constraints[i].appendText(b)
	}
	return b
}

func (c *Constraint) appendText(b []byte) []byte {
	p := Predicate{Attr: c.attr}
	switch c.kind {
	case Any:
		p.Op = Exists
		return p.appendText(b)
	case Missing:
		p.Op = Absent
		return p.appendText(b)
	case Point:
		p.Op, p.Value = Eq, c.lo.Value
		return p.appendText(b)
	case Set:
		p.Op, p.List = In, c.points
		return p.appendText(b)
	default:
	}
	for i, q := range c.conditions() {
		if i > 0 {
			b = append(b, " AND "...)
		}
		q.Attr = c.attr
		b = q.appendText(b)
	}
	for i, q := range c.patterns {
		if i > 0 || c.lo.Set || c.hi.Set || len(c.points) > 0 {
			b = append(b, " AND "...)
		}
		b = q.appendText(b, c.attr)
	}
	return b
}

// conditions are the ends and exclusions of an interval as predicates.
func (c *Constraint) conditions() []Predicate {
	var all []Predicate
	switch {
	case c.IsPrefix():
		all = append(all, Predicate{Op: Prefix, Value: c.lo.Value})
	case c.lo.Set && c.hi.Set && !c.lo.Open && !c.hi.Open:
		all = append(all, Predicate{Op: Between, Value: c.lo.Value, High: c.hi.Value})
	default:
		if c.lo.Set {
			all = append(all, Predicate{Op: choose(c.lo.Open, Gt, Ge), Value: c.lo.Value})
		}
		if c.hi.Set {
			all = append(all, Predicate{Op: choose(c.hi.Open, Lt, Le), Value: c.hi.Value})
		}
	}
	if len(c.points) == 1 {
		all = append(all, Predicate{Op: Ne, Value: c.points[0]})
	} else if len(c.points) > 1 {
		all = append(all, Predicate{Op: NotIn, List: c.points})
	}
	if len(all) == 0 && len(c.patterns) == 0 { // every string
		all = append(all, Predicate{Op: Ge, Value: String("")})
	}
	return all
}

func choose(cond bool, yes, no Op) Op {
	if cond {
		return yes
	}
	return no
}

func (p Pattern) appendText(b []byte, attr string) []byte {
	if p.kind == PatternFold {
		if p.negative {
			b = append(b, "NOT "...)
		}
		return appendCall(b, "EQUALS_IGNORE_CASE", attr, p.text)
	}
	b = appendQuotedName(b, attr)
	if p.negative {
		b = append(b, " NOT"...)
	}
	b = append(b, " LIKE '"...)
	if p.kind == PatternSuffix || p.kind == PatternContains {
		b = append(b, '%')
	}
	b = appendQuoted(b, string(appendLike(nil, p.text)))
	if p.kind == PatternPrefix || p.kind == PatternContains {
		b = append(b, '%')
	}
	return append(b, '\'')
}

// String returns the predicate as text.
func (p Predicate) String() string { return string(p.appendText(nil)) }

func (p *Predicate) appendText(b []byte) []byte {
	switch p.Op {
	case Exists:
		return appendQuotedName(append(b, "EXISTS "...), p.Attr)
	case Absent:
		return appendQuotedName(append(b, "NOT EXISTS "...), p.Attr)
	case Suffix:
		return appendCall(b, "ENDS_WITH", p.Attr, p.Value.str)
	case Contains:
		return appendCall(b, "CONTAINS", p.Attr, p.Value.str)
	case EqualFold:
		return appendCall(b, "EQUALS_IGNORE_CASE", p.Attr, p.Value.str)
	default:
	}
	b = append(appendQuotedName(b, p.Attr), ' ')
	switch p.Op {
	case Prefix:
		b = append(b, "LIKE '"...)
		b = appendQuoted(b, string(appendLike(nil, p.Value.str)))
		return append(b, "%'"...)
	case Like:
		b = append(b, "LIKE '"...)
		return append(appendQuoted(b, p.Value.str), '\'')
	case Between:
		b = appendLiteral(append(b, "BETWEEN "...), p.Value)
		return appendLiteral(append(b, " AND "...), p.High)
	case In:
		return appendList(append(b, "IN ("...), p.List)
	case NotIn:
		return appendList(append(b, "NOT IN ("...), p.List)
	default:
	}
	b = append(append(b, p.Op.symbol()...), ' ')
	return appendLiteral(b, p.Value)
}

// symbol is how an operator that takes one value is written.
func (op Op) symbol() string {
	switch op {
	case Eq:
		return "="
	case Ne:
		return "!="
	case Lt:
		return "<"
	case Le:
		return "<="
	case Gt:
		return ">"
	case Ge:
		return ">="
	default:
		return "?"
	}
}

func appendList(b []byte, list []Value) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendLiteral(b, v)
	}
	return append(b, ')')
}

func appendCall(b []byte, function, attr, text string) []byte {
	b = append(append(b, function...), '(')
	b = append(appendQuotedName(b, attr), ", '"...)
	return append(appendQuoted(b, text), "')"...)
}

func appendLiteral(b []byte, v Value) []byte {
	switch v.typ {
	case TypeInt:
		return strconv.AppendInt(b, v.Int(), 10)
	case TypeFloat:
		start := len(b)
		b = strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
		if !strings.ContainsAny(string(b[start:]), ".eI") {
			b = append(b, ".0"...)
		}
		return b
	case TypeString:
		return append(appendQuoted(append(b, '\''), v.str), '\'')
	default:
		return append(b, strings.ToUpper(strconv.FormatBool(v.Bool()))...)
	}
}

// appendQuoted writes the inside of a string literal.
func appendQuoted(b []byte, s string) []byte {
	return append(b, strings.ReplaceAll(s, "'", "''")...)
}

// appendQuotedName writes a name, in quotes where it needs them.
func appendQuotedName(b []byte, name string) []byte {
	if isPlainName(name) && keyword(name) == "" {
		return append(b, name...)
	}
	b = append(append(b, '"'), strings.ReplaceAll(name, `"`, `""`)...)
	return append(b, '"')
}

func isPlainName(name string) bool {
	if name == "" || !isNameStart(name[0]) {
		return false
	}
	for i := range len(name) {
		if !isNamePart(name[i]) {
			return false
		}
	}
	return true
}
