package epcmodel

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func newModel(t require.TestingT, cfg Config) *Model {
	m, err := New(cfg)
	require.NoError(t, err)
	return m
}

func run(t require.TestingT, cfg Config, trace []uint32) Counters {
	m := newModel(t, cfg)
	for _, page := range trace {
		m.Touch(page)
	}
	return m.Counters()
}

// TestKnownTraces: the trace that Belady's anomaly is shown on in every textbook.
func TestKnownTraces(t *testing.T) {
	belady := []uint32{1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5}
	for _, c := range []struct {
		policy        Policy
		pages, faults int
	}{
		{FIFO, 3, 9},
		{FIFO, 4, 10},
		{LRU, 3, 10},
		{LRU, 4, 8},
		{CLOCK, 3, 9},
		{CLOCK, 4, 10},
		{FIFO, 0, 5},
		{LRU, 1, 12},
	} {
		got := run(t, Config{Policy: c.policy, Pages: c.pages}, belady)
		require.EqualValues(t, c.faults, got.Faults, "%v of %d pages", c.policy, c.pages)
		require.EqualValues(t, len(belady), got.Touches)
		require.EqualValues(t, c.faults-5, got.Loads, "five pages were new")
	}
}

// TestSecondChance: a page touched again survives one that was not.
func TestSecondChance(t *testing.T) {
	m := newModel(t, Config{Policy: CLOCK, Pages: 3})
	for page := range uint32(4) {
		require.True(t, m.Touch(page)) // 3 clears the bits of all and takes 0
	}
	require.False(t, m.Touch(1))
	require.EqualValues(t, 1, m.Counters().Minor)
	require.False(t, m.Touch(1))
	require.EqualValues(t, 1, m.Counters().Minor, "a bit that is set is not seen")
	require.True(t, m.Touch(4)) // 1 has its second chance: 2 goes
	require.False(t, m.Touch(1))
	require.True(t, m.Touch(2))
	require.EqualValues(t, 1, m.Counters().Loads)
}

// naive is a page cache as one would tell it to a child.
type naive struct {
	cfg      Config
	order    []uint32
	bit      map[uint32]bool
	known    map[uint32]bool
	counters Counters
}

func (n *naive) evict() {
	for n.cfg.Policy == CLOCK && n.bit[n.order[0]] {
		n.bit[n.order[0]] = false
		n.order = append(n.order[1:], n.order[0])
	}
	n.order = n.order[1:]
	n.counters.Evictions++
}

func (n *naive) touch(page uint32) {
	n.counters.Touches++
	if i := slices.Index(n.order, page); i >= 0 {
		if n.cfg.Policy == LRU {
			n.order = append(slices.Delete(n.order, i, i+1), page)
		}
		if n.cfg.Policy == CLOCK && !n.cfg.Sampled {
			n.reference(page)
		}
		return
	}
	n.counters.Faults++
	if n.known[page] {
		n.counters.Loads++
	}
	if n.cfg.Pages > 0 && len(n.order) == n.cfg.Pages {
		n.evict()
	}
	n.order = append(n.order, page)
	n.known[page], n.bit[page] = true, true
}

func (n *naive) reference(page uint32) {
	if slices.Contains(n.order, page) && !n.bit[page] {
		n.bit[page] = true
		n.counters.Minor++
	}
}

func (n *naive) discard(page uint32) {
	n.order = slices.DeleteFunc(n.order, func(p uint32) bool { return p == page })
	delete(n.known, page)
}

func (n *naive) limit(pages int) {
	n.cfg.Pages = pages
	for pages > 0 && len(n.order) > pages {
		n.evict()
	}
}

// TestOracle: whatever is touched, sampled, discarded and limited, counters and
// resident pages are the naive model's.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Policy:  rapid.SampledFrom(Policies()).Draw(t, "policy"),
			Pages:   rapid.IntRange(0, 6).Draw(t, "pages"),
			Sampled: rapid.Bool().Draw(t, "sampled"),
		}
		m := newModel(t, cfg)
		n := &naive{cfg: cfg, bit: map[uint32]bool{}, known: map[uint32]bool{}}
		page := rapid.Uint32Range(0, 9)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				require.Equal(t, n.counters, m.Counters())
				require.Equal(t, len(n.order), m.Resident())
			},
			"touch": func(t *rapid.T) {
				p := page.Draw(t, "page")
				before := n.counters.Faults
				n.touch(p)
				require.Equal(t, n.counters.Faults > before, m.Touch(p))
			},
			"reference": func(t *rapid.T) {
				p := page.Draw(t, "page")
				n.reference(p)
				m.Reference(p)
			},
			"discard": func(t *rapid.T) {
				p := page.Draw(t, "page")
				n.discard(p)
				m.Discard(p)
			},
			"limit": func(t *rapid.T) {
				pages := rapid.IntRange(0, 6).Draw(t, "pages")
				n.limit(pages)
				require.NoError(t, m.Limit(pages))
			},
		})
	})
}

// TestSampledBitsAreTheSame: bits recorded in one run and fed to another give the
// same counts, which is how a pager's own samples are replayed.
func TestSampledBitsAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trace := rapid.SliceOf(rapid.Uint32Range(0, 20)).Draw(t, "trace")
		pages := rapid.IntRange(1, 8).Draw(t, "pages")
		pager := newModel(t, Config{Policy: CLOCK, Pages: pages})
		model := newModel(t, Config{Policy: CLOCK, Pages: pages, Sampled: true})
		for _, page := range trace {
			minor := pager.Counters().Minor
			pager.Touch(page)
			model.Touch(page)
			if pager.Counters().Minor > minor {
				model.Reference(page)
			}
		}
		require.Equal(t, pager.Counters(), model.Counters())
	})
}

// TestMorePagesNeverHurtLRU: what is resident of n pages is resident of n+1.
func TestMorePagesNeverHurtLRU(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trace := rapid.SliceOf(rapid.Uint32Range(0, 20)).Draw(t, "trace")
		last := run(t, Config{Policy: LRU, Pages: 1}, trace).Faults
		for pages := 2; pages < 22; pages++ {
			faults := run(t, Config{Policy: LRU, Pages: pages}, trace).Faults
			require.LessOrEqual(t, faults, last)
			last = faults
		}
		require.Equal(t, run(t, Config{Policy: LRU}, trace).Faults, last)
	})
}

func TestTouchBytes(t *testing.T) {
	m := newModel(t, Config{Policy: FIFO})
	require.Zero(t, m.TouchBytes(0, 0))
	require.Zero(t, m.TouchBytes(100, -1))
	require.Equal(t, 1, m.TouchBytes(4095, 1))
	require.Equal(t, 1, m.TouchBytes(4095, 2))
	require.Equal(t, 3, m.TouchBytes(8192, 8193))
	require.Equal(t, 5, m.Resident())
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		kind Kind
	}{
		{Config{}, BadPolicy},
		{Config{Policy: 4}, BadPolicy},
		{Config{Policy: FIFO, Pages: -1}, BadSize},
		{Config{Policy: LRU, Pages: MaxPages + 1}, BadSize},
	} {
		_, err := New(c.cfg)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, c.kind, e.Kind)
	}
	m := newModel(t, Config{Policy: FIFO, Pages: 2})
	require.Error(t, m.Limit(-1))
}

func TestPolicyNames(t *testing.T) {
	for _, p := range Policies() {
		got, err := ParsePolicy(p.String())
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	_, err := ParsePolicy("random")
	require.Error(t, err)
}
