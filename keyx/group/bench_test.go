package group

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
)

// benchMembers is 2^17.
const benchMembers = 131072

// large is a group of that many members, whose authority signs twice.
func large(b *testing.B, members int) (*kit, []string) {
	k := newKit(b)
	a, err := keyx.NewAuthority(fixedRand("authority"))
	require.NoError(b, err)
	k.authority, k.domain.Authorities = a, []keyx.AuthorityKey{a.Public()}
	all := names(members)
	for batch := range slices.Chunk(all, MaxBatch) {
		k.apply(b, Change{Add: k.newcomers(batch...)})
	}
	return k, all
}

// apply is a change whose state is made and thrown away.
func (k *kit) apply(b *testing.B, c Change) {
	e := k.epoch()
	e.Save = func([]byte) error { return nil }
	if err := k.keeper.Apply(c, e); err != nil {
		b.Fatal(err)
	}
	if err := k.keeper.Publish(k.store); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkGroup: one of 131,072 members is removed; a batch of them; one comes; a member that missed 100
// epochs catches up, and one that missed none follows.
func BenchmarkGroup(b *testing.B) {
	k, all := large(b, benchMembers)
	m := k.member(all[benchMembers-1])
	start := time.Now()
	require.NoError(b, m.Refresh(k.store))
	b.Logf("%d members, state %d bytes, first refresh %v", benchMembers, len(k.keeper.State()), time.Since(start))
	order := rand.New(rand.NewPCG(1, 2)).Perm(benchMembers - 1)
	next := func(n int) (out []string) {
		for _, i := range order[:n] {
			out = append(out, all[i])
		}
		order = order[n:]
		return out
	}
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("remove %d", n), func(b *testing.B) {
			k.store.reset()
			rounds := 0
			for b.Loop() {
				k.apply(b, Change{Remove: next(n)})
				rounds++
			}
			b.ReportMetric(float64(k.store.put)/float64(rounds), "published-B/op")
			b.ReportMetric(float64(k.store.puts)/float64(rounds), "objects/op")
		})
	}
	b.Run("remove 1, not saved", func(b *testing.B) {
		for b.Loop() {
			if err := k.keeper.apply(Change{Remove: next(1)}, k.epoch()); err != nil {
				b.Fatal(err)
			}
			if err := k.keeper.Publish(k.store); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("state", func(b *testing.B) {
		for b.Loop() {
			b.SetBytes(int64(len(k.keeper.State())))
		}
	})
	b.Run("add 1", func(b *testing.B) {
		k.store.reset()
		rounds := 0
		for b.Loop() {
			k.apply(b, Change{Add: k.newcomers(fmt.Sprint("new ", rounds, b.N))})
			rounds++
		}
		b.ReportMetric(float64(k.store.put)/float64(rounds), "published-B/op")
	})
	require.NoError(b, m.Refresh(k.store))
	for _, missed := range []int{1, 100} {
		before := *m
		for range missed {
			k.apply(b, Change{Remove: next(1)})
		}
		b.Run(fmt.Sprintf("catch up %d", missed), func(b *testing.B) {
			k.store.reset()
			rounds := 0
			for b.Loop() {
				again := before
				again.keys = slices.Clone(before.keys)
				if err := again.Refresh(k.store); err != nil {
					b.Fatal(err)
				}
				rounds++
			}
			b.ReportMetric(float64(k.store.got)/float64(rounds), "fetched-B/op")
			b.ReportMetric(float64(k.store.gets)/float64(rounds), "objects/op")
		})
		require.NoError(b, m.Refresh(k.store))
	}
}

// BenchmarkDegree counts what trees of other degrees would publish: wraps and bytes of nodes (25 bytes and
// 80 for each child) when some of n members leave, and what one member fetches to catch up.
func BenchmarkDegree(b *testing.B) {
	for _, degree := range []int{2, 4, 8} {
		for _, leave := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("degree %d leave %d", degree, leave), func(b *testing.B) {
				wraps, size, height := 0, 0, 0
				for b.Loop() {
					r := rand.New(rand.NewPCG(3, 4))
					wraps, size, height = countDegree(degree, benchMembers, r.Perm(benchMembers)[:leave])
				}
				b.ReportMetric(float64(wraps), "wraps")
				b.ReportMetric(float64(size), "published-B")
				b.ReportMetric(float64(height*(25+80*degree)), "path-B")
			})
		}
	}
}

func countDegree(degree, members int, leave []int) (wraps, size, height int) {
	present, dirty := make([]bool, members), map[int]bool{}
	for i := range present {
		present[i] = true
	}
	for _, i := range leave {
		present[i], dirty[i] = false, true
	}
	for len(present) > 1 {
		height++
		above, changed := make([]bool, (len(present)+degree-1)/degree), map[int]bool{}
		for i, p := range present {
			above[i/degree] = above[i/degree] || p
		}
		for i := range dirty {
			changed[i/degree] = true
		}
		for i := range changed {
			n := 0
			for c := i * degree; c < min((i+1)*degree, len(present)); c++ {
				if present[c] {
					n++
				}
			}
			if n > 0 {
				wraps, size = wraps+n, size+25+80*n
			}
		}
		present, dirty = above, changed
	}
	return wraps, size, height
}
