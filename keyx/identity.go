package keyx

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"time"

	"github.com/cloudflare/circl/kem/xwing"
)

// IdentityConfig is what an enclave boots with.
type IdentityConfig struct {
	Domain Domain
	Router string // the name clients dial; without an endorsement it proves nothing
	Epoch  uint64 // key epoch: 1 at boot
	Rand   io.Reader
	// Quote obtains evidence with exactly this report data, and collateral to staple.
	Quote func(reportData [64]byte) (quote, collateral []byte, err error)
}

// Identity is the enclave's side of the key exchange for one boot: its X-Wing key pair, made here and
// never stored, and the statement with the quote over it. Accept changes nothing in it.
type Identity struct {
	domain    Domain
	router    string
	offer     offer
	rand      io.Reader
	key       *xwing.PrivateKey
	claim     statement // without endorsement
	statement []byte
	hash      [cachedHashLen]byte // of statement
	quote     func(reportData [64]byte) (quote, collateral []byte, err error)

	endorsement *Endorsement // of claim; nil: none
	endorsed    []byte       // as it was signed
	stapled     []byte       // collateral in place of the platform's; nil: none
}

var (
	errConfig = errors.New("the configuration is incomplete")
	errTooBig = errors.New("quote or collateral too long")
	errState  = errors.New("called out of order")
)

// NewIdentity makes a key pair and an instance id, and obtains the quote over them.
func NewIdentity(cfg IdentityConfig) (*Identity, error) { return newIdentity(cfg, supported()) }

func newIdentity(cfg IdentityConfig, has offer) (*Identity, error) {
	const op = "identity"
	if err := cfg.Domain.Validate(); err != nil {
		return nil, err
	}
	if !validName(cfg.Router) || cfg.Rand == nil || cfg.Quote == nil {
		return nil, fail(op, KindInternal, errConfig)
	}
	id := &Identity{domain: cfg.Domain, router: cfg.Router, offer: has, rand: cfg.Rand, quote: cfg.Quote}
	if err := id.make(cfg.Epoch, nil); err != nil {
		return nil, err
	}
	return id, nil
}

// make draws the key pair, and the instance unless it is given, and obtains the quote.
func (id *Identity) make(epoch uint64, instance *[instanceLen]byte) error {
	const op = "identity"
	seed := make([]byte, xwing.SeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(id.rand, seed); err != nil {
		return fail(op, KindInternal, err)
	}
	s := &id.claim
	if instance != nil {
		s.instance = *instance
	} else if _, err := io.ReadFull(id.rand, s.instance[:]); err != nil {
		return fail(op, KindInternal, err)
	}
	key, public := xwing.DeriveKeyPair(seed)
	id.key = key
	s.kk = make([]byte, xwing.PublicKeySize)
	public.Pack(s.kk)
	s.offer, s.config, s.epoch = id.offer, id.domain.encode(), epoch
	var err error
	if s.quote, s.collateral, err = id.quote(s.bind(id.domain.Digest())); err != nil {
		return fail(op, KindInternal, err)
	}
	if id.stapled != nil {
		s.collateral = id.stapled
	}
	if len(s.quote) > MaxQuoteBytes || len(s.collateral) > MaxCollateralBytes {
		return fail(op, KindInternal, errTooBig)
	}
	id.restate()
	return nil
}

// Renew makes the identity of the next key epoch of the same instance: a new key pair and a quote over it. The one
// before goes on until it is erased.
func (id *Identity) Renew() (*Identity, error) {
	next := &Identity{domain: id.domain, router: id.router, offer: id.offer, rand: id.rand, quote: id.quote, stapled: id.stapled}
	if err := next.make(id.claim.epoch+1, &id.claim.instance); err != nil {
		return nil, err
	}
	return next, nil
}

// Endorse puts an endorsement into the statement, if it is one by an endorser of the domain, of this key, router and
// configuration and of the program with this measurement, and not past its end. It is returned then; otherwise
// nothing changes (NotEndorsed).
func (id *Identity) Endorse(b, measurement []byte, now time.Time) (*Endorsement, error) {
	e, err := VerifyEndorsement(b, id.domain)
	if err != nil {
		return nil, err
	}
	if err := e.covers(id.router, measurement, &id.claim, id.claim.bind(id.domain.Digest()), now); err != nil {
		return nil, err
	}
	if id.endorsement != nil && e.Issued.Before(id.endorsement.Issued) {
		return nil, fail("endorsement", KindNotEndorsed, errEndorsementEnd)
	}
	id.endorsement, id.endorsed = e, bytes.Clone(b)
	id.restate()
	return e, nil
}

// restate makes the statement of claim and endorsement.
func (id *Identity) restate() {
	with := id.claim
	with.endorsed = id.endorsed
	id.statement = with.encode()
	id.hash = statementHash(id.statement)
}

// Staple puts collateral into the statement, in place of the platform's, for this key and those that Renew makes. It is
// what the host has fetched for the platform, and is neither read nor believed here: clients verify it.
func (id *Identity) Staple(collateral []byte) error {
	if len(collateral) == 0 || len(collateral) > MaxCollateralBytes {
		return fail("staple", KindBadMessage, errTooLong)
	}
	id.stapled = bytes.Clone(collateral)
	id.claim.collateral = id.stapled
	id.restate()
	return nil
}

// Endorsed says whether clients can be served at a time: always in a domain without endorsers.
func (id *Identity) Endorsed(now time.Time) bool {
	return len(id.domain.Endorsers) == 0 || id.endorsement != nil && now.Before(id.endorsement.NotAfter)
}

// Epoch is the key epoch.
func (id *Identity) Epoch() uint64 { return id.claim.epoch }

// Statement returns a copy of the statement that message 2 carries.
func (id *Identity) Statement() []byte { return append([]byte(nil), id.statement...) }

// Instance is the random id of this boot.
func (id *Identity) Instance() [16]byte { return id.claim.instance }

// Erase forgets the private key: no handshake under it can be finished any more.
func (id *Identity) Erase() {
	if id.key != nil {
		*id.key = xwing.PrivateKey{}
		id.key = nil
	}
}

// Accept answers message 1 with message 2. The Responder holds the running transcript and one share
// (some 300 bytes); the caller bounds how many there are. Kinds: BadMessage, BadVersion, BadSuite,
// WrongDomain, WrongRouter, Internal.
func (id *Identity) Accept(msg1 []byte) (*Responder, []byte, error) {
	const op = "accept"
	if len(msg1) > MaxRequest {
		return nil, nil, fail(op, KindBadMessage, errTooLong)
	}
	m1, ok := decodeHello(msg1)
	if !ok {
		return nil, nil, fail(op, KindBadMessage, nil)
	}
	chosen, kind := best(m1.offer, id.offer)
	switch {
	case kind != KindOK:
		return nil, nil, fail(op, kind, nil)
	case string(m1.domain) != id.domain.Name:
		return nil, nil, fail(op, KindWrongDomain, nil)
	case string(m1.router) != id.router:
		return nil, nil, fail(op, KindWrongRouter, nil)
	}
	m2 := serverHello{choice: chosen, nonce: make([]byte, handshakeNonceLen), statement: id.statement}
	if [cachedHashLen]byte(m1.cachedHash) == id.hash {
		m2.form = formUnchanged
	}
	if _, err := io.ReadFull(id.rand, m2.nonce); err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	ss2, ct2, err := encapsulate(op, id.rand, m1.ephemeral)
	if err != nil {
		return nil, nil, err
	}
	m2.ct2 = ct2
	share2, err := shareOf(ss2, labelEph)
	if err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	return &Responder{id: id, suite: chosen.suite, transcript: newTranscript(m1, &m2), share2: share2}, m2.encode(), nil
}

// encapsulate gives a fresh secret for pk: BadMessage if pk is no key, Internal without randomness.
func encapsulate(op string, rand io.Reader, pk []byte) (ss, ct []byte, err error) {
	seed := make([]byte, xwing.EncapsulationSeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(rand, seed); err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	if ss, ct, err = xwing.Encapsulate(pk, seed); err != nil {
		return nil, nil, fail(op, KindBadMessage, err)
	}
	return ss, ct, nil
}

// Responder is one handshake on the enclave's side, between message 2 and message 4. It is used once:
// Finish, then Confirm; after any failure it is dead.
type Responder struct {
	id         *Identity
	suite      uint16
	transcript transcript
	share2     secretBytes
	keys       *keys
}

// Finish opens message 3 and checks the grant and the proof of possession. A second call is Replayed.
// Kinds: BadMessage, Replayed, Integrity (not sealed for this handshake), BadGrant, WrongDomain,
// GrantExpired, BadProof, Internal.
func (r *Responder) Finish(msg3 []byte, now time.Time) (Grant, error) {
	const op = "finish"
	if r == nil || r.id == nil {
		return Grant{}, fail(op, KindReplayed, errState)
	}
	id := r.id
	r.id = nil // whatever follows, this was the only attempt
	k, grant, err := r.open(id, msg3, now)
	clear(r.share2)
	if err != nil {
		k.clear()
		return Grant{}, err
	}
	r.keys = k
	return grant, nil
}

func (r *Responder) open(id *Identity, msg3 []byte, now time.Time) (*keys, Grant, error) {
	const op = "finish"
	ct1, box, ok := decodeFinish(msg3)
	if !ok || len(msg3) > MaxRequest {
		return nil, Grant{}, fail(op, KindBadMessage, nil)
	}
	if id.key == nil {
		return nil, Grant{}, fail(op, KindInternal, errState)
	}
	ss1 := make([]byte, xwing.SharedKeySize)
	id.key.DecapsulateTo(ss1, ct1)
	share1, err := shareOf(ss1, labelKK)
	if err != nil {
		return nil, Grant{}, fail(op, KindInternal, err)
	}
	t := r.transcript.finish(ct1)
	k, err := schedule(r.suite, t, share1, r.share2)
	if err != nil {
		return nil, Grant{}, fail(op, KindInternal, err)
	}
	plain, err := openOnce(k.suite, &k.k3, box)
	if err != nil {
		return k, Grant{}, fail(op, KindIntegrity, nil)
	}
	in := reader{b: plain}
	jws, sig := in.lp16(MaxGrantBytes), in.take(ed25519.SignatureSize)
	if !in.done() {
		return k, Grant{}, fail(op, KindBadMessage, nil)
	}
	grant, err := VerifyGrant(jws, id.domain, now)
	if err != nil {
		return k, Grant{}, err
	}
	if !ed25519.Verify(grant.Key, proofInput(t), sig) {
		return k, Grant{}, fail(op, KindBadProof, nil)
	}
	return k, grant, nil
}

// proofInput is what the grant's key signs: the label, then T.
func proofInput(t [64]byte) []byte { return append([]byte(popLabel), t[:]...) }

// Confirm makes message 4 and the session. id must never repeat within the life of the enclave. It
// succeeds once, after Finish did.
func (r *Responder) Confirm(id uint64, lim Limits, revocation uint64) ([]byte, *Session, error) {
	const op = "confirm"
	if r == nil || r.keys == nil {
		return nil, nil, fail(op, KindInternal, errState)
	}
	k := r.keys
	r.keys = nil
	defer k.clear()
	box, err := sealOnce(k.suite, &k.k4, Confirmation{SessionID: id, Limits: lim, Revocation: revocation}.encode())
	if err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	s, err := k.session(id, true)
	if err != nil {
		return nil, nil, err
	}
	return encodeConfirm(box), s, nil
}
