package router

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// TestStalledLinkAndChurn: while the enclave takes nothing, connections that come and go leave nothing behind once the
// link's bound is reached: what never opened needs no Close.
func TestStalledLinkAndChurn(t *testing.T) {
	stalled, release := make(chan struct{}), make(chan struct{})
	w := start(t, limits(func(l *Limits) { l.LinkBytes = 2000 }), on(func(_ *fakeEnclave, f *abi.Frame) bool {
		if f.Type == abi.Data {
			close(stalled)
			<-release
		}
		return f.Type == abi.Data
	}))
	defer close(release)
	w.session().publish("b", []byte("stall"))
	<-stalled
	pending := func() int {
		w.life.link.mu.Lock()
		defer w.life.link.mu.Unlock()
		return len(w.life.link.pending)
	}
	hello := wire.AppendHello(nil, make([]byte, 1000))
	churn := func(n int) {
		for range n {
			c := w.mustConnect()
			c.send(hello)
			w.eventually("the session is there", func() bool { return w.sessions() == 2 })
			_ = c.conn.CloseWithError(0, "")
			w.eventually("and gone", func() bool { return w.sessions() == 1 })
		}
	}
	for range 10 {
		churn(1)
		if pending() >= w.r.limits().LinkBytes {
			break
		}
	}
	full := pending()
	require.GreaterOrEqual(t, full, w.r.limits().LinkBytes)
	churn(20)
	require.Equal(t, full, pending())
}
