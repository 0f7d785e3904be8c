package enclave

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

// refusedBecause opens a session as far as the client looks at the evidence.
func (w *world) refusedBecause() string {
	w.t.Helper()
	i, msg1 := w.initiate(grantFor("alice"))
	out := w.step(abi.AppendOpen(nil, w.newConn(), msg1))
	require.Equal(w.t, abi.Handshake, out[0].Type)
	if _, err := i.Respond(out[0].Body, w.now); err == nil {
		return ""
	}
	return i.Verdict().Check
}

// TestStapledCollateral: clients get the newest collateral that the host has, through
// key epochs, and judge it; a host that staples rubbish loses service, no more.
func TestStapledCollateral(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Limits.EpochLength = time.Hour })
	_, good, err := machine().Quote([64]byte{})
	require.NoError(t, err)
	require.Empty(t, w.refusedBecause(), "the platform's own")
	member := w.member("bob")

	require.Empty(t, w.step(abi.AppendStaple(nil, []byte("{}"))))
	require.Contains(t, string(w.statement), "{}", "the statement is told anew")
	require.Equal(t, quote.CheckCollateralFormat, w.refusedBecause())
	require.Equal(t, keyx.KindOK, member.subscribe(1, "TRUE"), "sessions go on")

	for _, size := range []int{0, keyx.MaxCollateralBytes + 1} {
		out := w.step(abi.AppendStaple(nil, make([]byte, size)))
		require.Len(t, out, 1)
		require.Equal(t, abi.Refuse, out[0].Type)
		require.Equal(t, keyx.KindBadMessage, keyx.Kind(out[0].Kind))
	}
	require.Equal(t, quote.CheckCollateralFormat, w.refusedBecause(), "unchanged")

	w.now = w.now.Add(time.Hour)
	before := string(w.statement)
	member.take(w.step(abi.AppendTick(nil)))
	require.NotEqual(t, before, string(w.statement), "a new key epoch")
	require.Equal(t, quote.CheckCollateralFormat, w.refusedBecause(), "and the same collateral")
	require.Empty(t, w.step(abi.AppendStaple(nil, good)))
	require.Empty(t, w.refusedBecause())

	// A handshake that began under the one before is finished.
	_, conn, msg3 := w.handshake(grantFor("carol"))
	w.step(abi.AppendStaple(nil, []byte("{}")))
	out := w.step(abi.AppendFinish(nil, conn, msg3))
	require.Equal(t, abi.Handshake, out[0].Type)
}

// TestStapledWithEndorsement: the endorsement stays when collateral changes, also
// while the next key waits for one.
func TestStapledWithEndorsement(t *testing.T) {
	x := newEndorsed(t, func(c *Config) { c.Limits.EpochLength = time.Hour })
	_, good, err := machine().Quote([64]byte{})
	require.NoError(t, err)
	_, kind, _ := x.give(x.endorsement(func(e *keyx.Endorsement) { e.NotAfter = x.now.Add(20 * time.Hour) }))
	require.Equal(t, keyx.KindOK, kind)
	x.step(abi.AppendStaple(nil, good))
	x.member("alice")
	x.now = x.now.Add(time.Hour)
	x.step(abi.AppendTick(nil))
	waiting := string(x.statement)
	x.step(abi.AppendStaple(nil, good))
	require.Equal(t, len(waiting), len(x.statement))
	x.member("bob")
	_, kind, _ = x.give(x.endorsement())
	require.Equal(t, keyx.KindOK, kind, "the statement that was told is of the next key")
}
