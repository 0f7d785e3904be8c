package keyx

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/chacha20poly1305"
)

// published is what the host sees of a publication, and the envelope that the
// enclave made for those that matched.
type published struct {
	id         PublicationID
	sealed     []byte
	commitment [32]byte
	attrHash   [32]byte
	attrs      []byte
}

// heldKeys are what a reader may hold beside what the host sees.
type heldKeys struct{ cks, gks [][32]byte }

func (k heldKeys) and(other heldKeys) heldKeys {
	return heldKeys{append(k.cks[:len(k.cks):len(k.cks)], other.cks...), append(k.gks[:len(k.gks):len(k.gks)], other.gks...)}
}

// reads tries every key that the reader can make of what it holds on the sealed
// bytes, without any of a subscriber's checks.
func (k heldKeys) reads(p *published) bool {
	candidates := append(k.cks[:len(k.cks):len(k.cks)], k.gks...)
	for i := range k.cks {
		for j := range k.gks {
			candidates = append(candidates, PayloadKey(&k.cks[i], &k.gks[j], &p.id))
		}
	}
	candidates = append(candidates, p.commitment, p.attrHash, [32]byte{})
	for i := range candidates {
		aead, err := newPayloadAEAD(&candidates[i])
		if err != nil {
			continue
		}
		var nonce [chacha20poly1305.NonceSize]byte
		if _, err := aead.Open(nil, nonce[:], p.sealed, nil); err == nil {
			return true
		}
	}
	return false
}

// forges tries to have a subscriber with ck and gk accept another body for the
// same publication, from somebody who decides what the envelope says (a broken
// enclave) or not.
func (k heldKeys) forges(p *published, ck [32]byte, gk *[32]byte, writesEnvelope bool) bool {
	var none *[32]byte
	tries := []*[32]byte{none}
	for i := range k.gks {
		tries = append(tries, &k.gks[i])
	}
	salt := [16]byte{9}
	for i := range k.cks {
		for _, g := range tries {
			key := PayloadKey(&k.cks[i], g, &p.id)
			sealed := SealPayload(nil, &key, &salt, p.attrs, []byte("another body"), 0)
			commitment, attrHash, theirs := p.commitment, p.attrHash, ck
			if writesEnvelope {
				commitment, attrHash, theirs = Commit(&p.id, &key, sealed), AttributeHash(&salt, p.attrs), k.cks[i]
			}
			if _, body, err := OpenPayload(&p.id, &theirs, gk, &commitment, &attrHash, sealed); err == nil && string(body) == "another body" {
				return true
			}
		}
	}
	return false
}

func publishOne(t *testing.T, ck [32]byte, gk *[32]byte, epoch uint64) *published {
	p := &published{id: PublicationID{Domain: "d", Subject: "alice", Run: 5, Counter: 6, GKEpoch: epoch}, attrs: []byte("attributes")}
	salt := [16]byte{1, 2, 3}
	key := PayloadKey(&ck, gk, &p.id)
	p.sealed = SealPayload(nil, &key, &salt, p.attrs, []byte("the body"), 32)
	p.commitment, p.attrHash = Commit(&p.id, &key, p.sealed), AttributeHash(&salt, p.attrs)
	_, body, err := OpenPayload(&p.id, &ck, gk, &p.commitment, &p.attrHash, p.sealed)
	require.NoError(t, err)
	require.Equal(t, "the body", string(body))
	return p
}

// TestWhoCanRead plays each reader of PROTOCOL.md's table with all keys that it
// may hold, and with what the host sees. Who gets which content key is the
// enclave's affair and tested there; here is what the keys are worth.
func TestWhoCanRead(t *testing.T) {
	ck, otherCK, gk, oldGK := [32]byte{1}, [32]byte{2}, [32]byte{3}, [32]byte{4}
	var kCK secret32
	kCK[0] = 7
	derived, err := newContentKeys(&kCK)
	require.NoError(t, err)
	var salt [16]byte
	require.NoError(t, derived.Derive(5, 6, &ck, &salt))
	require.NoError(t, derived.Derive(5, 7, &otherCK, &salt))

	with := publishOne(t, ck, &gk, 3) // GK is required
	without := publishOne(t, ck, nil, 0)
	host := heldKeys{}
	matched, member := heldKeys{cks: [][32]byte{ck}}, heldKeys{gks: [][32]byte{gk, oldGK}}
	for name, c := range map[string]struct {
		reader             heldKeys
		readsWith, readsIt bool // where GK is required, and where it is not
	}{
		"matched, in the group":                             {matched.and(member), true, true},
		"matched, not in the group":                         {matched, false, true},
		"in the group, not matched, with the host":          {member, false, false},
		"in the group, matched another publication":         {member.and(heldKeys{cks: [][32]byte{otherCK}}), false, false},
		"revoked: the old group key, with the host":         {heldKeys{gks: [][32]byte{oldGK}}, false, false},
		"revoked, matched before: old group key, other key": {heldKeys{cks: [][32]byte{otherCK}, gks: [][32]byte{oldGK}}, false, false},
		"host":                         {host, false, false},
		"broken enclave with the host": {heldKeys{cks: [][32]byte{ck, otherCK}}, false, true},
		"an outsider that matched and a member that did not": {matched.and(member), true, true},
		"broken enclave, host and a member":                  {heldKeys{cks: [][32]byte{ck, otherCK}}.and(member), true, true},
		"broken enclave, host and a member of the old epoch": {heldKeys{cks: [][32]byte{ck, otherCK}, gks: [][32]byte{oldGK}}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.readsWith, c.reader.reads(with), "where GK is required")
			require.Equal(t, c.readsIt, c.reader.reads(without), "without GK")
		})
	}
	t.Run("who can forge", func(t *testing.T) {
		broken := heldKeys{cks: [][32]byte{ck, otherCK}}
		require.False(t, matched.and(member).forges(with, ck, &gk, false), "a matched member with the host: the commitment is the publisher's")
		require.False(t, matched.forges(without, ck, nil, false), "a matched subscriber with the host")
		require.False(t, broken.forges(with, ck, &gk, true), "a broken enclave, where GK is required")
		require.True(t, broken.forges(without, ck, nil, true), "a broken enclave, without GK: stated in the documents")
		require.True(t, broken.and(member).forges(with, ck, &gk, true), "a broken enclave and a member: stated in the documents")
	})
	t.Run("an envelope of no group does not pass for one of the group", func(t *testing.T) {
		_, _, err := OpenPayload(&with.id, &ck, nil, &with.commitment, &with.attrHash, with.sealed)
		requireKind(t, KindBadMessage, err)
		_, _, err = OpenPayload(&without.id, &ck, &gk, &without.commitment, &without.attrHash, without.sealed)
		requireKind(t, KindBadMessage, err)
	})
	t.Run("another tenant's authority", func(t *testing.T) {
		k := newKit(t)
		theirs := hybrid(t, 5)
		g := k.grant
		jws, err := SignGrant(g, theirs) // for our domain, by an authority of theirs
		require.NoError(t, err)
		_, err = VerifyGrant(jws, k.domain, testNow)
		requireKind(t, KindBadGrant, err)
		g.Domain = "theirs"
		jws, err = SignGrant(g, theirs)
		require.NoError(t, err)
		_, err = VerifyGrant(jws, Domain{Name: k.domain.Name, Authorities: []AuthorityKey{theirs.Public()}}, testNow)
		requireKind(t, KindWrongDomain, err)
	})
}
