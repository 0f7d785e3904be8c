package filter_test

import (
	"strings"
	"testing"

	"github.com/scbr/scbr/matcher/filter"
	"github.com/stretchr/testify/require"
)

// atoms are predicates on the attribute @ with the ends 0, 1, 1.5, 2 and 'a',
// 'ab', 'b': every operator for which covering is to be complete.
func atoms() []string {
	return strings.Split(`@ = 1|@ = 1.5|@ = 'a'|@ = 'ab'|@ = TRUE|@ IN (1, 2)|@ IN (0, 1, 1.5, 2)|@ IN ('a', 'b')|@ IN ('ab', 1)`+
		`|@ IN (TRUE, FALSE)|@ < 1|@ <= 1|@ > 1|@ >= 1|@ < 2|@ >= 0|@ > 1.5|@ BETWEEN 1 AND 2|@ BETWEEN 0 AND 1.5`+
		`|@ < 'ab'|@ <= 'ab'|@ > 'a'|@ >= 'a'|@ >= 'ab'|@ < 'b'|@ BETWEEN 'a' AND 'b'`+
		`|@ LIKE 'a%'|@ LIKE 'ab%'|@ LIKE 'b%'|@ LIKE '%'|STARTS_WITH(@, 'a')|EXISTS @|NOT EXISTS @`, "|")
}

// witnesses are values that tell apart whatever conjunctions of atoms can tell
// apart: each end, a number in each gap between ends and on both outer sides, and
// of strings each end, the next string after it, some that begin with it, the
// last of them, and the rest on both sides; both booleans; and no value at all.
// Whether a constraint admits a value depends on nothing else.
func witnesses(t *testing.T) []*filter.Value {
	all := []*filter.Value{nil}
	add := func(v filter.Value) { all = append(all, &v) }
	for _, x := range []float64{-1e300, -1, 0.5, 1.25, 1.5, 1.75, 2.5, 1e300} {
		v, err := filter.Float(x)
		require.NoError(t, err)
		add(v)
	}
	for _, n := range []int64{-1 << 63, 0, 1, 2, 1<<63 - 1} {
		add(filter.Int(n))
	}
	for _, s := range []string{"", "Z", "a", "a\x00", "a0", "aa", "a\U0010ffff\U0010ffff", "ab", "ab\x00", "abz", "ab\U0010ffff\U0010ffff", "ac", "b", "b\x00", "bz", "c"} {
		add(filter.String(s))
	}
	add(filter.Bool(false))
	add(filter.Bool(true))
	return all
}

// admitted is the set of events, by their place, that a filter matches.
type admitted []uint64

func (a admitted) within(b admitted) bool {
	for i := range a {
		if a[i]&^b[i] != 0 {
			return false
		}
	}
	return true
}

func admits(f filter.Filter, events []filter.Event) admitted {
	set := make(admitted, (len(events)+63)/64)
	for i := range events {
		if f.Match(&events[i]) {
			set[i/64] |= 1 << (i % 64)
		}
	}
	return set
}

// eventsOf are the events with every combination of witnesses for the names.
func eventsOf(t *testing.T, names ...string) []filter.Event {
	combinations := [][]filter.Attribute{nil}
	for _, name := range names {
		var next [][]filter.Attribute
		for _, c := range combinations {
			for _, v := range witnesses(t) {
				if v == nil {
					next = append(next, c)
				} else {
					next = append(next, append(c[:len(c):len(c)], filter.Attribute{Name: name, Value: *v}))
				}
			}
		}
		combinations = next
	}
	var events []filter.Event
	for _, c := range combinations {
		e, err := filter.NewEvent(c...)
		require.NoError(t, err)
		events = append(events, e)
	}
	return events
}

// compareAll compares Covers with the events, for every pair of texts, and
// returns how many pairs cover.
func compareAll(t *testing.T, texts []string, events []filter.Event) (covering, not int) {
	filters := make([]filter.Filter, len(texts))
	sets := make([]admitted, len(texts))
	for i, text := range texts {
		f, err := filter.Parse(text)
		require.NoError(t, err, text)
		filters[i], sets[i] = f, admits(f, events)
	}
	for i := range filters {
		for j := range filters {
			want := sets[j].within(sets[i])
			if filters[i].Covers(filters[j]) != want {
				t.Fatalf("%s covers %s: want %v", texts[i], texts[j], want)
			}
			if want {
				covering++
			} else {
				not++
			}
		}
	}
	return covering, not
}

// TestCoveringIsCompleteOnOneAttribute: for every two conjunctions of up to two
// atoms on one attribute, Covers says what trying all values says.
func TestCoveringIsCompleteOnOneAttribute(t *testing.T) {
	var texts []string
	for i, a := range atoms() {
		texts = append(texts, strings.ReplaceAll(a, "@", "x"))
		for _, b := range atoms()[:i] {
			texts = append(texts, strings.ReplaceAll(a+" AND "+b, "@", "x"))
		}
	}
	covering, not := compareAll(t, texts, eventsOf(t, "x"))
	t.Logf("%d pairs cover, %d do not", covering, not)
	require.Greater(t, min(covering, not), 50_000)
}

// TestCoveringIsCompleteOnTwoAttributes does the same for an atom, or none, on
// each of two attributes.
func TestCoveringIsCompleteOnTwoAttributes(t *testing.T) {
	texts := []string{"TRUE", "FALSE"}
	for _, a := range atoms() {
		x := strings.ReplaceAll(a, "@", "x")
		texts = append(texts, x, strings.ReplaceAll(a, "@", "y"))
		for _, b := range atoms() {
			texts = append(texts, x+" AND "+strings.ReplaceAll(b, "@", "y"))
		}
	}
	covering, not := compareAll(t, texts, eventsOf(t, "x", "y"))
	t.Logf("%d pairs cover, %d do not", covering, not)
	require.Greater(t, min(covering, not), 30_000)
}
