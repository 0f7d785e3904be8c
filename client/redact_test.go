package client

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever logs a Config, a Client or what holds one logs no key.
func TestKeysAreNotPrinted(t *testing.T) {
	f := newFake(t)
	c, _ := f.dial()
	defer c.Close()
	bytesOf := func(v any) string { return strings.Trim(fmt.Sprint(v), "[]") }
	secret := bytesOf([]byte(f.cfg.Key[:8]))
	for _, v := range []any{f.cfg, &f.cfg, c, struct{ C *Client }{c}, struct{ C Config }{f.cfg}, []Config{f.cfg}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			require.NotContains(t, text, secret)
			require.NotContains(t, text, fmt.Sprintf("%x", []byte(f.cfg.Key[:8])))
			require.Contains(t, text, "redacted")
		}
	}
	j, err := json.Marshal(f.cfg)
	require.NoError(t, err)
	require.Equal(t, `"client.Config(redacted)"`, string(j))
	type bare Config // without the methods: the test can fail
	require.Contains(t, fmt.Sprintf("%+v", bare(f.cfg)), secret)
}
