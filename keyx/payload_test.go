package keyx

import (
	"bytes"
	"crypto/aes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testContent(t testing.TB, seed byte) *ContentKeys {
	k := secret32(bytes.Repeat([]byte{seed}, 32))
	c, err := newContentKeys(&k)
	require.NoError(t, err)
	return c
}

func TestContentKeyLayout(t *testing.T) {
	c := testContent(t, 7)
	block, err := aes.NewCipher(bytes.Repeat([]byte{7}, 32))
	require.NoError(t, err)
	var want [48]byte
	for b, in := range [][]byte{
		{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0x04, 0x04},
		{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0x04, 0x05},
		{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0x04, 0x06},
	} {
		block.Encrypt(want[16*b:], in)
	}
	var ck [32]byte
	var salt [16]byte
	require.NoError(t, c.Derive(0x0102030405060708, 0x101, &ck, &salt))
	require.Equal(t, want[:32], ck[:])
	require.Equal(t, want[32:], salt[:])
}

// No block serves two publications: with overlapping ones the holder of two keys would have parts of a
// third.
func TestContentKeysShareNoBlock(t *testing.T) {
	c := testContent(t, 7)
	seen := map[[16]byte]bool{}
	add := func(run, counter uint64) {
		var ck [32]byte
		var salt [16]byte
		require.NoError(t, c.Derive(run, counter, &ck, &salt))
		for _, b := range [][16]byte{[16]byte(ck[:16]), [16]byte(ck[16:]), salt} {
			require.False(t, seen[b], "run %d counter %d", run, counter)
			seen[b] = true
		}
	}
	for run := range uint64(3) {
		for counter := range uint64(200) {
			add(run, counter)
		}
		add(run, MaxCounter-1)
		add(run, MaxCounter-2)
		add(run, 1<<61)
		add(run, 1<<60)
	}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint64Range(0, MaxCounter-1).Draw(t, "a")
		b := rapid.Uint64Range(0, MaxCounter-1).Draw(t, "b")
		if a != b { // ranges 4a..4a+2 and 4b..4b+2 in 64 bits
			require.True(t, 4*a+2 < 4*b || 4*b+2 < 4*a)
			require.Equal(t, a, 4*a/4, "no overflow")
		}
	})
}

func TestContentCounterEnds(t *testing.T) {
	c := testContent(t, 7)
	for _, n := range []uint64{MaxCounter, MaxCounter + 1, math.MaxUint64} {
		ck, salt := [32]byte{1}, [16]byte{1}
		requireKind(t, KindKeyExhausted, c.Derive(1, n, &ck, &salt))
		require.Zero(t, ck)
		require.Zero(t, salt)
	}
	var ck [32]byte
	var salt [16]byte
	requireKind(t, KindInternal, (&ContentKeys{}).Derive(1, 1, &ck, &salt))
}

type publication struct {
	id           PublicationID
	ck           [32]byte
	gk           *[32]byte
	salt         [16]byte
	attrs, body  []byte
	commit, hash [32]byte
	sealed       []byte
}

func publish(gk *[32]byte) *publication {
	p := &publication{
		id: PublicationID{Domain: "example", Subject: "alice", Run: 3, Counter: 4}, gk: gk,
		ck: [32]byte{1}, salt: [16]byte{2}, attrs: []byte("attributes"), body: []byte("body"),
	}
	if gk != nil {
		p.id.GKEpoch = 1
	}
	p.seal()
	return p
}

func (p *publication) seal() {
	key := PayloadKey(&p.ck, p.gk, &p.id)
	p.sealed = SealPayload(nil, &key, &p.salt, p.attrs, p.body, 0)
	p.commit = Commit(&p.id, &key, p.sealed)
	p.hash = AttributeHash(&p.salt, p.attrs)
}

func (p *publication) open() ([]byte, []byte, error) {
	return OpenPayload(&p.id, &p.ck, p.gk, &p.commit, &p.hash, p.sealed)
}

func TestPayload(t *testing.T) {
	for _, gk := range []*[32]byte{nil, {9}} {
		for _, body := range []string{"", "body"} {
			p := publish(gk)
			p.body = []byte(body)
			p.seal()
			require.Len(t, p.sealed, PayloadOverhead+len(p.attrs)+len(p.body))
			attrs, got, err := p.open()
			require.NoError(t, err)
			require.Equal(t, "attributes", string(attrs))
			require.Equal(t, body, string(got))
			_ = append(attrs, "x"...) // the body is not behind its capacity
			require.Equal(t, body, string(got))
		}
	}
	key := [32]byte{1}
	out := SealPayload([]byte("before"), &key, &[16]byte{}, nil, []byte("x"), 0)
	require.Equal(t, "before", string(out[:6]))
	require.Equal(t, SealPayload(nil, &key, &[16]byte{}, nil, []byte("x"), 0), out[6:])
}

func TestPayloadRefused(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*publication)
		want error
	}{
		"wrong domain":            {func(p *publication) { p.id.Domain = "examples" }, errCommitment},
		"wrong subject":           {func(p *publication) { p.id.Subject = "alic" }, errCommitment},
		"moved boundary":          {func(p *publication) { p.id.Domain, p.id.Subject = "examplea", "lice" }, errCommitment},
		"wrong run":               {func(p *publication) { p.id.Run++ }, errCommitment},
		"wrong counter":           {func(p *publication) { p.id.Counter++ }, errCommitment},
		"wrong epoch":             {func(p *publication) { p.id.GKEpoch++ }, errCommitment},
		"wrong key":               {func(p *publication) { p.ck[0]++ }, errCommitment},
		"wrong group key":         {func(p *publication) { p.gk = &[32]byte{8} }, errCommitment},
		"wrong commitment":        {func(p *publication) { p.commit[31]++ }, errCommitment},
		"wrong hash":              {func(p *publication) { p.hash[0]++ }, errAttributes},
		"no group key":            {func(p *publication) { p.gk = nil }, nil},
		"group key without epoch": {func(p *publication) { p.id.GKEpoch = 0 }, nil},
		"too short":               {func(p *publication) { p.sealed = p.sealed[:PayloadOverhead-1] }, nil},
		"too long":                {func(p *publication) { p.sealed = make([]byte, MaxSealedPayload+1) }, nil},
		// A matched member with the host reseals another payload under the key it holds.
		"resealed": {func(p *publication) {
			key := PayloadKey(&p.ck, p.gk, &p.id)
			p.sealed = SealPayload(nil, &key, &p.salt, p.attrs, []byte("forged"), 0)
		}, errCommitment},
		// A publisher seals other attributes than those its header was checked on.
		"other attributes": {func(p *publication) {
			hash := p.hash
			p.attrs = []byte("attribute2")
			p.seal()
			p.hash = hash
		}, errAttributes},
		"other salt": {func(p *publication) {
			hash := p.hash
			p.salt[0]++
			p.seal()
			p.hash = hash
		}, errAttributes},
	} {
		t.Run(name, func(t *testing.T) {
			p := publish(&[32]byte{9})
			_, _, err := p.open()
			require.NoError(t, err)
			c.edit(p)
			attrs, body, err := p.open()
			require.Error(t, err)
			require.Nil(t, attrs)
			require.Nil(t, body)
			if c.want != nil {
				requireKind(t, KindIntegrity, err)
				require.ErrorIs(t, err, c.want)
			} else {
				requireKind(t, KindBadMessage, err)
			}
		})
	}
}

func TestPayloadEveryByte(t *testing.T) {
	p := publish(nil)
	good := p.sealed
	for n := range good {
		p.sealed = bytes.Clone(good)
		p.sealed[n] ^= 0x80
		_, _, err := p.open()
		require.ErrorIs(t, err, errCommitment)
		p.sealed = good[:n]
		_, _, err = p.open()
		require.Error(t, err)
	}
}

// A commitment over a payload that does not open, or whose inside is malformed, is a publisher's doing.
func TestPayloadOfACorruptPublisher(t *testing.T) {
	p := publish(nil)
	p.sealed = append([]byte(nil), p.sealed...)
	p.sealed[0]++
	p.commit = Commit(&p.id, &p.ck, p.sealed)
	_, _, err := p.open()
	requireKind(t, KindIntegrity, err)
	require.NotErrorIs(t, err, errCommitment)

	p = publish(nil)
	plain := append(p.salt[:], 0, 0, 0, 5, 'x')
	aead, err := newPayloadAEAD(&p.ck)
	require.NoError(t, err)
	p.sealed = aead.Seal(nil, make([]byte, 12), plain, nil)
	p.commit = Commit(&p.id, &p.ck, p.sealed)
	_, _, err = p.open()
	requireKind(t, KindBadMessage, err)
}

func TestHashesHaveOwnLabels(t *testing.T) {
	p := publish(&[32]byte{9})
	key := PayloadKey(&p.ck, p.gk, &p.id)
	require.NotEqual(t, p.ck, key)
	require.Equal(t, p.ck, PayloadKey(&p.ck, nil, &p.id))
	long := bytes.Repeat([]byte("x"), 4096) // beyond any scratch space
	require.NotEqual(t, AttributeHash(&p.salt, long), AttributeHash(&p.salt, long[1:]))
	wide := PublicationID{Domain: string(long[:255]), Subject: string(long[:255])}
	require.NotEqual(t, Commit(&wide, &key, long), Commit(&wide, &key, long[1:]))
}
