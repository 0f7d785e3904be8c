package matcher

// Kind says what class of fault an [Error] reports. The numbers are stable: new
// kinds are added at the end.
type Kind uint8

// The kinds of faults.
const (
	EPCBudget     Kind = 1 + iota // the memory budget is used up; nothing was changed
	UnknownHandle                 // no subscription has this handle
	BadMemory                     // the Memory is misaligned or too small to start with
	OwnerQuota                    // the tag's owner has all the subscriptions it may have
	Damaged                       // what came back from outside is not what was put there; only as a panic
)

// String returns the kind's name in words.
func (k Kind) String() string {
	switch k {
	case EPCBudget:
		return "memory budget used up"
	case UnknownHandle:
		return "unknown handle"
	case BadMemory:
		return "unusable memory"
	case OwnerQuota:
		return "owner has all the subscriptions it may have"
	case Damaged:
		return "a part of the store that was kept outside is damaged or not the latest"
	}
	return "unknown fault"
}

// Error reports a refused operation.
type Error struct {
	Op   string
	Kind Kind
	Err  error // what Memory said, if it did
}

// Error returns operation and kind.
func (e *Error) Error() string {
	s := "matcher: " + e.Op + ": " + e.Kind.String()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the error of the Memory.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error of the same Kind, so that
// errors.Is(err, ErrUnknownHandle) holds whatever the operation.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error) //nolint:errorlint // Is compares with the target itself
	return ok && t.Kind == e.Kind && (t.Op == "" || t.Op == e.Op)
}

// Errors to compare with by errors.Is.
var (
	ErrUnknownHandle error = &Error{Kind: UnknownHandle}
	ErrBudget        error = &Error{Kind: EPCBudget}
	ErrOwnerQuota    error = &Error{Kind: OwnerQuota}
)
