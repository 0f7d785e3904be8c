package epcmodel

// Kind says what class of fault an [Error] reports. The numbers are stable: new
// kinds are added at the end.
type Kind uint8

// The kinds of faults.
const (
	BadPolicy Kind = 1 + iota // no such policy
	BadSize                   // a negative number of pages, or more than MaxPages
)

// String returns the kind's name in words.
func (k Kind) String() string {
	switch k {
	case BadPolicy:
		return "unknown policy"
	case BadSize:
		return "number of pages out of bounds"
	}
	return "unknown fault"
}

// Error reports a refused configuration.
type Error struct {
	Op   string
	Kind Kind
	Err  error
}

// Error returns operation and kind.
func (e *Error) Error() string {
	s := "epcmodel: " + e.Op + ": " + e.Kind.String()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
