package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scbr/scbr/bench/dataset"
	"github.com/scbr/scbr/matcher/filter"
)

// The shape of the paper's workloads, fitted to the sample of 1,000 subscriptions that package dataset holds.
const (
	paperSymbols   = 200
	paperMaxPrice  = 500
	paperMaxVolume = 301_000_000
	// Shares of the forms of a subscription, added up; the rest bounds the volume.
	shareHigh = 0.363
	shareLow  = 0.689
	shareOpen = 0.883

	// symbolSeed seeds the assignment of popularity to symbols, the same for every workload and seed.
	symbolSeed = 12345
)

// paper is one row of the paper's table.
type paper struct {
	name       string
	equality   float64 // share of the conjunctions that name a symbol
	multiple   int     // how many times the attributes of a quote an event has
	extended   bool    // a filter joins conjunctions on several quotes of the event
	zipfFilter bool    // popularity of symbols in filters is Zipf's with exponent 1, not uniform
	zipfEvent  bool    // the same in events
}

func papers() []paper {
	return []paper{
		{name: "e100a1", equality: 1, multiple: 1},
		{name: "e80a1", equality: .8, multiple: 1},
		{name: "e80a2", equality: .8, multiple: 2},
		{name: "e80a4", equality: .8, multiple: 4},
		{name: "extsub2", equality: .8, multiple: 2, extended: true},
		{name: "extsub4", equality: .8, multiple: 4, extended: true},
		{name: "e80a1z100", equality: .8, multiple: 1, zipfFilter: true},
		{name: "e80a1zz100", equality: .8, multiple: 1, zipfFilter: true, zipfEvent: true},
		{name: "e100a1zz100", equality: 1, multiple: 1, zipfFilter: true, zipfEvent: true},
	}
}

func (p paper) text() format { return scbrLines{} }

// stream returns the random numbers for "subs" or "pubs".
func (p paper) stream(what string, seed uint64) *mersenne {
	text := what + "-" + p.name
	if seed != DefaultSeed {
		text += "-" + strconv.FormatUint(seed, 10)
	}
	return newMersenneText(text)
}

// suffixed names an attribute of quote i of an event: symbol, symbol2, symbol3 and so on.
func suffixed(attr string, i int) string {
	if i == 0 {
		return attr
	}
	return attr + strconv.Itoa(i+1)
}

// popularity draws symbols by Zipf's law with exponent 1.
type popularity struct {
	sums    []float64 // of 1/rank up to each rank
	symbols []int     // by rank
}

func newPopularity(symbols int) popularity {
	var p popularity
	sum := 0.0
	for i := range symbols {
		sum += 1 / float64(i+1)
		p.sums = append(p.sums, sum)
		p.symbols = append(p.symbols, i)
	}
	newMersenne(symbolSeed).shuffle(p.symbols)
	return p
}

func (p popularity) draw(m *mersenne) int { return p.at(m.random()) }

// at returns the symbol for a number in [0, 1).
func (p popularity) at(x float64) int {
	rank, _ := slices.BinarySearch(p.sums, x*p.sums[len(p.sums)-1])
	return p.symbols[rank]
}

// quoteNames are the attributes that filters use, for one quote of an event.
type quoteNames struct{ symbol, high, low, open, volume string }

func (p paper) quoteNames() []quoteNames {
	names := make([]quoteNames, p.multiple)
	for i := range names {
		names[i] = quoteNames{
			symbol: suffixed("symbol", i), high: suffixed("high", i), low: suffixed("low", i),
			open: suffixed("open", i), volume: suffixed("volume", i),
		}
	}
	return names
}

func (p paper) filters(seed uint64) nextFilter {
	m := p.stream("subs", seed)
	names, zipf := p.quoteNames(), newPopularity(paperSymbols)
	return func(dst []filter.Predicate) []filter.Predicate {
		if !p.extended {
			return p.conjunction(dst, m, zipf, &names[m.randrange(p.multiple)])
		}
		chosen := m.sample(p.multiple, m.randint(1, p.multiple))
		slices.Sort(chosen)
		for _, i := range chosen {
			dst = p.conjunction(dst, m, zipf, &names[i])
		}
		return dst
	}
}

// conjunction appends the conditions on one quote.
func (p paper) conjunction(dst []filter.Predicate, m *mersenne, zipf popularity, names *quoteNames) []filter.Predicate {
	put := func(attr string, op filter.Op, value int) {
		dst = append(dst, filter.Predicate{Attr: attr, Op: op, Value: filter.Int(int64(value))})
	}
	if m.random() < p.equality {
		symbol := 0
		if p.zipfFilter {
			symbol = zipf.draw(m)
		} else {
			symbol = m.randrange(paperSymbols)
		}
		put(names.symbol, filter.Eq, symbol)
	}
	switch u := m.random(); {
	case u < shareHigh:
		put(names.high, filter.Ge, m.randint(0, paperMaxPrice))
	case u < shareLow:
		put(names.low, filter.Le, m.randint(0, paperMaxPrice))
	case u < shareOpen:
		a, b := m.randint(0, paperMaxPrice), m.randint(0, paperMaxPrice)
		put(names.open, filter.Ge, min(a, b))
		put(names.open, filter.Le, max(a, b))
	default:
		put(names.volume, filter.Ge, m.randint(0, paperMaxVolume))
	}
	return dst
}

// quote is one publication of the sample, its symbol first.
type quote []filter.Attribute

// sample reads the publications of package dataset, and lists them by symbol.
func sample() (all []quote, bySymbol map[int64][]quote, err error) {
	bySymbol = map[int64][]quote{}
	for line := range strings.Lines(dataset.Publications) {
		q, err := parseQuote(line)
		if err != nil {
			return nil, nil, fmt.Errorf("sample publication %d: %w", len(all), err)
		}
		all = append(all, q)
		symbol := q[0].Value.Int()
		bySymbol[symbol] = append(bySymbol[symbol], q)
	}
	for symbol := range int64(paperSymbols) {
		if len(bySymbol[symbol]) == 0 {
			return nil, nil, fmt.Errorf("sample without publications of symbol %d", symbol)
		}
	}
	return all, bySymbol, nil
}

// lineHeader is the number of fields before the attributes of a line: a zero, an id, and S or P.
const lineHeader = 3

func parseQuote(line string) (quote, error) {
	fields := strings.Fields(line)
	if len(fields) <= lineHeader || len(fields)%3 != 0 {
		return nil, fmt.Errorf("%d fields", len(fields))
	}
	var q quote
	for i := lineHeader; i < len(fields); i += 3 {
		value, err := strconv.ParseInt(fields[i+2], 10, 64)
		if err != nil {
			return nil, err
		}
		q = append(q, filter.Attribute{Name: fields[i+1], Value: filter.Int(value)})
	}
	return q, nil
}

func (p paper) events(seed uint64) (nextEvent, error) {
	all, bySymbol, err := sample()
	if err != nil {
		return nil, err
	}
	m, zipf := p.stream("pubs", seed), newPopularity(paperSymbols)
	names := p.eventNames(all)
	turn := 0
	draw := func() quote {
		switch {
		case p.zipfEvent:
			return choice(m, bySymbol[int64(zipf.draw(m))])
		case p.multiple == 1: // the sample itself, over and over
			q := all[turn%len(all)]
			turn++
			return q
		}
		return choice(m, all)
	}
	return func(dst []filter.Attribute) []filter.Attribute {
		for i := range p.multiple {
			for _, a := range draw() {
				dst = append(dst, filter.Attribute{Name: names[i][a.Name], Value: a.Value})
			}
		}
		return dst
	}, nil
}

// eventNames has, for each quote of an event, the names of the sample's attributes in it.
func (p paper) eventNames(all []quote) []map[string]string {
	names := make([]map[string]string, p.multiple)
	for i := range names {
		names[i] = map[string]string{}
		for _, q := range all {
			for _, a := range q {
				if names[i][a.Name] == "" {
					names[i][a.Name] = suffixed(a.Name, i)
				}
			}
		}
	}
	return names
}
