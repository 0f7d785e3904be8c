package message

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher/filter"
)

func requireBad(t require.TestingT, err error) {
	var e *keyx.Error
	require.Error(t, err)
	require.True(t, errors.As(err, &e) && e.Kind == keyx.KindBadMessage, "%v", err)
}

func must(t testing.TB) func(b []byte, err error) []byte {
	return func(b []byte, err error) []byte { require.NoError(t, err); return b }
}

// encoded insists that what a decoder took can be encoded.
func encoded(b []byte, err error) []byte {
	if err != nil {
		panic("a decoder takes what no encoder makes: " + err.Error())
	}
	return b
}

// decodeAll takes any message apart and, if that succeeds, puts it together again.
func decodeAll(msg []byte) ([]byte, error) {
	t, err := TypeOf(msg)
	if err != nil {
		return nil, err
	}
	switch t {
	case TypePublish:
		return reencodePublish(msg)
	case TypeDeliver:
		return reencodeDeliver(msg)
	case TypeAck:
		return reencodeAck(msg)
	case TypeSubscribe:
		m, err := DecodeSubscribe(msg)
		if err != nil {
			return nil, err
		}
		return encoded(AppendSubscribe(nil, m)), nil
	case TypeUnsubscribe:
		id, padding, err := DecodeUnsubscribe(msg)
		return AppendUnsubscribe(nil, id, padding), err
	case TypeSettings:
		m, err := DecodeSettings(msg)
		return AppendSettings(nil, m), err
	case TypePing:
		return AppendPing(nil), DecodePing(msg)
	case TypeReply:
		m, err := DecodeReply(msg)
		return AppendReply(nil, m), err
	default:
		m, err := DecodeHeartbeat(msg)
		return AppendHeartbeat(nil, &m), err
	}
}

func reencodePublish(msg []byte) ([]byte, error) {
	r, err := ReadPublish(msg)
	if err != nil {
		return nil, err
	}
	out, n := BeginPublish(nil), 0
	var h Header
	for {
		more, err := r.Next(&h)
		if err != nil {
			return nil, err
		}
		if !more {
			return encoded(out, FinishPublish(out, n)), nil
		}
		out = encoded(AppendHeader(out, &h))
		n++
	}
}

func reencodeDeliver(msg []byte) ([]byte, error) {
	r, err := ReadDeliver(msg)
	if err != nil {
		return nil, err
	}
	out, n := BeginDeliver(nil, r.Revocation, r.First), 0
	var e Envelope
	for {
		more, err := r.Next(&e)
		if err != nil {
			return nil, err
		}
		if !more {
			return encoded(out, FinishDeliver(out, n)), nil
		}
		out = encoded(AppendEnvelope(out, &e))
		n++
	}
}

func reencodeAck(msg []byte) ([]byte, error) {
	r, err := ReadAck(msg)
	if err != nil {
		return nil, err
	}
	var refused []Refusal
	var f Refusal
	for {
		more, err := r.Next(&f)
		if err != nil {
			return nil, err
		}
		if !more {
			return encoded(AppendAck(nil, &r.Ack, refused)), nil
		}
		refused = append(refused, f)
	}
}

func samples(t testing.TB) map[string][]byte {
	ok := must(t)
	h := Header{Run: 1, Counter: 2, GKEpoch: 3, Revocation: 4, Commitment: [32]byte{5}, Attrs: []byte("attrs"), Padding: 3}
	x := h
	x.Counter, x.Explicit, x.CK, x.Salt, x.Attrs = 9, true, [32]byte{6}, [16]byte{7}, nil
	publish := ok(AppendHeader(ok(AppendHeader(BeginPublish(nil), &h)), &x))
	require.NoError(t, FinishPublish(publish, 2))
	e := Envelope{
		CK: [32]byte{1}, Subject: []byte("alice"), Run: 1, Counter: 2, GKEpoch: 3,
		Commitment: [32]byte{4}, AttributeHash: [32]byte{5}, Subscriptions: []uint32{0, 7, 1 << 31}, Padding: 2,
	}
	deliver := ok(AppendEnvelope(ok(AppendEnvelope(BeginDeliver(nil, 8, 9), &e)), &e))
	require.NoError(t, FinishDeliver(deliver, 2))
	ack := Ack{Control: 7, Run: 1, Handled: 20, CmdCount: 3, CmdChain: [32]byte{4}}
	return map[string][]byte{
		"publish":     publish,
		"deliver":     deliver,
		"ack":         ok(AppendAck(nil, &ack, []Refusal{{Counter: 3, Kind: keyx.KindStale}, {Counter: 20, Kind: keyx.KindNotAuthorized}})),
		"ack padded":  ok(AppendAck(nil, &Ack{Handled: 1, Padding: 4}, []Refusal{{Counter: 1, Kind: keyx.KindStale}})),
		"ack none":    ok(AppendAck(nil, &ack, nil)),
		"subscribe":   ok(AppendSubscribe(nil, Subscribe{ID: 5, Filter: []byte("filter"), Padding: 4})),
		"unsubscribe": AppendUnsubscribe(nil, 5, 6),
		"settings":    AppendSettings(nil, Settings{Unpadded: true}),
		"ping":        AppendPing(nil),
		"reply":       AppendReply(nil, Reply{Control: 6, Op: TypeSubscribe, ID: 5, Kind: keyx.KindNotCovered}),
		"heartbeat":   AppendHeartbeat(nil, &Heartbeat{Revocation: 1, Delivered: 2, Control: 7, CmdCount: 3, CmdChain: [32]byte{4}, EvCount: 5, EvChain: [32]byte{6}}),
	}
}

// The bytes of docs/PROTOCOL.md: what another implementation sends and expects.
func TestVectors(t *testing.T) {
	ok := must(t)
	chain := [32]byte{0: 0xc0, 31: 0x01}
	zeros := strings.Repeat("00", 30)
	for want, msg := range map[string][]byte{
		"81" + "0000000000000007" + "0000000000000001" + "0000000000000014" + "0000000000000003" + "c0" + zeros + "01" +
			"0001" + "0000000000000013" + "0071" + "0002" + "0000": ok(AppendAck(nil, &Ack{Control: 7, Run: 1, Handled: 20, CmdCount: 3, CmdChain: chain, Padding: 2},
			[]Refusal{{Counter: 19, Kind: keyx.KindStale}})),
		"02" + "00000005" + "0003" + "0a0b0c" + "0001" + "00":  ok(AppendSubscribe(nil, Subscribe{ID: 5, Filter: []byte{10, 11, 12}, Padding: 1})),
		"03" + "00000005" + "0002" + "0000":                    AppendUnsubscribe(nil, 5, 2),
		"05" + "01":                                            AppendSettings(nil, Settings{Unpadded: true}),
		"83" + "0000000000000006" + "02" + "00000005" + "006e": AppendReply(nil, Reply{Control: 6, Op: TypeSubscribe, ID: 5, Kind: keyx.KindNotCovered}),
		"84" + "0000000000000001" + "0000000000000002" + "0000000000000007" + "0000000000000003" + "c0" + zeros + "01" +
			"0000000000000005" + "c0" + zeros + "01": AppendHeartbeat(nil, &Heartbeat{
			Revocation: 1, Delivered: 2, Control: 7, CmdCount: 3, CmdChain: chain, EvCount: 5, EvChain: chain,
		}),
	} {
		require.Equal(t, want, hex.EncodeToString(msg))
	}
}

func TestRoundTrip(t *testing.T) {
	for name, msg := range samples(t) {
		again, err := decodeAll(msg)
		require.NoError(t, err, name)
		require.Equal(t, msg, again, name)
		for n := range len(msg) {
			_, err := decodeAll(msg[:n])
			requireBad(t, err)
		}
		_, err = decodeAll(append(bytes.Clone(msg), 0))
		requireBad(t, err)
	}
}

// A changed byte is refused or means something else: no two encodings of one message.
func TestCanonical(t *testing.T) {
	for name, msg := range samples(t) {
		for p := range msg {
			for bit := range 8 {
				changed := bytes.Clone(msg)
				changed[p] ^= 1 << bit
				if again, err := decodeAll(changed); err == nil {
					require.Equal(t, changed, again, "%s byte %d", name, p)
				}
			}
		}
	}
}

func TestHeaderBytes(t *testing.T) {
	ok := must(t)
	require.Len(t, ok(AppendHeader(nil, &Header{})), HeaderBytes)
	require.Len(t, ok(AppendHeader(nil, &Header{Explicit: true})), ExplicitHeaderBytes)
	require.Len(t, ok(AppendEnvelope(nil, &Envelope{Subject: []byte("a"), Subscriptions: []uint32{1}})), EnvelopeBytes+1+4)
	require.Equal(t, filter.MaxFilterBytes, MaxFilterBytes)
	require.LessOrEqual(t, filter.MaxEventBytes, MaxAttrsBytes)
	b := ok(AppendHeader(nil, &Header{CK: [32]byte{1}})) // not explicit: the key stays at home
	require.Len(t, b, HeaderBytes)
}

func TestEncodersRefuse(t *testing.T) {
	keep := []byte("kept")
	for name, f := range map[string]func() ([]byte, error){
		"attrs": func() ([]byte, error) { return AppendHeader(keep, &Header{Attrs: make([]byte, MaxAttrsBytes+1)}) },
		"filter": func() ([]byte, error) {
			return AppendSubscribe(keep, Subscribe{Filter: make([]byte, MaxFilterBytes+1)})
		},
		"no filter": func() ([]byte, error) { return AppendSubscribe(keep, Subscribe{}) },
		"subject":   func() ([]byte, error) { return AppendEnvelope(keep, &Envelope{Subscriptions: []uint32{1}}) },
		"long subject": func() ([]byte, error) {
			return AppendEnvelope(keep, &Envelope{Subject: make([]byte, 256), Subscriptions: []uint32{1}})
		},
		"no ids": func() ([]byte, error) { return AppendEnvelope(keep, &Envelope{Subject: []byte("a")}) },
		"ids twice": func() ([]byte, error) {
			return AppendEnvelope(keep, &Envelope{Subject: []byte("a"), Subscriptions: []uint32{1, 1}})
		},
		"many ids": func() ([]byte, error) {
			return AppendEnvelope(keep, &Envelope{Subject: []byte("a"), Subscriptions: make([]uint32, MaxMatches+1)})
		},
		"refusals":      func() ([]byte, error) { return AppendAck(keep, &Ack{}, make([]Refusal, MaxRefusals+1)) },
		"refusal order": func() ([]byte, error) { return AppendAck(keep, &Ack{Handled: 9}, []Refusal{{2, 113}, {2, 113}}) },
		"refusal above": func() ([]byte, error) { return AppendAck(keep, &Ack{Handled: 1}, []Refusal{{2, 113}}) },
		"refusal ok":    func() ([]byte, error) { return AppendAck(keep, &Ack{Handled: 9}, []Refusal{{2, 0}}) },
	} {
		out, err := f()
		requireBad(t, err)
		require.Equal(t, keep, out, name)
	}
	requireBad(t, FinishPublish(BeginPublish(nil), 0))
	requireBad(t, FinishPublish(BeginPublish(nil), MaxHeaders+1))
	requireBad(t, FinishPublish(BeginDeliver(nil, 0, 0), 1))
	requireBad(t, FinishDeliver(BeginDeliver(nil, 0, 0), MaxEnvelopes+1))
	requireBad(t, FinishDeliver(nil, 1))
}

func TestDecodersRefuse(t *testing.T) {
	all := samples(t)
	at := func(name string, p int, b ...byte) []byte {
		m := bytes.Clone(all[name])
		copy(m[p:], b)
		return m
	}
	for name, msg := range map[string][]byte{
		"empty":             {},
		"type 0":            {0},
		"type 5":            {5},
		"type 0x80":         {0x80},
		"flags":             at("publish", 3, 2),
		"count 0":           {byte(TypePublish), 0, 0},
		"count too large":   at("publish", 1, 4, 1),
		"count too small":   at("publish", 1, 0, 1),
		"count beyond":      at("publish", 1, 0, 3),
		"deliver count 0":   at("deliver", 17, 0, 0),
		"deliver large":     at("deliver", 17, 4, 1),
		"delivery overflow": at("deliver", 9, 255, 255, 255, 255, 255, 255, 255, 255),
		"subject empty":     at("deliver", 19+32, 0),
		"reply op":          at("reply", 9, 4),
		"ack count":         at("ack", 65, 4, 1),
		"ack kind 0":        at("ack", 67+8, 0, 0),
		"ack order":         at("ack", 67, 0, 0, 0, 0, 0, 0, 0, 20),
		"ack above":         at("ack", 17, 0, 0, 0, 0, 0, 0, 0, 19),
		"long filter":       append(binary.BigEndian.AppendUint32([]byte{byte(TypeSubscribe)}, 1), make([]byte, MaxFilterBytes+1)...),
	} {
		_, err := decodeAll(msg)
		require.Error(t, err, name)
		requireBad(t, err)
	}
	ids := bytes.LastIndex(all["deliver"], []byte{0, 0, 0, 7})
	_, err := decodeAll(at("deliver", ids, 0, 0, 0, 0))
	requireBad(t, err)
	// Every decoder insists on its own type.
	for _, msg := range all {
		typ, _ := TypeOf(msg)
		for want, decode := range map[Type]func() error{
			TypePublish: func() error { _, err := ReadPublish(msg); return err }, TypeDeliver: func() error { _, err := ReadDeliver(msg); return err },
			TypeAck: func() error { _, err := ReadAck(msg); return err }, TypePing: func() error { return DecodePing(msg) },
			TypeSubscribe: func() error { _, err := DecodeSubscribe(msg); return err }, TypeUnsubscribe: func() error { _, _, err := DecodeUnsubscribe(msg); return err },
			TypeReply: func() error { _, err := DecodeReply(msg); return err }, TypeHeartbeat: func() error { _, err := DecodeHeartbeat(msg); return err },
		} {
			if want == typ {
				require.NoError(t, decode())
			} else {
				requireBad(t, decode())
			}
		}
	}
}

// After an error a reader stays at its error, and what was read is not more than what was there.
func TestReaderStaysBad(t *testing.T) {
	msg := samples(t)["publish"]
	r, err := ReadPublish(msg[:len(msg)-1])
	require.NoError(t, err)
	var h Header
	more, err := r.Next(&h)
	require.True(t, more)
	require.NoError(t, err)
	for range 3 {
		more, err = r.Next(&h)
		require.False(t, more)
		requireBad(t, err)
	}
}

// A header without a key leaves none of the header before it.
func TestHeaderIsReused(t *testing.T) {
	ok := must(t)
	msg := ok(AppendHeader(BeginPublish(nil), &Header{Explicit: true, CK: [32]byte{1}, Salt: [16]byte{2}}))
	msg = ok(AppendHeader(msg, &Header{}))
	require.NoError(t, FinishPublish(msg, 2))
	r, err := ReadPublish(msg)
	require.NoError(t, err)
	var h Header
	_, err = r.Next(&h)
	require.NoError(t, err)
	require.True(t, h.Explicit)
	_, err = r.Next(&h)
	require.NoError(t, err)
	require.False(t, h.Explicit)
	require.Zero(t, h.CK)
	require.Zero(t, h.Salt)
}

func TestRoundTripAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		msg := BeginDeliver(nil, rapid.Uint64().Draw(t, "rev"), uint64(rapid.Uint32().Draw(t, "first")))
		var want []Envelope
		for range n {
			e := Envelope{
				Subject: rapid.SliceOfN(rapid.Byte(), 1, 255).Draw(t, "subject"), Run: rapid.Uint64().Draw(t, "run"),
				Counter: rapid.Uint64().Draw(t, "counter"), GKEpoch: rapid.Uint64().Draw(t, "epoch"),
			}
			copy(e.CK[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "ck"))
			last := uint32(0)
			for range rapid.IntRange(1, 9).Draw(t, "ids") {
				last += rapid.Uint32Range(1, 1000).Draw(t, "step")
				e.Subscriptions = append(e.Subscriptions, last)
			}
			var err error
			msg, err = AppendEnvelope(msg, &e)
			require.NoError(t, err)
			want = append(want, e)
		}
		require.NoError(t, FinishDeliver(msg, n))
		r, err := ReadDeliver(msg)
		require.NoError(t, err)
		require.Equal(t, n, r.Count())
		for _, w := range want {
			var e Envelope
			more, err := r.Next(&e)
			require.NoError(t, err)
			require.True(t, more)
			require.Equal(t, w, e)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	all := samples(t)
	publish, deliver, ack := all["publish"], all["deliver"], all["ack"]
	var h Header
	e := Envelope{Subscriptions: make([]uint32, 0, 8)}
	var f Refusal
	buf := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		p, _ := ReadPublish(publish)
		for more := true; more; more, _ = p.Next(&h) {
			_, _ = AppendHeader(buf, &h)
		}
		d, _ := ReadDeliver(deliver)
		for more := true; more; more, _ = d.Next(&e) {
			if len(e.Subject) > 0 {
				_, _ = AppendEnvelope(buf, &e)
			}
		}
		a, _ := ReadAck(ack)
		for more := true; more; more, _ = a.Next(&f) {
			_ = a.Count()
		}
	}))
}

func FuzzMessage(f *testing.F) {
	for _, msg := range samples(f) {
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		again, err := decodeAll(msg)
		if err != nil {
			requireBad(t, err)
			return
		}
		require.Equal(t, msg, again)
	})
}

func BenchmarkDecodePublish(b *testing.B) {
	h := Header{Attrs: make([]byte, 56)}
	msg := BeginPublish(nil)
	for range 64 {
		msg, _ = AppendHeader(msg, &h)
	}
	_ = FinishPublish(msg, 64)
	b.ReportAllocs()
	for b.Loop() {
		r, _ := ReadPublish(msg)
		for more := true; more; more, _ = r.Next(&h) {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*64), "ns/header")
}
