package keyx

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkHandshakeClient(b *testing.B) {
	k := newHybridKit(b)
	x := k.run(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := NewInitiator(k.config()); err != nil {
			b.Fatal(err)
		}
		if _, err := x.beforeM2.clone().Respond(x.m2, testNow); err != nil {
			b.Fatal(err)
		}
		if _, _, err := x.beforeM4.clone().Confirm(x.m4); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandshakeEnclave(b *testing.B) {
	k := newHybridKit(b)
	x := k.run(b)
	h, _ := decodeHello(x.m1)
	s, _ := decodeServerHello(x.m2)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.identity.Accept(x.m1); err != nil {
			b.Fatal(err)
		}
		r := &Responder{id: k.identity, suite: suite1, transcript: newTranscript(h, s), share2: append(secretBytes(nil), x.r.share2...)}
		if _, err := r.Finish(x.m3, testNow); err != nil {
			b.Fatal(err)
		}
		if _, _, err := r.Confirm(1, testLimits, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(x.m1)+len(x.m3)), "B-up")
	b.ReportMetric(float64(len(x.m2)+len(x.m4)), "B-down")
}

// BenchmarkAccept is what one unauthenticated message 1 costs the enclave.
func BenchmarkAccept(b *testing.B) {
	k := newKit(b)
	_, m1 := k.initiate(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := k.identity.Accept(m1); err != nil {
			b.Fatal(err)
		}
	}
}

func benchBlob(b *testing.B, n int, open bool) {
	s, o := testPair(b, 1, dirClientToEnclave, 5)
	plain, buf, out := make([]byte, n), make([]byte, 0, n+BlobOverhead), make([]byte, 0, n)
	b.ReportAllocs()
	b.SetBytes(int64(n))
	for b.Loop() {
		blob, err := s.Seal(buf, plain)
		if err != nil {
			b.Fatal(err)
		}
		if !open {
			continue
		}
		if _, _, err := o.Open(out, blob); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealBlob256(b *testing.B)     { benchBlob(b, 256, false) }
func BenchmarkSealBlob8K(b *testing.B)      { benchBlob(b, 8<<10, false) }
func BenchmarkSealOpenBlob256(b *testing.B) { benchBlob(b, 256, true) }
func BenchmarkSealOpenBlob8K(b *testing.B)  { benchBlob(b, 8<<10, true) }

func BenchmarkDerive(b *testing.B) {
	c := testContent(b, 1)
	var ck [32]byte
	var salt [16]byte
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n++ {
		_ = c.Derive(1, n, &ck, &salt)
	}
}

func benchPublish(b *testing.B, gk *[32]byte) {
	p := publish(gk)
	attrs, body, buf := make([]byte, 56), make([]byte, 256), make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		key := PayloadKey(&p.ck, gk, &p.id)
		out := SealPayload(buf, &key, &p.salt, attrs, body, 0)
		_ = Commit(&p.id, &key, out)
	}
}

func BenchmarkSealPayloadAndCommit(b *testing.B)   { benchPublish(b, nil) }
func BenchmarkSealPayloadAndCommitGK(b *testing.B) { benchPublish(b, &[32]byte{1}) }

func BenchmarkAttributeHash(b *testing.B) {
	attrs := make([]byte, 56)
	var salt [16]byte
	b.ReportAllocs()
	for b.Loop() {
		_ = AttributeHash(&salt, attrs)
	}
}

func BenchmarkOpenPayload(b *testing.B) {
	p := publish(nil)
	p.attrs, p.body = make([]byte, 56), make([]byte, 256)
	p.seal()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.open(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyGrant is what a handshake costs the enclave beyond keys: a grant of one signature, and
// of two.
func BenchmarkVerifyGrant(b *testing.B) {
	k := newKit(b)
	both, err := NewAuthority(bytes.NewReader(bytes.Repeat([]byte{7}, 64)))
	require.NoError(b, err)
	for name, a := range map[string]Authority{"ed25519": Ed25519Authority(k.authority), "hybrid": both} {
		d := Domain{Name: k.domain.Name, Authorities: []AuthorityKey{a.Public()}}
		jws, err := SignGrant(k.grant, a)
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(float64(len(jws)), "B")
			for b.Loop() {
				if _, err := VerifyGrant(jws, d, testNow); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkResumeClient is what a resumption costs the client: message 1, which stands in for the case that nothing can be
// resumed, included.
func BenchmarkResumeClient(b *testing.B) {
	k := newHybridKit(b)
	s := k.begin(b)
	b.ReportAllocs()
	for b.Loop() {
		secret := *s.client.Resumption
		cfg := k.config()
		cfg.Resume = &secret
		i, m5, err := NewInitiator(cfg)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		held := *s.enclave.Resumption
		q, _ := ParseResume(m5)
		m6, _, err := held.Accept(q, 1, testLimits, 0, k.rand)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, _, err := i.Resume(m6); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResumeEnclave(b *testing.B) {
	k := newHybridKit(b)
	s := k.begin(b)
	_, m5 := k.resumer(b, s, 0)
	var m6 []byte
	b.ReportAllocs()
	for b.Loop() {
		held := *s.enclave.Resumption
		q, ok := ParseResume(m5)
		if !ok {
			b.Fatal("not message 5")
		}
		if _, err := held.Verify(q); err != nil {
			b.Fatal(err)
		}
		var err error
		if m6, _, err = held.Accept(q, 1, testLimits, 0, k.rand); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(m5)), "B-up")
	b.ReportMetric(float64(len(m6)), "B-down")
}
