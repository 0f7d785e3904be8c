package client

import (
	"errors"
	"fmt"
	"math"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/router/wire"
)

// Kind says what went wrong, as a number. 1 to 99 are refusals of the router,
// from 100 those of the enclave or of our own checks of it (keyx.Kind); from
// 1000 the client's own, which never cross the wire. Append only.
//
// A kind of the enclave is authentic only where it came sealed: as the outcome of
// a publication or command. When a handshake or session is refused as a whole the
// kind comes in the router's own frame, before and after the confirmation, and is
// the router's claim whoever it names: Error.Claimed says so.
type Kind uint16

// The router's kinds. They are its word only: it is not trusted.
const (
	KindUnavailable        Kind = 1
	KindTooManyHalfOpen    Kind = 2
	KindTooManyFromAddress Kind = 3
	KindHandshakeTimeout   Kind = 4
	KindFrameTooLarge      Kind = 5
	KindBadFrame           Kind = 6
	KindShuttingDown       Kind = 7
	KindSlowConsumer       Kind = 8
	KindTooManySessions    Kind = 9
	KindBusy               Kind = 10

	firstRouterKind = 1
	lastRouterKind  = 99
)

// The client's own kinds.
const (
	KindConfig         Kind = 1000 + iota // the Config cannot work
	KindTransport                         // no connection, or it broke
	KindClosed                            // the Client was closed
	KindCanceled                          // the caller's context ended
	KindTooLarge                          // payload or attributes beyond a limit
	KindUnacknowledged                    // outcome of a publication unknown
	KindProtocol                          // the peer sent what the protocol forbids
	KindIntegrity                         // sealed history or bytes do not fit: somebody meddles
	KindFull                              // too many commands in flight
	KindStalled                           // no heartbeat for twice Config.HeartbeatTimeout
)

// String names the kind.
func (k Kind) String() string {
	switch {
	case k >= KindConfig && k <= KindStalled:
		return [...]string{
			"configuration", "transport", "closed", "cancelled", "too large",
			"unacknowledged", "protocol", "integrity", "too many commands",
			"stalled",
		}[k-KindConfig]
	case k >= KindUnavailable && k <= KindBusy:
		return [...]string{
			"router: enclave unavailable", "router: too many handshakes", "router: too many connections from this address",
			"router: handshake took too long", "router: frame too large", "router: malformed frame",
			"router: shutting down", "router: we read too slowly", "router: too many sessions",
			"router: too many sessions begin at once",
		}[k-KindUnavailable]
	case k >= 100 && k < 1000:
		return keyx.Kind(k).String()
	}
	return fmt.Sprintf("kind %d", uint16(k))
}

// Error is the error of this package. Err, if not nil, is the cause: a
// *quote.Refusal for refused evidence, a *keyx.Error, a context's error, or one
// of the network.
type Error struct {
	Op      string // dial, publish, subscribe, unsubscribe, receive, close, load
	Kind    Kind
	Claimed bool // Kind came unsealed: the router says so, and nobody else
	Err     error
}

// Error reads "scbr: op: kind: cause", or "scbr: op: the router says: kind".
func (e *Error) Error() string {
	text := "scbr: " + e.Op + ": "
	if e.Claimed {
		text += "the router says: "
	}
	text += e.Kind.String()
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// as is e as the error of another operation.
func (e *Error) as(op string) *Error {
	return &Error{Op: op, Kind: e.Kind, Claimed: e.Claimed, Err: e.Err}
}

// claimed is a refusal that came in a frame of the router.
func claimed(op string, kind wire.Kind) *Error {
	if k, ok := kindOnWire(uint64(kind)); ok {
		return &Error{Op: op, Kind: k, Claimed: true}
	}
	return &Error{Op: op, Kind: KindProtocol, Err: errUnknownRefusal}
}

// kindOnWire is the kind that a peer names by n. The client's own kinds never cross
// the wire, and unknown ones name nothing.
func kindOnWire(n uint64) (Kind, bool) {
	if n > math.MaxUint16 {
		return 0, false
	}
	k := Kind(n)
	return k, k >= firstRouterKind && k <= lastRouterKind || keyx.Kind(k).Known()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrClosed is wrapped by the errors of a Client after Close.
var ErrClosed = errors.New("client is closed")

// ErrUnacknowledged is wrapped by the error of a publication, or of a command,
// whose session ended before its acknowledgement or answer came, whatever came
// after that one. Whether it took effect is unknown.
var ErrUnacknowledged = errors.New("not acknowledged before the session ended: it may or may not have taken effect")

var errUnknownRefusal = errors.New("a refusal of a kind that no router and no enclave has")
