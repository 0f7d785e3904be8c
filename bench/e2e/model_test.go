package e2e

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	mrand "math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloudflare/circl/kem/xwing"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/enclave"
	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/keyx/quote"
)

// TestModelAttacks plays the attacks that the symbolic model (docs/formal) found on drafts of the protocol against the
// running system: each fails, and where something can show that the attack was one, it does.
func TestModelAttacks(t *testing.T) {
	for _, a := range []struct {
		name string
		play func(t *testing.T)
	}{
		{"commands before confirmation", commandsBeforeConfirmation},
		{"insider forgery", TestInsiderCannotReseal},
		{"lying attributes", TestLyingAttributesRefused},
		{"withheld revocation", withheldRevocation},
		{"downgrade", downgrade},
		{"endorsement from the quote alone", endorsementFromTheQuoteAlone},
		{"nonce reuse", nonceReuse},
		{"unsalted attribute hash", guessedAttributes},
		{"overlapping content-key blocks", overlappingBlocks},
		{"revoked publisher", revokedPublisher},
		{"equivocation by resend", equivocationByResend},
	} {
		t.Run(a.name, a.play)
	}
}

// commandsBeforeConfirmation: the host puts a ciphertext of its own into message 2, so that it knows one of the two
// secrets, and waits for kk to fall into its hands later. Whatever came before the confirmation it could read then: it is
// message 3 and nothing else.
func commandsBeforeConfirmation(t *testing.T) {
	var ephemeral atomic.Pointer[[]byte]
	var data, finishes atomic.Int64
	w := start(t, func(s *setup) {
		s.toEnclave = func(f abi.Frame, raw []byte) [][]byte {
			switch f.Type {
			case abi.Open: // type, versions, suites, nonce, key
				at := 1
				for range 2 {
					at += 1 + 2*int(f.Body[at])
				}
				ephemeral.Store(ptr(bytes.Clone(f.Body[at+32 : at+32+xwing.PublicKeySize])))
			case abi.Finish:
				finishes.Add(1)
			case abi.Data:
				data.Add(1)
			default:
			}
			return [][]byte{raw}
		}
		s.fromEnclave = replaceHandshake(2, func(f abi.Frame) []byte {
			_, ct2, err := xwing.Encapsulate(*ephemeral.Load(), nil)
			if err != nil {
				panic(err)
			}
			return append(bytes.Clone(f.Body[:len(f.Body)-len(ct2)]), ct2...)
		})
	})
	_, err := client.Dial(w.ctx(), w.config("c", "TRUE", "TRUE"))
	requireKind(t, err, keyx.KindIntegrity)
	require.EqualValues(t, 1, finishes.Load())
	require.Zero(t, data.Load())
}

// listAfter signs the list that follows another one.
func (w *world) listAfter(last *keyx.RevocationList, subjects ...string) (*keyx.RevocationList, []byte) {
	w.t.Helper()
	l := last.Next(domainName, time.Now(), subjects...)
	jws, err := keyx.SignRevocationList(l, w.authority)
	require.NoError(w.t, err)
	return &l, jws
}

// giveList has the host hand a list to the enclave.
func (w *world) giveList(jws []byte) {
	w.t.Helper()
	_, err := w.toCore.Write(abi.AppendTakeList(nil, jws))
	require.NoError(w.t, err)
}

// withheldRevocation: a subscriber is revoked, the publisher knows, and the host keeps the list from the enclave.
func withheldRevocation(t *testing.T) {
	w := start(t)
	mallory := w.dial(w.config("mallory", "", "TRUE"))
	w.subscribe(mallory, "EXISTS n")
	pub := w.dial(w.config("p", "TRUE", ""))
	require.NoError(t, pub.Publish(w.ctx(), event(t, "n", 1), []byte("before")))
	d, err := mallory.Receive(w.ctx())
	require.NoError(t, err)
	require.Equal(t, "before", string(d.Payload))

	_, list := w.listAfter(nil, "mallory")
	require.NoError(t, pub.UpdateRevocation(list))
	requireKind(t, pub.Publish(w.ctx(), event(t, "n", 2), []byte("after")), keyx.KindStale)
	w.statsWhen(func(s abi.StatsBody) bool { return s.Handled == 2 && s.Matched == 1 })

	w.giveList(list) // at last; and mallory is gone
	require.NoError(t, pub.Publish(w.ctx(), event(t, "n", 3), []byte("after")))
	_, err = mallory.Receive(w.ctx())
	requireKind(t, err, keyx.KindGrantRevoked)
	w.statsWhen(func(s abi.StatsBody) bool { return s.Handled == 3 && s.Matched == 1 })
}

// revokedPublisher: a publisher is revoked, the subscriber knows, and the host keeps the list from the enclave, which lets
// the publisher go on.
func revokedPublisher(t *testing.T) {
	w := start(t)
	sub := w.dial(w.config("s", "", "TRUE"))
	w.subscribe(sub, "EXISTS n")
	mallory := w.dial(w.config("mallory", "TRUE", ""))
	honest := w.dial(w.config("p", "TRUE", ""))
	_, list := w.listAfter(nil, "mallory")
	require.NoError(t, sub.UpdateRevocation(list))
	require.NoError(t, mallory.Publish(w.ctx(), event(t, "n", 1), []byte("lies")), "the enclave knows nothing")
	_, err := sub.Receive(w.ctx())
	var integrity *client.IntegrityError
	require.ErrorAs(t, err, &integrity)
	w.giveList(list)
	require.NoError(t, honest.Publish(w.ctx(), event(t, "n", 2), []byte("honest")))
	d, err := sub.Receive(w.ctx())
	require.NoError(t, err)
	require.Equal(t, "honest", string(d.Payload))
}

// downgrade: the host offers the enclave less than the client does, or tells the client of another choice.
func downgrade(t *testing.T) {
	for name, change := range map[string]func(s *setup){
		"another suite told": func(s *setup) {
			s.fromEnclave = replaceHandshake(2, func(f abi.Frame) []byte {
				b := bytes.Clone(f.Body)
				binary.BigEndian.PutUint16(b[3:], binary.BigEndian.Uint16(b[3:])+1)
				return b
			})
		},
		"another version told": func(s *setup) {
			s.fromEnclave = replaceHandshake(2, func(f abi.Frame) []byte {
				b := bytes.Clone(f.Body)
				binary.BigEndian.PutUint16(b[1:], 2)
				return b
			})
		},
		"another suite offered as well": func(s *setup) {
			s.toEnclave = func(f abi.Frame, raw []byte) [][]byte {
				if f.Type != abi.Open {
					return [][]byte{raw}
				}
				at := 1 + 1 + 2*int(f.Body[1]) // of the suites
				b := append(bytes.Clone(f.Body[:at]), f.Body[at]+1)
				b = append(b, f.Body[at+1:at+1+2*int(f.Body[at])]...)
				b = append(b, 0xff, 0xff)
				b = append(b, f.Body[at+1+2*int(f.Body[at]):]...)
				return [][]byte{abi.AppendOpen(nil, f.Conn, b)}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var data atomic.Int64
			w := start(t, change, func(s *setup) {
				inner := s.toEnclave
				s.toEnclave = func(f abi.Frame, raw []byte) [][]byte {
					if f.Type == abi.Data {
						data.Add(1)
					}
					if inner == nil {
						return [][]byte{raw}
					}
					return inner(f, raw)
				}
			})
			_, err := client.Dial(w.ctx(), w.config("c", "TRUE", "TRUE"))
			requireKind(t, err, keyx.KindDowngrade, keyx.KindIntegrity, keyx.KindBadMessage)
			require.Zero(t, data.Load())
		})
	}
}

// endorsementFromTheQuoteAlone: the host has an attestation key that leaked from some platform, so that it makes quotes for
// a key of its own which every policy accepts. In a domain with endorsers that gets it nothing: an endorser who goes by the
// quote knows the platforms that there are and this is none of them, and an endorsement of the honest enclave's key does
// not fit.
func endorsementFromTheQuoteAlone(t *testing.T) {
	endorser := newKey(t)
	authority := newAuthority(t)
	w := &world{t: t, authority: authority, domain: domainOf(authority)}
	files, err := sim.Create(rand.Reader, time.Now())
	require.NoError(t, err)
	leaked, err := sim.Load(files, sim.Config{Measurement: [32]byte{1}})
	require.NoError(t, err)
	w.policy = leaked.Policy()
	rogue := func() *keyx.Identity {
		id, err := keyx.NewIdentity(keyx.IdentityConfig{Domain: w.domain, Router: routerName, Epoch: 1, Rand: rand.Reader, Quote: leaked.Quote})
		require.NoError(t, err)
		return id
	}
	attempt := func(id *keyx.Identity, endorsement []byte) error {
		cfg := w.config("c", "TRUE", "TRUE")
		i, msg1, err := keyx.NewInitiator(keyx.InitiatorConfig{
			Domain: cfg.Domain, Router: cfg.Router, Policy: cfg.Policy, Grant: cfg.Grant, Key: cfg.Key, Rand: rand.Reader,
		})
		require.NoError(t, err)
		_, msg2, err := id.Accept(msg1)
		require.NoError(t, err)
		_, err = i.Respond(staple(t, msg2, endorsement), time.Now())
		return err
	}
	require.NoError(t, attempt(rogue(), nil), "without endorsers the leaked key is enough")

	w.domain.Endorsers = append(w.domain.Endorsers, endorser.Public().(ed25519.PublicKey))
	id := rogue()
	claim, err := keyx.ParseClaim(id.Statement(), w.domain)
	require.NoError(t, err)
	verdict, err := claim.VerifyQuote(w.policy, time.Now())
	require.NoError(t, err, "the quote is perfect")
	other, err := sim.Create(rand.Reader, time.Now())
	require.NoError(t, err)
	honest, err := sim.Load(other, sim.Config{Measurement: [32]byte{1}})
	require.NoError(t, err)
	data, collateral, err := honest.Quote(claim.Bind)
	require.NoError(t, err)
	known, err := honest.Policy().Verify(quote.Evidence{Quote: data, Collateral: collateral}, claim.Bind, time.Now())
	require.NoError(t, err)
	require.NotEqual(t, known.PPID, verdict.PPID, "an inventory tells them apart")

	theirs, err := keyx.ParseClaim(rogue().Statement(), w.domain) // the honest enclave's
	require.NoError(t, err)
	e := keyx.Endorsement{
		Router: routerName, Measurement: verdict.Measurement, KeyHash: theirs.KeyHash, Bind: theirs.Bind,
		Issued: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	stolen, err := keyx.SignEndorsement(e, endorser)
	require.NoError(t, err)
	for _, endorsement := range [][]byte{nil, stolen} {
		var refused *keyx.Error
		require.ErrorAs(t, attempt(id, endorsement), &refused)
		require.Equal(t, keyx.KindNotEndorsed, refused.Kind)
	}
	e.KeyHash, e.Bind = claim.KeyHash, claim.Bind
	fitting, err := keyx.SignEndorsement(e, endorser)
	require.NoError(t, err)
	require.NoError(t, attempt(id, fitting), "had the endorser gone by the quote alone")
}

// staple puts an endorsement into the statement of a message 2.
func staple(t *testing.T, msg2, endorsement []byte) []byte {
	t.Helper()
	const head = 1 + 2 + 2 + 32 + 1
	n := int(binary.BigEndian.Uint32(msg2[head:]))
	statement := bytes.Clone(msg2[head+4 : head+4+n-2]) // without an empty endorsement's length
	statement = binary.BigEndian.AppendUint16(statement, uint16(len(endorsement)))
	statement = append(statement, endorsement...)
	out := binary.BigEndian.AppendUint32(bytes.Clone(msg2[:head]), uint32(len(statement)))
	return append(append(out, statement...), msg2[head+4+n:]...)
}

// nonceReuse: the host restores a virtual machine twice, so that two enclaves draw the same random numbers, and has one
// client tell both the same. The counters, and so the nonces, are the same; were the keys as well, the ciphertexts would be.
func nonceReuse(t *testing.T) {
	files, err := sim.Create(rand.Reader, time.Now())
	require.NoError(t, err)
	platform, err := sim.Load(files, sim.Config{Measurement: [32]byte{1}})
	require.NoError(t, err)
	w := &world{t: t, authority: newAuthority(t)}
	w.domain = domainOf(w.authority)
	w.policy = platform.Policy()
	cfg := w.config("c", "TRUE", "TRUE")
	var sealed [2][]byte
	for n := range sealed {
		core, err := enclave.New(enclave.Config{
			Domain: w.domain, Router: routerName, Platform: platform, Memory: memory(), Rand: mrand.NewChaCha8([32]byte{7}),
		})
		require.NoError(t, err)
		i, msg1, err := keyx.NewInitiator(keyx.InitiatorConfig{
			Domain: cfg.Domain, Router: cfg.Router, Policy: cfg.Policy, Grant: cfg.Grant, Key: cfg.Key, Rand: rand.Reader,
		})
		require.NoError(t, err)
		msg2 := handshakeFrame(t, core, abi.AppendOpen(nil, 1, msg1))
		msg3, err := i.Respond(msg2, time.Now())
		require.NoError(t, err)
		session, _, err := i.Confirm(handshakeFrame(t, core, abi.AppendFinish(nil, 1, msg3)))
		require.NoError(t, err)
		out, err := core.Step(time.Now(), abi.AppendData(nil, 1, 0, 0, mustSeal(t, session, message.AppendPing(nil))))
		require.NoError(t, err)
		f, _, err := abi.Next(out)
		require.NoError(t, err)
		require.Equal(t, abi.Deliver, f.Type)
		sealed[n] = bytes.Clone(f.Body)
	}
	require.Equal(t, sealed[0][:8], sealed[1][:8], "the same counter")
	require.Equal(t, len(sealed[0]), len(sealed[1]))
	same := 0
	for i := 8; i < len(sealed[0]); i++ {
		if sealed[0][i] == sealed[1][i] {
			same++
		}
	}
	require.Less(t, same, len(sealed[0])/4, "most of a heartbeat is zeros: under one key and nonce it would look the same")
}

func handshakeFrame(t *testing.T, core *enclave.Core, in []byte) []byte {
	t.Helper()
	out, err := core.Step(time.Now(), in)
	require.NoError(t, err)
	for len(out) > 0 {
		f, rest, err := abi.Next(out)
		require.NoError(t, err)
		if f.Type == abi.Handshake {
			return bytes.Clone(f.Body)
		}
		out = rest
	}
	require.Fail(t, "refused")
	return nil
}

func mustSeal(t *testing.T, s *keyx.Session, msg []byte) []byte {
	t.Helper()
	blob, err := s.Out.Seal(nil, msg)
	require.NoError(t, err)
	return blob
}

// matchedEnvelope has a raw subscriber match a publication of a raw publisher, and returns what it was given.
func (w *world) matchedEnvelope(pub *rawClient, sub *rawClient, id *keyx.PublicationID, attrs, body []byte) (message.Envelope, []byte) {
	w.t.Helper()
	h, sealed := pub.publication(id, attrs, attrs, body)
	pub.publish(h, sealed)
	return w.envelopeOf(sub)
}

func (w *world) envelopeOf(sub *rawClient) (message.Envelope, []byte) {
	w.t.Helper()
	plain, payloads := sub.open(message.TypeDeliver)
	r, err := message.ReadDeliver(plain)
	require.NoError(w.t, err)
	var e message.Envelope
	more, err := r.Next(&e)
	require.NoError(w.t, err)
	require.True(w.t, more)
	e.Subject = bytes.Clone(e.Subject)
	return e, payloads[0]
}

func (w *world) rawSubscriber(subject, where string) *rawClient {
	w.t.Helper()
	c := w.raw(w.config(subject, "", "TRUE"))
	msg, err := message.AppendSubscribe(nil, message.Subscribe{ID: 1, Filter: w.filter(where).AppendBinary(nil)})
	require.NoError(w.t, err)
	c.seal(msg)
	_, _ = c.open(message.TypeReply)
	return c
}

// guessedAttributes: somebody outside the group matched by a wide filter, holds the envelope, and tries every value that the
// attribute may have against the attribute hash. The salt is inside the payload, which it cannot open.
func guessedAttributes(t *testing.T) {
	w := start(t)
	outsider := w.rawSubscriber("outsider", "EXISTS n")
	pub := w.raw(w.config("p", "TRUE", ""))
	attrs := event(t, "n", 42).AppendBinary(nil)
	id := keyx.PublicationID{Domain: domainName, Subject: "p", Run: 5, Counter: 1, GKEpoch: 1}
	var ck, gk [32]byte
	var salt [16]byte
	_, _ = rand.Read(gk[:])
	require.NoError(t, pub.session.Content.Derive(id.Run, id.Counter, &ck, &salt))
	key := keyx.PayloadKey(&ck, &gk, &id)
	sealed := keyx.SealPayload(nil, &key, &salt, attrs, []byte("body"), 0)
	pub.publish(&message.Header{Run: id.Run, Counter: id.Counter, GKEpoch: 1, Commitment: keyx.Commit(&id, &key, sealed), Attrs: attrs}, sealed)
	e, payload := w.envelopeOf(outsider)
	require.Equal(t, ck, e.CK, "it has the content key")
	_, _, err := keyx.OpenPayload(&id, &e.CK, &[32]byte{}, &e.Commitment, &e.AttributeHash, payload)
	require.Error(t, err, "and not the group's")

	salts := [][16]byte{{}, [16]byte(e.CK[:16]), [16]byte(e.CK[16:]), [16]byte(e.Commitment[:16]), [16]byte(payload[:16])}
	hit := func(salt *[16]byte) bool {
		for n := range 1000 {
			if keyx.AttributeHash(salt, event(t, "n", n).AppendBinary(nil)) == e.AttributeHash {
				return true
			}
		}
		return false
	}
	for i := range salts {
		require.False(t, hit(&salts[i]))
	}
	require.NotEqual(t, sha256.Sum256(attrs), e.AttributeHash)
	require.True(t, hit(&salt), "with the salt the guess would have succeeded")
}

// overlappingBlocks: a subscriber matched the publications before and after one that it did not match. Were content keys
// overlapping windows of one stream of blocks, it would have that one's as well.
func overlappingBlocks(t *testing.T) {
	w := start(t)
	mallory := w.rawSubscriber("mallory", "n != 2")
	witness := w.rawSubscriber("witness", "n = 2")
	pub := w.raw(w.config("p", "TRUE", ""))
	var known [][]byte // halves of content keys, each a block
	for _, n := range []int{1, 3} {
		id := keyx.PublicationID{Domain: domainName, Subject: "p", Run: 5, Counter: uint64(n)}
		if n == 3 {
			h, sealed := pub.publication(&keyx.PublicationID{Domain: domainName, Subject: "p", Run: 5, Counter: 2}, event(t, "n", 2).AppendBinary(nil), event(t, "n", 2).AppendBinary(nil), []byte("not for mallory"))
			pub.publish(h, sealed)
		}
		e, payload := w.matchedEnvelope(pub, mallory, &id, event(t, "n", n).AppendBinary(nil), []byte("for mallory"))
		_, _, err := keyx.OpenPayload(&id, &e.CK, nil, &e.Commitment, &e.AttributeHash, payload)
		require.NoError(t, err)
		known = append(known, e.CK[:16], e.CK[16:], payload[:16])
	}
	e, payload := w.envelopeOf(witness)
	id := keyx.PublicationID{Domain: domainName, Subject: "p", Run: 5, Counter: 2}
	opens := func(ck *[32]byte) bool {
		_, _, err := keyx.OpenPayload(&id, ck, nil, &e.Commitment, &e.AttributeHash, payload)
		return err == nil
	}
	for _, a := range known {
		for _, b := range known {
			require.False(t, opens(ptr([32]byte(append(bytes.Clone(a), b...)))))
		}
	}
	require.True(t, opens(&e.CK), "with its key it opens")
}

// equivocationByResend: a publisher shows one subscriber one payload, and sends the same sequence again, with another payload
// and the key of its choice in the header, in the same session and in another.
func equivocationByResend(t *testing.T) {
	w := start(t)
	sub := w.dial(w.config("s", "", "TRUE"))
	w.subscribe(sub, "EXISTS n")
	cfg := w.config("p", "TRUE", "")
	attrs := event(t, "n", 1).AppendBinary(nil)
	id := keyx.PublicationID{Domain: domainName, Subject: "p", Run: 5, Counter: 1}
	again := func(c *rawClient, body string) {
		ck, salt := [32]byte{1}, [16]byte{2}
		sealed := keyx.SealPayload(nil, &ck, &salt, attrs, []byte(body), 0)
		c.publish(&message.Header{
			Run: id.Run, Counter: id.Counter, Commitment: keyx.Commit(&id, &ck, sealed), Attrs: attrs, Explicit: true, CK: ck, Salt: salt,
		}, sealed)
		_, _ = c.open(message.TypeAck)
	}
	first := w.raw(cfg)
	h, sealed := first.publication(&id, attrs, attrs, []byte("one story"))
	first.publish(h, sealed)
	_, _ = first.open(message.TypeAck)
	again(first, "another story")
	second := w.raw(cfg)
	again(second, "a third one")
	id.Counter = 2 // what is new passes
	again(second, "the end")
	for _, want := range []string{"one story", "the end"} {
		d, err := sub.Receive(w.ctx())
		require.NoError(t, err)
		require.Equal(t, want, string(d.Payload))
	}
	w.statsWhen(func(s abi.StatsBody) bool { return s.Handled == 2 && s.Matched == 2 })
}
