package filter

import "errors"

// Parse reads a filter in the style of CloudEvents SQL and returns its normal
// form:
//
//	filter    = xor { OR xor }
//	xor       = and { XOR and }
//	and       = not { AND not }
//	not       = { NOT } term
//	term      = "(" filter ")" | TRUE | FALSE | EXISTS name | name condition
//	          | function "(" name "," 'text' ")"
//	condition = ( "=" | "!=" | "<>" | "<" | "<=" | ">" | ">=" ) literal
//	          | [ NOT ] BETWEEN literal AND literal
//	          | [ NOT ] IN "(" literal { "," literal } ")"
//	          | [ NOT ] LIKE 'pattern' [ ESCAPE 'character' ]
//	function  = STARTS_WITH | ENDS_WITH | CONTAINS | EQUALS_IGNORE_CASE
//	name      = [A-Za-z_][A-Za-z0-9_.]* | "any text"
//	literal   = integer | decimal | 'text' | TRUE | FALSE
//
// Keywords are case-insensitive, and a name that is one stands in quotes; a quote
// inside quotes is doubled. In a pattern % stands for any text, _ for one code
// point, and the escape, \ unless another is named, before %, _ or itself for
// that character. Errors are of type *Error with the byte position where there
// is one.
func Parse(text string) (Filter, error) {
	x, err := ParseExpr(text)
	if err != nil {
		return Filter{}, err
	}
	return Build(x)
}

// ParseExpr reads a filter as Parse does and returns it as it was written.
func ParseExpr(text string) (Expr, error) {
	if len(text) > MaxTextBytes {
		return Expr{}, fault(TooLong, 0, beyond("text longer than its limit", MaxTextBytes, bytesUnit))
	}
	p := parser{text: text}
	if err := p.next(); err != nil {
		return Expr{}, err
	}
	x, err := p.or(0)
	if err != nil {
		return Expr{}, err
	}
	if p.tok.kind != tokenEnd {
		return Expr{}, p.unexpected("expected AND, OR, XOR or the end")
	}
	return x, nil
}

type parser struct {
	text  string
	pos   int
	tok   token
	terms int
}

func (p *parser) unexpected(msg string) error { return fault(BadSyntax, p.tok.pos, msg) }

// accept consumes the token if it is that keyword or symbol.
func (p *parser) accept(kind tokenKind, text string) (bool, error) {
	if p.tok.kind != kind || p.tok.text != text {
		return false, nil
	}
	return true, p.next()
}

// expect consumes a symbol that has to be there.
func (p *parser) expect(symbol, msg string) error {
	ok, err := p.accept(tokenSymbol, symbol)
	if err == nil && !ok {
		return p.unexpected(msg)
	}
	return err
}

// chain reads what a connective joins.
func (p *parser) chain(depth int, word string, operand func(depth int) (Expr, error), join func(all ...Expr) Expr) (Expr, error) {
	first, err := operand(depth)
	if err != nil {
		return Expr{}, err
	}
	all := []Expr{first}
	weight := first.weight()
	for {
		more, err := p.accept(tokenWord, word)
		if err != nil {
			return Expr{}, err
		}
		if !more && len(all) == 1 {
			return first, nil
		}
		if !more {
			return join(all...), nil
		}
		pos := p.tok.pos
		x, err := operand(depth)
		if err != nil {
			return Expr{}, err
		}
		if weight += x.weight(); weight > MaxPredicates && word != "OR" {
			return Expr{}, fault(TooMany, pos, beyond("more predicates than a filter may have", MaxPredicates, ""))
		}
		all = append(all, x)
	}
}

func (p *parser) or(depth int) (Expr, error) {
	if depth > MaxDepth {
		return Expr{}, fault(TooDeep, p.tok.pos, beyond("nested beyond their limit: parentheses and NOT", MaxDepth, ""))
	}
	return p.chain(depth, "OR", p.xor, Or)
}

func (p *parser) xor(depth int) (Expr, error) {
	return p.chain(depth, "XOR", p.and, func(all ...Expr) Expr {
		x := all[0]
		for _, y := range all[1:] {
			x = Xor(x, y)
		}
		return x
	})
}

func (p *parser) and(depth int) (Expr, error) {
	return p.chain(depth, "AND", p.not, And)
}

func (p *parser) not(depth int) (Expr, error) {
	pos := p.tok.pos
	negated, err := p.accept(tokenWord, "NOT")
	if err != nil {
		return Expr{}, err
	}
	if !negated {
		return p.term(depth)
	}
	if depth++; depth > MaxDepth {
		return Expr{}, fault(TooDeep, pos, beyond("nested beyond their limit: parentheses and NOT", MaxDepth, ""))
	}
	x, err := p.not(depth)
	return Not(x), err
}

func (p *parser) term(depth int) (Expr, error) {
	start := p.tok
	if p.terms++; p.terms > MaxTerms {
		return Expr{}, fault(TooMany, start.pos, beyond("more predicates than an expression may have", MaxTerms, ""))
	}
	switch {
	case start.kind == tokenSymbol && start.text == "(":
		return p.group(depth)
	case start.kind == tokenWord && (start.text == "TRUE" || start.text == "FALSE"):
		return Constant(start.text == "TRUE"), p.next()
	case start.kind == tokenWord && start.text == "EXISTS":
		if err := p.next(); err != nil {
			return Expr{}, err
		}
		name, err := p.name()
		if err != nil {
			return Expr{}, err
		}
		return p.is(start.pos, Predicate{Attr: name, Op: Exists}, false)
	}
	if start.kind != tokenName {
		return Expr{}, p.unexpected("expected a condition")
	}
	if err := p.next(); err != nil {
		return Expr{}, err
	}
	if p.tok.kind == tokenSymbol && p.tok.text == "(" {
		return p.call(start)
	}
	if err := checkName(start.text); err != nil {
		return Expr{}, fault(err.Kind, start.pos, err.Msg)
	}
	return p.condition(start.pos, start.text)
}

func (p *parser) group(depth int) (Expr, error) {
	if err := p.next(); err != nil {
		return Expr{}, err
	}
	x, err := p.or(depth + 1)
	if err != nil {
		return Expr{}, err
	}
	return x, p.expect(")", "expected a connective or a closing parenthesis")
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

// is checks one predicate alone, so that its error has a position.
func (p *parser) is(pos int, pred Predicate, negated bool) (Expr, error) {
	if _, err := pred.alternatives(nil, true); err != nil {
		var e *Error
		if errors.As(err, &e) {
			return Expr{}, fault(e.Kind, pos, e.Msg)
		}
		return Expr{}, err
	}
	x := Is(pred)
	if x.weight() > MaxPredicates {
		return Expr{}, fault(TooMany, pos, beyond("more predicates than a filter may have", MaxPredicates, ""))
	}
	if negated {
		x = Not(x)
	}
	return x, nil
}
