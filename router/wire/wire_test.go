package wire_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/router/wire"
)

// vectors pin the encoding: a change of any byte is a change of the protocol.
func vectors() map[string][]byte {
	blob, payload := []byte("bb"), []byte("p1")
	return map[string][]byte{
		"00000005 01 01 6d7331": wire.AppendHello(nil, []byte("ms1")),
		"00000005 01 02 6d7333": wire.AppendFinish(nil, []byte("ms3")),
		"00000002 01 04":        wire.AppendBye(nil),
		"00000005 01 81 6d7332": wire.AppendServerHello(nil, []byte("ms2")),
		"00000005 01 82 6d7334": wire.AppendConfirm(nil, []byte("ms4")),
		"00000004 01 84 006e":   wire.AppendRefuse(nil, 110),

		"0000000a 01 03 00000002 6262 0000": wire.AppendData(nil, blob, nil),
		"00000014 01 03 00000002 6262 0002" +
			"00000002 7031 00000000": wire.AppendData(nil, blob, [][]byte{payload, {}}),
		"00000010 01 83 00000002 6262 0001" +
			"00000002 7031": wire.AppendDelivery(nil, blob, [][]byte{payload}),
		"0000000a 01 85 0001 00000002 7031": append(wire.AppendPayloadHead(wire.AppendPayloadsHead(nil, 1, 2), 2), payload...),
	}
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

// encode is the inverse of Next, built from the exported encoders only.
func encode(f wire.Frame) []byte {
	var payloads [][]byte
	for it := f.Payloads(); ; {
		p, ok := it.Next()
		if !ok {
			break
		}
		payloads = append(payloads, p)
	}
	switch f.Type {
	case wire.TypeHello:
		return wire.AppendHello(nil, f.Msg)
	case wire.TypeFinish:
		return wire.AppendFinish(nil, f.Msg)
	case wire.TypeData:
		return wire.AppendData(nil, f.Blob, payloads)
	case wire.TypeBye:
		return wire.AppendBye(nil)
	case wire.TypeServerHello:
		return wire.AppendServerHello(nil, f.Msg)
	case wire.TypeConfirm:
		return wire.AppendConfirm(nil, f.Msg)
	case wire.TypeDelivery:
		return wire.AppendDelivery(nil, f.Blob, payloads)
	case wire.TypeRefuse:
		return wire.AppendRefuse(nil, f.Kind)
	case wire.TypePayloads:
		dst := wire.AppendPayloadsHead(nil, f.Count, f.PayloadBytes())
		for _, p := range payloads {
			dst = append(wire.AppendPayloadHead(dst, len(p)), p...)
		}
		return dst
	}
	return nil
}

func TestVectors(t *testing.T) {
	for text, got := range vectors() {
		want := unhex(t, text)
		require.Equal(t, want, got)
		f, rest, err := wire.Next(append(bytes.Clone(want), 0xaa), wire.MaxFrame)
		require.NoError(t, err, text)
		require.Equal(t, []byte{0xaa}, rest)
		require.Equal(t, want, encode(f), text)
		for n := range want {
			_, _, err := wire.Next(want[:n], wire.MaxFrame)
			require.ErrorIs(t, err, wire.ErrShort, "%s cut at %d", text, n)
		}
	}
}

func TestRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		frame string
		kind  wire.Kind
	}{
		"length over the limit":    {"00100001", wire.FrameTooLarge},
		"length far over":          {"ffffffff", wire.FrameTooLarge},
		"length 0":                 {"00000000", wire.BadFrame},
		"length 1":                 {"00000001 01", wire.BadFrame},
		"version 0":                {"00000005 00", wire.BadFrame},
		"version 2":                {"00000003 02 01 61", wire.BadFrame},
		"type 0":                   {"00000003 01 00 61", wire.BadFrame},
		"unknown type":             {"00000003 01 86 61", wire.BadFrame},
		"empty hello":              {"00000002 01 01", wire.BadFrame},
		"empty confirm":            {"00000002 01 82", wire.BadFrame},
		"bye with a body":          {"00000003 01 04 00", wire.BadFrame},
		"refuse kind 0":            {"00000004 01 84 0000", wire.BadFrame},
		"refuse short":             {"00000003 01 84 01", wire.BadFrame},
		"refuse long":              {"00000005 01 84 000101", wire.BadFrame},
		"blob length lies":         {"0000000a 01 03 00000009 6262 0000", wire.BadFrame},
		"blob length 2^32-1":       {"0000000a 01 03 ffffffff 6262 0000", wire.BadFrame},
		"empty blob":               {"00000008 01 03 00000000 0000", wire.BadFrame},
		"no count":                 {"00000008 01 03 00000002 6262", wire.BadFrame},
		"count over its limit":     {"0000000a 01 03 00000002 6262 0401", wire.BadFrame},
		"count lies":               {"0000000a 01 03 00000002 6262 0001", wire.BadFrame},
		"payload length lies":      {"0000000e 01 03 00000002 6262 0001 00000001", wire.BadFrame},
		"trailing after payloads":  {"0000000b 01 03 00000002 6262 0000 00", wire.BadFrame},
		"payloads without payload": {"00000004 01 85 0000", wire.BadFrame},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := wire.Next(unhex(t, tc.frame), wire.MaxFrame)
			var e *wire.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tc.kind, e.Kind)
		})
	}
}

func TestLimitComesFirst(t *testing.T) {
	head := binary.BigEndian.AppendUint32(nil, wire.MaxHandshakeFrame+1)
	_, _, err := wire.Next(head, wire.MaxHandshakeFrame)
	var e *wire.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, wire.FrameTooLarge, e.Kind)
	_, _, err = wire.Next(head, wire.MaxFrame)
	require.ErrorIs(t, err, wire.ErrShort)
	_, _, err = wire.Next(binary.BigEndian.AppendUint32(nil, wire.MaxFrame+1), 1<<30)
	require.ErrorAs(t, err, &e, "no limit of a caller lifts MaxFrame")
}

func TestSizes(t *testing.T) {
	payloads := [][]byte{make([]byte, 100), make([]byte, 7)}
	b := wire.AppendData(nil, make([]byte, 50), payloads)
	require.Equal(t, wire.DataOverhead+50+2*wire.PayloadOverhead+107, len(b))
	require.Equal(t, wire.DataSize(50, 2, 107), int(binary.BigEndian.Uint32(b)))
	f, _, err := wire.Next(b, wire.MaxFrame)
	require.NoError(t, err)
	require.Equal(t, 107, f.PayloadBytes())
}

func TestNextAllocatesNothing(t *testing.T) {
	b := wire.AppendData(nil, make([]byte, 50), [][]byte{make([]byte, 100), make([]byte, 7)})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		f, _, err := wire.Next(b, wire.MaxFrame)
		if err != nil {
			t.Fatal(err)
		}
		for it := f.Payloads(); ; {
			if _, ok := it.Next(); !ok {
				break
			}
		}
	}))
}

func TestKindNamesAreDistinct(t *testing.T) {
	seen := map[string]wire.Kind{}
	for k := wire.Kind(1); k <= wire.FirstEnclaveKind; k++ {
		require.NotContains(t, seen, k.String())
		seen[k.String()] = k
	}
	require.Equal(t, "enclave", wire.Kind(65535).String())
}

// FuzzWire: no input panics, an accepted frame is exactly what its encoder writes, and memory stays bound to the input.
func FuzzWire(f *testing.F) {
	for text := range vectors() {
		f.Add(unhex(f, text), wire.MaxFrame)
	}
	f.Add(unhex(f, "00000014 01 83 00000002 6262 0002 ffffffff 7031 00000000"), wire.MaxHandshakeFrame)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		for len(b) > 0 {
			frame, rest, err := wire.Next(b, limit)
			if err != nil {
				require.Equal(t, b, rest, "a refusal consumes nothing")
				return
			}
			used := b[:len(b)-len(rest)]
			require.LessOrEqual(t, len(used)-4, limit)
			require.Equal(t, used, encode(frame))
			b = rest
		}
	})
}
