package router

import (
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
)

// TestEndorsementsReachTheEnclave, and its statement those who ask.
func TestEndorsementsReachTheEnclave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := make(chan string, 8)
		y := &nursery{prepare: func(n int, p *process) error {
			p.e.on = func(e *fakeEnclave, f *abi.Frame) bool {
				if f.Type != abi.Endorse {
					return false
				}
				given <- string(f.Body)
				if string(f.Body) == "good" {
					e.send(abi.AppendEndorsed(nil, 1_800_000_000, 0))
				} else {
					e.send(abi.AppendEndorsed(nil, 0, 129))
				}
				return true
			}
			return nil
		}}
		supervised(t, y, func(r *Router, reg *prometheus.Registry) {
			require.Nil(t, r.Statement())
			y.newest().e.send(abi.AppendStatement(nil, []byte("statement")))
			synctest.Wait()
			require.Equal(t, "statement", string(r.Statement()))
			require.NoError(t, r.SetEndorsement([]byte("bad")))
			require.Equal(t, "bad", <-given)
			synctest.Wait()
			require.Zero(t, counter(t, reg, "scbr_enclave_endorsed_until_seconds"))
			require.NoError(t, r.SetEndorsement([]byte("good")))
			require.Equal(t, "good", <-given)
			synctest.Wait()
			require.EqualValues(t, 1_800_000_000, counter(t, reg, "scbr_enclave_endorsed_until_seconds"))
			y.newest().e.send(abi.AppendEndorsed(nil, ^uint64(0), 0)) // a broken one
			y.newest().die()
			require.Equal(t, "good", <-given, "the next one may be the one it is for")
		})
	})
	r, err := New(Config{PacketConn: silence{make(chan struct{})}, Start: (&nursery{}).start})
	require.NoError(t, err)
	require.Error(t, r.SetEndorsement(nil))
	require.Error(t, r.SetEndorsement(make([]byte, MaxEndorsementBytes+1)))
}
