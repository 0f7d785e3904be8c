package lossy

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// echo answers every datagram with itself and tells its source on seen.
func echo(t *testing.T) (addr string, seen chan string) {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	seen = make(chan string, 1<<12)
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, maxDatagram)
		for {
			n, from, err := c.ReadFromUDP(buf)
			if err != nil {
				return
			}
			seen <- from.String()
			_, _ = c.WriteToUDP(buf[:n], from)
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return c.LocalAddr().String(), seen
}

// through sends n numbered datagrams one after the other and returns the answers to each.
func through(t *testing.T, p *Proxy, n int, wait time.Duration) map[uint32]int {
	t.Helper()
	c, err := net.Dial("udp", p.Addr())
	require.NoError(t, err)
	defer c.Close()
	got := map[uint32]int{}
	buf := make([]byte, maxDatagram)
	take := func(d time.Duration) bool {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(d)))
		k, err := c.Read(buf)
		if err == nil {
			require.Equal(t, 4, k)
			got[binary.BigEndian.Uint32(buf)]++
		}
		return err == nil
	}
	for i := range n {
		_, err := c.Write(binary.BigEndian.AppendUint32(nil, uint32(i)))
		require.NoError(t, err)
		take(wait)
	}
	for take(wait) {
	}
	return got
}

func TestPassesWithoutFaults(t *testing.T) {
	addr, _ := echo(t)
	p, err := Listen(addr, 1, Faults{})
	require.NoError(t, err)
	defer p.Close()
	got := through(t, p, 100, 500*time.Millisecond)
	require.Len(t, got, 100)
	require.Equal(t, Stats{Passed: 200}, p.Stats())
}

func TestFaultsHappen(t *testing.T) {
	addr, _ := echo(t)
	p, err := Listen(addr, 1, Faults{Loss: 0.2, Duplicate: 0.2, Corrupt: 0.2, Reorder: 0.2})
	require.NoError(t, err)
	defer p.Close()
	through(t, p, 200, 5*time.Millisecond)
	s := p.Stats()
	require.Positive(t, s.Lost)
	require.Positive(t, s.Duplicated)
	require.Positive(t, s.Corrupted)
	require.Positive(t, s.Reordered)
}

func TestEverythingCanBeLost(t *testing.T) {
	addr, _ := echo(t)
	p, err := Listen(addr, 1, Faults{Loss: 1})
	require.NoError(t, err)
	defer p.Close()
	require.Empty(t, through(t, p, 20, time.Millisecond))
}

// TestRebindChangesTheSource: the target sees another port, and answers still find the client.
func TestRebindChangesTheSource(t *testing.T) {
	addr, seen := echo(t)
	p, err := Listen(addr, 1, Faults{})
	require.NoError(t, err)
	defer p.Close()
	c, err := net.Dial("udp", p.Addr())
	require.NoError(t, err)
	defer c.Close()
	ask := func() string {
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
		_, err = c.Read(make([]byte, 8))
		require.NoError(t, err)
		return <-seen
	}
	before := ask()
	require.Equal(t, before, ask())
	require.NoError(t, p.Rebind())
	require.NotEqual(t, before, ask())
}

// TestDelayedDatagramsDoNotOutliveTheProxy: Close waits for the timers, and a datagram still on its way is not sent.
func TestDelayedDatagramsDoNotOutliveTheProxy(t *testing.T) {
	addr, seen := echo(t)
	p, err := Listen(addr, 1, Faults{Delay: 100 * time.Millisecond})
	require.NoError(t, err)
	c, err := net.Dial("udp", p.Addr())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("x"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return p.Stats().Passed == 1 }, patience, time.Millisecond)
	require.NoError(t, p.Close())
	require.Empty(t, seen)
}
