package matcher

import (
	"fmt"
	"slices"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/stretchr/testify/require"
)

// fuzzStep is what four bytes of a fuzzer's input ask for.
type fuzzStep [4]byte

// filter is a small expression in which every kind of constraint occurs.
func (s fuzzStep) filter(t *testing.T) filter.Filter {
	a, b := string(rune('a'+s[1]%4)), string(rune('a'+s[1]/4%4))
	lo, hi := int(s[2]), int(s[2])+int(s[3])
	switch s[1] >> 4 % 8 {
	case 0:
		return parse(t, fmt.Sprintf("%s BETWEEN %d AND %d AND %s = %d", a, lo, hi, b, lo))
	case 1:
		return parse(t, fmt.Sprintf("%s > %d.5 AND %s <= %d", a, lo, b, hi))
	case 2:
		return parse(t, fmt.Sprintf("%s = 's%d' OR %s IN (%d, %d)", a, lo, b, lo, hi))
	case 3:
		return parse(t, fmt.Sprintf("NOT EXISTS %s AND %s != %d", a, b, lo))
	case 4:
		return parse(t, fmt.Sprintf("%s LIKE 's%%%d' AND %s BETWEEN %d AND %d", a, lo, b, lo, hi))
	case 5:
		return parse(t, fmt.Sprintf("%s = %d AND %s < 'x%d'", a, lo, b, hi))
	case 6:
		return parse(t, fmt.Sprintf("%s BETWEEN %d AND %d", a, lo, hi))
	default:
		return parse(t, fmt.Sprintf("EXISTS %s XOR %s >= %d", a, b, lo))
	}
}

func (s fuzzStep) event(t *testing.T) filter.Event {
	var attrs []filter.Attribute
	for i := range 4 {
		v := filter.Int(int64(s[2]) + int64(i)*int64(s[3]%5))
		switch s[1] >> (2 * i) & 3 {
		case 0:
			continue
		case 1:
			v = filter.String(fmt.Sprintf("s%d", s[2]))
		}
		attrs = append(attrs, filter.Attribute{Name: string(rune('a' + i)), Value: v})
	}
	e, err := filter.NewEvent(attrs...)
	require.NoError(t, err)
	return e
}

// FuzzStore interprets bytes as insertions, removals, matches and readers that
// come and go, and compares every answer with a linear scan.
func FuzzStore(f *testing.F) {
	f.Add([]byte("\x00\x01\x10\x20\x00\x12\x10\x20\x02\xff\x10\x00\x01\x00\x00\x00\x02\xff\x10\x00"))
	all := []byte{5, 0, 0, 0}
	for i := range 200 {
		all = append(all, 0, byte(i*37), byte(i*11), byte(i*3), 2, byte(i*91), byte(i*11), byte(i))
	}
	f.Add(all)
	many := []byte{}
	for i := range 300 {
		many = append(many, 0, 0x61, byte(i), 9)
	}
	for i := range 250 {
		many = append(many, 1, byte(i), byte(i*7), 0)
	}
	f.Add(many)
	f.Fuzz(func(t *testing.T, input []byte) {
		const maxSteps = 1000
		s := newStore(t, 1<<20, Config{Seed: 6})
		var tags []uint64
		filters, handles := map[uint64]filter.Filter{}, map[uint64]Handle{}
		var reader *Reader
		for i := 0; len(input) >= 4 && i < maxSteps; i, input = i+1, input[4:] {
			step := fuzzStep(input)
			switch {
			case step[0]%6 == 0:
				tag := uint64(i)
				filters[tag] = step.filter(t)
				h, err := s.Insert(filters[tag], tag)
				require.NoError(t, err)
				handles[tag], tags = h, append(tags, tag)
			case step[0]%6 == 1 && len(tags) > 0:
				k := (int(step[1]) + int(step[2])<<8) % len(tags)
				require.NoError(t, s.Remove(handles[tags[k]]))
				delete(filters, tags[k])
				tags = slices.Delete(tags, k, k+1)
			case step[0]%6 == 5 && reader == nil:
				reader = s.NewReader()
			case step[0]%6 == 5:
				reader.Close()
				reader = nil
			default:
				fuzzMatch(t, s, step.event(t), tags, filters)
			}
		}
		check(t, s)
	})
}

func fuzzMatch(t *testing.T, s *Store, e filter.Event, tags []uint64, filters map[uint64]filter.Filter) {
	want := []uint64{}
	for _, tag := range tags {
		if f := filters[tag]; f.Match(&e) {
			want = append(want, tag)
		}
	}
	got := s.Match(&e, []uint64{})
	slices.Sort(got)
	require.Equal(t, want, got)
}
