package figure

import "fmt"

// Kind says why a chart was not drawn.
type Kind uint8

// The kinds of failures.
const (
	KindEmpty  Kind = 1 + iota // a chart without a point
	KindLimit                  // more series, points, marks or text than the package's bounds
	KindData                   // lists of different lengths, or a number that the axis does not have
	KindFormat                 // a file name that ends neither in .svg nor in .png
	KindWrite                  // the drawing or the file failed
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case KindEmpty:
		return "nothing to draw"
	case KindLimit:
		return "too much to draw"
	case KindData:
		return "numbers that cannot be drawn"
	case KindFormat:
		return "neither .svg nor .png"
	case KindWrite:
		return "writing failed"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// Error is the error of this package.
type Error struct {
	Op   string // what was looked at
	Kind Kind
	Err  error // the cause, if there is one
}

// Error names what was looked at and the kind.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("figure: %s: %v: %v", e.Op, e.Kind, e.Err)
	}
	return fmt.Sprintf("figure: %s: %v", e.Op, e.Kind)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors of the same kind equal for errors.Is.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error) //nolint:errorlint // Is compares one link of the chain, as the errors package asks
	return ok && t.Kind == e.Kind
}
