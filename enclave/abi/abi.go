// Package abi is the codec of the link between the untrusted host (routerd) and
// the enclave (enclaved): the whole attack surface of the enclave in one place.
//
// Who may lie: towards the enclave everybody, because the host writes every
// byte; towards the host only a broken enclave. The codec promises that a
// decoded Frame has exactly one encoding, that no length is believed before it
// is checked, and that decoding and encoding allocate nothing (a Frame borrows
// the buffer it was read from). It does not promise that a frame makes sense
// where it appears: order, ownership and authenticity are the business of the
// enclave core and of the sealed blobs inside the frames.
//
// A frame is u32 length of the rest, u8 version, u8 type, body; all integers big
// endian. The bodies:
//
//	host -> enclave
//	  01 Open      conn u64, message 1 of the key exchange
//	  02 Finish    conn u64, message 3 of the key exchange
//	  03 Data      conn u64, ref u64, count u16, sealed blob
//	  04 Close     conn u64
//	  05 Tick      answered by Tock
//	  06 Shutdown
//	  07 TakeList  revocation list, as signed; answered by ListHeld
//	  08 Endorse   endorsement, as signed; answered by Endorsed
//	  09 Staple    collateral for the statement; answered by Statement
//	enclave -> host
//	  81 Ready     instance 16, measurement 48, simulated u8
//	  82 Handshake conn u64, stage u8 (2 or 4), message
//	  83 Deliver   conn u64, count u16, count x ref u64, sealed blob
//	  84 Handled   ref u64, count u16
//	  85 Refuse    conn u64, kind u16
//	  86 Stats     subscriptions, store bytes, budget bytes u64, sessions u32, handled, matched, refused u64
//	  87 Bye
//	  88 Tock
//	  89 Statement statement of the newest key, for endorsers
//	  8a ListHeld  number u64, kind u16
//	  8b Endorsed  end u64 (seconds), kind u16
//
// Connection numbers are the host's and are never reused while the enclave
// lives. Payload references are the host's too: a Data frame with n payloads
// has the references ref .. ref+n-1; a reference may be freed once a Handled
// frame covers it, which comes after the Deliver frames that name it. Refuse
// means that the enclave holds nothing for this connection any more.
package abi

import "fmt"

const (
	// Version is the only version of the framing.
	Version = 1
	// MaxFrame bounds the length field of a frame: one client frame of the
	// largest size with its routing prefix fits, and one frame can never make
	// the reader hold more than a mebibyte.
	MaxFrame = 1 << 20
	// MaxCount bounds the payloads of a Data frame and the references of a
	// Deliver frame: the header limit of one publish message.
	MaxCount = 1024
	// HeaderLen is the length of the fixed part: length, version, type.
	HeaderLen = lengthLen + 2
	// NoConn is the connection number of a Refuse that concerns no connection,
	// because the frame it answers could not be decoded. A host never opens it.
	NoConn = ^uint64(0)
	// InstanceLen is the length of an enclave instance id.
	InstanceLen = 16
	// MeasurementLen is the length of the longest measurement (TDX, SEV-SNP); zeros
	// follow a shorter one.
	MeasurementLen = 48
)

const (
	lengthLen  = 4
	dataLen    = 8 + 8 + 2
	deliverLen = 8 + 2
	refLen     = 8
	handledLen = 8 + 2
	refuseLen  = 8 + 2
	readyLen   = InstanceLen + MeasurementLen + 1
	statsLen   = 3*8 + 4 + 5*8 + 7*8
)

// Type is the type of a frame.
type Type uint8

// The frame types; the package comment shows the bodies.
const (
	Open     Type = 0x01
	Finish   Type = 0x02
	Data     Type = 0x03
	Close    Type = 0x04
	Tick     Type = 0x05
	Shutdown Type = 0x06
	TakeList Type = 0x07
	Endorse  Type = 0x08
	Staple   Type = 0x09

	Ready     Type = 0x81
	Handshake Type = 0x82
	Deliver   Type = 0x83
	Handled   Type = 0x84
	Refuse    Type = 0x85
	Stats     Type = 0x86
	Bye       Type = 0x87
	Tock      Type = 0x88
	Statement Type = 0x89
	ListHeld  Type = 0x8a
	Endorsed  Type = 0x8b
)

// FromHost says whether the type is one that the host sends to the enclave.
func (t Type) FromHost() bool { return t >= Open && t <= Staple }

// The stages of a Handshake frame: the number of the message it carries.
const (
	StageAnswer  = 2
	StageConfirm = 4
)

// Kind says why a frame was not decoded.
type Kind uint8

// The kinds of codec failures. After Short, TooLarge and BadVersion the stream
// cannot be followed further; after BadType and BadBody it can.
const (
	KindShort      Kind = 1 + iota // the buffer ends inside the frame: read more
	KindTooLarge                   // length field above MaxFrame or below the fixed part
	KindBadVersion                 // a version other than Version
	KindBadType                    // a type this version does not have
	KindBadBody                    // the body is not the canonical one of its type
)

// Error is the error of this package; it carries no byte of the input.
type Error struct{ Kind Kind }

// Error names the kind.
func (e *Error) Error() string {
	switch e.Kind {
	case KindShort:
		return "abi: frame is incomplete"
	case KindTooLarge:
		return "abi: frame length out of bounds"
	case KindBadVersion:
		return "abi: unknown version"
	case KindBadType:
		return "abi: unknown frame type"
	case KindBadBody:
		return "abi: malformed body"
	default:
		return fmt.Sprintf("abi: error kind %d", uint8(e.Kind))
	}
}

// Is makes errors of the same kind equal for errors.Is.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error) //nolint:errorlint // Is compares one link of the chain, as the errors package asks
	return ok && t.Kind == e.Kind
}

// Resumable says that the frame was delimited although it was not understood:
// the rest returned by Next starts at the following frame.
func (e *Error) Resumable() bool { return e.Kind == KindBadType || e.Kind == KindBadBody }

// The errors that Next returns.
var (
	ErrShort    error = &Error{KindShort}
	ErrTooLarge error = &Error{KindTooLarge}
	ErrVersion  error = &Error{KindBadVersion}
	ErrType     error = &Error{KindBadType}
	ErrBody     error = &Error{KindBadBody}
)

// StoreStep is the unit of StatsBody.StoreBytes. Equal filters share their
// memory, so the exact size would tell a host, with one client of its own, whether
// somebody already has a filter that it guesses. A step is some hundred filters:
// it hides single insertions, not many; a client that may insert as many itself
// can fill the store up to the next step and see whether one more moves it.
const StoreStep = 64 << 10

// StatsBody is the body of a Stats frame: sizes and counters that the host may
// know, because it could count them itself or needs them to run the machine. None
// but StoreBytes depends on how the contents of one client compare with those of
// another.
type StatsBody struct {
	Subscriptions uint64 // subscriptions stored now, equal ones counted one by one
	StoreBytes    uint64 // bytes of the store in use, rounded up to StoreStep
	BudgetBytes   uint64 // bytes that the store may use
	Sessions      uint32 // sessions alive now
	Handled       uint64 // publications handled since the start
	Matched       uint64 // envelopes sealed since the start
	Refused       uint64 // publications and commands refused since the start
	Faults        uint64 // pages that the simulated EPC brought since the start; 0 without one
	Evictions     uint64 // pages that it took away
	Memory        MemoryBody
}

// MemoryBody says what the enclave's memory is for, in bytes, each rounded up to
// StoreStep. The first five add up to the store, what is kept outside included.
type MemoryBody struct {
	Rows         uint64 // what is scanned for each event
	Records      uint64 // tags, exact ends and handles of filters
	Dictionaries uint64 // names, strings, lists of constraints
	Owners       uint64 // what leads to filters: clusters and tables
	Free         uint64 // holes
	Outside      uint64 // kept outside the budget, sealed
	Heap         uint64 // of the Go runtime, its own structures included; no part of the store
}
