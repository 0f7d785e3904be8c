package keyx

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cloudflare/circl/kem/xwing"

	"github.com/scbr/scbr/keyx/quote"
)

// InitiatorConfig is what a client brings to a handshake.
type InitiatorConfig struct {
	Domain Domain // pinned; the configuration digest is computed from it
	Router string
	Policy quote.Policy // which evidence is acceptable; the zero policy accepts none
	Grant  []byte       // as SignGrant made it
	Key    ed25519.PrivateKey
	// Revocation is the number of the newest revocation list that this client has verified itself: an
	// enclave that holds an older one is refused (Stale). 0: none.
	Revocation uint64
	// Cached is a statement that this client has verified before (Initiator.Statement), so that an enclave that still has the
	// same need not send it again. It is verified anew. Nil: none.
	Cached []byte
	// Resume is that of a session that this client was in (Session.Resumption); it is used up. Nil: none.
	Resume *Resumption
	// WithoutAES asks for the suite that does without AES-GCM: for machines that have no instructions for it.
	WithoutAES bool
	Rand       io.Reader
}

// Initiator is one handshake on the client's side: Respond, then Confirm, each once; after any failure
// it is dead and sends nothing.
type Initiator struct {
	cfg     InitiatorConfig
	hello   hello
	key     *xwing.PrivateKey // ephemeral; nil once used
	keys    *keys
	verdict quote.Verdict
	inst    [instanceLen]byte
	minList uint64 // of the endorsement

	statement []byte  // verified
	resume    *resume // message 5, if one was sent
}

// NewInitiator makes the ephemeral key and message 1.
func NewInitiator(cfg InitiatorConfig) (*Initiator, []byte, error) {
	return newInitiator(cfg, offered(cfg.WithoutAES))
}

func newInitiator(cfg InitiatorConfig, has offer) (*Initiator, []byte, error) {
	const op = "initiate"
	if err := cfg.Domain.Validate(); err != nil {
		return nil, nil, err
	}
	if !validName(cfg.Router) || len(cfg.Key) != ed25519.PrivateKeySize || cfg.Rand == nil {
		return nil, nil, fail(op, KindInternal, errConfig)
	}
	if len(cfg.Grant) > MaxGrantBytes {
		return nil, nil, fail(op, KindBadGrant, errTooLong)
	}
	seed := make([]byte, xwing.SeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(cfg.Rand, seed); err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	m1 := hello{
		offer: has, nonce: make([]byte, handshakeNonceLen), ephemeral: make([]byte, xwing.PublicKeySize),
		domain: []byte(cfg.Domain.Name), router: []byte(cfg.Router), cachedHash: make([]byte, cachedHashLen),
	}
	if _, err := io.ReadFull(cfg.Rand, m1.nonce); err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	if cfg.Cached != nil {
		hash := statementHash(cfg.Cached)
		m1.cachedHash = hash[:]
	}
	key, public := xwing.DeriveKeyPair(seed)
	public.Pack(m1.ephemeral)
	i := &Initiator{cfg: cfg, hello: m1, key: key}
	out := m1.encode()
	if cfg.Resume == nil {
		return i, out, nil
	}
	m5, err := cfg.Resume.request(out, cfg.Revocation, cfg.Rand)
	if err != nil {
		return nil, nil, err
	}
	i.resume = m5
	return i, m5.encode(), nil
}

// Statement returns the statement that Respond has verified, for InitiatorConfig.Cached of a later handshake.
func (i *Initiator) Statement() []byte { return i.statement }

// Verdict is what the policy found about the enclave's evidence, filled also when it was refused.
func (i *Initiator) Verdict() quote.Verdict { return i.verdict }

// Respond checks message 2 (evidence over the key and over this client's own configuration, choice of
// version and suite) and makes message 3. Kinds: BadMessage, EvidenceRefused (wraps *quote.Refusal),
// ConfigMismatch, BindMismatch, NotEndorsed, BadVersion, BadSuite, Downgrade, Internal.
func (i *Initiator) Respond(msg2 []byte, now time.Time) ([]byte, error) {
	const op = "respond"
	if i.key == nil {
		return nil, fail(op, KindInternal, errState)
	}
	eph := i.key
	i.key = nil // whatever follows, this was the only attempt
	if i.resume != nil {
		i.cfg.Resume.Clear()
		i.resume = nil
	}
	defer func() { *eph = xwing.PrivateKey{} }()
	if len(msg2) > MaxMessage {
		return nil, fail(op, KindBadMessage, errTooLong)
	}
	m2, ok := decodeServerHello(msg2)
	if !ok {
		return nil, fail(op, KindBadMessage, nil)
	}
	if m2.form == formUnchanged {
		if i.cfg.Cached == nil {
			return nil, fail(op, KindBadMessage, errUnchanged)
		}
		m2.statement = i.cfg.Cached
	}
	s, err := decodeStatement(m2.statement)
	if err != nil {
		return nil, err
	}
	if err := i.checkEvidence(s, now); err != nil {
		return nil, err
	}
	if err := i.checkEndorsement(s, now); err != nil {
		return nil, err
	}
	// The lists are those under the quote, from here on.
	want, kind := best(i.hello.offer, s.offer)
	if kind != KindOK {
		return nil, fail(op, kind, nil)
	}
	if m2.choice != want {
		return nil, fail(op, KindDowngrade, nil)
	}
	i.inst = s.instance
	i.statement = bytes.Clone(m2.statement)
	return i.finish(m2, s, eph)
}

var errOtherConfig = errors.New("the enclave was started with other authorities, endorsers, revocation policy or domain name than this client pins")

// ErrPolicyEndorsed is wrapped by errors of KindNotEndorsed where policy and domain contradict each other.
var ErrPolicyEndorsed = errors.New("the policy wants enclaves to be endorsed, and this domain has no endorsers")

var errUnchanged = errors.New("no statement was cached that could be unchanged")

var errOlderList = errors.New("the enclave's revocation list is older than one that this client has verified, or than its endorsement allows")

// checkEndorsement asks the second root, in a domain that has one: the quote has been verified.
func (i *Initiator) checkEndorsement(s *statement, now time.Time) error {
	const op = "verify endorsement"
	switch required := len(i.cfg.Domain.Endorsers) > 0; {
	case !required && len(s.endorsed) > 0:
		return fail(op, KindNotEndorsed, ErrNoEndorsers)
	case !required && i.cfg.Policy.EndorsementRequired:
		return fail(op, KindNotEndorsed, ErrPolicyEndorsed)
	case !required:
		return nil
	case len(s.endorsed) == 0:
		return fail(op, KindNotEndorsed, errNotEndorsed)
	}
	e, err := VerifyEndorsement(s.endorsed, i.cfg.Domain)
	if err != nil {
		return err
	}
	i.minList = e.MinList
	return e.covers(i.cfg.Router, i.verdict.Measurement[:], s, s.bind(i.cfg.Domain.Digest()), now)
}

// checkEvidence has the policy verify the quote with our own bind as its whole report data. What the
// statement says about its configuration only picks the kind of the refusal.
func (i *Initiator) checkEvidence(s *statement, now time.Time) error {
	const op = "verify evidence"
	verdict, err := i.cfg.Policy.Verify(s.evidence(), s.bind(i.cfg.Domain.Digest()), now)
	i.verdict = verdict
	sameConfig := bytes.Equal(s.config, i.cfg.Domain.encode())
	var refusal *quote.Refusal
	switch {
	case err == nil && !verdict.Accepted:
		return fail(op, KindInternal, nil)
	case err == nil && sameConfig:
		return nil
	case err == nil:
		return fail(op, KindConfigMismatch, errOtherConfig)
	case errors.As(err, &refusal) && refusal.Check == quote.CheckReportData && sameConfig:
		return fail(op, KindBindMismatch, err)
	case errors.As(err, &refusal) && refusal.Check == quote.CheckReportData:
		return fail(op, KindConfigMismatch, fmt.Errorf("%w: %w", errOtherConfig, err))
	default:
		return fail(op, KindEvidenceRefused, err)
	}
}

func (i *Initiator) finish(m2 *serverHello, s *statement, eph *xwing.PrivateKey) ([]byte, error) {
	const op = "respond"
	ss1, ct1, err := encapsulate(op, i.cfg.Rand, s.kk)
	if err != nil {
		return nil, err
	}
	share1, err := shareOf(ss1, labelKK)
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	ss2 := make([]byte, xwing.SharedKeySize)
	eph.DecapsulateTo(ss2, m2.ct2)
	share2, err := shareOf(ss2, labelEph)
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	t := newTranscript(&i.hello, m2).finish(ct1)
	k, err := schedule(m2.choice.suite, t, share1, share2)
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	plain := append(appendLP16(nil, i.cfg.Grant), ed25519.Sign(i.cfg.Key, proofInput(t))...)
	box, err := sealOnce(k.suite, &k.k3, plain)
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	k.k3 = secret32{}
	i.keys = k
	return encodeFinish(ct1, box), nil
}

// Confirm opens message 4, which only the enclave of the evidence can have sealed in this handshake,
// and gives the session. Kinds: BadMessage, Integrity, Stale, Internal.
func (i *Initiator) Confirm(msg4 []byte) (*Session, Confirmation, error) {
	const op = "confirm"
	if i.keys == nil {
		return nil, Confirmation{}, fail(op, KindInternal, errState)
	}
	box, ok := decodeConfirm(msg4)
	if !ok {
		i.keys.clear()
		i.keys = nil
		return nil, Confirmation{}, fail(op, KindBadMessage, nil)
	}
	return i.confirm(op, box)
}

// confirm opens what the enclave sealed last in the handshake, under the key for it, and gives the session.
func (i *Initiator) confirm(op string, box []byte) (*Session, Confirmation, error) {
	k := i.keys
	i.keys = nil
	defer k.clear()
	plain, err := openOnce(k.suite, &k.k4, box)
	if err != nil {
		return nil, Confirmation{}, fail(op, KindIntegrity, nil)
	}
	c, ok := decodeConfirmation(plain)
	if !ok {
		return nil, Confirmation{}, fail(op, KindBadMessage, nil)
	}
	if c.Revocation < max(i.cfg.Revocation, i.minList) {
		return nil, Confirmation{}, fail(op, KindStale, errOlderList)
	}
	c.Instance = i.inst
	s, err := k.session(c.SessionID, false)
	if err != nil {
		return nil, Confirmation{}, err
	}
	s.Resumption.instance, s.Resumption.minList = i.inst, i.minList
	return s, c, nil
}
