package e2e

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
)

// TestOverTCP: the whole path without UDP.
func TestOverTCP(t *testing.T) {
	for _, network := range []client.Network{client.NetworkTCP, client.NetworkAuto} {
		t.Run(string(network), func(t *testing.T) {
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			require.NoError(t, err)
			w := start(t, func(s *setup) { s.tcp = ln })
			// Nothing answers UDP at the number of the TCP port: as in a network that lets none through.
			hole, err := net.ListenPacket("udp4", ln.Addr().String())
			require.NoError(t, err)
			t.Cleanup(func() { _ = hole.Close() })
			cfg := w.config("s", "TRUE", "TRUE")
			cfg.Addr, cfg.Network = ln.Addr().String(), network
			c := w.dial(cfg)
			w.subscribe(c, "n > 1")
			for i := range 100 {
				require.NoError(t, c.Publish(w.ctx(), event(t, "n", i), make([]byte, 5000)))
			}
			for i := range 98 {
				d, err := c.Receive(w.ctx())
				require.NoError(t, err)
				require.EqualValues(t, i+3, d.Counter)
			}
			require.NoError(t, c.Close())
		})
	}
}
