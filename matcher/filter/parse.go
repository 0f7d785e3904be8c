package filter

import (
	"errors"
	"strings"
)

// Parse reads a filter in the style of CloudEvents SQL:
//
//	filter    = term { AND term }
//	term      = "(" filter ")" | TRUE | FALSE | EXISTS name | name condition
//	condition = ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) literal
//	          | BETWEEN literal AND literal
//	          | LIKE 'text%'
//	name      = [A-Za-z_][A-Za-z0-9_.]* | "any text"
//	literal   = integer | decimal | 'text' | TRUE | FALSE
//
// Keywords are case-insensitive; a quote inside quotes is doubled. A LIKE
// pattern is a text with at most one %, at its end; \%, \_ and \\ stand for
// themselves. Errors are of type *Error with the byte position.
func Parse(text string) (Filter, error) {
	if len(text) > MaxTextBytes {
		return Filter{}, fault(TooLong, 0, beyond("text longer than its limit", MaxTextBytes, bytesUnit))
	}
	p := parser{text: text}
	if err := p.next(); err != nil {
		return Filter{}, err
	}
	if err := p.conjunction(0); err != nil {
		return Filter{}, err
	}
	if p.tok.kind != tokenEnd {
		return Filter{}, p.unexpected("expected AND or the end")
	}
	f, err := New(p.preds...)
	if err != nil {
		return Filter{}, err
	}
	if p.never {
		return Filter{empty: true}, nil
	}
	return f, nil
}

type parser struct {
	text   string
	pos    int
	tok    token
	preds  []Predicate
	weight int
	never  bool // FALSE was one of the terms
}

func (p *parser) unexpected(msg string) error {
	if p.tok.kind == tokenWord {
		switch p.tok.text {
		case "OR", "XOR", "NOT", "IN":
			return fault(Unsupported, p.tok.pos, p.tok.text+" is not supported")
		}
	}
	return fault(BadSyntax, p.tok.pos, msg)
}

// accept consumes the token if it is that keyword or symbol.
func (p *parser) accept(kind tokenKind, text string) (bool, error) {
	if p.tok.kind != kind || p.tok.text != text {
		return false, nil
	}
	return true, p.next()
}

func (p *parser) conjunction(depth int) error {
	if depth > MaxDepth {
		return fault(TooDeep, p.tok.pos, beyond("parentheses nested beyond their limit", MaxDepth, ""))
	}
	for {
		if err := p.term(depth); err != nil {
			return err
		}
		more, err := p.accept(tokenWord, "AND")
		if err != nil || !more {
			return err
		}
	}
}

func (p *parser) term(depth int) error {
	start := p.tok
	switch {
	case start.kind == tokenSymbol && start.text == "(":
		return p.group(depth)
	case start.kind == tokenWord && (start.text == "TRUE" || start.text == "FALSE"):
		p.never = p.never || start.text == "FALSE"
		return p.next()
	case start.kind == tokenWord && start.text == "EXISTS":
		if err := p.next(); err != nil {
			return err
		}
		name, err := p.name()
		if err != nil {
			return err
		}
		return p.add(start.pos, Predicate{Attr: name, Op: Exists})
	}
	name, err := p.name()
	if err != nil {
		return err
	}
	return p.condition(start.pos, name)
}

func (p *parser) group(depth int) error {
	if err := p.next(); err != nil {
		return err
	}
	if err := p.conjunction(depth + 1); err != nil {
		return err
	}
	closed, err := p.accept(tokenSymbol, ")")
	if err == nil && !closed {
		return p.unexpected("expected AND or a closing parenthesis")
	}
	return err
}

func (p *parser) name() (string, error) {
	if p.tok.kind != tokenName {
		return "", p.unexpected("expected an attribute name")
	}
	name, pos := p.tok.text, p.tok.pos
	if err := checkName(name); err != nil {
		return "", fault(err.Kind, pos, err.Msg)
	}
	return name, p.next()
}

func (p *parser) condition(start int, name string) error {
	pred := Predicate{Attr: name}
	op := p.tok
	if op.kind == tokenSymbol {
		switch op.text {
		case "=":
			pred.Op = Eq
		case "!=":
			pred.Op = Ne
		case "<":
			pred.Op = Lt
		case "<=":
			pred.Op = Le
		case ">":
			pred.Op = Gt
		case ">=":
			pred.Op = Ge
		}
	} else if op.kind == tokenWord && op.text == "BETWEEN" {
		pred.Op = Between
	} else if op.kind == tokenWord && op.text == "LIKE" {
		pred.Op = Prefix
	}
	if pred.Op == 0 {
		return p.unexpected("expected a comparison, BETWEEN or LIKE")
	}
	if err := p.next(); err != nil {
		return err
	}
	if err := p.operands(&pred); err != nil {
		return err
	}
	return p.add(start, pred)
}

func (p *parser) operands(pred *Predicate) (err error) {
	if pred.Op == Prefix {
		return p.pattern(pred)
	}
	if pred.Value, err = p.literal(); err != nil || pred.Op != Between {
		return err
	}
	ok, err := p.accept(tokenWord, "AND")
	if err != nil {
		return err
	}
	if !ok {
		return p.unexpected("expected AND and the upper end of BETWEEN")
	}
	pred.High, err = p.literal()
	return err
}

func (p *parser) literal() (Value, error) {
	tok := p.tok
	switch {
	case tok.kind == tokenNumber:
		return tok.value, p.next()
	case tok.kind == tokenString:
		if len(tok.text) > MaxStringBytes {
			return Value{}, fault(BadString, tok.pos, beyond("string longer than its limit", MaxStringBytes, bytesUnit))
		}
		return String(tok.text), p.next()
	case tok.kind == tokenWord && (tok.text == "TRUE" || tok.text == "FALSE"):
		return Bool(tok.text == "TRUE"), p.next()
	}
	return Value{}, p.unexpected("expected a number, a string, TRUE or FALSE")
}

// pattern reads a LIKE pattern: a prefix if it ends in %, one string if not.
func (p *parser) pattern(pred *Predicate) error {
	tok := p.tok
	if tok.kind != tokenString {
		return p.unexpected("expected a pattern in single quotes")
	}
	text, prefix := tok.text, false
	var plain strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			i++
			if i == len(text) || strings.IndexByte(`\%_`, text[i]) < 0 {
				return fault(Unsupported, tok.pos, `a backslash in a pattern stands before %, _ or \`)
			}
			plain.WriteByte(text[i])
		case '%':
			if i != len(text)-1 {
				return fault(Unsupported, tok.pos, "a pattern has its % at the end")
			}
			prefix = true
		case '_':
			return fault(Unsupported, tok.pos, "_ in a pattern is not supported")
		default:
			plain.WriteByte(c)
		}
	}
	if plain.Len() > MaxStringBytes {
		return fault(BadString, tok.pos, beyond("pattern longer than its limit", MaxStringBytes, bytesUnit))
	}
	pred.Value = String(plain.String())
	if !prefix {
		pred.Op = Eq
	}
	return p.next()
}

// add checks one predicate alone, so that its error has a position.
func (p *parser) add(pos int, pred Predicate) error {
	if p.weight += pred.weight(); p.weight > MaxPredicates {
		return fault(TooMany, pos, beyond("more predicates than a filter may have", MaxPredicates, ""))
	}
	if _, err := single(pred); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return fault(e.Kind, pos, e.Msg)
		}
		return err
	}
	p.preds = append(p.preds, pred)
	return nil
}
