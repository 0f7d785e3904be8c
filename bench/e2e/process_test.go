package e2e

import (
	"bytes"
	"encoding/hex"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/bench/trial"
	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/matcher/filter"
)

// Places of what the real processes show.
const (
	placeOutput   = "standard output and error of routerd and enclaved"
	placeMetrics  = "/metrics"
	placeHostView = "/host-view"
)

// printed makes a capture an io.Writer for what processes print.
type printed struct{ c *capture }

func (p printed) Write(b []byte) (int, error) {
	p.c.add(placeOutput, b)
	return len(b), nil
}

// written are the ways in which a log or a page could write the canaries.
func written() map[string][]byte {
	forms := map[string][]byte{
		"number, decimal": strconv.AppendInt(nil, canaryNumber, 10),
		"number, float":   strconv.AppendFloat(nil, canaryNumber, 'g', -1, 64),
	}
	for name, b := range canaries() {
		forms[name] = b
		forms[name+", hexadecimal"] = []byte(hex.EncodeToString(b))
	}
	return forms
}

// TestProcessesPrintNoCanary runs the real binaries with canaries in filters, attributes, payloads and names, in what is accepted and
// in what is refused, and finds none of them in anything the processes print or serve.
func TestProcessesPrintNoCanary(t *testing.T) {
	seen := &capture{}
	sys, err := trial.StartTo(t.Context(), printed{seen}, programs(t), t.TempDir()+"/dev")
	require.NoError(t, err)
	stop := sync.OnceValue(sys.Stop)
	t.Cleanup(func() { _ = stop() })
	iss, err := trial.NewIssuer(sys)
	require.NoError(t, err)
	response, err := http.Post("http://"+sys.Metrics+"/host-view", "", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	useWithCanaries(t, iss)
	misuseWithCanaries(t, iss, sys.Addr)
	require.Eventually(t, func() bool { // the figures of the enclave have arrived
		n, err := sys.Gauge(t.Context(), "scbr_enclave_handled_total")
		return err == nil && n >= 20
	}, patience, tick)
	for _, place := range []string{placeMetrics, placeHostView} {
		page, err := sys.Get(t.Context(), place)
		require.NoError(t, err)
		seen.add(place, page)
	}
	require.NoError(t, stop())

	for name, needle := range written() {
		places, searched := seen.find(needle)
		require.Empty(t, places, "%s leaked", name)
		require.Len(t, searched, 3, "every place was captured")
	}
	for text, place := range map[string]string{ // the search finds what is there
		`"listen":"127.0.0.1:`:               placeOutput, // routerd's first line
		"sandbox in force: ":                 placeOutput, // enclaved's
		"\nscbr_enclave_store_bytes 65536\n": placeMetrics,
		`"sealed_payload":"`:                 placeHostView,
	} {
		places, _ := seen.find([]byte(text))
		require.Equal(t, []string{place}, places, text)
	}
}

func dialIssued(t *testing.T, iss *trial.Issuer, subject, publish, subscribe string, serial uint64) *client.Client {
	t.Helper()
	cfg, err := iss.Config(subject, publish, subscribe, serial)
	require.NoError(t, err)
	c, err := client.Dial(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func parsed(t *testing.T, text string) filter.Filter {
	t.Helper()
	f, err := filter.Parse(text)
	require.NoError(t, err)
	return f
}

// useWithCanaries subscribes, publishes and receives.
func useWithCanaries(t *testing.T, iss *trial.Issuer) {
	ctx := t.Context()
	sub := dialIssued(t, iss, canarySubject+"-reader", "", "EXISTS "+canaryName, 1)
	pub := dialIssued(t, iss, canarySubject, "EXISTS "+canaryName, "", 2)
	_, err := sub.Subscribe(ctx, parsed(t, canaryName+" = '"+canaryText+"'"))
	require.NoError(t, err)
	gone, err := sub.Subscribe(ctx, parsed(t, canaryName+" = '"+canaryFilter+"'"))
	require.NoError(t, err)
	_, err = sub.Subscribe(ctx, parsed(t, "other = '"+canaryFilter+"'"))
	require.Error(t, err, "not covered by the grant")
	for range 20 {
		require.NoError(t, pub.Publish(ctx, event(t, canaryName, canaryText, "n", canaryNumber), []byte(canaryPayload)))
	}
	require.Error(t, pub.Publish(ctx, event(t, "foreign", canaryText), []byte(canaryPayload)), "not covered by the grant")
	require.NoError(t, gone.Unsubscribe(ctx))
	for range 20 {
		d, err := sub.Receive(ctx)
		require.NoError(t, err)
		require.Equal(t, canaryPayload, string(d.Payload), "the canary did travel")
		require.Equal(t, canarySubject, d.Publisher)
	}
}

// misuseWithCanaries is refused in several ways.
func misuseWithCanaries(t *testing.T, iss *trial.Issuer, addr string) {
	cfg, err := iss.Config(canarySubject, "EXISTS "+canaryName, "", 3)
	require.NoError(t, err)
	forged := cfg
	forged.Grant = bytes.Clone(cfg.Grant)
	forged.Grant[len(forged.Grant)/2] ^= 1
	_, err = client.Dial(t.Context(), forged)
	require.Error(t, err, "a grant that nobody signed")
	u, err := net.Dial("udp4", addr)
	require.NoError(t, err)
	defer func() { _ = u.Close() }()
	for name, b := range canaries() {
		_, err = u.Write(b)
		require.NoError(t, err, name)
	}
}
