package message

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever is printed, logged or marshalled, and in whatever it stands, no content
// key, attribute or name is in it.
func TestContentKeysAreNotPrinted(t *testing.T) {
	mark := bytes.Repeat([]byte{0xC3, 0x5A}, 16)
	h := Header{Explicit: true, CK: [32]byte(mark), Salt: [16]byte(mark), Attrs: []byte("CANARY")}
	e := Envelope{CK: [32]byte(mark), Subject: []byte("CANARY"), Commitment: [32]byte(mark)}
	type outer struct {
		H Header
		E *Envelope
	}
	forbidden := []string{
		"195 90 195", "195, 90, 195", "0xc3, 0x5a", string(mark[:4]), hex.EncodeToString(mark[:4]), strings.ToUpper(hex.EncodeToString(mark[:4])),
		base64.StdEncoding.EncodeToString(mark)[:12], "CANARY", hex.EncodeToString([]byte("CANARY")), "67 65 78",
	}
	for _, v := range []any{
		h, &h, e, &e,
		outer{h, &e},
		&outer{h, &e},
		[]Header{h},
		[]*Envelope{&e},
		map[string]Envelope{"e": e},
		struct{ Header }{h},
		struct{ Envelope }{e},
		struct{ Inner outer }{outer{h, &e}},
	} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		require.Contains(t, out.String(), "redacted")
		for _, f := range forbidden {
			require.NotContains(t, out.String(), f, "%T", v)
		}
	}
	require.Equal(t, redactedHeader, h.String())
	require.Equal(t, redactedEnvelope, e.GoString())
	type bare Header // without the methods: the test can fail
	require.Contains(t, fmt.Sprintf("%+v", bare(h)), forbidden[0])
}
