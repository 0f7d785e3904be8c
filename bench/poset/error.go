package poset

// Kind says what class of fault an [Error] reports. The numbers are stable: new
// kinds are added at the end.
type Kind uint8

// The kinds of faults.
const (
	BadFilter   Kind = 1 + iota // package filter refuses the predicates
	Unsupported                 // an operator, or a type of value, that this structure does not have
)

// String returns the kind's name in words.
func (k Kind) String() string {
	switch k {
	case BadFilter:
		return "bad filter"
	case Unsupported:
		return "unsupported predicate"
	}
	return "unknown fault"
}

// Error reports a refused filter. It never contains any part of it.
type Error struct {
	Op   string
	Kind Kind
	Err  error // what package filter said, if it did
}

// Error returns operation and kind.
func (e *Error) Error() string {
	s := "poset: " + e.Op + ": " + e.Kind.String()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the error of package filter.
func (e *Error) Unwrap() error { return e.Err }
