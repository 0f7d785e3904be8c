package keyx

import (
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
	Epoch  uint64 // key epoch; one per boot for now
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
	instance  [instanceLen]byte
	statement []byte
}

var (
	errNoEndorsement = errors.New("endorsements are not supported: a domain with endorsers cannot be served or joined")
	errConfig        = errors.New("the configuration is incomplete")
	errTooBig        = errors.New("quote or collateral too long")
	errState         = errors.New("called out of order")
)

// supportedDomain refuses what a domain demands and this version cannot enforce.
func supportedDomain(op string, d Domain) error {
	if err := d.Validate(); err != nil {
		return err
	}
	if len(d.Endorsers) != 0 {
		return fail(op, KindInternal, errNoEndorsement)
	}
	return nil
}

// NewIdentity makes a key pair and an instance id, and obtains the quote over them.
func NewIdentity(cfg IdentityConfig) (*Identity, error) { return newIdentity(cfg, supported()) }

func newIdentity(cfg IdentityConfig, has offer) (*Identity, error) {
	const op = "identity"
	if err := supportedDomain(op, cfg.Domain); err != nil {
		return nil, err
	}
	if !validName(cfg.Router) || cfg.Rand == nil || cfg.Quote == nil {
		return nil, fail(op, KindInternal, errConfig)
	}
	id := &Identity{domain: cfg.Domain, router: cfg.Router, offer: has, rand: cfg.Rand}
	seed := make([]byte, xwing.SeedSize)
	defer clear(seed)
	if _, err := io.ReadFull(cfg.Rand, seed); err != nil {
		return nil, fail(op, KindInternal, err)
	}
	if _, err := io.ReadFull(cfg.Rand, id.instance[:]); err != nil {
		return nil, fail(op, KindInternal, err)
	}
	key, public := xwing.DeriveKeyPair(seed)
	id.key = key
	kk := make([]byte, xwing.PublicKeySize)
	public.Pack(kk)
	s := statement{offer: has, kk: kk, instance: id.instance, config: cfg.Domain.encode(), epoch: cfg.Epoch}
	var err error
	if s.quote, s.collateral, err = cfg.Quote(s.bind(cfg.Domain.Digest())); err != nil {
		return nil, fail(op, KindInternal, err)
	}
	if len(s.quote) > MaxQuoteBytes || len(s.collateral) > MaxCollateralBytes {
		return nil, fail(op, KindInternal, errTooBig)
	}
	id.statement = s.encode()
	return id, nil
}

// Statement returns a copy of the statement that message 2 carries.
func (id *Identity) Statement() []byte { return append([]byte(nil), id.statement...) }

// Instance is the random id of this boot.
func (id *Identity) Instance() [16]byte { return id.instance }

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
	if len(msg1) > MaxMessage {
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
	return &Responder{id: id, transcript: newTranscript(m1, &m2), share2: share2}, m2.encode(), nil
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
	if !ok || len(msg3) > MaxMessage {
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
	k, err := schedule(t, share1, r.share2)
	if err != nil {
		return nil, Grant{}, fail(op, KindInternal, err)
	}
	plain, err := openOnce(&k.k3, box)
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
	box, err := sealOnce(&k.k4, Confirmation{SessionID: id, Limits: lim, Revocation: revocation}.encode())
	if err != nil {
		return nil, nil, fail(op, KindInternal, err)
	}
	s, err := k.session(id, true)
	if err != nil {
		return nil, nil, err
	}
	return encodeConfirm(box), s, nil
}
