package enclave

import "fmt"

// Kind says why the core cannot go on.
type Kind uint8

// The kinds of failures. None of them can be caused by a client, and by the host
// only with bytes that are no frames.
const (
	KindConfig  Kind = 1 + iota // a configuration that cannot work
	KindFraming                 // input that is not a sequence of whole frames
	KindBroken                  // an invariant does not hold, or randomness failed
	KindClosed                  // Step after Shutdown or after an error
)

func (k Kind) String() string {
	switch k {
	case KindConfig:
		return "bad configuration"
	case KindFraming:
		return "input is not whole frames"
	case KindBroken:
		return "broken invariant"
	case KindClosed:
		return "closed"
	default:
		return fmt.Sprintf("kind %d", uint8(k))
	}
}

// Error is the error of the core: the process that sees one ends. It says which
// part failed, and nothing about the data in it.
type Error struct {
	Op   string
	Kind Kind
	Err  error // the cause, from a package whose errors carry no secret
}

// Error describes the failure.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("enclave: %s: %v: %v", e.Op, e.Kind, e.Err)
	}
	return fmt.Sprintf("enclave: %s: %v", e.Op, e.Kind)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func broken(op string, err error) error { return &Error{Op: op, Kind: KindBroken, Err: err} }
