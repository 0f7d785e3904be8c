package offline

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/scbr/scbr/matcher/filter"
)

// MaxLineBytes bounds a line: the longest filter text with every byte escaped
// stays below it.
const MaxLineBytes = 1 << 20

// ByteOrderMark is what some editors put first into a file of UTF-8.
const ByteOrderMark = "\uFEFF"

// ErrByteOrderMark refuses text that begins with one.
var ErrByteOrderMark = errors.New("begins with a byte order mark: save the file as UTF-8 without one")

// Format is a file format.
type Format string

// The formats.
const (
	FormatSCBR  Format = "scbr"  // text of the SCBR data sets
	FormatJSONL Format = "jsonl" // one JSON object a line
)

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case FormatSCBR, FormatJSONL:
		return f, nil
	}
	return "", errors.New("unknown format: choose scbr or jsonl")
}

// Subscription is one filter and who owns it. One id may own several.
type Subscription struct {
	ID     string
	Filter filter.Filter
}

// LineError says where a file is malformed, and why.
type LineError struct {
	File string
	Line int // from 1
	Err  error
}

// Error returns file:line: reason.
func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the reason.
func (e *LineError) Unwrap() error { return e.Err }

// ReadSubscriptions reads all subscriptions of a file; name is for errors, which
// are of type *LineError where a line is at fault.
func ReadSubscriptions(r io.Reader, name string, format Format) ([]Subscription, error) {
	parse := scbrSubscription
	if format == FormatJSONL {
		parse = jsonSubscription
	}
	return readLines(r, name, parse)
}

// ReadPublications reads all publications of a file; name is for errors, which
// are of type *LineError where a line is at fault.
func ReadPublications(r io.Reader, name string, format Format) ([]filter.Event, error) {
	parse := scbrPublication
	if format == FormatJSONL {
		parse = jsonPublication
	}
	return readLines(r, name, parse)
}

func readLines[T any](r io.Reader, name string, parse func(line string) (T, error)) ([]T, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, MaxLineBytes)
	var all []T
	n := 0
	for lines.Scan() {
		n++
		if n == 1 && strings.HasPrefix(lines.Text(), ByteOrderMark) {
			return nil, &LineError{File: name, Line: n, Err: ErrByteOrderMark}
		}
		x, err := parseLine(lines.Text(), parse)
		if err != nil {
			return nil, &LineError{File: name, Line: n, Err: err}
		}
		all = append(all, x)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, &LineError{File: name, Line: n + 1, Err: fmt.Errorf("longer than %d bytes", MaxLineBytes)}
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return all, nil
}

func parseLine[T any](line string, parse func(line string) (T, error)) (x T, err error) {
	if !utf8.ValidString(line) {
		return x, errors.New("not valid UTF-8")
	}
	if strings.TrimSpace(line) == "" {
		return x, errors.New("empty line")
	}
	return parse(line)
}

// checkID refuses ids that could not be told apart in the output.
func checkID(id string) error {
	if id == "" {
		return errors.New("empty id")
	}
	if strings.ContainsFunc(id, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return errors.New("an id has no blanks or control characters")
	}
	return nil
}
