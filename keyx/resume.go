package keyx

import (
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// ResumeMaxAge is how long after the handshake in which its client verified the evidence a session may be resumed: at
// least so often the evidence is verified anew.
const ResumeMaxAge = time.Hour

const (
	typeResume  uint8 = 5 // C->E: message 1 with a resumption in front
	typeResumed uint8 = 6 // E->C

	resumeLabel   = "scbr/rx/v1"
	labelRes      = "kRes"
	labelResID    = "kRes id"
	labelK5       = "k5"
	labelK6       = "k6"
	resumptionLen = 16
	maxBox5       = 8 + tagLen
)

// Resumption lets a client that was in a session begin another one with the same enclave instance without public-key work,
// once: both sides hold a secret of that session, which nothing else was made from, and forget it at the use. It names
// itself by an id that says nothing about it.
type Resumption struct {
	id       [resumptionLen]byte
	secret   secret32
	suite    uint16            // of the session, and of the next
	instance [instanceLen]byte // client: of the session
	minList  uint64            // client: of the endorsement that was verified
}

// Format never shows the secret.
func (Resumption) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("keyx.Resumption(" + redacted + ")"))
}

// ID names the resumption.
func (r *Resumption) ID() [resumptionLen]byte { return r.id }

// Clear forgets the secret.
func (r *Resumption) Clear() { r.secret = secret32{} }

// newResumption takes the secret over and clears it.
func newResumption(suite uint16, secret *secret32) (*Resumption, error) {
	r := &Resumption{secret: *secret, suite: suite}
	*secret = secret32{}
	id, err := hkdf.Expand(sha512.New, r.secret[:], labelResID, resumptionLen)
	if err != nil {
		return nil, fail("resumption", KindInternal, err)
	}
	copy(r.id[:], id)
	return r, nil
}

// resume is message 5.
type resume struct {
	id    []byte // 16
	nonce []byte // 32
	box   []byte // under k5: the number of the newest revocation list that the client has verified
	msg1  []byte // what holds if the enclave cannot resume
}

func (m *resume) encode() []byte {
	b := append([]byte{typeResume}, m.id...)
	b = append(b, m.nonce...)
	b = appendLP16(b, m.box)
	return appendLP16(b, m.msg1)
}

func decodeResume(b []byte) (*resume, bool) {
	r := reader{b: b}
	typ := r.u8()
	m := &resume{id: r.take(resumptionLen), nonce: r.take(handshakeNonceLen), box: r.lp16(maxBox5), msg1: r.lp16(MaxRequest)}
	return m, r.done() && typ == typeResume
}

// fields is what both keys are made over; box and nonce are those of k6, nil for k5.
func (m *resume) transcript(nonce []byte) (sum [64]byte) {
	h := sha512.New()
	for _, f := range [][]byte{[]byte(resumeLabel), m.id, m.nonce, m.msg1} {
		writeField(h, f)
	}
	if nonce != nil {
		writeField(h, m.box)
		writeField(h, nonce)
	}
	h.Sum(sum[:0])
	return sum
}

// k5 seals the box of message 5: PRK of the secret and of what is known then.
func (r *Resumption) k5(m *resume) (*secret32, error) {
	t := m.transcript(nil)
	prk, err := hkdf.Extract(sha512.New, r.secret[:], t[:])
	if err != nil {
		return nil, err
	}
	defer clear(prk)
	out, err := hkdf.Expand(sha512.New, prk, labelK5, len(secret32{}))
	if err != nil {
		return nil, err
	}
	defer clear(out)
	return (*secret32)(append([]byte(nil), out...)), nil
}

// keys are those of the new session, and k6 in the place of k4.
func (r *Resumption) keys(m *resume, nonce []byte) (*keys, error) {
	t := m.transcript(nonce)
	prk, err := hkdf.Extract(sha512.New, r.secret[:], t[:])
	if err != nil {
		return nil, err
	}
	defer clear(prk)
	return expand(r.suite, prk, "", labelK6)
}

// request seals message 5 for message 1, on the client's side.
func (r *Resumption) request(msg1 []byte, list uint64, rand io.Reader) (*resume, error) {
	const op = "resume"
	m := &resume{id: r.id[:], nonce: make([]byte, handshakeNonceLen), msg1: msg1}
	if _, err := io.ReadFull(rand, m.nonce); err != nil {
		return nil, fail(op, KindInternal, err)
	}
	k5, err := r.k5(m)
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	defer func() { *k5 = secret32{} }()
	if m.box, err = sealOnce(r.suite, k5, binary.BigEndian.AppendUint64(nil, list)); err != nil {
		return nil, fail(op, KindInternal, err)
	}
	return m, nil
}

// Resume is a message 5 on the enclave's side.
type Resume struct{ m *resume }

// ParseResume takes a message 5 apart; false if b is another message.
func ParseResume(b []byte) (*Resume, bool) {
	if len(b) > MaxRequest {
		return nil, false
	}
	m, ok := decodeResume(b)
	if !ok {
		return nil, false
	}
	return &Resume{m}, true
}

// ID names the resumption that is asked for.
func (q *Resume) ID() [resumptionLen]byte { return [resumptionLen]byte(q.m.id) }

// Hello is message 1, which holds where nothing can be resumed.
func (q *Resume) Hello() []byte { return q.m.msg1 }

var errResume = errors.New("not sealed by who holds the resumption")

// Verify checks that who asks holds the resumption, and returns the number of the newest revocation list that it has
// verified. It changes nothing: a host that only saw the id cannot use a resumption up. Errors: Integrity, Internal.
func (r *Resumption) Verify(q *Resume) (list uint64, err error) {
	const op = "resume"
	k5, err := r.k5(q.m)
	if err != nil {
		return 0, fail(op, KindInternal, err)
	}
	defer func() { *k5 = secret32{} }()
	plain, err := openOnce(r.suite, k5, q.m.box)
	if err != nil || len(plain) != 8 {
		return 0, fail(op, KindIntegrity, errResume)
	}
	return binary.BigEndian.Uint64(plain), nil
}

// Accept makes message 6 and the session, after Verify, and clears the resumption: it is the caller's to have forgotten it, so
// that a message 5 that comes again finds none. id must never repeat within the life of the enclave.
func (r *Resumption) Accept(q *Resume, id uint64, lim Limits, revocation uint64, rand io.Reader) ([]byte, *Session, error) {
	const op = "resume"
	defer r.Clear()
	nonce := make([]byte, handshakeNonceLen)
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	k, err := r.keys(q.m, nonce)
	if err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	defer k.clear()
	box, err := sealOnce(k.suite, &k.k4, Confirmation{SessionID: id, Limits: lim, Revocation: revocation}.encode())
	if err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	s, err := k.session(id, true)
	if err != nil {
		return nil, nil, err
	}
	return appendLP16(append([]byte{typeResumed}, nonce...), box), s, nil
}

// Resumes reports whether the enclave's first answer resumes a session, so that Resume takes it and not Respond.
func Resumes(answer []byte) bool { return len(answer) > 0 && answer[0] == typeResumed }

// Resume opens message 6, which only the instance of the session before can have sealed for this message 5, and gives the
// session. Kinds: BadMessage, Integrity, Stale, Internal.
func (i *Initiator) Resume(msg6 []byte) (*Session, Confirmation, error) {
	const op = "resume"
	r, m := i.cfg.Resume, i.resume
	if m == nil || i.key == nil {
		return nil, Confirmation{}, fail(op, KindInternal, errState)
	}
	i.key, i.resume = nil, nil // whatever follows, this was the only attempt
	defer r.Clear()
	in := reader{b: msg6}
	typ, nonce, box := in.u8(), in.take(handshakeNonceLen), in.lp16(maxBox4)
	if !in.done() || typ != typeResumed {
		return nil, Confirmation{}, fail(op, KindBadMessage, nil)
	}
	k, err := r.keys(m, nonce)
	if err != nil {
		return nil, Confirmation{}, fail(op, KindInternal, err)
	}
	defer k.clear()
	i.keys, i.inst, i.minList = k, r.instance, r.minList
	return i.confirm(op, box)
}
