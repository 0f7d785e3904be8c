package enclave

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
)

// kinds publishes n times in one step and counts the outcomes.
func (c *client) kinds(n int) map[keyx.Kind]int {
	c.w.t.Helper()
	var pubs []publication
	for range n {
		pubs = append(pubs, c.publication("x", "x", 1))
	}
	g := c.take(c.w.step(c.publishFrame(pubs...)))
	got := map[keyx.Kind]int{keyx.KindOK: n - len(g.refusals)}
	for _, r := range g.refusals {
		got[r.Kind]++
	}
	return got
}

// TestPublicationRate: a subject's sessions share the quota, a new one does not fill it, and time that goes back gives nothing.
func TestPublicationRate(t *testing.T) {
	w := newWorld(t)
	limited := grantFor("bob")
	limited.Quotas.MaxRate = 10
	bob, again := w.connect(limited), w.connect(limited)
	free := w.member("carol")
	require.Equal(t, map[keyx.Kind]int{keyx.KindOK: 10, keyx.KindTooFast: 5}, bob.kinds(15), "one second's worth at once")
	require.Equal(t, map[keyx.Kind]int{keyx.KindOK: 0, keyx.KindTooFast: 2}, again.kinds(2))
	require.Equal(t, map[keyx.Kind]int{keyx.KindOK: 500}, free.kinds(500))

	w.now = w.now.Add(500 * time.Millisecond)
	require.Equal(t, map[keyx.Kind]int{keyx.KindOK: 5, keyx.KindTooFast: 1}, again.kinds(6))
	w.now = w.now.Add(-time.Hour)
	require.Equal(t, map[keyx.Kind]int{keyx.KindOK: 0, keyx.KindTooFast: 1}, bob.kinds(1))
	w.now = w.now.Add(time.Hour)
	w.step(abi.AppendClose(nil, bob.conn), abi.AppendClose(nil, again.conn))
	bob = w.connect(limited)
	require.Equal(t, map[keyx.Kind]int{keyx.KindOK: 0, keyx.KindTooFast: 1}, bob.kinds(1))
	w.now = w.now.Add(time.Hour) // no more than a second's worth is saved up
	bob.take(w.step(abi.AppendTick(nil)))
	require.Equal(t, map[keyx.Kind]int{keyx.KindOK: 10, keyx.KindTooFast: 1}, bob.kinds(11))
}

// TestPublicationRateRemembersRefusals: a publication refused for its haste stays refused when it is sent again.
func TestPublicationRateRemembersRefusals(t *testing.T) {
	w := newWorld(t)
	limited := grantFor("bob")
	limited.Quotas.MaxRate = 1
	bob := w.connect(limited)
	first, second := bob.publication("a", "x", 1), bob.publication("b", "x", 1)
	g := bob.take(w.step(bob.publishFrame(first, second)))
	require.Equal(t, keyx.KindTooFast, g.refusals[0].Kind)
	w.now = w.now.Add(time.Hour)
	bob.take(w.step(abi.AppendTick(nil)))
	g = bob.take(w.step(bob.publishFrame(second)))
	require.Equal(t, keyx.KindTooFast, g.refusals[0].Kind)
	require.Equal(t, map[keyx.Kind]int{keyx.KindOK: 1}, bob.kinds(1), "and it has cost nothing")
}

func TestHeaderQuota(t *testing.T) {
	w := newWorld(t)
	limited := grantFor("bob")
	bare := len(event(t, "x", 1).AppendBinary(nil))
	limited.Quotas.MaxHeaderBytes = uint32(bare)
	bob := w.connect(limited)
	require.Equal(t, map[keyx.Kind]int{keyx.KindOK: 1}, bob.kinds(1))
	g := bob.take(w.step(bob.publishFrame(bob.publication("x", "xy", 1))))
	require.Equal(t, keyx.KindHeaderTooLarge, g.refusals[0].Kind)
	p := bob.publication("x", "x", 1)
	p.header.Padding = 100 // is not counted
	require.Empty(t, bob.take(w.step(bob.publishFrame(p))).refusals)
}
