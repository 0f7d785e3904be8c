package filter

import "strings"

// call reads what follows the name of a function.
func (p *parser) call(function token) (Expr, error) {
	var pred Predicate
	switch strings.ToUpper(function.text) {
	case "STARTS_WITH":
		pred.Op = Prefix
	case "ENDS_WITH":
		pred.Op = Suffix
	case "CONTAINS":
		pred.Op = Contains
	case "EQUALS_IGNORE_CASE":
		pred.Op = EqualFold
	default:
		return Expr{}, fault(BadSyntax, function.pos, "unknown function")
	}
	err := p.next()
	if err != nil {
		return Expr{}, err
	}
	if pred.Attr, err = p.name(); err != nil {
		return Expr{}, err
	}
	if err = p.expect(",", "expected a comma and a string"); err != nil {
		return Expr{}, err
	}
	if p.tok.kind != tokenString {
		return Expr{}, p.unexpected("expected a string in single quotes")
	}
	if pred.Value, err = p.literal(); err != nil {
		return Expr{}, err
	}
	if err = p.expect(")", "expected a closing parenthesis"); err != nil {
		return Expr{}, err
	}
	return p.is(function.pos, pred, false)
}

func (p *parser) condition(start int, name string) (Expr, error) {
	negated, err := p.accept(tokenWord, "NOT")
	if err != nil {
		return Expr{}, err
	}
	pred := Predicate{Attr: name, Op: p.operator()}
	switch {
	case pred.Op == 0:
		return Expr{}, p.unexpected("expected a comparison, BETWEEN, IN or LIKE")
	case negated && pred.Op != Between && pred.Op != In && pred.Op != Like:
		return Expr{}, p.unexpected("expected BETWEEN, IN or LIKE")
	}
	if err := p.next(); err != nil {
		return Expr{}, err
	}
	if err := p.operands(&pred); err != nil {
		return Expr{}, err
	}
	if negated && pred.Op == In {
		pred.Op, negated = NotIn, false
	}
	return p.is(start, pred, negated)
}

// operator is the operator that the token stands for, or 0.
func (p *parser) operator() Op {
	if p.tok.kind == tokenSymbol {
		for op := Eq; op <= Ge; op++ {
			if op.symbol() == p.tok.text {
				return op
			}
		}
	}
	if p.tok.kind == tokenWord {
		switch p.tok.text {
		case "BETWEEN":
			return Between
		case "IN":
			return In
		case "LIKE":
			return Like
		}
	}
	return 0
}

func (p *parser) operands(pred *Predicate) (err error) {
	switch pred.Op {
	case Like:
		return p.pattern(pred)
	case In:
		return p.list(pred)
	default:
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

func (p *parser) list(pred *Predicate) error {
	if err := p.expect("(", "expected a list in parentheses"); err != nil {
		return err
	}
	for {
		if len(pred.List) == MaxMembers {
			return fault(TooMany, p.tok.pos, beyond("more members than a list may have", MaxMembers, ""))
		}
		v, err := p.literal()
		if err != nil {
			return err
		}
		pred.List = append(pred.List, v)
		more, err := p.accept(tokenSymbol, ",")
		if err != nil {
			return err
		}
		if !more {
			return p.expect(")", "expected a comma or a closing parenthesis")
		}
	}
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

// pattern reads a LIKE with its escape and reduces it to the simplest operator.
func (p *parser) pattern(pred *Predicate) error {
	tok := p.tok
	if tok.kind != tokenString {
		return p.unexpected("expected a pattern in single quotes")
	}
	if err := p.next(); err != nil {
		return err
	}
	text, err := p.escaped(tok)
	if err != nil {
		return err
	}
	compiled, bad := compileLike(text)
	if bad != nil {
		return fault(bad.Kind, tok.pos, bad.Msg)
	}
	if pred.Op, text = classify(compiled); pred.Op == Like {
		text = string(appendLike(nil, compiled))
	}
	if len(compiled) > MaxPatternBytes && pred.Op == Like {
		return fault(BadString, tok.pos, beyond("pattern with wildcards inside longer than its limit", MaxPatternBytes, bytesUnit))
	}
	if len(text) > MaxStringBytes {
		return fault(BadString, tok.pos, beyond("pattern longer than its limit", MaxStringBytes, bytesUnit))
	}
	pred.Value = String(text)
	return nil
}

// escaped returns the pattern with backslashes for the escape that follows it.
func (p *parser) escaped(pattern token) (string, error) {
	if p.tok.kind != tokenName || !strings.EqualFold(p.tok.text, "ESCAPE") || p.text[p.tok.pos] == '"' {
		return pattern.text, nil
	}
	if err := p.next(); err != nil {
		return "", err
	}
	escape := p.tok
	if escape.kind != tokenString || len([]rune(escape.text)) != 1 || escape.text == "%" || escape.text == "_" {
		return "", p.unexpected("expected one character in single quotes, other than % and _")
	}
	if err := p.next(); err != nil {
		return "", err
	}
	if escape.text == `\` {
		return pattern.text, nil
	}
	return rewriteEscape(pattern, escape.text)
}

func rewriteEscape(pattern token, escape string) (string, error) {
	var b strings.Builder
	for text := pattern.text; text != ""; {
		rest, found := strings.CutPrefix(text, escape)
		switch {
		case !found && text[0] == '\\':
			b.WriteString(`\\`)
			text = text[1:]
		case !found:
			b.WriteByte(text[0])
			text = text[1:]
		case strings.HasPrefix(rest, escape):
			b.WriteString(escape)
			text = rest[len(escape):]
		case rest != "" && (rest[0] == '%' || rest[0] == '_'):
			b.WriteByte('\\')
			b.WriteByte(rest[0])
			text = rest[1:]
		default:
			return "", fault(Unsupported, pattern.pos, "an escape in a pattern stands before %, _ or itself")
		}
	}
	return b.String(), nil
}
