package filter

import (
	"cmp"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PatternKind is what a pattern asks of a string.
type PatternKind uint8

// The kinds of patterns. A prefix that has to be there is an interval, so
// PatternPrefix is always negative.
const (
	PatternPrefix   PatternKind = 1 + iota // begins with the text
	PatternSuffix                          // ends with the text
	PatternContains                        // has the text inside
	PatternLike                            // matches the whole pattern
	PatternFold                            // equals the text but for case
	patternEnd                             // first unused
)

// In a compiled LIKE these bytes, which UTF-8 does not have, are the wildcards.
const (
	anyRun  = 0xff // %
	anyRune = 0xfe // _
	// patternNegative is a flag in the first byte of an encoded pattern.
	patternNegative = 0x80
	// patternHeader is kind and u16 length.
	patternHeader = 3
)

// Pattern is a condition on a string that is no interval. It is comparable.
type Pattern struct {
	text     string // PatternLike: compiled; PatternFold: each rune the least of its case variants
	kind     PatternKind
	negative bool
}

// Kind returns what the pattern asks.
func (p Pattern) Kind() PatternKind { return p.kind }

// Text returns the pattern's text; that of PatternLike is written as in LIKE.
func (p Pattern) Text() string {
	if p.kind != PatternLike {
		return p.text
	}
	return string(appendLike(nil, p.text))
}

// appendLike writes a compiled pattern as the inside of LIKE, without quotes.
func appendLike(b []byte, compiled string) []byte {
	for i := range len(compiled) {
		switch c := compiled[i]; c {
		case anyRun:
			b = append(b, '%')
		case anyRune:
			b = append(b, '_')
		case '%', '_', '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return b
}

// compareTo orders the patterns of a constraint.
func (p Pattern) compareTo(q Pattern) int {
	if c := cmp.Compare(p.kind, q.kind); c != 0 {
		return c
	}
	if p.negative != q.negative {
		if q.negative {
			return -1
		}
		return 1
	}
	return strings.Compare(p.text, q.text)
}

// AppendBinary appends the pattern: u8 kind, with 0x80 if it is
// negative, u16 length and the text. In the text of PatternLike the bytes 0xff
// and 0xfe stand for % and _.
func (p Pattern) AppendBinary(dst []byte) []byte {
	k := byte(p.kind)
	if p.negative {
		k |= patternNegative
	}
	dst = binary.BigEndian.AppendUint16(append(dst, k), uint16(len(p.text)))
	return append(dst, p.text...)
}

// pattern reads an encoded pattern that is one kind's canonical text.
func (r *reader) pattern() Pattern {
	at := r.pos
	k := r.u8()
	p := Pattern{kind: PatternKind(k &^ patternNegative), negative: k&patternNegative != 0}
	if !r.bad && (p.kind == 0 || p.kind >= patternEnd || p.kind == PatternPrefix && !p.negative) {
		r.fail(at, "unknown pattern")
	}
	n := int(r.u16())
	limit := MaxStringBytes
	if p.kind == PatternLike {
		limit = MaxPatternBytes
	}
	if n > limit {
		r.fail(at, beyond("pattern longer than its limit", limit, bytesUnit))
		return p
	}
	if p.kind == PatternLike {
		p.text = view(r.take(n))
	} else {
		p.text = r.text(n)
	}
	if !r.bad && !p.canonical() {
		r.fail(at, "pattern without a canonical form")
	}
	return p
}

func (p Pattern) canonical() bool {
	switch p.kind {
	case PatternLike:
		text := p.Text()
		compiled, err := compileLike(text)
		if err != nil || compiled != p.text || !utf8.ValidString(text) {
			return false
		}
		kind, _ := classify(compiled)
		return kind == Like
	case PatternFold:
		folded, variants := foldText(p.text)
		return variants && folded == p.text
	default:
		return p.text != ""
	}
}

// compileLike reads the inside of a LIKE, whose escape is the backslash. Among
// neighbouring wildcards every _ comes first and one % last.
func compileLike(text string) (string, *Error) {
	var b strings.Builder
	b.Grow(len(text))
	run := false // a % is due before the next literal
	literal := func(c byte) {
		if run {
			b.WriteByte(anyRun)
		}
		run = false
		b.WriteByte(c)
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			i++
			if i == len(text) || strings.IndexByte(`\%_`, text[i]) < 0 {
				return "", fault(Unsupported, -1, `a backslash in a pattern stands before %, _ or \`)
			}
			literal(text[i])
		case '%':
			run = true
		case '_':
			b.WriteByte(anyRune)
		default:
			literal(c)
		}
	}
	if run {
		b.WriteByte(anyRun)
	}
	return b.String(), nil
}

// classify finds the simplest operator for a compiled pattern, and its text.
func classify(compiled string) (Op, string) {
	inner := trimRuns(compiled)
	if strings.IndexByte(inner, anyRun) >= 0 || strings.IndexByte(inner, anyRune) >= 0 {
		return Like, compiled
	}
	first := compiled != "" && compiled[0] == anyRun
	last := compiled != "" && compiled[len(compiled)-1] == anyRun
	switch {
	case inner == "" && first:
		return Prefix, ""
	case first && last:
		return Contains, inner
	case first:
		return Suffix, inner
	case last:
		return Prefix, inner
	}
	return Eq, inner
}

// foldText replaces each rune by the least of its case variants, and reports
// whether there is any rune that has some.
func foldText(s string) (folded string, variants bool) {
	folded = strings.Map(func(r rune) rune {
		least := r
		for q := unicode.SimpleFold(r); q != r; q = unicode.SimpleFold(q) {
			least, variants = min(least, q), true
		}
		return least
	}, s)
	return folded, variants
}

// impliedBy reports whether every string that is as q says is as p says, for sure;
// signs are left aside.
func (p Pattern) impliedBy(q Pattern) bool {
	if q.kind == p.kind && q.text == p.text {
		return true
	}
	switch p.kind {
	case PatternPrefix:
		return strings.HasPrefix(q.head(), p.text)
	case PatternSuffix:
		return strings.HasSuffix(q.tail(), p.text)
	case PatternContains:
		return q.has(p.text)
	default:
		return false
	}
}

// head is what every string that is as p says begins with.
func (p Pattern) head() string {
	switch p.kind {
	case PatternPrefix:
		return p.text
	case PatternLike:
		return p.text[:wildcard(p.text)]
	default:
		return ""
	}
}

// tail is what every string that is as p says ends with.
func (p Pattern) tail() string {
	switch p.kind {
	case PatternSuffix:
		return p.text
	case PatternLike:
		return p.text[lastWildcard(p.text)+1:]
	default:
		return ""
	}
}

// has reports whether every string that is as p says has the text inside.
func (p Pattern) has(text string) bool {
	// A compiled LIKE that has the text has it between two wildcards.
	return p.kind != PatternFold && strings.Contains(p.text, text)
}

// wildcard returns the place of the first wildcard of a compiled LIKE, or its length.
func wildcard(compiled string) int {
	for i := range len(compiled) {
		if compiled[i] >= anyRune {
			return i
		}
	}
	return len(compiled)
}

// lastWildcard returns the place of the last one, or -1.
func lastWildcard(compiled string) int {
	i := len(compiled) - 1
	for i >= 0 && compiled[i] < anyRune {
		i--
	}
	return i
}

// trimRuns takes one % off each end of a compiled LIKE, which has no more.
func trimRuns(compiled string) string {
	const run = "\xff"
	return strings.TrimSuffix(strings.TrimPrefix(compiled, run), run)
}
