package wire

import (
	"errors"
	"strconv"
)

// Kind numbers a refusal. It is all a peer learns. The list is append-only; 1..99 are the router's own.
type Kind uint16

const (
	// Unavailable says that the router has no enclave to serve this session.
	Unavailable Kind = 1
	// TooManyHalfOpen says that too many key exchanges are going on.
	TooManyHalfOpen Kind = 2
	// TooManyFromAddress says that the client's address has too many key exchanges or sessions.
	TooManyFromAddress Kind = 3
	// HandshakeTimeout says that the key exchange did not finish in time.
	HandshakeTimeout Kind = 4
	// FrameTooLarge says that a frame exceeded its limit.
	FrameTooLarge Kind = 5
	// BadFrame says that a frame was not canonical, not finished in time, or not allowed at this point.
	BadFrame Kind = 6
	// ShuttingDown says that the router is about to stop.
	ShuttingDown Kind = 7
	// SlowConsumer says that the client did not read what it was sent.
	SlowConsumer Kind = 8
	// TooManySessions says that the router serves as many sessions as it may.
	TooManySessions Kind = 9
	// Busy says that sessions begin faster than the router lets them: the client shall try again in a moment.
	Busy Kind = 10

	// FirstEnclaveKind is the smallest kind that comes from the enclave.
	FirstEnclaveKind = 100
)

// String is a short name in snake case, made for metric labels; kinds of the enclave have one name together, because the
// router does not interpret them.
func (k Kind) String() string {
	switch k {
	case Unavailable:
		return "unavailable"
	case TooManyHalfOpen:
		return "too_many_half_open"
	case TooManyFromAddress:
		return "too_many_from_address"
	case HandshakeTimeout:
		return "handshake_timeout"
	case FrameTooLarge:
		return "frame_too_large"
	case BadFrame:
		return "bad_frame"
	case ShuttingDown:
		return "shutting_down"
	case SlowConsumer:
		return "slow_consumer"
	case TooManySessions:
		return "too_many_sessions"
	case Busy:
		return "busy"
	}
	if k >= FirstEnclaveKind {
		return "enclave"
	}
	return "kind_" + strconv.Itoa(int(k))
}

// ErrShort says that the buffer ends within a frame that may still become valid.
var ErrShort = errors.New("wire: incomplete frame")

// Error says why a frame was refused. It never holds bytes of the frame.
type Error struct {
	// Op names the part of the frame that was wrong.
	Op string
	// Kind is FrameTooLarge or BadFrame.
	Kind Kind
}

// Error implements error.
func (e *Error) Error() string { return "wire: " + e.Op + ": " + e.Kind.String() }
