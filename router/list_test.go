package router

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
)

// listTaker is what enclaves were given, and an enclave that takes every list but "bad" ones.
type listTaker struct {
	mu  sync.Mutex
	got [][]string // by enclave
}

func (l *listTaker) prepare(n int, p *process) error {
	l.mu.Lock()
	l.got = append(l.got, nil)
	l.mu.Unlock()
	p.e.on = func(e *fakeEnclave, f *abi.Frame) bool {
		if f.Type != abi.TakeList {
			return false
		}
		l.mu.Lock()
		l.got[n-1] = append(l.got[n-1], string(f.Body))
		l.mu.Unlock()
		if bytes.HasPrefix(f.Body, []byte("bad")) {
			e.send(abi.AppendListHeld(nil, 1, 127))
		} else {
			e.send(abi.AppendListHeld(nil, uint64(f.Body[0]-'0'), 0))
		}
		return true
	}
	return nil
}

func (l *listTaker) of(n int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.got[n-1]...)
}

// TestListsReachEveryEnclave: the one that runs, and each after it before any client, with the last good list as well
// when the newest is damaged.
func TestListsReachEveryEnclave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taker := &listTaker{}
		y := &nursery{prepare: taker.prepare}
		supervised(t, y, func(r *Router, reg *prometheus.Registry) {
			require.Empty(t, taker.of(1))
			require.NoError(t, r.SetRevocationList([]byte("1")))
			synctest.Wait()
			require.Equal(t, []string{"1"}, taker.of(1))
			require.EqualValues(t, 1, counter(t, reg, "scbr_enclave_revocation_list"))

			next := func(n int, want ...string) {
				y.newest().die()
				time.Sleep(30 * time.Second)
				synctest.Wait()
				require.Equal(t, want, taker.of(n))
			}
			next(2, "1")
			require.NoError(t, r.SetRevocationList([]byte("bad")))
			synctest.Wait()
			require.EqualValues(t, 1, counter(t, reg, "scbr_enclave_revocation_lists_refused_total"))
			next(3, "1", "bad")
			require.NoError(t, r.SetRevocationList([]byte("2")))
			synctest.Wait()
			require.EqualValues(t, 2, counter(t, reg, "scbr_enclave_revocation_list"))
			next(4, "2")
		})
	})
}

func TestListBounds(t *testing.T) {
	r, err := New(Config{PacketConn: silence{make(chan struct{})}, Start: (&nursery{}).start})
	require.NoError(t, err)
	require.Error(t, r.SetRevocationList(nil))
	require.Error(t, r.SetRevocationList(make([]byte, MaxListBytes+1)))
	require.NoError(t, r.SetRevocationList(make([]byte, MaxListBytes)))
}
