package filter

import "strconv"

// Kind says what class of fault an [Error] reports. The numbers are stable:
// new kinds are added at the end.
type Kind uint8

// The kinds of faults.
const (
	BadSyntax    Kind = 1 + iota // the text is not a filter
	BadNumber                    // a number that is out of range, or NaN
	BadString                    // an unterminated, overlong or non-UTF-8 string
	BadName                      // an empty, overlong or non-UTF-8 attribute name
	BadPredicate                 // an operator that the value's type does not have
	TooLong                      // text or encoding beyond its limit
	TooMany                      // more predicates than a filter may have
	TooDeep                      // nested beyond MaxDepth
	Unsupported                  // a pattern that is not available
	BadEvent                     // an event with duplicate, missing or too many attributes
	BadEncoding                  // bytes that no encoder produces
	TooWide                      // more alternatives than MaxConjunctions
)

// String returns the kind's name in lower case with blanks.
func (k Kind) String() string {
	switch k {
	case BadSyntax:
		return "bad syntax"
	case BadNumber:
		return "bad number"
	case BadString:
		return "bad string"
	case BadName:
		return "bad name"
	case BadPredicate:
		return "bad predicate"
	case TooLong:
		return "too long"
	case TooMany:
		return "too many predicates"
	case TooDeep:
		return "too deep"
	case Unsupported:
		return "unsupported"
	case BadEvent:
		return "bad event"
	case BadEncoding:
		return "bad encoding"
	case TooWide:
		return "too many alternatives"
	}
	return "unknown fault"
}

// Error reports why text, bytes or values were refused. It never contains any
// part of them.
type Error struct {
	Kind Kind
	// Pos is the byte offset, from 0, in the text or encoding; -1 where there is none.
	Pos int
	// Msg says what was wrong, in words that hold for every input.
	Msg string
}

// Error returns kind, its number, position and message.
func (e *Error) Error() string {
	s := "filter: " + e.Kind.String() + " (F" + strconv.Itoa(int(e.Kind)) + ")"
	if e.Pos >= 0 {
		s += " at byte " + strconv.Itoa(e.Pos)
	}
	return s + ": " + e.Msg
}

func fault(kind Kind, pos int, msg string) *Error {
	return &Error{Kind: kind, Pos: pos, Msg: msg}
}

// bytesUnit names what most limits count.
const bytesUnit = " bytes"

// beyond is the message of a fault against a limit, with the limit.
func beyond(msg string, limit int, unit string) string {
	return msg + " (" + strconv.Itoa(limit) + unit + ")"
}
