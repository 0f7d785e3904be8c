package filter

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// borrowPattern reads a trusted pattern without copying, and returns its size.
func borrowPattern(b []byte) (Pattern, int) {
	n := patternHeader + int(binary.BigEndian.Uint16(b[1:]))
	return Pattern{
		text: view(b[patternHeader:n]), kind: PatternKind(b[0] &^ patternNegative), negative: b[0]&patternNegative != 0,
	}, n
}

func (p *Pattern) matches(s string) bool {
	return p.holds(s) != p.negative
}

// holds tries the pattern without its sign.
func (p *Pattern) holds(s string) bool {
	switch p.kind {
	case PatternPrefix:
		return strings.HasPrefix(s, p.text)
	case PatternSuffix:
		return strings.HasSuffix(s, p.text)
	case PatternContains:
		return strings.Contains(s, p.text)
	case PatternLike:
		return matchLike(p.text, s)
	case PatternFold:
		return strings.EqualFold(s, p.text)
	default:
		return false
	}
}

// matchLike tries a compiled LIKE: what stands before the first % and behind
// the last one has one place, and each part between takes the first place that
// it finds, which leaves most room for the others.
func matchLike(compiled, s string) bool {
	first := strings.IndexByte(compiled, anyRun)
	if first < 0 {
		n := matchHere(compiled, s)
		return n == len(s)
	}
	n := matchHere(compiled[:first], s)
	if n < 0 {
		return false
	}
	s = s[n:]
	last := strings.LastIndexByte(compiled, anyRun)
	tail := compiled[last+1:]
	from := tailStart(tail, s)
	if from < 0 || matchHere(tail, s[from:]) != len(s)-from {
		return false
	}
	s = s[:from]
	if first == last {
		return true
	}
	for middle := compiled[first+1 : last]; ; {
		part, rest, more := strings.Cut(middle, "\xff")
		if s, n = search(part, s); n < 0 {
			return false
		}
		if !more {
			return true
		}
		middle = rest
	}
}

// matchHere tries a part without % at the beginning of s and returns how many
// bytes it took, or -1.
func matchHere(part, s string) int {
	at := 0
	for i := range len(part) {
		if at == len(s) {
			return -1
		}
		if part[i] == anyRune {
			_, n := utf8.DecodeRuneInString(s[at:])
			at += n
			continue
		}
		if part[i] != s[at] {
			return -1
		}
		at++
	}
	return at
}

// search returns what follows the first place in s where the part fits; n is
// negative where there is none.
func search(part, s string) (after string, n int) {
	if strings.IndexByte(part, anyRune) < 0 {
		i := strings.Index(s, part)
		if i < 0 {
			return "", -1
		}
		return s[i+len(part):], i
	}
	for i := 0; ; {
		if n := matchHere(part, s[i:]); n >= 0 {
			return s[i+n:], i
		}
		if i >= len(s) {
			return "", -1
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
}

// tailStart returns where the last part of a LIKE has to begin so that it ends
// with s: as many code points from the end as it has; or -1.
func tailStart(tail, s string) int {
	at := len(s)
	for i := range len(tail) {
		if !utf8.RuneStart(tail[i]) && tail[i] != anyRune {
			continue
		}
		if at == 0 {
			return -1
		}
		_, n := utf8.DecodeLastRuneInString(s[:at])
		at -= n
	}
	return at
}
