package router

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// storeModel is the store as a map.
type storeModel struct {
	p      *payloads
	owners [3]*owner
	kept   map[uint64]modelEntry
	next   uint64
}

type modelEntry struct {
	b []byte
	o int
}

// TestPayloadStore compares the store with a map, whatever the order of frees and ends.
func TestPayloadStore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &storeModel{p: newPayloads(1<<30, 1<<30, 0), owners: [3]*owner{{}, {}, {}}, kept: map[uint64]modelEntry{}}
		t.Repeat(map[string]func(*rapid.T){"store": m.store, "free": m.free, "end": m.end, "": m.check})
	})
}

func (m *storeModel) store(t *rapid.T) {
	o := rapid.IntRange(0, 2).Draw(t, "owner")
	if m.owners[o].ended {
		t.Skip("ended")
	}
	// 190 payloads of these sizes fit into one frame.
	sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 100, shareBytes - 1, shareBytes}), 1, 190).Draw(t, "sizes")
	var payloads [][]byte
	for i, n := range sizes {
		payloads = append(payloads, bytes.Repeat([]byte{byte(int(m.next) + i)}, n))
	}
	f, _, err := wire.Next(wire.AppendData(nil, []byte("b"), payloads), wire.MaxFrame)
	require.NoError(t, err)
	require.True(t, m.p.tryReserve(m.owners[o], f.Count, cost(&f)))
	require.Equal(t, m.next, m.p.store(m.owners[o], &f))
	for _, b := range payloads {
		m.kept[m.next] = modelEntry{b, o}
		m.next++
	}
}

func (m *storeModel) free(t *rapid.T) {
	ref := rapid.Uint64Range(0, m.next+2).Draw(t, "ref")
	n := rapid.IntRange(0, 1024).Draw(t, "n")
	known := 0
	for r := ref; r < ref+uint64(n); r++ {
		if _, ok := m.kept[r]; ok {
			known++
			delete(m.kept, r)
		}
	}
	require.Equal(t, known, m.p.free(ref, n))
}

func (m *storeModel) end(t *rapid.T) {
	o := rapid.IntRange(0, 2).Draw(t, "owner")
	if !m.owners[o].ended {
		m.p.end(m.owners[o])
	}
	freed := 0
	for r, e := range m.kept {
		if m.owners[e.o].ended {
			delete(m.kept, r)
			freed++
		}
	}
	require.Equal(t, freed, m.p.sweep(0))
	m.owners[o] = &owner{}
}

func (m *storeModel) check(t *rapid.T) {
	size := 0
	for r, e := range m.kept {
		got, n, ok := m.p.lookup(nil, 1, func(int) uint64 { return r })
		require.True(t, ok)
		require.Equal(t, len(e.b), n)
		require.True(t, bytes.Equal(e.b, got[0]))
		size += len(e.b) + slotBytes
	}
	live, total := m.p.counts()
	require.Equal(t, len(m.kept), live)
	require.Equal(t, size, total)
	_, _, ok := m.p.lookup(nil, 1, func(int) uint64 { return m.next })
	require.False(t, ok)
	require.LessOrEqual(t, len(m.p.pages), len(m.kept)+1, "empty pages are given up")
}

// TestEmptyPayloadsAreBounded: payloads without a byte take room too, so that their references are bounded.
func TestEmptyPayloadsAreBounded(t *testing.T) {
	const bound = 64 << 10
	p := newPayloads(bound, 1<<30, 0)
	f, _, err := wire.Next(wire.AppendData(nil, []byte("b"), make([][]byte, 100)), wire.MaxFrame)
	require.NoError(t, err)
	require.Zero(t, f.PayloadBytes())
	for p.tryReserve(&owner{}, f.Count, cost(&f)) {
		p.store(&owner{}, &f)
		require.LessOrEqual(t, p.live, bound/slotBytes, "references")
	}
	const stored = bound / slotBytes / 100 * 100
	require.Equal(t, stored, p.live)
	require.Equal(t, stored, p.free(0, stored))
	require.Zero(t, p.bytes)
}

// TestReferencesAreBounded: a client that sends empty payloads to an enclave that handles none has to wait.
func TestReferencesAreBounded(t *testing.T) {
	w := start(t, limits(func(l *Limits) { l.PayloadBytes = 100 * slotBytes }),
		on(func(_ *fakeEnclave, f *abi.Frame) bool { return f.Type == abi.Data }))
	c := w.session()
	for range 200 {
		c.publish("b", nil)
	}
	w.eventually("the reader waits", func() bool {
		w.life.payloads.mu.Lock()
		defer w.life.payloads.mu.Unlock()
		return w.life.payloads.waiting == 1
	})
	n, _ := w.life.payloads.counts()
	require.Equal(t, 100, n)
}
