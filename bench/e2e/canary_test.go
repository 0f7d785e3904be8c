package e2e

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// Canaries: strings and a number that occur nowhere else.
const (
	canaryName    = "canaryattribute"
	canaryText    = "canary-value-in-event"
	canaryFilter  = "canary-value-in-filter"
	canaryPayload = "canary-in-payload"
	canaryNumber  = 0x5ca1ab1e0ddba11
	canarySubject = "canary-subject"
)

func canaries() map[string][]byte {
	return map[string][]byte{
		"attribute name":    []byte(canaryName),
		"attribute string":  []byte(canaryText),
		"filter string":     []byte(canaryFilter),
		"payload":           []byte(canaryPayload),
		"attribute number":  binary.BigEndian.AppendUint64(nil, canaryNumber),
		"number, reversed":  binary.LittleEndian.AppendUint64(nil, canaryNumber),
		"publisher subject": []byte(canarySubject),
	}
}

// TestNoCanaryOutward runs publications, deliveries, refusals and removals with canaries in filters, attributes, payloads and names,
// and finds none of them in anything the host or the network could see: the abi in both directions, the datagrams, and what the
// router read, queued and wrote.
func TestNoCanaryOutward(t *testing.T) {
	cap := &capture{}
	w := start(t, func(s *setup) { s.capture = cap })
	sub := w.dial(w.config("s", "", "EXISTS "+canaryName))
	pub := w.dial(w.config(canarySubject, "EXISTS "+canaryName, ""))
	w.subscribe(sub, canaryName+" = '"+canaryText+"' AND n >= 409")
	gone := w.subscribe(sub, canaryName+" = '"+canaryFilter+"'")
	w.subscribe(sub, canaryName+" LIKE '"+canaryFilter+"%'")
	_, err := sub.Subscribe(w.ctx(), w.filter("other = '"+canaryFilter+"'"))
	require.Error(t, err, "not covered by the grant")
	for i := range 20 {
		require.NoError(t, pub.Publish(w.ctx(), event(t, canaryName, canaryText, "n", canaryNumber), []byte(canaryPayload)))
		if i == 10 {
			require.NoError(t, gone.Unsubscribe(w.ctx()))
		}
	}
	require.Error(t, pub.Publish(w.ctx(), event(t, "foreign", canaryText), []byte(canaryPayload)), "not covered by the grant")
	for range 20 {
		d, err := sub.Receive(w.ctx())
		require.NoError(t, err)
		require.Equal(t, canaryPayload, string(d.Payload), "the canary did travel")
		require.Equal(t, canarySubject, d.Publisher)
	}
	for name, needle := range canaries() {
		places, searched := cap.find(needle)
		require.Empty(t, places, "%s leaked", name)
		require.Len(t, searched, 7, "every place was captured")
		for p, n := range searched {
			require.Greater(t, n, 1000, p)
		}
	}
}

// TestCaptureFindsPlaintext shows that the search of TestNoCanaryOutward can fail: the same places, fed with frames that
// are not sealed, show the canary.
func TestCaptureFindsPlaintext(t *testing.T) {
	cap := &capture{}
	w := start(t, func(s *setup) { s.capture = cap })
	plain := []byte("header in the clear: " + canaryText)

	// A client that forgot to seal: seen from the client on, through the router, to the enclave.
	c := w.raw(w.config("s", "", "TRUE"))
	c.write(wire.AppendData(nil, plain, nil))
	require.Equal(t, wire.TypeRefuse, c.untilRefused())
	// A datagram in the clear.
	u, err := net.Dial("udp4", w.addr)
	require.NoError(t, err)
	_, err = u.Write(plain)
	require.NoError(t, err)
	// An enclave that forgot to seal: seen from the enclave on, through the queue of a client.
	d := w.raw(w.config("victim", "", "TRUE"))
	conn := uint64(2)
	_, err = w.toHost.Write(cap.outward(abi.AppendDeliver(nil, conn, nil, plain)))
	require.NoError(t, err)
	require.Equal(t, plain, d.read(wire.TypeDelivery).Blob)

	require.Eventually(t, func() bool {
		places, _ := cap.find([]byte(canaryText))
		return len(places) == 7
	}, patience, tick, "every place must show the plaintext")
}
