package client

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
)

// again cuts a session and waits for the next, which publishes.
func again(t *testing.T, f *fake, c *Client, s *fakeSession) *fakeSession {
	t.Helper()
	s.cut()
	next := <-f.sessions
	publish(t, c, "x")
	return next
}

// TestReconnectionsResume: the same instance is not verified again for an hour, another one is, and what it is is told as
// before.
func TestReconnectionsResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := lasting(t, func(g *keyx.Grant) { g.NotAfter = g.NotAfter.Add(24 * time.Hour) })
		c, s := f.dial()
		verdict, instance := c.Verdict(), c.Instance()
		for n := range int64(3) {
			s = again(t, f, c, s)
			require.EqualValues(t, 1, f.whole.Load())
			require.Equal(t, n+1, f.resumed.Load())
		}
		require.Equal(t, verdict, c.Verdict())
		require.Equal(t, instance, c.Instance())

		f.boot() // another instance knows nothing
		s = again(t, f, c, s)
		require.EqualValues(t, 2, f.whole.Load())
		require.NotEqual(t, instance, c.Instance())
		s = again(t, f, c, s)
		require.EqualValues(t, 2, f.whole.Load())

		time.Sleep(keyx.ResumeMaxAge) // the evidence is to be looked at again
		s = again(t, f, c, s)
		require.EqualValues(t, 3, f.whole.Load())
		again(t, f, c, s)
		require.EqualValues(t, 4, f.resumed.Load()-1)
		require.NoError(t, c.Close())
	})
}

// TestResumptionKeepsTheList: nobody goes back behind a list on this way either.
func TestResumptionKeepsTheList(t *testing.T) {
	f := lasting(t)
	f.cfg.ReconnectMin, f.cfg.ReconnectMax = time.Millisecond, time.Millisecond
	f.list.Store(5)
	c, s := f.dial()
	f.list.Store(4)
	s.cut()
	<-f.sessions // resumed by the enclave, and left by the client
	<-f.sessions // a whole handshake, and left as well
	require.EqualValues(t, 1, f.resumed.Load())
	f.list.Store(5)
	for done := false; !done; {
		select {
		case <-f.sessions:
		case <-time.After(50 * time.Millisecond):
			done = true
		}
	}
	publish(t, c, "again")
	require.NoError(t, c.Close())
}
