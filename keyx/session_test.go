package keyx

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func testPair(t require.TestingT, key byte, dir uint8, session uint64) (*Sealer, *Opener) {
	k := secret32(bytes.Repeat([]byte{key}, 32))
	s, o := &Sealer{}, &Opener{}
	require.NoError(t, s.start(suite1, &k, dir, session))
	require.NoError(t, o.start(suite1, &k, dir, session))
	return s, o
}

func sealed(t require.TestingT, s *Sealer, plain string) []byte {
	blob, err := s.Seal(nil, []byte(plain))
	require.NoError(t, err)
	require.Len(t, blob, len(plain)+BlobOverhead)
	return blob
}

func TestBlobsInOrder(t *testing.T) {
	s, o := testPair(t, 1, dirClientToEnclave, 5)
	for n := range uint64(5) {
		blob := sealed(t, s, "plain")
		require.Equal(t, n, binary.BigEndian.Uint64(blob))
		plain, skipped, err := o.Open([]byte("before "), blob)
		require.NoError(t, err)
		require.Zero(t, skipped)
		require.Equal(t, "before plain", string(plain))
		c1, h1 := s.Chain()
		c2, h2 := o.Chain()
		require.Equal(t, c1, c2)
		require.Equal(t, h1, h2)
	}
	blob := sealed(t, s, "in place")
	plain, _, err := o.Open(blob[8:8], blob)
	require.NoError(t, err)
	require.Equal(t, "in place", string(plain))
	_, h1 := s.Chain()
	_, h2 := o.Chain()
	require.Equal(t, h1, h2)
}

func TestBlobRefused(t *testing.T) {
	s, o := testPair(t, 1, dirClientToEnclave, 5)
	first, second := sealed(t, s, "first"), sealed(t, s, "second")
	for p := range first { // every byte; the counter's bits make it another nonce
		bad := bytes.Clone(first)
		bad[p] ^= 1
		_, _, err := o.Open(nil, bad)
		require.Error(t, err, "byte %d", p)
		require.Contains(t, []Kind{KindIntegrity, KindKeyExhausted}, kindOf(err))
		next, sum := o.Chain()
		require.Zero(t, next, "nothing advances before the tag is verified")
		require.Zero(t, sum)
	}
	for n := range len(first) {
		_, _, err := o.Open(nil, first[:n])
		require.Error(t, err)
	}
	_, _, err := o.Open(nil, append(bytes.Clone(first), 0))
	requireKind(t, KindIntegrity, err)
	_, _, err = o.Open(nil, make([]byte, MaxPlaintext+BlobOverhead+1))
	requireKind(t, KindBadMessage, err)

	_, _, err = o.Open(nil, first)
	require.NoError(t, err)
	_, _, err = o.Open(nil, first)
	requireKind(t, KindReplayed, err)
	_, _, err = o.Open(nil, second)
	require.NoError(t, err)

	for name, pair := range map[string]struct {
		key     byte
		dir     uint8
		session uint64
	}{"other key": {2, dirClientToEnclave, 5}, "reflected": {1, dirEnclaveToClient, 5}, "other session": {1, dirClientToEnclave, 6}} {
		_, o := testPair(t, pair.key, pair.dir, pair.session)
		_, _, err := o.Open(nil, first)
		requireKind(t, KindIntegrity, err)
		require.Zero(t, o.next, name)
	}
}

func TestBlobsMissing(t *testing.T) {
	s, o := testPair(t, 1, dirEnclaveToClient, 5)
	blobs := [][]byte{sealed(t, s, "0"), sealed(t, s, "1"), sealed(t, s, "2"), sealed(t, s, "3")}
	_, skipped, err := o.Open(nil, blobs[2])
	require.NoError(t, err)
	require.EqualValues(t, 2, skipped)
	_, _, err = o.Open(nil, blobs[1])
	requireKind(t, KindReplayed, err)
	_, skipped, err = o.Open(nil, blobs[3])
	require.NoError(t, err)
	require.Zero(t, skipped)
	c1, h1 := s.Chain()
	c2, h2 := o.Chain()
	require.Equal(t, c1, c2)
	require.NotEqual(t, h1, h2, "what was skipped is missing in the hash")
}

func TestKeyEnds(t *testing.T) {
	s, o := testPair(t, 1, dirClientToEnclave, 5)
	s.next, o.next = MaxBlobs-1, MaxBlobs-1
	s.step, o.step = s.next/StepBlobs, o.next/StepBlobs // as if the way there had been gone
	last := sealed(t, s, "last")
	_, _, err := o.Open(nil, last)
	require.NoError(t, err)
	out, err := s.Seal([]byte("kept"), []byte("one more"))
	requireKind(t, KindKeyExhausted, err)
	require.Equal(t, "kept", string(out))
	binary.BigEndian.PutUint64(last, MaxBlobs)
	_, _, err = o.Open(nil, last)
	requireKind(t, KindKeyExhausted, err)
	_, err = (&Sealer{}).Seal(nil, nil)
	requireKind(t, KindInternal, err)
	_, _, err = (&Opener{}).Open(nil, last)
	requireKind(t, KindInternal, err)
	s, _ = testPair(t, 1, dirClientToEnclave, 5)
	_, err = s.Seal(nil, make([]byte, MaxPlaintext+1))
	requireKind(t, KindBadMessage, err)
}

// A network that drops, repeats, swaps and damages blobs, against a model of what may come out.
func TestOpenerModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, o := testPair(t, 1, dirClientToEnclave, 5)
		var blobs [][]byte
		next := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(blobs) == 0 || rapid.Bool().Draw(t, "seal") {
				blobs = append(blobs, sealed(t, s, string(rune('a'+len(blobs)))))
				continue
			}
			pick := rapid.IntRange(0, len(blobs)-1).Draw(t, "pick")
			blob := bytes.Clone(blobs[pick])
			damaged := rapid.IntRange(0, 4).Draw(t, "damage") == 0
			if damaged {
				blob[rapid.IntRange(8, len(blob)-1).Draw(t, "at")] ^= 1
			}
			plain, skipped, err := o.Open(nil, blob)
			switch {
			case pick < next:
				requireKind2(t, KindReplayed, err)
			case damaged:
				requireKind2(t, KindIntegrity, err)
			default:
				require.NoError(t, err)
				require.Equal(t, string(rune('a'+pick)), string(plain))
				require.EqualValues(t, pick-next, skipped)
				next = pick + 1
			}
		}
		count, _ := o.Chain()
		require.EqualValues(t, next, count)
	})
}

func requireKind2(t require.TestingT, want Kind, err error) {
	require.Error(t, err)
	require.Equal(t, want, kindOf(err))
}

func TestSessionAllocations(t *testing.T) {
	s, o := testPair(t, 1, dirClientToEnclave, 5)
	plain, buf, out := make([]byte, 256), make([]byte, 0, 512), make([]byte, 0, 512)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		blob, err := s.Seal(buf, plain)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := o.Open(out, blob); err != nil {
			t.Fatal(err)
		}
	}))
	c, err := newContentKeys(&secret32{1})
	require.NoError(t, err)
	var ck [32]byte
	var salt [16]byte
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = c.Derive(1, 2, &ck, &salt) }))
}

// TestRatchet: over steps both ends agree, blobs lost in between included; what is left in memory after a step opens nothing
// that was sealed before it; and what does not authenticate moves nothing.
func TestRatchet(t *testing.T) {
	k := newKit(t)
	b := k.begin(t)
	b.client.Out.each, b.enclave.In.each = 4, 4
	var blobs [][]byte
	for n := range 30 {
		blob, err := b.client.Out.Seal(nil, []byte{byte(n)})
		require.NoError(t, err)
		blobs = append(blobs, blob)
	}
	require.EqualValues(t, 7, b.client.Out.step)
	for _, n := range []int{0, 1, 2, 3, 4, 5, 11, 12, 27} { // 11: a step further, 27: four
		bad := append([]byte(nil), blobs[n]...)
		bad[len(bad)-1] ^= 1
		before, key := b.enclave.In.step, b.enclave.In.key
		_, _, err := b.enclave.In.Open(nil, bad)
		requireKind(t, KindIntegrity, err)
		require.Equal(t, before, b.enclave.In.step)
		require.Equal(t, key, b.enclave.In.key)
		plain, _, err := b.enclave.In.Open(nil, blobs[n])
		require.NoError(t, err)
		require.Equal(t, []byte{byte(n)}, plain)
		require.EqualValues(t, n/4, b.enclave.In.step)
	}
	// Whoever takes the opener's memory now, and goes back in the counters as it likes.
	thief := &Opener{direction{suite: suite1, key: b.enclave.In.key, aead: b.enclave.In.aead, ad: b.enclave.In.ad, each: 1 << 40, step: 0}}
	thief.chain.h = sha256.New()
	for n := range 24 {
		for step := range uint64(8) {
			thief.next = 0
			key, aead, err := thief.ahead(step)
			require.NoError(t, err)
			thief.setStep(uint64(n) / 4)
			thief.setCounter(uint64(n))
			_, err = aead.Open(nil, thief.nonce[:], blobs[n][counterLen:], thief.ad[:])
			require.Error(t, err, "blob %d", n)
			require.NotNil(t, key)
		}
	}
	plain, _, err := b.enclave.In.Open(nil, blobs[29])
	require.NoError(t, err)
	require.Equal(t, []byte{29}, plain)

	far := binary.BigEndian.AppendUint64(nil, 4*(b.enclave.In.step+maxSteps+1))
	_, _, err = b.enclave.In.Open(nil, append(far, make([]byte, tagLen)...))
	requireKind(t, KindIntegrity, err)
}

func TestContentKeysRatchet(t *testing.T) {
	k := newKit(t)
	b := k.begin(t)
	derive := func(c *ContentKeys) (ck [32]byte) {
		var salt [16]byte
		require.NoError(t, c.Derive(1, 1, &ck, &salt))
		return ck
	}
	seen := map[[32]byte]uint64{}
	client, enclave := b.client.Content, b.enclave.Content
	for n := range uint64(20) {
		var err error
		client, err = client.forMessage(n, 4)
		require.NoError(t, err)
		if n%3 == 0 { // one that missed messages comes to the same
			enclave, err = enclave.forMessage(n, 4)
			require.NoError(t, err)
			require.Equal(t, derive(client), derive(enclave))
		}
		if step, ok := seen[derive(client)]; ok {
			require.Equal(t, step, n/4)
		}
		seen[derive(client)] = n / 4
	}
	require.Len(t, seen, 5)
	_, err := client.forMessage(3, 4)
	requireKind(t, KindInternal, err)
	same, err := b.client.Content.ForMessage(StepMessages - 1)
	require.NoError(t, err)
	require.Same(t, b.client.Content, same)
}
