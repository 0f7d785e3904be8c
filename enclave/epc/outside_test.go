//go:build unix && !ego && !gramine

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

// zone is one with contents.
func zone(b byte) []byte { return bytes.Repeat([]byte{b}, size) }

func sealedKind(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return 0
}

// TestOutside: what is moved out is not readable outside, and comes back as it was.
func TestOutside(t *testing.T) {
	a := spilling(t)
	require.NoError(t, a.Spill(1, zone('x'), true))
	require.NotContains(t, string(a.outside.place(1)), "xxxx")
	back := make([]byte, size)
	require.NoError(t, a.Fetch(1, back))
	require.Equal(t, zone('x'), back)
}

// TestWhatDidNotChangeIsNotSealedAgain, and what did is, under another nonce.
func TestWhatDidNotChangeIsNotSealedAgain(t *testing.T) {
	a := spilling(t)
	require.NoError(t, a.Spill(1, zone('x'), true))
	first := bytes.Clone(a.outside.place(1)[:size+tagLen])
	for range 3 {
		require.NoError(t, a.Spill(1, zone('x'), false))
	}
	require.EqualValues(t, 1, a.outside.count)
	require.Equal(t, first, a.outside.place(1)[:size+tagLen])
	require.NoError(t, a.Spill(1, zone('x'), true))
	require.EqualValues(t, 2, a.outside.count)
	require.NotEqual(t, first, a.outside.place(1)[:size+tagLen], "a nonce was used twice")
}

// TestTamperedZones: what was changed, replayed or swapped outside does not come back.
func TestTamperedZones(t *testing.T) {
	for name, tamper := range map[string]func(t *testing.T, a *Arena){
		"a bit changed": func(_ *testing.T, a *Arena) { a.outside.place(1)[size/2] ^= 4 },
		"the tag":       func(_ *testing.T, a *Arena) { a.outside.place(1)[size+tagLen-1] ^= 1 },
		"replayed": func(t *testing.T, a *Arena) {
			old := bytes.Clone(a.outside.place(1))
			require.NoError(t, a.Spill(1, zone('x'), true))
			copy(a.outside.place(1), old)
		},
		"swapped": func(t *testing.T, a *Arena) {
			require.NoError(t, a.Spill(2, zone('y'), true))
			one, two := a.outside.place(1), a.outside.place(2)
			for i := range one {
				one[i], two[i] = two[i], one[i]
			}
		},
		"lost": func(_ *testing.T, a *Arena) { clear(a.outside.place(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			a := spilling(t)
			require.NoError(t, a.Spill(1, zone('x'), true))
			tamper(t, a)
			back := make([]byte, size)
			require.Equal(t, KindSealed, sealedKind(a.Fetch(1, back)))
			require.Equal(t, make([]byte, size), back)
		})
	}
}

// TestReserve: a store has address space to spare, and no more than it can address.
func TestReserve(t *testing.T) {
	require.EqualValues(t, 8<<30, Reserve(1<<30))
	require.EqualValues(t, 93<<26, Reserve(93<<20))
	require.EqualValues(t, 256<<20, Reserve(MinBudget))
}

// TestNothingToFetch: what was never put out, was forgotten, or had another size.
func TestNothingToFetch(t *testing.T) {
	a := spilling(t)
	require.NoError(t, a.Spill(1, zone('x'), true))
	back := make([]byte, size)
	require.Equal(t, KindOutside, sealedKind(a.Fetch(2, back)))
	require.Equal(t, KindOutside, sealedKind(a.Fetch(1, back[page:])))
	require.Equal(t, KindOutside, sealedKind(a.Fetch(1<<30, back)))
	require.Equal(t, KindOutside, sealedKind(a.Spill(3, make([]byte, matcher.MaxZoneBytes+page), true)))
	a.Forget(1)
	a.Forget(1 << 30)
	require.Equal(t, KindOutside, sealedKind(a.Fetch(1, back)))
	require.Equal(t, make([]byte, size), a.outside.place(1)[:size], "kept for nobody")
	require.ErrorIs(t, a.KeepOutside(iotest.ErrReader(io.ErrUnexpectedEOF)), io.ErrUnexpectedEOF)
	none, err := New(MinBudget)
	require.NoError(t, err)
	defer none.Close() //nolint:errcheck // nothing depends on it
	require.Equal(t, KindOutside, sealedKind(none.Spill(1, back, true)))
	require.Equal(t, KindOutside, sealedKind(none.Fetch(1, back)))
}
