package matcher

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/stretchr/testify/require"
)

// collidingNames returns different names with one key: the key of a long name is
// a hash that everybody knows, and its second word can be chosen so that the
// first one does not count.
func collidingNames(t *testing.T, n int) (names []string) {
	const prime, offset = 1099511628211, 14695981039346656037
	r := rand.New(rand.NewPCG(5, 6))
	for range 1_000_000 {
		first := make([]byte, 8)
		for i := range first {
			first[i] = 'a' + byte(r.IntN(26))
		}
		hi, lo := bits.Mul64(uint64(offset)^24^binary.LittleEndian.Uint64(first), prime<<16|offset&0xffff)
		second := binary.LittleEndian.AppendUint64(nil, hi^lo)
		name := string(first) + string(second) + "the tail"
		if utf8.ValidString(name) {
			if names = append(names, name); len(names) == n {
				break
			}
		}
	}
	require.Len(t, names, n)
	for _, name := range names {
		require.Equal(t, filter.NameKey(names[0]), filter.NameKey(name), "the hash has changed: so must this test")
	}
	return names
}

// TestNamesOfOneKey: names that an attacker made to share a key are told apart,
// whatever event came before, and whether filters mention them or not.
func TestNamesOfOneKey(t *testing.T) {
	names := collidingNames(t, 4)
	s := newStore(t, 1<<20, Config{})
	is := func(name string, v int64) filter.Event {
		e, err := filter.NewEvent(filter.Attribute{Name: name, Value: filter.Int(v)})
		require.NoError(t, err)
		return e
	}
	var handles []Handle
	for i, name := range names[:3] {
		f, err := filter.New(filter.Predicate{Attr: name, Op: filter.Gt, Value: filter.Int(int64(i))})
		require.NoError(t, err)
		h, err := s.Insert(f, uint64(i))
		require.NoError(t, err)
		handles = append(handles, h)
	}
	r := rand.New(rand.NewPCG(7, 8))
	gone := -1
	for round := range 400 {
		i := r.IntN(4)
		want := []uint64{}
		if i < 3 && i != gone {
			want = append(want, uint64(i))
		}
		e := is(names[i], 9)
		require.Equal(t, want, s.Match(&e, []uint64{}), "round %d", round)
		if round == 200 {
			gone = 1
			require.NoError(t, s.Remove(handles[gone]))
		}
	}
}

// TestNamesOfManyEvents: events of the same and of other names, short and long,
// in any order, resolve to the right filters.
func TestNamesOfManyEvents(t *testing.T) {
	s := newStore(t, 1<<22, Config{Seed: 2})
	name := func(i int) string {
		if i%2 == 0 {
			return fmt.Sprintf("n%d", i)
		}
		return fmt.Sprintf("a much longer name %d", i)
	}
	const names = 300
	for i := range names {
		f, err := filter.New(filter.Predicate{Attr: name(i), Op: filter.Ge, Value: filter.Int(0)})
		require.NoError(t, err)
		_, err = s.Insert(f, uint64(i))
		require.NoError(t, err)
	}
	r := rand.New(rand.NewPCG(9, 1))
	var last []filter.Attribute
	for range 3000 {
		if len(last) == 0 || r.IntN(3) > 0 {
			last = nil
			for _, i := range r.Perm(2 * names)[:1+r.IntN(20)] {
				last = append(last, filter.Attribute{Name: name(i), Value: filter.Int(int64(r.IntN(2)) - 1)})
			}
		}
		want := 0
		for i := range last {
			last[i].Value = filter.Int(int64(r.IntN(2)) - 1)
		}
		for i := range names {
			for _, a := range last {
				if a.Name == name(i) && a.Value.Int() >= 0 {
					want++
				}
			}
		}
		e, err := filter.NewEvent(last...)
		require.NoError(t, err)
		require.Len(t, s.Match(&e, nil), want)
	}
}
