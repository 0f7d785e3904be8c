//go:build unix && !ego

package epc

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/matcher"
)

const (
	page = matcher.MemoryPage
	size = 3 * page
)

func spilling(t *testing.T) *Arena {
	a, err := New(8 << 20)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	require.NoError(t, a.KeepOutside(rand.Reader))
	return a
}

// write commits a zone and gives it contents.
func write(t *testing.T, a *Arena, id uint32, b byte) (off int) {
	off = int(id) * matcher.MaxZoneBytes
	require.NoError(t, a.Commit(off, size))
	copy(a.region[off:off+size], bytes.Repeat([]byte{b}, size))
	return off
}

func sealedKind(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// TestOutside: what is moved out is not in memory, is not readable outside, is not
// counted, and comes back as it was.
func TestOutside(t *testing.T) {
	a := spilling(t)
	off := write(t, a, 1, 'x')
	require.NoError(t, a.Spill(1, off, size, true))
	require.Zero(t, a.Committed())
	require.Equal(t, make([]byte, size), a.region[off:off+size])
	require.NotContains(t, string(a.outside.place(1)), "xxxx")
	require.NoError(t, a.Fetch(1, off, size))
	require.EqualValues(t, size, a.Committed())
	require.Equal(t, bytes.Repeat([]byte{'x'}, size), a.region[off:off+size])
}

// TestWhatDidNotChangeIsNotSealedAgain, and what did is, under another nonce.
func TestWhatDidNotChangeIsNotSealedAgain(t *testing.T) {
	a := spilling(t)
	off := write(t, a, 1, 'x')
	require.NoError(t, a.Spill(1, off, size, true))
	first := bytes.Clone(a.outside.place(1)[:size+tagLen])
	for range 3 {
		require.NoError(t, a.Fetch(1, off, size))
		require.NoError(t, a.Spill(1, off, size, false))
	}
	require.EqualValues(t, 1, a.outside.count)
	require.Equal(t, first, a.outside.place(1)[:size+tagLen])
	require.NoError(t, a.Fetch(1, off, size))
	require.NoError(t, a.Spill(1, off, size, true))
	require.EqualValues(t, 2, a.outside.count)
	require.NotEqual(t, first, a.outside.place(1)[:size+tagLen], "a nonce was used twice")
}

// TestTamperedZones: what was changed, replayed or swapped outside does not come back.
func TestTamperedZones(t *testing.T) {
	for name, tamper := range map[string]func(t *testing.T, a *Arena, off int){
		"a bit changed": func(_ *testing.T, a *Arena, _ int) { a.outside.place(1)[size/2] ^= 4 },
		"the tag":       func(_ *testing.T, a *Arena, _ int) { a.outside.place(1)[size+tagLen-1] ^= 1 },
		"replayed": func(t *testing.T, a *Arena, off int) {
			old := bytes.Clone(a.outside.place(1))
			require.NoError(t, a.Fetch(1, off, size))
			require.NoError(t, a.Spill(1, off, size, true))
			copy(a.outside.place(1), old)
		},
		"swapped": func(t *testing.T, a *Arena, _ int) {
			other := write(t, a, 2, 'y')
			require.NoError(t, a.Spill(2, other, size, true))
			one, two := a.outside.place(1), a.outside.place(2)
			for i := range one {
				one[i], two[i] = two[i], one[i]
			}
		},
		"forgotten": func(_ *testing.T, a *Arena, _ int) { clear(a.outside.place(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			a := spilling(t)
			off := write(t, a, 1, 'x')
			require.NoError(t, a.Spill(1, off, size, true))
			tamper(t, a, off)
			require.Equal(t, KindSealed, sealedKind(a.Fetch(1, off, size)))
			require.NotContains(t, string(a.region[off:off+size]), "xxxx")
		})
	}
}

// TestFetchWithinTheBudget: without room nothing is brought back, and nothing is lost.
func TestFetchWithinTheBudget(t *testing.T) {
	a := spilling(t)
	off := write(t, a, 1, 'x')
	require.NoError(t, a.Spill(1, off, size, true))
	const rest = 8 << 20
	at := 64 << 20
	require.NoError(t, a.Commit(at, rest))
	require.ErrorIs(t, a.Fetch(1, off, size), matcher.ErrBudget)
	a.Release(at, rest)
	require.NoError(t, a.Fetch(1, off, size))
	require.Equal(t, bytes.Repeat([]byte{'x'}, size), a.region[off:off+size])
}

// TestReserve: a store has address space to spare, and no more than it can address.
func TestReserve(t *testing.T) {
	require.EqualValues(t, 16<<30, Reserve(1<<30))
	require.EqualValues(t, 93<<26, Reserve(93<<20))
	require.EqualValues(t, 256<<20, Reserve(MinBudget))
}

// TestNothingToFetch: what was never put out, was forgotten, or had another size.
func TestNothingToFetch(t *testing.T) {
	a := spilling(t)
	off := write(t, a, 1, 'x')
	require.NoError(t, a.Spill(1, off, size, true))
	require.Equal(t, KindOutside, sealedKind(a.Fetch(2, off, size)))
	require.Equal(t, KindOutside, sealedKind(a.Fetch(1, off, size-page)))
	require.Equal(t, KindOutside, sealedKind(a.Fetch(1<<30, off, size)))
	require.Equal(t, KindOutside, sealedKind(a.Spill(3, 0, matcher.MaxZoneBytes+page, true)))
	a.Forget(1)
	a.Forget(1 << 30)
	require.Equal(t, KindOutside, sealedKind(a.Fetch(1, off, size)))
	require.Equal(t, make([]byte, size), a.outside.place(1)[:size], "kept for nobody")
	require.ErrorIs(t, a.KeepOutside(iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF)
}
