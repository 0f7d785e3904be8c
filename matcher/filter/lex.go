package filter

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenWord // a keyword, in upper case
	tokenString
	tokenNumber
	tokenSymbol
)

type token struct {
	kind  tokenKind
	pos   int
	text  string // name, keyword, symbol or string content
	value Value  // of a number
}

// keyword returns the upper-case keyword that word is, or "". ESCAPE and the
// names of functions are none: where they stand no attribute can.
func keyword(word string) string {
	if len(word) > len("BETWEEN") {
		return ""
	}
	switch up := strings.ToUpper(word); up {
	case "AND", "OR", "XOR", "NOT", "IN", "LIKE", "BETWEEN", "EXISTS", "TRUE", "FALSE":
		return up
	}
	return ""
}

func isNameStart(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNamePart(c byte) bool { return isNameStart(c) || isDigit(c) || c == '.' }

// next reads the token at p.pos into p.tok.
func (p *parser) next() error {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
	p.tok = token{pos: p.pos}
	if p.pos == len(p.text) {
		return nil
	}
	switch c := p.text[p.pos]; {
	case isNameStart(c):
		p.word()
		return nil
	case isDigit(c) || c == '.' || c == '-' || c == '+':
		return p.number()
	case c == '\'':
		p.tok.kind = tokenString
		return p.quoted('\'', "string without an end")
	case c == '"':
		p.tok.kind = tokenName
		return p.quoted('"', "quoted name without an end")
	}
	return p.symbol()
}

func (p *parser) word() {
	end := p.pos
	for end < len(p.text) && isNamePart(p.text[end]) {
		end++
	}
	p.tok.kind, p.tok.text = tokenName, p.text[p.pos:end]
	if k := keyword(p.tok.text); k != "" {
		p.tok.kind, p.tok.text = tokenWord, k
	}
	p.pos = end
}

func (p *parser) symbol() error {
	for _, s := range []string{"!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","} {
		if strings.HasPrefix(p.text[p.pos:], s) {
			p.tok.kind, p.tok.text = tokenSymbol, s
			if s == "<>" {
				p.tok.text = "!="
			}
			p.pos += len(s)
			return nil
		}
	}
	return fault(BadSyntax, p.pos, "unexpected character (in a name it needs double quotes around the name)")
}

// quoted reads a literal in which a doubled quote stands for itself.
func (p *parser) quoted(quote byte, unterminated string) error {
	start := p.pos + 1
	for i := start; i < len(p.text); i++ {
		if p.text[i] != quote {
			continue
		}
		if i+1 < len(p.text) && p.text[i+1] == quote {
			i++
			continue
		}
		q := string(quote)
		p.tok.text = strings.ReplaceAll(p.text[start:i], q+q, q)
		p.pos = i + 1
		if !utf8.ValidString(p.tok.text) {
			return fault(BadString, p.tok.pos, "not valid UTF-8")
		}
		return nil
	}
	return fault(BadString, p.tok.pos, unterminated)
}

// number reads [+-]digits[.digits][e[+-]digits]: an int64 without fraction and
// exponent, otherwise the nearest float64.
func (p *parser) number() error {
	i := p.pos
	if p.text[i] == '-' || p.text[i] == '+' {
		i++
	}
	i, whole := p.digits(i)
	isInt, fraction := true, 0
	if i < len(p.text) && p.text[i] == '.' {
		isInt = false
		i, fraction = p.digits(i + 1)
	}
	if whole+fraction == 0 {
		return fault(BadSyntax, p.tok.pos, "expected a number")
	}
	if i < len(p.text) && p.text[i]|0x20 == 'e' {
		isInt = false
		j := i + 1
		if j < len(p.text) && (p.text[j] == '-' || p.text[j] == '+') {
			j++
		}
		var exponent int
		if i, exponent = p.digits(j); exponent == 0 {
			return fault(BadSyntax, p.tok.pos, "exponent without digits")
		}
	}
	if i < len(p.text) && isNamePart(p.text[i]) {
		return fault(BadSyntax, i, "number runs into a word")
	}
	literal := p.text[p.pos:i]
	p.tok.kind, p.pos = tokenNumber, i
	return p.convert(literal, isInt)
}

func (p *parser) digits(i int) (end, n int) {
	start := i
	for i < len(p.text) && isDigit(p.text[i]) {
		i++
	}
	return i, i - start
}

func (p *parser) convert(literal string, isInt bool) error {
	if isInt {
		i, err := strconv.ParseInt(literal, 10, 64)
		if err != nil {
			return fault(BadNumber, p.tok.pos, "integer beyond int64")
		}
		p.tok.value = Int(i)
		return nil
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return fault(BadNumber, p.tok.pos, "number beyond float64")
	}
	p.tok.value = floatValue(f)
	return nil
}
