package abi_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
)

var (
	instance    = [abi.InstanceLen]byte{1, 2, 3}
	measurement = [abi.MeasurementLen]byte{4, 5, 6}
	statsBody   = abi.StatsBody{
		Subscriptions: 1, StoreBytes: 3, BudgetBytes: 4,
		Sessions: 5, Handled: 6, Matched: 7, Refused: 8, Faults: 9, Evictions: 10,
		Memory: abi.MemoryBody{Rows: 11, Records: 12, Dictionaries: 13, Owners: 14, Free: 15, Outside: 16, Heap: 17},
	}
)

// samples has one frame of each type.
func samples() map[string][]byte {
	return map[string][]byte{
		"open":      abi.AppendOpen(nil, 7, []byte("m1")),
		"finish":    abi.AppendFinish(nil, 7, []byte("m3")),
		"data":      abi.AppendData(nil, 7, 100, 2, []byte("blob")),
		"close":     abi.AppendClose(nil, 7),
		"tick":      abi.AppendTick(nil),
		"shutdown":  abi.AppendShutdown(nil),
		"ready":     abi.AppendReady(nil, instance, measurement, true),
		"handshake": abi.AppendHandshake(nil, 7, abi.StageAnswer, []byte("m2")),
		"deliver":   abi.AppendDeliver(nil, 7, []uint64{100, 103}, []byte("blob")),
		"handled":   abi.AppendHandled(nil, 100, 2),
		"refuse":    abi.AppendRefuse(nil, 7, 118),
		"stats":     abi.AppendStats(nil, &statsBody),
		"bye":       abi.AppendBye(nil),
		"tock":      abi.AppendTock(nil),
		"list":      abi.AppendTakeList(nil, []byte("list")),
		"held":      abi.AppendListHeld(nil, 3, 113),
		"endorse":   abi.AppendEndorse(nil, []byte("list")),
		"staple":    abi.AppendStaple(nil, []byte("{}")),
		"endorsed":  abi.AppendEndorsed(nil, 3, 129),
		"statement": abi.AppendStatement(nil, []byte("list")),
	}
}

// encode writes a decoded frame again.
func encode(f *abi.Frame) []byte {
	switch f.Type {
	case abi.Open:
		return abi.AppendOpen(nil, f.Conn, f.Body)
	case abi.Finish:
		return abi.AppendFinish(nil, f.Conn, f.Body)
	case abi.Data:
		return abi.AppendData(nil, f.Conn, f.Ref, f.Count, f.Body)
	case abi.Close:
		return abi.AppendClose(nil, f.Conn)
	case abi.Tick:
		return abi.AppendTick(nil)
	case abi.Shutdown:
		return abi.AppendShutdown(nil)
	case abi.TakeList:
		return abi.AppendTakeList(nil, f.Body)
	case abi.Endorse:
		return abi.AppendEndorse(nil, f.Body)
	case abi.Staple:
		return abi.AppendStaple(nil, f.Body)
	case abi.Endorsed:
		return abi.AppendEndorsed(nil, f.Until, f.Kind)
	case abi.Statement:
		return abi.AppendStatement(nil, f.Body)
	case abi.ListHeld:
		return abi.AppendListHeld(nil, f.List, f.Kind)
	case abi.Ready:
		return abi.AppendReady(nil, first(f.Ready()), second(f.Ready()), third(f.Ready()))
	case abi.Handshake:
		return abi.AppendHandshake(nil, f.Conn, f.Stage, f.Body)
	case abi.Deliver:
		refs := make([]uint64, f.Count)
		for i := range refs {
			refs[i] = f.RefAt(i)
		}
		return abi.AppendDeliver(nil, f.Conn, refs, f.Body)
	case abi.Handled:
		return abi.AppendHandled(nil, f.Ref, f.Count)
	case abi.Refuse:
		return abi.AppendRefuse(nil, f.Conn, f.Kind)
	case abi.Stats:
		s := f.Stats()
		return abi.AppendStats(nil, &s)
	case abi.Bye:
		return abi.AppendBye(nil)
	case abi.Tock:
		return abi.AppendTock(nil)
	default:
		return nil
	}
}

func first[A, B, C any](a A, _ B, _ C) A  { return a }
func second[A, B, C any](_ A, b B, _ C) B { return b }
func third[A, B, C any](_ A, _ B, c C) C  { return c }

func TestVectors(t *testing.T) {
	vectors := map[string]string{
		"open":      "0000000c 01 01 0000000000000007 6d31",
		"finish":    "0000000c 01 02 0000000000000007 6d33",
		"data":      "00000018 01 03 0000000000000007 0000000000000064 0002 626c6f62",
		"close":     "0000000a 01 04 0000000000000007",
		"tick":      "00000002 01 05",
		"shutdown":  "00000002 01 06",
		"ready":     "00000043 01 81 01020300000000000000000000000000 0405060000000000000000000000000000000000000000000000000000000000 00000000000000000000000000000000 01",
		"handshake": "0000000d 01 82 0000000000000007 02 6d32",
		"deliver":   "00000020 01 83 0000000000000007 0002 0000000000000064 0000000000000067 626c6f62",
		"handled":   "0000000c 01 84 0000000000000064 0002",
		"refuse":    "0000000c 01 85 0000000000000007 0076",
		"stats": "0000007e 01 86 0000000000000001 0000000000000003 0000000000000004 00000005" +
			"0000000000000006 0000000000000007 0000000000000008 0000000000000009 000000000000000a" +
			"000000000000000b 000000000000000c 000000000000000d 000000000000000e 000000000000000f 0000000000000010 0000000000000011",
		"bye":  "00000002 01 87",
		"tock": "00000002 01 88",
		"list": "00000006 01 07 6c697374",
		"held": "0000000c 01 8a 0000000000000003 0071",

		"endorse":   "00000006 01 08 6c697374",
		"staple":    "00000004 01 09 7b7d",
		"endorsed":  "0000000c 01 8b 0000000000000003 0081",
		"statement": "00000006 01 89 6c697374",
	}
	got := samples()
	require.Len(t, vectors, len(got))
	for name, text := range vectors {
		want, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(text), []byte(" "), nil)))
		require.NoError(t, err)
		require.Equal(t, want, got[name], name)
	}
}

func TestRoundTrip(t *testing.T) {
	for name, b := range samples() {
		f, rest, err := abi.Next(append(bytes.Clone(b), 0xff))
		require.NoError(t, err, name)
		require.Equal(t, []byte{0xff}, rest, name)
		require.Equal(t, b, encode(&f), name)
		require.Equal(t, b[5] < 0x80, f.Type.FromHost(), name)
	}
}

func TestShortAtEveryByte(t *testing.T) {
	for name, b := range samples() {
		for i := range b {
			_, rest, err := abi.Next(b[:i])
			require.ErrorIs(t, err, abi.ErrShort, "%s cut at %d", name, i)
			require.Len(t, rest, i)
		}
	}
}

func TestRefusals(t *testing.T) {
	cases := []struct {
		name, hex string
		want      error
		resume    bool
	}{
		{"length above the limit", "00100001 01 05", abi.ErrTooLarge, false},
		{"length below the fixed part", "00000001 01", abi.ErrTooLarge, false},
		{"version 0", "00000002 00 05", abi.ErrVersion, false},
		{"version 2", "00000002 02", abi.ErrVersion, false},
		{"type 0", "00000002 01 00", abi.ErrType, true},
		{"type above the host's", "00000002 01 0a", abi.ErrType, true},
		{"type above the enclave's", "00000002 01 8c", abi.ErrType, true},
		{"open without conn", "00000009 01 01 00000000000000", abi.ErrBody, true},
		{"close with more", "0000000b 01 04 0000000000000007 00", abi.ErrBody, true},
		{"tick with a body", "00000003 01 05 00", abi.ErrBody, true},
		{"data cut", "00000013 01 03 0000000000000007 0000000000000064 00", abi.ErrBody, true},
		{"data with too many payloads", "00000014 01 03 0000000000000007 0000000000000064 0401", abi.ErrBody, true},
		{"data with wrapping references", "00000014 01 03 0000000000000007 ffffffffffffffff 0002", abi.ErrBody, true},
		{"handled with wrapping references", "0000000c 01 84 ffffffffffffffff 0002", abi.ErrBody, true},
		{"handled cut", "0000000b 01 84 ffffffffffffffff 00", abi.ErrBody, true},
		{"deliver with references missing", "0000000c 01 83 0000000000000007 0001", abi.ErrBody, true},
		{"deliver with too many references", "0000000c 01 83 0000000000000007 0401", abi.ErrBody, true},
		{"handshake of stage 3", "0000000b 01 82 0000000000000007 03", abi.ErrBody, true},
		{"list held cut", "0000000b 01 8a 0000000000000003 00", abi.ErrBody, true},
		{"refuse with more", "0000000d 01 85 0000000000000007 0076 00", abi.ErrBody, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(c.hex), []byte(" "), nil)))
			require.NoError(t, err)
			_, rest, err := abi.Next(b)
			require.ErrorIs(t, err, c.want)
			var e *abi.Error
			require.True(t, errors.As(err, &e))
			require.Equal(t, c.resume, e.Resumable())
			if c.resume {
				require.Empty(t, rest)
			}
		})
	}
	ready := abi.AppendReady(nil, instance, measurement, true)
	ready[len(ready)-1] = 2
	_, _, err := abi.Next(ready)
	require.ErrorIs(t, err, abi.ErrBody)
}

func TestWhole(t *testing.T) {
	stream := append(abi.AppendTick(nil), abi.AppendClose(nil, 1)...)
	first := len(abi.AppendTick(nil))
	for i := range len(stream) + 1 {
		want := 0
		switch {
		case i == len(stream):
			want = i
		case i >= first:
			want = first
		}
		n, err := abi.Whole(stream[:i])
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	for tail, want := range map[string]error{"\xff\x00\x00\x00": abi.ErrTooLarge, "\x00\x00\x00\x01": abi.ErrTooLarge, "\x00\x00\x00\x02\x07": abi.ErrVersion} {
		n, err := abi.Whole(append(bytes.Clone(stream), tail...))
		require.ErrorIs(t, err, want)
		require.Equal(t, len(stream), n, "what came before is whole")
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	var stream []byte
	for _, b := range samples() {
		stream = append(stream, b...)
	}
	sum := uint64(0)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for rest := stream; len(rest) > 0; {
			f, r, err := abi.Next(rest)
			if err != nil {
				panic(err)
			}
			if f.Type == abi.Deliver {
				sum += f.RefAt(int(f.Count) - 1)
			}
			rest = r
		}
	}))
}

// FuzzAbi checks that whatever decodes has this one encoding, and that a frame
// which was not understood still leaves the reader at the next one.
func FuzzAbi(f *testing.F) {
	for _, b := range samples() {
		f.Add(b)
	}
	f.Add([]byte{0, 0, 0, 2, 1, 0, 0, 0, 0, 2, 1, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, _ := abi.Whole(b)
		for start := len(b); len(b) > 0; {
			if start-len(b) > whole {
				t.Fatal("Next goes further than Whole")
			}
			frame, rest, err := abi.Next(b)
			var e *abi.Error
			switch {
			case err == nil:
				if again := encode(&frame); !bytes.Equal(again, b[:len(b)-len(rest)]) {
					t.Fatalf("%x decodes and encodes to %x", b[:len(b)-len(rest)], again)
				}
			case errors.As(err, &e) && e.Resumable():
			default:
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no progress")
			}
			b = rest
		}
	})
}
