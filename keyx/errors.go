package keyx

import "strconv"

// Kind numbers what went wrong. Kinds cross the wire; the list is append-only. Kinds below 100 belong
// to the router.
type Kind uint16

// The kinds of this package and of the enclave.
const (
	KindOK                    Kind = 0   // in a Reply: done
	KindBadMessage            Kind = 100 // a message that does not decode, or not canonically
	KindBadVersion            Kind = 101 // no protocol version in common
	KindBadSuite              Kind = 102 // no cipher suite in common
	KindWrongDomain           Kind = 103 // the peer serves another domain
	KindWrongRouter           Kind = 104 // the peer serves under another router name
	KindBadGrant              Kind = 105 // a grant that is malformed or not signed by an authority of the domain
	KindGrantExpired          Kind = 106 // a grant past its not-after
	KindBadProof              Kind = 107 // the proof of possession does not fit the grant's key and this transcript
	KindTooManySessions       Kind = 108 // a bound on sessions or half-open handshakes
	KindNotAuthorized         Kind = 109 // an event outside the grant's publish filter
	KindNotCovered            Kind = 110 // a subscription not covered by the grant's subscribe filter
	KindBadFilter             Kind = 111 // a filter that does not decode
	KindBadEvent              Kind = 112 // attributes that do not decode
	KindStale                 Kind = 113 // the enclave's revocation list is older than a number it was shown
	KindReplayed              Kind = 114 // a blob or message that was seen before, or a publication whose outcome is forgotten
	KindTooManySubscriptions  Kind = 115 // the session's quota of subscriptions
	KindUnknownSubscription   Kind = 116 // an id the session does not have
	KindEPCBudget             Kind = 117 // the enclave's memory budget
	KindIntegrity             Kind = 118 // a tag, commitment or hash that does not fit
	KindKeyExhausted          Kind = 119 // a key or counter at the end of its life
	KindEvidenceRefused       Kind = 120 // the quote was refused by the client's policy
	KindConfigMismatch        Kind = 121 // the enclave runs under another configuration (authorities, endorsers, revocation)
	KindBindMismatch          Kind = 122 // the quote is not over this key and this configuration
	KindDowngrade             Kind = 123 // the chosen version or suite is not the best one in common
	KindDuplicateSubscription Kind = 124 // an id the session has already
	KindInternal              Kind = 125 // a misuse of the API, or randomness that failed
	KindTooManyRuns           Kind = 126 // every run remembered for the publisher's subject is in use by a live session
	KindBadList               Kind = 127 // a revocation list that is malformed or not signed by an authority of the domain
	KindGrantRevoked          Kind = 128 // a grant that a revocation list takes back
	KindNotEndorsed           Kind = 129 // no endorsement, or not one of an endorser of the domain for this enclave and moment
	KindTooFast               Kind = 130 // the grant's quota of publications per second
	KindHeaderTooLarge        Kind = 131 // the grant's quota of bytes in a header
	KindNotResumable          Kind = 132 // a session that cannot be resumed: another instance, resumed already, or forgotten
	KindBadGroup              Kind = 133 // a group's epoch record, wrap or signature that does not fit

	lastKind = KindBadGroup
)

// Known says that k is one of the kinds above other than KindOK.
func (k Kind) Known() bool { return k >= KindBadMessage && k <= lastKind }

// String names the kind; an unknown number is printed as such.
func (k Kind) String() string {
	names := [...]string{
		"bad message", "bad version", "bad suite", "wrong domain", "wrong router", "bad grant", "grant expired",
		"bad proof of possession", "too many sessions", "not authorized", "subscription not covered by grant",
		"bad filter", "bad event", "stale revocation list", "replayed", "too many subscriptions",
		"unknown subscription", "enclave memory budget", "integrity", "key exhausted", "evidence refused",
		"configuration mismatch", "report data mismatch", "downgrade", "duplicate subscription", "internal", "too many runs",
		"bad revocation list", "grant revoked", "not endorsed", "too many publications per second", "header too large",
		"session cannot be resumed", "bad group record",
	}
	switch {
	case k == KindOK:
		return "ok"
	case k >= KindBadMessage && int(k-KindBadMessage) < len(names):
		return names[k-KindBadMessage]
	default:
		return "kind " + strconv.FormatUint(uint64(k), 10)
	}
}

// Error is the error type of this package and of keyx/message. Only Kind may be told to a peer; Op and
// Err stay on this side. None of them carries a key, plaintext, filter or client id.
type Error struct {
	Op   string // what was being done, such as "respond"
	Kind Kind
	Err  error // the cause, or nil
}

// Error implements error.
func (e *Error) Error() string {
	s := "keyx: " + e.Op + ": " + e.Kind.String()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

func fail(op string, kind Kind, err error) error { return &Error{Op: op, Kind: kind, Err: err} }
