package keyx

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

// Whatever is printed, logged or marshalled, no key is in it.
func TestSecretsAreNotPrinted(t *testing.T) {
	k := newKit(t)
	x := k.run(t)
	mark := bytes.Repeat([]byte{0xC3, 0x5A}, 16)
	key := secret32(mark)
	canary := Session{Content: testContent(t, 0xC3)}
	s, o := testPair(t, 0xC3, 1, 1)
	canary.Out, canary.In = s, o
	cfg := k.config()
	cfg.Key = bytes.Repeat(mark, 2)
	values := []any{
		key, &key, secretBytes(mark),
		keys{k3: key},
		&keys{k4: key}, canary, &canary, s, o,
		struct{ S *Sealer }{s},
		canary.Content, *canary.Content,
		&Resumption{secret: key},
		Resumption{secret: key},
		struct{ R *Resumption }{&Resumption{secret: key}},
		cfg, &cfg, k.identity, *k.identity, x.r, *x.r, x.beforeM2, *x.beforeM4,
		[]any{key},
		map[string]any{"k": key},
		struct{ K secret32 }{key},
	}
	forbidden := []string{
		hex.EncodeToString(mark[:8]), strings.ToUpper(hex.EncodeToString(mark[:8])), base64.StdEncoding.EncodeToString(mark)[:16],
		"195, 90, 195", "195 90 195", "0xc3, 0x5a", string(mark[:4]),
		hex.EncodeToString(x.beforeM4.keys.c2e[:8]), "3284386755", "c3c3c3c3",
	}
	for _, v := range values {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		for _, f := range forbidden {
			require.NotContains(t, out.String(), f, "%T", v)
		}
	}
	require.Contains(t, fmt.Sprintf("%x", mark), forbidden[0], "the test can fail")
}

func TestKindsAreStable(t *testing.T) {
	names := map[string]bool{}
	for k := KindBadMessage; k <= lastKind; k++ {
		require.NotContains(t, k.String(), "kind ", "%d has a name", uint16(k))
		require.False(t, names[k.String()])
		names[k.String()] = true
	}
	require.EqualValues(t, 125, KindInternal)
	require.EqualValues(t, 126, KindTooManyRuns)
	require.EqualValues(t, 133, KindBadGroup)
	for k, known := range map[Kind]bool{0: false, 1: false, 99: false, 100: true, 133: true, 134: false, 1000: false} {
		require.Equal(t, known, k.Known(), "%d", uint16(k))
	}
	require.Equal(t, "ok", KindOK.String())
	require.Equal(t, "kind 134", Kind(134).String())
	require.Equal(t, "kind 7", Kind(7).String())
	require.Equal(t, "internal", KindInternal.String())
	require.Equal(t, "integrity", KindIntegrity.String())
	require.Equal(t, "keyx: finish: bad proof of possession", fail("finish", KindBadProof, nil).Error())
}
