package workload

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/scbr/scbr/matcher/filter"
)

const rangesName = "B"

// The shape of workload B.
const (
	rangeAttributes = 20
	rangeDomain     = 1_000_000 // values are 1..rangeDomain
	minWidths       = 2         // ranges in a filter
	moreWidths      = 3
	selectivity     = 0.001 // of a whole filter, whatever its number of ranges
)

func rangeNames() []string {
	names := make([]string, rangeAttributes)
	for i := range names {
		names[i] = "a" + strconv.Itoa(i)
	}
	return names
}

// ranges is workload B: two to four closed ranges and no equality, on events with twenty uniform integers.
type ranges struct{}

func (ranges) text() format { return newColumns(rangeNames()) }

func (ranges) filters(seed uint64) nextFilter {
	names := rangeNames()
	r := rand.New(rand.NewPCG(seed, filterStream))
	return func(dst []filter.Predicate) []filter.Predicate {
		count := minWidths + r.IntN(moreWidths)
		width := int(math.Pow(selectivity, 1/float64(count)) * rangeDomain)
		for _, attr := range r.Perm(rangeAttributes)[:count] {
			low := 1 + r.IntN(rangeDomain-width)
			dst = append(dst, filter.Predicate{
				Attr: names[attr], Op: filter.Between,
				Value: filter.Int(int64(low)), High: filter.Int(int64(low + width)),
			})
		}
		return dst
	}
}

func (ranges) events(seed uint64) (nextEvent, error) {
	names := rangeNames()
	r := rand.New(rand.NewPCG(seed, eventStream))
	return func(dst []filter.Attribute) []filter.Attribute {
		for _, name := range names {
			dst = append(dst, filter.Attribute{Name: name, Value: filter.Int(int64(1 + r.IntN(rangeDomain)))})
		}
		return dst
	}, nil
}
