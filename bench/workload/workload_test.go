package workload_test

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scbr/scbr/bench/dataset"
	"github.com/scbr/scbr/bench/workload"
	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/matcher/filter"
	"github.com/stretchr/testify/require"
)

const some = 500

func written(t *testing.T, write func(b *bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.String()
}

func filterText(t *testing.T, name string, n int, seed uint64) string {
	return written(t, func(b *bytes.Buffer) error { return workload.WriteFilters(b, name, n, seed) })
}

func eventText(t *testing.T, name string, n int, seed uint64) string {
	return written(t, func(b *bytes.Buffer) error { return workload.WriteEvents(b, name, n, seed) })
}

// schema is the attribute names by number and the set of those that are strings.
type schema struct {
	names []string
	texts map[int]bool
}

func readSchema(t *testing.T, name string) schema {
	s := schema{texts: map[int]bool{}}
	for line := range strings.Lines(written(t, func(b *bytes.Buffer) error { return workload.WriteSchema(b, name) })) {
		f := strings.Fields(line)
		require.Len(t, f, 3)
		require.Equal(t, strconv.Itoa(len(s.names)), f[0])
		s.texts[len(s.names)] = f[2] == "s"
		s.names = append(s.names, f[1])
	}
	return s
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	i, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err)
	return i
}

// filter reads a line of A or B by what its format is said to mean.
func (s schema) filter(t *testing.T, line string) filter.Filter {
	var preds []filter.Predicate
	for _, token := range strings.Fields(line) {
		if id, text, ok := strings.Cut(token, "="); ok {
			require.True(t, s.texts[int(number(t, id))])
			preds = append(preds, filter.Predicate{Attr: s.names[number(t, id)], Op: filter.Eq, Value: filter.String(text)})
			continue
		}
		f := strings.Split(token, ":")
		require.Len(t, f, 3)
		if f[1] != "-" {
			preds = append(preds, filter.Predicate{Attr: s.names[number(t, f[0])], Op: filter.Ge, Value: filter.Int(number(t, f[1]))})
		}
		if f[2] != "-" {
			preds = append(preds, filter.Predicate{Attr: s.names[number(t, f[0])], Op: filter.Le, Value: filter.Int(number(t, f[2]))})
		}
	}
	f, err := filter.New(preds...)
	require.NoError(t, err)
	return f
}

func (s schema) event(t *testing.T, line string) filter.Event {
	var attrs []filter.Attribute
	for _, token := range strings.Fields(line) {
		id, text, ok := strings.Cut(token, "=")
		require.True(t, ok)
		a := filter.Attribute{Name: s.names[number(t, id)], Value: filter.String(text)}
		if !s.texts[int(number(t, id))] {
			a.Value = filter.Int(number(t, text))
		}
		attrs = append(attrs, a)
	}
	e, err := filter.NewEvent(attrs...)
	require.NoError(t, err)
	return e
}

// TestTextAndValuesAgree: what is written, read by somebody else, is what is returned.
func TestTextAndValuesAgree(t *testing.T) {
	for _, name := range workload.Names() {
		t.Run(name, func(t *testing.T) {
			filters, err := workload.Filters(name, some, workload.DefaultSeed)
			require.NoError(t, err)
			events, err := workload.Events(name, some, workload.DefaultSeed)
			require.NoError(t, err)
			readFilters, readEvents := read(t, name)
			require.Len(t, filters, some)
			require.Len(t, readFilters, some)
			require.Equal(t, readEvents, events)
			for i := range filters {
				require.False(t, filters[i].Empty())
				require.True(t, filters[i].Equal(readFilters[i]), i)
			}
		})
	}
}

func read(t *testing.T, name string) (filters []filter.Filter, events []filter.Event) {
	subs, pubs := filterText(t, name, some, workload.DefaultSeed), eventText(t, name, some, workload.DefaultSeed)
	if strings.HasPrefix(name, "A") || name == "B" {
		s := readSchema(t, name)
		for line := range strings.Lines(subs) {
			filters = append(filters, s.filter(t, line))
		}
		for line := range strings.Lines(pubs) {
			events = append(events, s.event(t, line))
		}
		return filters, events
	}
	read, err := offline.ReadSubscriptions(strings.NewReader(subs), name, offline.FormatSCBR)
	require.NoError(t, err)
	for i, s := range read {
		require.Equal(t, strconv.Itoa(i), s.ID)
		filters = append(filters, s.Filter)
	}
	events, err = offline.ReadPublications(strings.NewReader(pubs), name, offline.FormatSCBR)
	require.NoError(t, err)
	return filters, events
}

// TestSampleParses: the published sample is read by the same reader, and its publications are the events of e80a1.
func TestSampleParses(t *testing.T) {
	subs, err := offline.ReadSubscriptions(strings.NewReader(dataset.Subscriptions), "s1k.txt", offline.FormatSCBR)
	require.NoError(t, err)
	require.Len(t, subs, 1000)
	pubs, err := offline.ReadPublications(strings.NewReader(dataset.Publications), "p10k.txt", offline.FormatSCBR)
	require.NoError(t, err)
	require.Len(t, pubs, 10000)
	require.Equal(t, dataset.Publications, eventText(t, "e80a1", len(pubs), workload.DefaultSeed))
}

// TestSequences: a shorter sequence begins a longer one, a seed repeats itself, and another seed gives another sequence.
func TestSequences(t *testing.T) {
	for _, name := range workload.Names() {
		t.Run(name, func(t *testing.T) {
			long := filterText(t, name, some, 7)
			require.Equal(t, long, filterText(t, name, some, 7))
			require.True(t, strings.HasPrefix(long, filterText(t, name, some/3, 7)))
			require.NotEqual(t, long, filterText(t, name, some, workload.DefaultSeed))
			events := eventText(t, name, some, 7)
			require.Equal(t, events, eventText(t, name, some, 7))
			require.True(t, strings.HasPrefix(events, eventText(t, name, some/3, 7)))
			require.Empty(t, filterText(t, name, 0, 7))
			require.Empty(t, eventText(t, name, 0, 7))
		})
	}
}

// TestSomethingMatches: filters and events are about the same attributes.
func TestSomethingMatches(t *testing.T) {
	for _, name := range workload.Names() {
		filters, err := workload.Filters(name, 2000, workload.DefaultSeed)
		require.NoError(t, err)
		events, err := workload.Events(name, some, workload.DefaultSeed)
		require.NoError(t, err)
		pairs := 0
		for _, e := range events {
			for _, f := range filters {
				if f.Match(&e) {
					pairs++
				}
			}
		}
		require.Positive(t, pairs, name)
		require.Less(t, pairs, len(filters)*len(events)/10, name)
	}
}

// TestZipf: the filters of A-zipf are A's, and the k-th most popular symbol of its events is about k times as rare as the first.
func TestZipf(t *testing.T) {
	require.Equal(t, filterText(t, "A", some, 7), filterText(t, "A-zipf", some, 7))
	events, err := workload.Events("A-zipf", 50_000, workload.DefaultSeed)
	require.NoError(t, err)
	count := map[string]int{}
	for i := range events {
		v, ok := events[i].Get("symbol")
		require.True(t, ok)
		count[v.Str()]++
	}
	by := slices.Sorted(maps.Values(count))
	slices.Reverse(by)
	require.Greater(t, len(by), 490)
	for _, k := range []int{2, 5, 10, 100} {
		require.InEpsilon(t, by[0], k*by[k-1], 0.2, k)
	}
}

var errStop = errors.New("stop")

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errStop }

func TestErrors(t *testing.T) {
	yieldFilter := func(int, []filter.Predicate) error { return nil }
	yieldEvent := func(int, []filter.Attribute) error { return nil }
	for _, c := range []struct {
		name string
		n    int
		want error
	}{{"a", 1, workload.ErrUnknown}, {"", 0, workload.ErrUnknown}, {"A", -1, workload.ErrCount}, {"e80a1", -1, workload.ErrCount}} {
		_, err := workload.Filters(c.name, c.n, 1)
		require.ErrorIs(t, err, c.want)
		_, err = workload.Events(c.name, c.n, 1)
		require.ErrorIs(t, err, c.want)
		require.ErrorIs(t, workload.EachFilter(c.name, c.n, 1, yieldFilter), c.want)
		require.ErrorIs(t, workload.EachEvent(c.name, c.n, 1, yieldEvent), c.want)
		require.ErrorIs(t, workload.WriteFilters(full{}, c.name, c.n, 1), c.want)
		require.ErrorIs(t, workload.WriteEvents(full{}, c.name, c.n, 1), c.want)
	}
	require.ErrorIs(t, workload.WriteSchema(full{}, "C"), workload.ErrUnknown)
	for _, name := range workload.Names() {
		require.ErrorIs(t, workload.WriteFilters(full{}, name, 1, 1), errStop)
		require.ErrorIs(t, workload.WriteFilters(full{}, name, 10000, 1), errStop)
		require.ErrorIs(t, workload.WriteEvents(full{}, name, 1, 1), errStop)
	}
	require.ErrorIs(t, workload.WriteSchema(full{}, "A"), errStop)
}

func TestYieldStops(t *testing.T) {
	for _, name := range workload.Names() {
		calls := 0
		stop := func(i int) error {
			require.Equal(t, calls, i)
			if calls++; calls == 3 {
				return errStop
			}
			return nil
		}
		require.Equal(t, errStop, workload.EachFilter(name, 9, 1, func(i int, _ []filter.Predicate) error { return stop(i) }))
		require.Equal(t, 3, calls)
		calls = 0
		require.Equal(t, errStop, workload.EachEvent(name, 9, 1, func(i int, _ []filter.Attribute) error { return stop(i) }))
		require.Equal(t, 3, calls)
	}
}

func BenchmarkEachFilter(b *testing.B) {
	for _, name := range workload.Names() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			err := workload.EachFilter(name, b.N, workload.DefaultSeed, func(int, []filter.Predicate) error { return nil })
			require.NoError(b, err)
		})
	}
}
