package keyx

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/cloudflare/circl/kem/xwing"
)

// Types of the four messages: the first byte of each, so that none can stand for another.
const (
	typeHello   uint8 = 1 // C->E
	typeServer  uint8 = 2 // E->C
	typeFinish  uint8 = 3 // C->E
	typeConfirm uint8 = 4 // E->C
)

const (
	// MaxMessage bounds each of the four messages; every frame format around them allows it.
	MaxMessage = 63 << 10
	// MaxRequest bounds those that a client sends (1, 3, 5): an enclave buffers no more of a stranger.
	MaxRequest = 32 << 10

	handshakeNonceLen       = 32
	cachedHashLen           = 32
	formFull          uint8 = 0 // the whole statement follows
	formUnchanged     uint8 = 1 // the statement is the one whose hash is in message 1
	statementLabel          = "scbr/statement/v1"

	maxBox3 = 2 + MaxGrantBytes + 64 + tagLen
	maxBox4 = 8 + limitsLen + 8 + tagLen
)

// hello is message 1.
type hello struct {
	offer      offer
	nonce      []byte // 32
	ephemeral  []byte // X-Wing public key of this handshake
	domain     []byte
	router     []byte
	cachedHash []byte // zeros: no statement is cached
}

func (m *hello) encode() []byte {
	b := []byte{typeHello}
	b = appendNumbers(b, m.offer.versions)
	b = appendNumbers(b, m.offer.suites)
	b = append(b, m.nonce...)
	b = append(b, m.ephemeral...)
	b = appendLP8(b, m.domain)
	b = appendLP8(b, m.router)
	return append(b, m.cachedHash...)
}

func decodeHello(b []byte) (*hello, bool) {
	r := reader{b: b}
	typ := r.u8()
	var m hello
	m.offer.versions = r.numbers()
	m.offer.suites = r.numbers()
	m.nonce = r.take(handshakeNonceLen)
	m.ephemeral = r.take(xwing.PublicKeySize)
	m.domain = r.lp8(MaxNameBytes)
	m.router = r.lp8(MaxNameBytes)
	m.cachedHash = r.take(cachedHashLen)
	return &m, r.done() && typ == typeHello
}

// serverHello is message 2.
type serverHello struct {
	choice    choice
	nonce     []byte // 32
	form      uint8
	statement []byte // whole, also where form leaves it out of the message
	ct2       []byte // encapsulation to the client's ephemeral key
}

func (m *serverHello) encode() []byte {
	b := []byte{typeServer}
	b = binary.BigEndian.AppendUint16(b, m.choice.version)
	b = binary.BigEndian.AppendUint16(b, m.choice.suite)
	b = append(b, m.nonce...)
	b = append(b, m.form)
	var sent []byte
	if m.form == formFull {
		sent = m.statement
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(sent)))
	b = append(b, sent...)
	return append(b, m.ct2...)
}

func decodeServerHello(b []byte) (*serverHello, bool) {
	r := reader{b: b}
	typ := r.u8()
	var m serverHello
	m.choice.version = r.u16()
	m.choice.suite = r.u16()
	m.nonce = r.take(handshakeNonceLen)
	m.form = r.u8()
	m.statement = r.lp32(maxStatement)
	m.ct2 = r.take(xwing.CiphertextSize)
	return &m, r.done() && typ == typeServer && m.form <= formUnchanged && (m.form == formUnchanged) == (len(m.statement) == 0)
}

// statementHash names a statement in message 1: SHA-256 over the fields label, statement.
func statementHash(statement []byte) [cachedHashLen]byte {
	return sha256.Sum256(appendField(appendField(nil, []byte(statementLabel)), statement))
}

// encodeFinish is message 3: ct1 and the box under k3.
func encodeFinish(ct1, box []byte) []byte {
	return appendLP16(append([]byte{typeFinish}, ct1...), box)
}

func decodeFinish(b []byte) (ct1, box []byte, ok bool) {
	r := reader{b: b}
	typ := r.u8()
	ct1 = r.take(xwing.CiphertextSize)
	box = r.lp16(maxBox3)
	return ct1, box, r.done() && typ == typeFinish
}

// encodeConfirm is message 4: the box under k4.
func encodeConfirm(box []byte) []byte { return appendLP16([]byte{typeConfirm}, box) }

func decodeConfirm(b []byte) (box []byte, ok bool) {
	r := reader{b: b}
	typ := r.u8()
	box = r.lp16(maxBox4)
	return box, r.done() && typ == typeConfirm
}

// Limits are what the enclave tells the client of its bounds in message 4. They are for convenience:
// the enclave enforces them, whatever the client believes.
type Limits struct {
	MaxSubscriptions uint32 // standing subscriptions in this session
	MaxRuns          uint32 // publisher runs remembered for this subject
	MaxHeaders       uint32 // headers in one publish message
	MaxBlobBytes     uint32 // plaintext of one blob
	HeartbeatMillis  uint32 // interval of heartbeats
}

const limitsLen = 5 * 4

func (l Limits) append(dst []byte) []byte {
	for _, v := range [...]uint32{l.MaxSubscriptions, l.MaxRuns, l.MaxHeaders, l.MaxBlobBytes, l.HeartbeatMillis} {
		dst = binary.BigEndian.AppendUint32(dst, v)
	}
	return dst
}

func (r *reader) limits() Limits {
	return Limits{MaxSubscriptions: r.u32(), MaxRuns: r.u32(), MaxHeaders: r.u32(), MaxBlobBytes: r.u32(), HeartbeatMillis: r.u32()}
}

// Confirmation is what message 4 told the client.
type Confirmation struct {
	SessionID  uint64
	Limits     Limits
	Revocation uint64   // number of the revocation list the enclave holds
	Instance   [16]byte // of the statement: another one after a restart
}

// encode is the plaintext of message 4: session id, limits, revocation-list number.
func (c Confirmation) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, c.SessionID)
	b = c.Limits.append(b)
	return binary.BigEndian.AppendUint64(b, c.Revocation)
}

func decodeConfirmation(b []byte) (Confirmation, bool) {
	r := reader{b: b}
	c := Confirmation{SessionID: r.u64(), Limits: r.limits(), Revocation: r.u64()}
	return c, r.done()
}
