package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fragile is a connection that breaks after so many bytes, of both directions together, in the middle of whatever they are.
type fragile struct {
	io.ReadWriteCloser
	mu   sync.Mutex
	left int
}

func (f *fragile) use(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n = min(n, f.left)
	f.left -= n
	return n
}

func (f *fragile) Read(b []byte) (int, error) {
	n, err := f.ReadWriteCloser.Read(b)
	if k := f.use(n); k < n {
		f.Close()
		return k, io.ErrUnexpectedEOF
	}
	return n, err
}

func (f *fragile) Write(b []byte) (int, error) {
	if k := f.use(len(b)); k < len(b) {
		n, _ := f.ReadWriteCloser.Write(b[:k])
		f.Close()
		return n, io.ErrClosedPipe
	}
	return f.ReadWriteCloser.Write(b)
}

// TestReconnectRace: connections break at any byte, of a handshake, a command, a publication or a delivery, again and again. Every publication
// is acknowledged in the end, none is shown twice or out of order, and none is missing that was published while all subscriptions were there.
func TestReconnectRace(t *testing.T) {
	seeds, first := 1000, uint64(time.Now().UnixNano())
	if testing.Short() {
		seeds = 40
	}
	for i := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) { reconnectRace(t, first+i) })
	}
}

func reconnectRace(t *testing.T, seed uint64) {
	r := mrand.New(mrand.NewPCG(seed, 1))
	f := lasting(t)
	f.sessions = make(chan *fakeSession, 1000)
	var mu sync.Mutex
	breaks := 1 + r.IntN(8)
	f.cfg.Transport = func(ctx context.Context, addr string) (io.ReadWriteCloser, error) {
		c, err := f.pipe(ctx, addr)
		mu.Lock()
		defer mu.Unlock()
		if err != nil || breaks == 0 {
			return c, err
		}
		breaks--
		return &fragile{ReadWriteCloser: c, left: r.IntN(40_000)}, nil
	}
	var c *Client
	for c == nil { // the first handshake may break as well
		c, _ = Dial(t.Context(), f.cfg)
	}
	_, err := c.Subscribe(t.Context(), where(t, "TRUE"))
	require.NoError(t, err, "seed %d", seed)
	const n = 40
	begun := make([]time.Time, n)
	for i := range n {
		begun[i] = time.Now()
		require.NoError(t, c.Publish(t.Context(), quoteEvent(t, "HAL", float64(i)), fmt.Append(nil, i)), "seed %d", seed)
		time.Sleep(20 * time.Millisecond)
	}
	synctest.Wait()
	require.NoError(t, c.Close(), "seed %d", seed)
	next, until := 0, time.Time{}
	for {
		d, err := c.Receive(t.Context())
		var resumed *ResumedError
		var end *Error
		switch {
		case d != nil:
			i := int(d.Counter) - 1
			require.Equal(t, fmt.Sprint(i), string(d.Payload), "seed %d", seed)
			require.GreaterOrEqual(t, i, next, "seed %d: twice or out of order", seed)
			for ; next < i; next++ {
				require.True(t, begun[next].Before(until), "seed %d: %d is missing, and nothing said so", seed, next)
			}
			next++
		case errors.As(err, &resumed):
			until = resumed.At
		case errors.As(err, new(*DisconnectedError)):
			until = time.Now() // until it is resumed
		case errors.As(err, &end):
			for ; next < n; next++ {
				require.True(t, begun[next].Before(until), "seed %d: %d is missing, and nothing said so", seed, next)
			}
			return
		}
	}
}
