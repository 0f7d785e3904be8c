package offline

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/scbr/scbr/matcher/filter"
)

// shownAround is how much of a filter is shown on each side of a fault: with
// both the line fits a narrow terminal.
const shownAround = 32

// cut stands where more of the filter is not shown.
const cut = "…"

// FilterError is filter text that was refused, with what is needed to show where.
type FilterError struct {
	Name string // of the flag or argument
	Text string
	Err  error
}

// Error returns the name and the reason, and where the reason has a position two
// more lines: the text around it, and a caret below it.
func (e *FilterError) Error() string {
	s := e.Name + ": " + e.Err.Error()
	var at *filter.Error
	if !errors.As(e.Err, &at) || at.Pos < 0 || at.Pos > len(e.Text) {
		return s
	}
	before, after := around(e.Text, at.Pos)
	return s + "\n  " + before + after + "\n  " + strings.Repeat(" ", utf8.RuneCountInString(before)) + "^"
}

// Unwrap returns the reason.
func (e *FilterError) Unwrap() error { return e.Err }

// around returns what is shown of a text before and from pos on: part of one
// line, each character one column wide as far as that is in our hands.
func around(text string, pos int) (before, after string) {
	before, after = text[:pos], text[pos:]
	if i := strings.LastIndexAny(before, "\r\n"); i >= 0 {
		before = before[i+1:]
	}
	if i := strings.IndexAny(after, "\r\n"); i >= 0 {
		after = after[:i]
	}
	left, right := []rune(plain(before)), []rune(plain(after))
	if len(left) > shownAround {
		left = append([]rune(cut), left[len(left)-shownAround:]...)
	}
	if len(right) > shownAround {
		right = append(right[:shownAround:shownAround], []rune(cut)...)
	}
	return string(left), string(right)
}

// plain replaces one by one what a terminal would obey or not show.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return utf8.RuneError
	}, s)
}

// visible writes as \u escapes what a terminal would obey or not show: values
// come from whoever wrote the event.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
