package router

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

func TestWatchRecordsOnePublication(t *testing.T) {
	r := &Router{}
	_, ok := r.Glimpse()
	require.False(t, ok, "nothing was asked for")
	frame, _, err := wire.Next(wire.AppendData(nil, []byte("blob"), [][]byte{[]byte("one"), []byte("two")}), wire.MaxFrame)
	require.NoError(t, err)
	deliver := func(conn uint64, refs ...uint64) {
		f, _, err := abi.Next(abi.AppendDeliver(nil, conn, refs, []byte("x")))
		require.NoError(t, err)
		r.watch.delivery(&f)
	}
	r.watch.publication(7, &frame, 10)
	_, ok = r.Glimpse()
	require.False(t, ok, "not armed")

	r.Watch()
	r.watch.publication(7, &frame, 10)
	r.watch.publication(8, &frame, 12) // the next one is not recorded
	deliver(3, 9, 10)
	deliver(4, 11)
	deliver(5, 10)
	r.watch.handled(9, 1)
	g, ok := r.Glimpse()
	require.True(t, ok)
	require.False(t, g.Handled)
	r.watch.handled(10, 2)
	deliver(6, 10)
	g, _ = r.Glimpse()
	require.Equal(t, Glimpse{
		Publisher: 7, HeaderBytes: 4, Header: "626c6f62", PayloadBytes: 3, Payload: "6f6e65", Recipients: []uint64{3, 5}, Handled: true,
	}, g)
	r.Watch()
	_, ok = r.Glimpse()
	require.False(t, ok, "forgotten")
}

// TestWatchIsBounded: an enclave that names one publication again and again, and never is done with it, fills a list of fixed length.
func TestWatchIsBounded(t *testing.T) {
	r := &Router{}
	frame, _, err := wire.Next(wire.AppendData(nil, []byte("blob"), [][]byte{[]byte("one")}), wire.MaxFrame)
	require.NoError(t, err)
	r.Watch()
	r.watch.publication(7, &frame, 10)
	for conn := range uint64(2 * watchRecipients) {
		f, _, err := abi.Next(abi.AppendDeliver(nil, conn, []uint64{10, 10}, []byte("x")))
		require.NoError(t, err)
		r.watch.delivery(&f)
	}
	g, ok := r.Glimpse()
	require.True(t, ok)
	require.Len(t, g.Recipients, watchRecipients)
	require.EqualValues(t, watchRecipients-1, g.Recipients[watchRecipients-1], "the first ones")
	require.LessOrEqual(t, cap(r.watch.got.Recipients), 2*watchRecipients)
}
